"""Splats of the sky behind the foreground and beyond the frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.sky_beyond import splats_of_sky_beyond
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, Gaussians
from infinidepth_blender.splats.of_photo import splats_of_photo
from infinidepth_blender.splats.raster import rasterise

CAMERA = Camera.from_fov_x(math.radians(60), 240, 180)
BLUE, BROWN = (120, 170, 230), (90, 60, 30)
SKY_M = 60.0


def scene() -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Depth, flags and photo of a trunk 4 m away before the sky, on ground below the horizon."""
    depth = np.full((180, 240), 1e10, np.float32)
    depth[120:] = 8.0
    depth[:150, 100:140] = 4.0
    flags = np.where(depth < 1e9, FLAG_VALID, FLAG_SKY).astype(np.uint8)
    photo = np.where((flags == FLAG_SKY)[..., None], BLUE, BROWN).astype(np.uint8)
    return depth, flags, photo


def seen(splats: Gaussians, right_m: float, turned_rad: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    pose = np.eye(4)
    pose[0, 3] = right_m
    pose[0, 0] = pose[2, 2] = math.cos(turned_rad)
    pose[0, 2], pose[2, 0] = math.sin(turned_rad), -math.sin(turned_rad)
    image = rasterise(splats, CAMERA, pose)
    return image.rgb[:100], image.alpha[:100]


@pytest.mark.parametrize("turned_rad", [0.0, 0.12, -0.12])
def test_a_moved_camera_sees_sky_all_over(turned_rad: float) -> None:
    depth, flags, photo = scene()
    beyond = splats_of_sky_beyond(depth, flags, CAMERA, photo, SKY_M)
    assert beyond is not None
    with_it, without = (
        splats_of_photo(depth, flags, CAMERA, photo, edge_step=0.04, sky_depth_m=SKY_M, hidden=hidden)
        for hidden in (beyond, None)
    )
    assert (seen(without, 0.5, turned_rad)[1] < 0.5).mean() > 0.02
    rgb, alpha = seen(with_it, 0.5, turned_rad)
    assert (alpha < 0.9).mean() < 0.001
    # All is sky or trunk, and no grey of an empty background between.
    far = [np.abs(rgb - np.array(colour) / 255).max(axis=-1) for colour in (BLUE, BROWN)]
    assert (np.minimum(*far) > 0.2).mean() < 0.03


def test_the_photos_own_camera_does_not_see_it() -> None:
    depth, flags, photo = scene()
    beyond = splats_of_sky_beyond(depth, flags, CAMERA, photo, SKY_M)
    with_it, without = (
        seen(splats_of_photo(depth, flags, CAMERA, photo, edge_step=0.04, sky_depth_m=SKY_M, hidden=hidden), 0.0)[0]
        for hidden in (beyond, None)
    )
    assert np.abs(with_it - without).mean() < 0.003


def test_nothing_without_a_sky_and_few_with_it() -> None:
    depth, flags, photo = scene()
    beyond = splats_of_sky_beyond(depth, flags, CAMERA, photo, SKY_M)
    assert beyond is not None and len(beyond) < depth.size / 4
    assert splats_of_sky_beyond(depth, np.full_like(flags, FLAG_VALID), CAMERA, photo, SKY_M) is None
