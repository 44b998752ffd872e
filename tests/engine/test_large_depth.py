"""Depth maps larger than memory should hold go to the disk strip by strip, and are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from analytic_fields import PlaneField
from PIL import Image

from infinidepth_blender.engine import depth_stage
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.errors import Cancelled, OutputError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.query import grids
from infinidepth_blender.reconstruction import Reconstruction, load

OPTIONS = {"points": 1000, "mesh_size": 33, "fov_deg": 60.0, "depth_size": "320x240"}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def all_maps_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_stage, "IN_MEMORY_PIXELS", 1000)
    monkeypatch.setattr(depth_stage, "MAX_DEPTH_SIDE_PX", 80)
    monkeypatch.setattr(grids, "_SMALL_PIXELS", 1)


def make(photo: Path, folder: Path, **options: object) -> Reconstruction:
    return reconstruct_photo(photo, folder, ReconstructOptions(**{**OPTIONS, **options}), field=PlaneField())  # type: ignore[arg-type]


def test_a_large_map_equals_one_in_memory(photo: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    small = make(photo, tmp_path / "small")
    request.getfixturevalue("all_maps_are_large")
    large = make(photo, tmp_path / "large")
    assert large.folder == tmp_path / "large"
    for name in ("depth_m", "flags", "normals_cam", "confidence"):
        np.testing.assert_array_equal(getattr(large, name), getattr(small, name))
        np.testing.assert_array_equal(getattr(load(tmp_path / "large"), name), getattr(small, name))
    assert large.points is not None and len(large.points.positions_cam) == 1000
    images = [hashlib.sha256((tmp_path / name / "depth.exr").read_bytes()).hexdigest() for name in ("small", "large")]
    assert images[0] == images[1]
    # Made anew over itself: nothing stays mapped or open.
    again = make(photo, tmp_path / "large")
    np.testing.assert_array_equal(again.depth_m, small.depth_m)
    assert {path.name for path in tmp_path.iterdir()} == {"small", "large", "holiday.png"}


@pytest.mark.usefixtures("all_maps_are_large")
def test_nothing_is_left_of_a_cancelled_large_map(photo: Path, tmp_path: Path) -> None:
    def stop(stage: str, fraction: float, message: str = "") -> None:
        if stage == "depth" and fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        reconstruct_photo(
            photo, tmp_path / "out", ReconstructOptions(make=("depth",), depth_size="320x240"), field=PlaneField(), progress=stop
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not tell what is mapped")
@pytest.mark.usefixtures("all_maps_are_large")
def test_nothing_stays_mapped_after_a_cancel(photo: Path, tmp_path: Path) -> None:
    def stop(stage: str, fraction: float, message: str = "") -> None:
        if stage == "write" and fraction > 0.1:
            raise Cancelled

    # Whoever holds the error holds the frames it went through.
    with pytest.raises(Cancelled) as _held:
        reconstruct_photo(photo, tmp_path / "out", ReconstructOptions(**OPTIONS), field=PlaneField(), progress=stop)  # type: ignore[arg-type]
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.usefixtures("all_maps_are_large")
def test_a_disk_that_fills_up_leaves_the_older_result(photo: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the system limits no sizes of files")
    older = make(photo, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="full"):
            make(photo, tmp_path / "out", seed=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert older.depth_m.nbytes > 200_000
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", "holiday.png"}


@pytest.mark.usefixtures("all_maps_are_large")
def test_a_disk_without_room_is_told_before_the_work(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_stage, "DISK_BYTES_PER_PIXEL", 10**12)
    with pytest.raises(OutputError, match=r"needs .* GB; .* free"):
        make(photo, tmp_path / "out")
    assert not (tmp_path / "out").exists()
