"""What the user is told of measured depth that does not fit: one sentence for each kind of trouble, and none without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analytic_fields import PlaneField

from infinidepth_blender.engine.depth_files import DepthPrompt
from infinidepth_blender.engine.scale import ScaledField, scale_to_metres

WIDTH, HEIGHT = 160, 120


def truth(height: int = 30, width: int = 40) -> np.ndarray:
    """Depth of `PlaneField` itself."""
    return 1 / PlaneField().disparity_grid(height, width).numpy()


def scaled(field: PlaneField, depth: np.ndarray, **more: object) -> ScaledField:
    prompt = DepthPrompt(Path("/measured/lidar.exr"), depth.astype(np.float32))
    return scale_to_metres(field, prompt, WIDTH, HEIGHT, seed=0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_measurements_that_contradict_their_surroundings(share: float) -> None:
    rng = np.random.default_rng(1)
    wild = rng.random((30, 40)) < share
    depth = np.where(wild, truth() * rng.choice([0.2, 5.0], (30, 40)), truth())
    depth[rng.random((30, 40)) < 0.5] = 0
    made = scaled(PlaneField(scale="relative"), depth)
    told = [warning for warning in made.warnings if "contradict their surroundings" in warning]
    if share < 0.1:
        assert told == []
        return
    left_out = made.details["prompt_left_out"]
    assert told == [f"{left_out:.0%} of the depths in lidar.exr contradict their surroundings and were left out."]
    assert 0.1 < left_out < share


@pytest.mark.parametrize("use", ["follow", "align"])
def test_parts_of_the_picture_that_get_no_depth(use: str) -> None:
    """A shift of the true disparities puts the farthest of them behind the horizon."""
    field = PlaneField(0.2, 0.19, 0.0, scale="affine")
    disparity = field.disparity_grid(30, 40).numpy() - 0.05
    depth = np.where(disparity > 0.02, 1 / np.maximum(disparity, 1e-3), 0)
    made = scaled(field, depth, prompt_use=use)
    lost = float((field.disparity_grid(60, 80).numpy() < 0.05).mean())
    (told,) = (warning for warning in made.warnings if "got no depth" in warning)
    assert told.endswith("% of the picture lies beyond what lidar.exr covers and got no depth.")
    assert int(told.partition("%")[0]) == pytest.approx(100 * lost, abs=2)
    assert 0.02 < lost < 0.5


def test_depth_of_another_picture_fits_badly() -> None:
    noise = np.random.default_rng(3).uniform(0.5, 80, (30, 40))
    for use in ("align", "check"):
        made = scaled(PlaneField(scale="relative"), noise, prompt_use=use)
        error = made.details["prompt_median_error"]
        assert error > 0.25
        assert (
            f"The depth in lidar.exr fits the picture badly (median error {error:.0%}): check that it belongs to it."
            in made.warnings
        )


def test_depth_that_fits_says_nothing() -> None:
    for use in ("follow", "align", "check"):
        assert scaled(PlaneField(scale="relative"), truth(), prompt_use=use).warnings == ()
