"""A scene of three textured planes before a moving camera, with its true depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera

SIZE_PX = 192, 144


def camera() -> Camera:
    """The lens of all frames."""
    return Camera.from_focal_px(170.0, *SIZE_PX)


def frame(position: tuple[float, float, float], card_x: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Picture (h, w, 3) and depth (h, w) of a floor, a wall and a card, from a camera that looks along z.

    Args:
        position: Of the camera, in metres; x right, y down, z forward.
        card_x: Where the card's middle stands.
    """
    width, height = SIZE_PX
    view = camera()
    y, x = np.mgrid[:height, :width] + 0.5
    ray = np.stack([(x - view.cx_px) / view.fx_px, (y - view.cy_px) / view.fy_px, np.ones_like(x)], axis=-1)
    origin = np.asarray(position, np.float64)
    depth = np.full((height, width), 14.0) - origin[2]
    kind = np.zeros((height, width), int)
    with np.errstate(divide="ignore"):
        floor = np.where(ray[..., 1] > 0, (1.4 - origin[1]) / ray[..., 1], np.inf)
    kind[floor < depth], depth = 1, np.minimum(depth, floor)
    card = 6.0 - origin[2]
    at = origin + card * ray
    on_card = (np.abs(at[..., 0] - card_x) < 1.1) & (at[..., 1] > -0.8) & (card < depth)
    kind[on_card], depth[on_card] = 2, card
    place = origin + depth[..., None] * ray
    # What is painted on the card goes with it.
    place[..., 0] -= np.where(kind == 2, card_x, 0.0)
    paint = sum(
        np.sin(place @ np.array(direction) * pace + 2.0 * kind)
        for direction, pace in (((1, 0.3, 0.2), 3.1), ((0.2, 1, 0.4), 5.3), ((0.5, -0.6, 1), 7.7), ((1, 1, -1), 12.1))
    )
    grey = np.clip(120 + 30 * paint + 12 * kind, 0, 255)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8), depth.astype(np.float32)
