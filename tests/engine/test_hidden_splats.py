"""What a moved camera sees behind the foreground: splats of the surface that goes on there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.raster import rasterise
from scripts.benchmarks.analytic import AnalyticField, card, plane

CAMERA = Camera.from_fov_x(math.radians(60), 240, 180)
RED, GREEN = (200, 30, 30), (30, 160, 60)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gaussians]:
    """A red card 3 m away in front of a green wall at 6 m, with and without what is behind it."""
    folder = tmp_path_factory.mktemp("card")
    field = AnalyticField(CAMERA, [plane((0, 0, 1), 6.0), card(3.0, -0.6, -0.5, 0.6, 0.5)])
    near = field.disparity_grid(180, 240).numpy() > 0.25
    photo = np.where(near[..., None], RED, GREEN).astype(np.uint8)
    Image.fromarray(photo).save(folder / "photo.png")
    made = {}
    for background in ("shell", "none"):
        options = ReconstructOptions(
            make=("splats",), points=30_000, fov_deg=60.0, tilt="level", background=background, mesh_size=65
        )
        splats = reconstruct_photo(folder / "photo.png", folder / background, options, field=field).splats
        assert splats is not None
        made[background] = splats
    return made


def seen(splats: Gaussians, right_m: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    pose = np.eye(4)
    pose[0, 3] = right_m
    image = rasterise(splats, CAMERA, pose)
    return image.rgb[20:-20, 40:-40], image.alpha[20:-20, 40:-40]


def test_a_moved_camera_sees_the_wall_and_no_hole(results: dict[str, Gaussians]) -> None:
    assert (seen(results["none"], 0.4)[1] < 0.5).mean() > 0.02
    rgb, alpha = seen(results["shell"], 0.4)
    assert (alpha < 0.9).mean() < 0.002
    # Every pixel is a mixture of red and green alone, and what was uncovered is green.
    green = (rgb[..., 1] > 0.45).mean()
    assert green > (seen(results["none"], 0.4)[0][..., 1] > 0.45).mean() + 0.02


def test_the_photos_own_camera_does_not_see_them(results: dict[str, Gaussians]) -> None:
    with_them, without = seen(results["shell"], 0)[0], seen(results["none"], 0)[0]
    assert np.abs(with_them - without).mean() < 0.002
    assert len(results["none"]) < len(results["shell"]) < 1.2 * len(results["none"])
    first = results["shell"].means[: len(results["none"])]
    np.testing.assert_array_equal(first, results["none"].means)
