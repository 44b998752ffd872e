"""Splats of a photo as the official predictor sees them, on points of our own.

What differs from the official pipeline: the points are spread evenly over the surface, any number of
them, none in the sky; pixel centres lie at +0.5 for positions and attributes alike; the photo keeps
its aspect ratio; nothing is moved to the centre; colours keep their dependence on the view.
The engine imports this module.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..camera import Camera
from ..field.preprocess import PreparedImage
from ..progress import OnFraction
from ..reconstruction import NO_DEPTH_M, Gaussians, PointArrays
from .predictor import GaussianMap, GaussianPredictor

FARTHEST_M = 200.0
"""The network has never seen anything further away: the official depth ends here."""
MEDIAN_RANGE_M = (0.5, 50.0)
"""Median depths of scenes that the network can be expected to know."""
MIN_OPACITY = 1 / 255
"""Splats that no renderer draws are left out."""

_CHUNK = 1 << 18
_PREDICTOR_SHARE = 0.7
_TINY = 1e-12


def predict_splats(
    predictor: GaussianPredictor,
    photo: PreparedImage,
    dino_tokens: Tensor,
    depth_m: NDArray[np.float32],
    points: PointArrays,
    camera: Camera,
    progress: OnFraction | None = None,
) -> Gaussians:
    """Makes a Gaussian of each point; what it is like, the network tells.

    The network looks at absolute depth and answers with sizes in the same unit. It was trained
    on scenes in metres, so depth goes in as it is: true metres where the scale is known, and
    otherwise a scene whose median lies at 5 m, which is an ordinary one to the network. Places and sizes
    then have one unit, and whoever corrects the scale later must multiply both. Scenes far from
    anything that the network can know (a close-up of an insect, a mountain range) are brought to
    `MEDIAN_RANGE_M` for it, and what is beyond `FARTHEST_M` gets the size in the picture that it would have there.

    The network sizes its Gaussians for one on each pixel of its input. Where the points are
    sparser than that, Gaussians grow by the ratio of the spacings, so that surfaces stay closed.

    Args:
        predictor: The network, on any device.
        photo: The photo as the depth model saw it.
        dino_tokens: (1, n, C) the depth model's tokens of it.
        depth_m: (h, w) depth map over the photo, of the size that `network_grid` says; sky and what has no
            depth are `NO_DEPTH_M`.
        points: N points on the surface.
        camera: The photo's camera.
        progress: Called with the fraction done; it may raise to stop the work.

    Returns:
        At most N Gaussians with nine coefficients for each colour, sRGB-encoded, in camera space;
        those that would be invisible are left out.

    Raises:
        ValueError: the depth map has another size.
    """
    if depth_m.shape != network_grid(photo):
        raise ValueError(f"expected a depth map of {network_grid(photo)}, got {depth_m.shape}")
    unit = _unit_for_network(depth_m)
    device = next(predictor.parameters()).device
    with torch.inference_mode():
        seen = predictor(
            photo.image.to(device),
            _framed(depth_m * np.float32(unit), photo).to(device),
            dino_tokens.to(device),
            on_step=None if progress is None else lambda done: progress(_PREDICTOR_SHARE * done),
        )
    count = len(points.positions_cam)
    result = Gaussians(
        means=points.positions_cam.astype(np.float32),
        scales=np.empty((count, 3), np.float32),
        rotations=np.empty((count, 4), np.float32),
        opacities=np.empty(count, np.float32),
        sh=np.empty((count, 9, 3), np.float32),
    )
    for start in range(0, count, _CHUNK):
        rows = slice(start, start + _CHUNK)
        _fill(result, rows, seen, _coords(points.source_px[rows], camera, photo))
        if progress:
            progress(_PREDICTOR_SHARE + (1 - _PREDICTOR_SHARE) * min(1.0, (start + _CHUNK) / count))
    height, width = depth_m.shape
    result.scales[:] *= _growth(points, camera.resized(width, height), unit)[:, None]
    visible = result.opacities >= MIN_OPACITY
    return Gaussians(*(getattr(result, name)[visible] for name in Gaussians.__dataclass_fields__))


def network_grid(photo: PreparedImage) -> tuple[int, int]:
    """Rows and columns of the part of the network's input that the photo covers."""
    height, width = photo.image.shape[2:]
    return round(height * photo.inside_y), round(width * photo.inside_x)


def _unit_for_network(depth_m: NDArray[np.float32]) -> float:
    """Factor on depth that makes the scene one that the network can know; 1 for most."""
    surface = depth_m[np.isfinite(depth_m) & (depth_m > 0) & (depth_m < NO_DEPTH_M)]
    if not len(surface):
        return 1.0
    median = float(np.median(surface))
    return float(np.clip(median, *MEDIAN_RANGE_M)) / median


def _framed(depth: NDArray[np.float32], photo: PreparedImage) -> Tensor:
    """(1, 1, H, W) depth over the network's whole input, continued at the photo's border as the photo is."""
    usable = np.where(np.isfinite(depth) & (depth > 0), np.minimum(depth, np.float32(FARTHEST_M)), FARTHEST_M)
    height, width = photo.image.shape[2:]
    top, left = (height - depth.shape[0]) // 2, (width - depth.shape[1]) // 2
    tensor = torch.from_numpy(usable.astype(np.float32))[None, None]
    return F.pad(tensor, (left, left, top, top), mode="replicate")


def _coords(source_px: NDArray[np.float32], camera: Camera, photo: PreparedImage) -> Tensor:
    """(1, N, 2) coordinates (y, x) in the network's input."""
    y = (source_px[:, 1] / camera.height_px * 2 - 1) * photo.inside_y
    x = (source_px[:, 0] / camera.width_px * 2 - 1) * photo.inside_x
    return torch.from_numpy(np.stack([y, x], axis=-1).astype(np.float32))[None]


def _fill(result: Gaussians, rows: slice, seen: GaussianMap, coords_yx: Tensor) -> None:
    with torch.inference_mode():
        sampled = seen.at(coords_yx.to(seen.attributes.device))
    for name, values in (
        ("scales", sampled.scales_m),
        ("rotations", sampled.rotations),
        ("opacities", sampled.opacities),
        ("sh", sampled.sh),
    ):
        getattr(result, name)[rows] = values[0].cpu().numpy()


def _growth(points: PointArrays, input_camera: Camera, unit: float) -> NDArray[np.float32]:
    """(N,) factor from the network's sizes to those of the points.

    Args:
        points: The points.
        input_camera: Camera at the size of the network's input.
        unit: Factor that depth was multiplied by for the network.
    """
    z = points.positions_cam[:, 2].astype(np.float64)
    beyond = np.maximum(1.0, z * unit / FARTHEST_M)
    # Area of one of the network's pixels on the surface, against that of a point.
    slant = np.abs(np.einsum("ni,ni->n", points.normals_cam, points.positions_cam)) / np.maximum(z, _TINY)
    pixel_area = z * z / (input_camera.fx_px * input_camera.fy_px) / np.maximum(slant, _TINY)
    point_area = (2 * points.radius_m.astype(np.float64)) ** 2
    sparser = np.sqrt(np.maximum(1.0, point_area / np.maximum(pixel_area, _TINY)))
    return (beyond * sparser / unit).astype(np.float32)
