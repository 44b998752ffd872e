"""Where cameras stand and go that look at splats, and what the files say that they render."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is part of the engine's environment only")
pytest.importorskip("cv2", reason="OpenCV is part of the engine's environment only")

import cv2
from plyfile import PlyData, PlyElement

from infinidepth_blender.camera import Camera
from infinidepth_blender.options import PathKind
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.framing import bulk_of
from infinidepth_blender.splats.paths import camera_path, look_at
from infinidepth_blender.splats.ply import write_splat_ply
from infinidepth_blender.splats.raster import rasterise
from infinidepth_blender.splats.sh import rgb_to_dc
from infinidepth_blender.splats.views import render_views

CAMERA = Camera(90, 60, 90.0, 90.0, 45.0, 30.0)


def ball(middle: tuple[float, float, float], color: tuple[float, float, float] = (1.0, 0.5, 0.2)) -> Gaussians:
    """A shell of radius 1."""
    places = np.random.default_rng(0).normal(size=(1500, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return Gaussians(
        (places + middle).astype(np.float32),
        np.full((1500, 3), 0.06, np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (1500, 1)),
        np.full(1500, 0.95, np.float32),
        np.tile(rgb_to_dc(np.array(color, np.float32)), (1500, 1, 1)).astype(np.float32),
    )


def still(source: Path, folder: Path, **settings: object) -> tuple[np.ndarray, tuple[str, ...]]:
    """(H, W, 3) int RGB of the one frame, and what was told."""
    made = render_views(source, folder, **({"path_kind": "still", "frames": 1, "size_px": (90, 60)} | settings))  # type: ignore[arg-type]
    return cv2.imread(str(folder / "frame_0001.png"))[..., ::-1].astype(int), made.warnings


# -- moves ------------------------------------------------------------------------------


def test_rise_goes_up_and_looks_down() -> None:
    poses = camera_path("rise", 12, 5.0)
    assert poses[6, 1, 3] == pytest.approx(-0.3)  # y is down
    assert (poses[1:, 1, 3] < 0).all()
    assert (poses[1:, 1, 2] > 0).all()


@pytest.mark.parametrize("kind", ["orbit", "dolly", "rise"])
def test_a_loop_goes_on_from_its_end_to_its_beginning(kind: PathKind) -> None:
    """The first frame again at the end would be a stop of two frames in each round."""
    poses = camera_path(kind, 24, 5.0)
    steps = np.linalg.norm(np.roll(poses[:, :3, 3], -1, axis=0) - poses[:, :3, 3], axis=1)
    assert steps[-1] == pytest.approx(steps[0], rel=1e-6)
    assert steps.min() > 1e-3


# -- places -----------------------------------------------------------------------------


@pytest.mark.parametrize("size_px", [(30, 90), (90, 30), (60, 60)])
def test_a_narrow_frame_sees_all_of_a_ball(tmp_path: Path, size_px: tuple[int, int]) -> None:
    write_splat_ply(tmp_path / "ball.ply", ball((5, -2, -8)))
    frame, notes = still(tmp_path / "ball.ply", tmp_path / "out", size_px=size_px)
    covered = frame.max(axis=2) > 60
    assert "before the splats" in notes[0] and covered[size_px[1] // 2, size_px[0] // 2]
    rim = np.concatenate([covered[0], covered[-1], covered[:, 0], covered[:, -1]])
    assert not rim.any()
    assert covered.any(axis=0 if size_px[0] <= size_px[1] else 1).mean() > 0.5


def test_what_is_hardly_there_does_not_count() -> None:
    """Trained splats lie in a mist of faint ones, many of them far away."""
    solid, mist = ball((0, 0, 0)), ball((50, 0, 0))
    mist.opacities[:] = 0.004
    low, high = bulk_of(
        Gaussians(*(np.concatenate([getattr(solid, n), getattr(mist, n)]) for n in Gaussians.__annotations__))
    )
    assert low.min() > -1.1 and high.max() < 1.1


def test_a_target_alone_is_looked_at_from_the_cameras_own_place(tmp_path: Path) -> None:
    eye = np.array([1.0, -2.0, 3.0])
    pose = look_at(eye, np.array([1.0, -2.0, 8.0]), np.array([0.0, 1, 0]))
    things = ball((1, -2, 8))
    write_splat_ply(tmp_path / "ball.ply", things, CAMERA, pose)
    target = (1.8, -2.0, 8.0)
    frame, notes = still(tmp_path / "ball.ply", tmp_path / "out", target=target)
    expected = rasterise(things, CAMERA, look_at(eye, np.array(target), np.array([0.0, 1, 0]))).rgb * 255
    assert notes == ()
    assert np.abs(frame - expected).mean() < 2
    assert np.abs(frame - still(tmp_path / "ball.ply", tmp_path / "ahead")[0]).mean() > 5


# -- colours and notes ------------------------------------------------------------------


def in_linear_light(path: Path) -> Path:
    """Marks a file as one in linear light."""
    data = PlyData.read(path)
    data["color_space"].data["color_space"] = 1
    version = PlyElement.describe(np.array([(1,), (5,), (0,)], [("version", "u1")]), "version")
    PlyData([*data.elements, version], byte_order="<").write(path.with_name("linear.ply"))
    return path.with_name("linear.ply")


def test_the_background_has_the_colour_that_was_asked_for(tmp_path: Path) -> None:
    write_splat_ply(tmp_path / "ball.ply", ball((0, 0, 8)), CAMERA)
    for name, source in (("srgb", tmp_path / "ball.ply"), ("linear", in_linear_light(tmp_path / "ball.ply"))):
        frame, _ = still(source, tmp_path / name, background=(0.2, 0.4, 0.6))
        np.testing.assert_allclose(frame[2, 2], np.array([51, 102, 153]), atol=1)


def test_values_are_rounded_not_cut(tmp_path: Path) -> None:
    write_splat_ply(tmp_path / "ball.ply", ball((0, 0, 8)), CAMERA)
    frame, _ = still(tmp_path / "ball.ply", tmp_path / "out", background=(50.9 / 255, 101.6 / 255, 152.4 / 255))
    assert frame[2, 2].tolist() == [51, 102, 152]


def test_splats_that_are_left_out_are_told(tmp_path: Path) -> None:
    write_splat_ply(tmp_path / "ball.ply", ball((0, 0, 8)), CAMERA)
    data = PlyData.read(tmp_path / "ball.ply")
    data["vertex"].data["x"][:1200] = math.nan
    data.write(tmp_path / "holes.ply")
    _, notes = still(tmp_path / "holes.ply", tmp_path / "out")
    assert notes == ("1,200 splats of holes.ply have values that are not numbers and were left out.",)
