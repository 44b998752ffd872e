"""The settings: their ranges, the depth sizes and the way through JSON."""

from __future__ import annotations

from typing import Any

import pytest

from infinidepth_blender.errors import InfiniDepthError, OptionsError, PhotoError
from infinidepth_blender.options import ReconstructOptions


@pytest.mark.parametrize(
    ("text", "expected"),
    [("photo", (6000, 4000)), ("1920x1080", (1920, 1080)), ("2x", (12000, 8000)), ("0.5x", (3000, 2000))],
)
def test_depth_sizes(text: str, expected: tuple[int, int]) -> None:
    size = ReconstructOptions(depth_size=text).depth_size_px(6000, 4000)
    assert size == (expected if text != "photo" else (4096, 2731))


@pytest.mark.parametrize(
    "change",
    [
        {"depth_size": "huge"},
        {"depth_size": "0x10"},
        {"depth_size": "0x"},
        {"points": 0},
        {"mesh_size": 1},
        {"mesh_error": 0.0},
        {"mesh_error": float("nan")},
        {"mesh_error_px": 0.0},
        {"mesh_error_px": float("nan")},
        {"mesh": "round"},
        {"solid": 0.0},
        {"background": "painted"},
        {"mesh_faces": "pentagons"},
        {"edge_step": 0.0},
        {"fov_deg": 200.0},
        {"fov_deg": float("nan")},
        {"focal_px": -1.0},
        {"fov_deg": 50.0, "focal_px": 900.0},
        {"fov_deg": 50.0, "camera": "camera.json"},
        {"tilt": "slanted"},
        {"known_distance": ("here",)},
        {"known_distance": ("1,2=3",), "depth_prompt": "depth.npy"},
        {"make": ()},
        {"make": ("depth", "soup")},
        {"device": "abacus"},
        {"seed": -1},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused_with_a_remedy(change: dict[str, Any]) -> None:
    with pytest.raises(OptionsError) as caught:
        ReconstructOptions(**change)
    assert caught.value.message
    assert caught.value.remedy


def test_json_there_and_back() -> None:
    options = ReconstructOptions(make=("depth", "blend"), points=7, fov_deg=40.0, known_distance=("1,2=3",))
    assert ReconstructOptions.from_json(options.to_json() | {"of_a_later_version": 1}) == options


def test_errors_keep_their_type_through_json() -> None:
    error = PhotoError("a.jpg is empty.", "Choose another file.")
    back = InfiniDepthError.from_json(error.to_json())
    assert type(back) is PhotoError
    assert str(back) == "a.jpg is empty. Choose another file."
