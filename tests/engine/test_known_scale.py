"""Known distances: how they are written, and what they do to a field."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_fields import PlaneField

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.known_scale import scale_by_known_distances
from infinidepth_blender.engine.scale import ScaledField, scale_to_metres
from infinidepth_blender.errors import OptionsError
from infinidepth_blender.known_distance import KnownDistance

CAMERA = Camera.from_focal_px(300.0, 320, 240)


def scaled(*distances: str, field: PlaneField | None = None) -> ScaledField:
    start = scale_to_metres(field or PlaneField(scale="relative"), None, 320, 240, seed=0)
    return scale_by_known_distances(start, [KnownDistance.parse(text) for text in distances], CAMERA)


def point(field: ScaledField, x: int, y: int) -> np.ndarray:
    disparity = field.field.disparity_grid(240, 320)[y, x]
    return CAMERA.unproject(np.array(x + 0.5), np.array(y + 0.5), 1 / disparity.numpy()).astype(np.float64)


@pytest.mark.parametrize(
    ("text", "pixels", "metres"),
    [
        ("640,360=2.5", ((640, 360),), 2.5),
        (" 1, 2 : 30.5,4 = 0.9 m", ((1, 2), (30.5, 4)), 0.9),
        ("0,0=1e2", ((0, 0),), 100),
        ("1000000,1=3", ((1_000_000, 1),), 3),
        ("1234567.25,0.00001:-5,2=0.12345678901", ((1234567.25, 0.00001), (-5, 2)), 0.12345678901),
    ],
)
def test_the_two_forms(text: str, pixels: tuple[object, ...], metres: float) -> None:
    known = KnownDistance.parse(text)
    assert (known.pixels_xy, known.distance_m) == (pixels, metres)
    assert KnownDistance.parse(str(known)) == known


@pytest.mark.parametrize("text", ["", "3", "1,2", "1,2=", "1,2=x", "1,2:3=4", "1,2=-3", "1,2=0", "1,2=nan", "1,2=inf", "5,5:5,5=2", "1;2=3"])  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(OptionsError) as caught:
        KnownDistance.parse(text)
    assert caught.value.remedy


def test_the_distance_from_the_camera() -> None:
    made = scaled("200,180=7.5")
    assert np.linalg.norm(point(made, 200, 180)) == pytest.approx(7.5, rel=1e-4)
    assert made.scale_known and made.field.scale == "metric"
    assert not any("unknown" in note for note in made.warnings)
    assert made.details["known_distances"] == ["200,180=7.5"]


def test_the_distance_between_two_pixels() -> None:
    made = scaled("40,50:280,200=3")
    assert np.linalg.norm(point(made, 40, 50) - point(made, 280, 200)) == pytest.approx(3, rel=1e-4)


def test_the_shape_stays() -> None:
    before = scaled().field.disparity_grid(24, 32).numpy()
    after = scaled("200,180=7.5").field.disparity_grid(24, 32).numpy()
    assert np.ptp(after / before) < 1e-5


def test_distances_that_contradict_one_another_are_said() -> None:
    agreeing = scaled("200,180=7.5")
    second = float(np.linalg.norm(point(agreeing, 40, 50)))
    assert scaled("200,180=7.5", f"40,50={second}").warnings == agreeing.warnings
    assert any("contradict" in note for note in scaled("200,180=7.5", f"40,50={second * 2}").warnings)


def test_pixels_without_a_surface() -> None:
    with pytest.raises(OptionsError, match="320 x 240"):
        scaled("320,10=2")
    with pytest.raises(OptionsError, match="no surface"):
        scaled("10,10=2", field=PlaneField(sky_above_y=0.0, scale="relative"))


def test_none_changes_nothing() -> None:
    start = scale_to_metres(PlaneField(scale="relative"), None, 320, 240, seed=0)
    assert scale_by_known_distances(start, [], CAMERA) is start
