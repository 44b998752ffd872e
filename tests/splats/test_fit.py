"""Fitted colours: the photo's camera sees the photo."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is part of the engine's environment only")

from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import Cancelled
from infinidepth_blender.reconstruction import FLAG_VALID
from infinidepth_blender.splats.fit import LOW_PASS_PX2, fit_colors
from infinidepth_blender.splats.placed import gaussians_on_grid
from infinidepth_blender.splats.raster import rasterise
from infinidepth_blender.splats.sh import dc_to_rgb

CAMERA = Camera.from_fov_x(1.0, 96, 64)


def photo() -> np.ndarray:
    y, x = np.mgrid[:64, :96]
    pattern = np.stack(
        [np.sin(x * 0.5) * np.cos(y * 0.4), np.sin(x * 0.3 + y * 0.2), (x // 12 + y // 12) % 2 * 2 - 1.0], -1
    )
    return (127.5 + 110 * pattern).astype(np.uint8)


def room_corner():
    """A floor, and a wall behind it: slanted and frontal surfaces."""
    y, x = np.mgrid[:64, :96] + 0.5
    rays = CAMERA.unproject(x, y, np.ones_like(x))
    floor = 1.2 / np.maximum(rays[..., 1], 1e-6)
    is_floor = floor < 4
    depth = np.where(is_floor, floor, 4.0).astype(np.float32)
    normals = np.where(is_floor[..., None], [0, -1, 0], [0, 0, -1]).astype(np.float32)
    return depth, normals, np.full((64, 96), FLAG_VALID, np.uint8)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    return -10 * np.log10(np.mean((image - target / 255.0)[2:-2, 2:-2] ** 2))


def test_the_fit_gives_the_photo_back_and_keeps_everything_else():
    before = gaussians_on_grid(*room_corner(), CAMERA, photo())
    after = fit_colors(before, photo(), CAMERA)
    images = [rasterise(g, CAMERA, low_pass_px2=LOW_PASS_PX2).rgb for g in (before, after)]
    assert psnr(images[1], photo()) > psnr(images[0], photo()) + 4
    assert psnr(images[1], photo()) > 23
    for name in ("means", "scales", "rotations", "opacities"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    rgb = dc_to_rgb(after.sh[:, 0])
    assert rgb.min() > -1e-5 and rgb.max() < 1 + 1e-5


def test_splats_that_the_photo_does_not_show_keep_their_colour():
    g = gaussians_on_grid(*room_corner(), CAMERA, photo())
    g.means[5] *= -1
    np.testing.assert_array_equal(fit_colors(g, photo(), CAMERA).sh[5], g.sh[5])


def test_an_even_photo_stays_as_it_is_and_a_cancel_gets_through():
    grey = np.full((64, 96, 3), 77, np.uint8)
    g = gaussians_on_grid(*room_corner(), CAMERA, grey)
    np.testing.assert_allclose(dc_to_rgb(fit_colors(g, grey, CAMERA).sh[:, 0]), 77 / 255, atol=1e-3)

    def stop(fraction: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fit_colors(g, grey, CAMERA, progress=stop)
