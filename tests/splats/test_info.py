"""What `info` says of PLY files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import SplatFileError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import write_splats
from infinidepth_blender.splats.info import file_info, file_lines


def splats(count: int = 10) -> Gaussians:
    return Gaussians(
        means=np.linspace(0, 1, 3 * count, dtype=np.float32).reshape(count, 3),
        scales=np.full((count, 3), 0.01, np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        opacities=np.full(count, 0.75, np.float32),
        sh=np.zeros((count, 4, 3), np.float32),
    )


def test_splats_are_described(tmp_path):
    path = tmp_path / "splats.ply"
    write_splats(path, splats(), Camera(640, 480, 500.0, 500.0, 320.0, 240.0))
    info = json.loads(json.dumps(file_info(path)))
    assert info["kind"] == "splats"
    assert info["elements"]["vertex"] == 10
    assert info["sh_degree"] == 1
    assert info["mean_opacity"] == pytest.approx(0.75, abs=1e-4)
    assert info["median_scale_m"] == pytest.approx(0.01, rel=1e-4)
    assert info["bounds_m"] == [[0, pytest.approx(1 / 29), pytest.approx(2 / 29)], pytest.approx([27 / 29, 28 / 29, 1])]
    assert info["camera"]["width_px"] == 640
    text = "\n".join(file_lines(path, info))
    assert "Gaussian splats" in text and "640 x 480" in text and "degree 1" in text


def test_points_meshes_and_other_tables_are_told_apart(tmp_path):
    vertices = np.zeros(4, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    vertices["x"] = [0, 1, 2, np.nan]
    PlyData([PlyElement.describe(vertices, "vertex")]).write(tmp_path / "points.ply")
    info = file_info(tmp_path / "points.ply")
    assert info["kind"] == "points"
    assert info["bounds_m"] == [[0, 0, 0], [2, 0, 0]]
    faces = np.array([([0, 1, 2],)], [("vertex_indices", "i4", (3,))])
    PlyData([PlyElement.describe(vertices, "vertex"), PlyElement.describe(faces, "face")]).write(tmp_path / "mesh.ply")
    info = file_info(tmp_path / "mesh.ply")
    assert (info["kind"], info["elements"]) == ("mesh", {"vertex": 4, "face": 1})
    assert "a mesh" in file_lines(tmp_path / "mesh.ply", info)[0]
    PlyData([PlyElement.describe(vertices, "vertex"), PlyElement.describe(faces[:0], "face")]).write(
        tmp_path / "points.ply"
    )
    assert file_info(tmp_path / "points.ply")["kind"] == "points"
    PlyData([PlyElement.describe(np.zeros(2, [("a", "f4")]), "thing")]).write(tmp_path / "other.ply")
    info = file_info(tmp_path / "other.ply")
    assert (info["kind"], info["bounds_m"]) == ("other", None)
    assert file_lines(tmp_path / "other.ply", info)


def test_a_damaged_file_is_an_error(tmp_path):
    write_splats(tmp_path / "cut.ply", splats())
    (tmp_path / "cut.ply").write_bytes((tmp_path / "cut.ply").read_bytes()[:-9])
    with pytest.raises(SplatFileError, match="damaged"):
        file_info(tmp_path / "cut.ply")
