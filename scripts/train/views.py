"""New cameras of old images: parts of them, rolled and mirrored, with the labels that they have then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TURNED_SHARE = 0.3
"""Share of the images whose camera is rolled anew."""


@dataclass(frozen=True)
class Views:
    """Upright or turned rectangles in images of one size; all arrays are (B,).

    Attributes:
        centre_y_px, centre_x_px: Middle, in pixels of the image.
        height_px, width_px: Whole pixels of the image that the view is high and wide.
        turn_rad: Angle about the middle, clockwise.
        mirrored: Whether left and right are exchanged.
        log_focal, sin_pitch, roll_rad: Of the camera as the view shows it, as `Globals` defines them.
    """

    centre_y_px: NDArray[np.float64]
    centre_x_px: NDArray[np.float64]
    height_px: NDArray[np.int_]
    width_px: NDArray[np.int_]
    turn_rad: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    log_focal: NDArray[np.float64]
    sin_pitch: NDArray[np.float64]
    roll_rad: NDArray[np.float64]

    def to_image(self) -> NDArray[np.float64]:
        """(B, 2, 3) that take a place (y, x, 1) of a view, in [-1, 1], to (y, x) in pixels of its image."""
        c, s = np.cos(self.turn_rad), np.sin(self.turn_rad)
        half_y, half_x = self.height_px / 2, self.width_px / 2 * np.where(self.mirrored, -1, 1)
        rows = [[c * half_y, s * half_x, self.centre_y_px], [-s * half_y, c * half_x, self.centre_x_px]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)


def draw_views(
    labels: NDArray[np.floating],
    image_size: tuple[int, int],
    grid: tuple[int, int],
    patch_px: int,
    rng: np.random.Generator,
    augment: bool,
) -> Views:
    """The middles of images in the aspect ratio of a grid of patches; augmented, random parts, rolled and mirrored.

    Args:
        labels: (B, 4) as `Shard` has them.
        image_size: Height and width of the images in pixels.
        grid: Rows and columns of patches that every view will be cut into.
        patch_px: Side of a patch as the transformer sees it: parts are hardly smaller than what it sees of them.
        rng: Source of randomness, untouched without augmentation.
        augment: As above.
    """
    count, (height, width), aspect = len(labels), image_size, grid[1] / grid[0]
    image_focal, pitch, image_roll = np.asarray(labels[:, :3], np.float64).T
    crop_h, crop_w = np.full(count, min(height, width / aspect)), np.full(count, min(width, height * aspect))
    turn, mirrored = np.zeros(count), np.zeros(count, bool)
    if augment:
        # A narrower crop is another camera; enlarged pixels are no photograph.
        smallest = np.clip(patch_px * grid[0] / (1.2 * crop_h), 0.5, 0.9)
        zoom = np.where(rng.random(count) < 0.7, rng.uniform(smallest, 1.0), 1.0)
        turn = np.where(rng.random(count) < TURNED_SHARE, rng.normal(0, 0.12, count), 0.0)
        c, s = np.cos(turn), np.abs(np.sin(turn))
        zoom = np.minimum(zoom, np.minimum(height / (crop_h * c + crop_w * s), width / (crop_w * c + crop_h * s)))
        crop_h, crop_w = crop_h * zoom, crop_w * zoom
        mirrored = rng.random(count) < 0.5
    crop_h, crop_w = np.maximum(8, crop_h.astype(int)), np.maximum(8, crop_w.astype(int))
    c, s = np.cos(turn), np.abs(np.sin(turn))
    slack_y, slack_x = height - np.ceil(crop_h * c + crop_w * s), width - np.ceil(crop_w * c + crop_h * s)
    # Mostly near the middle: a principal point far off the centre is rare in photographs.
    top, left = (
        np.floor(np.clip(slack * (0.5 + rng.normal(0, 0.2, count)), 0, np.maximum(0, slack)) if augment else slack / 2)
        for slack in (slack_y, slack_x)
    )
    centre_y = np.where(turn == 0, top + crop_h / 2, top + (height - slack_y) / 2)
    centre_x = np.where(turn == 0, left + crop_w / 2, left + (width - slack_x) / 2)
    # The last row of `Camera.world_rotation`.
    up: NDArray[np.float64] = np.stack(
        [-np.cos(pitch) * np.sin(image_roll), -np.cos(pitch) * np.cos(image_roll), np.sin(pitch)], axis=1
    )
    ray: NDArray[np.float64] = np.stack(
        [(centre_x - width / 2) / image_focal, (centre_y - height / 2) / image_focal, np.ones(count)], 1
    )
    sin_pitch: NDArray[np.float64] = (up * ray).sum(1) / np.linalg.norm(ray, axis=1)
    # Up as it is seen at the middle of the part, which need not be parallel to up in the middle of the whole.
    roll = turn + np.arctan2(ray[:, 0] * up[:, 2] - up[:, 0], ray[:, 1] * up[:, 2] - up[:, 1])
    log_focal: NDArray[np.float64] = np.log(image_focal / np.hypot(crop_h, crop_w))
    roll = np.where(mirrored, np.negative(roll), roll)
    return Views(centre_y, centre_x, crop_h, crop_w, turn, mirrored, log_focal, sin_pitch, roll)
