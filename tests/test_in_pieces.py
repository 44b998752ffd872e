"""What is worked on piece by piece comes out as if it had been done at once."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import Image, ImageCms

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine import exports, photo_color, photo_deep, photo_pillow, photo_profile, points_stage
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.field import local_planes
from infinidepth_blender.geometry import adaptive, background, cells, edges, outliers
from infinidepth_blender.geometry.mesh import CutGrid, cut_grid
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.query import grids, surface_cells
from infinidepth_blender.reconstruction import FLAG_VALID, MeshArrays, PointArrays
from scripts.benchmarks.analytic import AnalyticField, card, plane

CAMERA = Camera(80, 60, 75.0, 75.0, 40.0, 30.0)


def arrays_of(made: Any) -> dict[str, np.ndarray]:
    """All arrays in what a function returned, by name."""
    if isinstance(made, np.ndarray):
        return {"": made}
    if isinstance(made, bytes):
        return {"": np.frombuffer(made, np.uint8)}
    if dataclasses.is_dataclass(made):
        parts = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
    elif isinstance(made, tuple):
        parts = {str(number): part for number, part in enumerate(made)}
    else:
        return {}
    return {f"{name}.{inner}": array for name, part in parts.items() for inner, array in arrays_of(part).items()}


def same_in_pieces(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any], *constants: tuple[Any, str], size: int
) -> None:
    """Makes something as usual, and with each constant so small that it takes several pieces, the last one shorter."""
    at_once = arrays_of(make())
    assert any(array.size for array in at_once.values())
    for module, name in constants:
        assert getattr(module, name) > size
        monkeypatch.setattr(module, name, size)
    in_pieces = arrays_of(make())
    assert at_once.keys() == in_pieces.keys()
    for name, array in at_once.items():
        # Vectors of another length are summed up in another order.
        tolerance = 1e-5 if array.dtype.kind == "f" else 0
        np.testing.assert_allclose(in_pieces[name], array, rtol=tolerance, atol=tolerance * 1e-4, err_msg=name)


# -- points, meshes and their files -----------------------------------------------------


def card_field() -> AnalyticField:
    """A card before a slanted wall: no row and no column is like another."""
    return AnalyticField(CAMERA, [plane((0.3, 0.2, 1.0), 6.0), card(3.0, -0.6, -0.5, 0.9, 0.7)])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape).astype(np.float32)


def test_parts_of_points_are_put_one_behind_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    field, pixels = card_field(), (noise(60, 80, 3) * 255).astype(np.uint8)
    depth = grids.depth_grid(field, CAMERA, 80, 60, edge_step=0.04)
    options = ReconstructOptions(make=("points",), points=1000)

    def points() -> PointArrays:
        return points_stage.make_points(field, CAMERA, pixels, depth, options, None, lambda _: None)

    same_in_pieces(monkeypatch, points, (surface_cells, "CHUNK"), size=300)


def test_a_mesh_and_points_are_written_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    y, x = np.mgrid[0:4, 0:5].astype(np.float32)
    corner = (np.arange(3)[:, None] * 5 + np.arange(4)).ravel().astype(np.int32)
    mesh = MeshArrays(
        np.stack([x.ravel() - 2, y.ravel() - 1, 5 + 0.1 * x.ravel()], axis=1),
        np.stack([x.ravel() / 4, 1 - y.ravel() / 3], axis=1),
        noise(20, 3),
        np.stack([corner, corner + 5, corner + 6, corner + 1], axis=1)[:8],
        np.stack([corner, corner + 5, corner + 6], axis=1)[8:],
    )
    points = PointArrays(
        noise(20, 3), noise(20, 3), (noise(20, 3) * 255).astype(np.uint8), noise(20), noise(20), noise(20, 2)
    )

    def files() -> tuple[bytes, bytes]:
        exports.write_mesh_ply(tmp_path / "mesh.ply", mesh)
        exports.write_points_ply(tmp_path / "points.ply", points)
        return (tmp_path / "mesh.ply").read_bytes(), (tmp_path / "points.ply").read_bytes()

    same_in_pieces(monkeypatch, files, (exports, "_CHUNK_ROWS"), size=3)


def test_a_mesh_asks_its_field_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    field = AnalyticField(CAMERA, [plane((0.3, 0.2, 1.0), 6.0)])
    same_in_pieces(monkeypatch, lambda: grids.mesh_grid(field, CAMERA, 40), (grids, "QUERY_CHUNK"), size=100)


def card_depth(ramp_px: int) -> np.ndarray:
    """(61, 81) disparity of a card before a slanted wall, with a ramp at its sides."""
    row, col = np.mgrid[:61, :81]
    wall = 0.15 + 0.0006 * col + 0.0003 * row
    return cv2.blur(
        np.where((abs(row - 30) < 15) & (abs(col - 40) < 12), 0.33 + 0.0004 * row, wall), (ramp_px, ramp_px)
    )


def test_vertices_of_ramps_go_back_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    disparity, valid = card_depth(5).astype(np.float32), np.ones((61, 81), bool)

    def sharpened() -> Any:
        sharp, torn = edges.sharpen(disparity, valid, 0.04)
        return sharp, edges.side_planes_at(sharp, valid, torn, torn.touched(), 0.04)

    same_in_pieces(monkeypatch, sharpened, (edges, "CHUNK"), size=23)


def card_grid() -> CutGrid:
    depth_m = (1 / card_depth(1)).astype(np.float32)
    return cut_grid(depth_m, np.full(depth_m.shape, FLAG_VALID, np.uint8), 0.04)


def test_the_surface_behind_steps_is_fitted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = card_grid()
    same_in_pieces(monkeypatch, lambda: background.hidden_surface(grid, CAMERA), (background, "CHUNK"), size=23)


def test_adaptive_triangles_are_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = card_grid()

    def triangles() -> Any:
        surface = background.hidden_surface(grid, CAMERA)
        assert surface is not None
        return background.build_background(grid, surface, CAMERA)

    same_in_pieces(monkeypatch, triangles, (adaptive, "CHUNK"), (cells, "CHUNK"), size=50)


def test_outliers_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.concatenate([noise(2000, 3), noise(20, 3) * 50])
    same_in_pieces(monkeypatch, lambda: outliers.mean_neighbour_distance(points), (outliers, "_CHUNK"), size=300)


def test_planes_through_measurements_are_fitted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    known = local_planes.Scattered(np.random.default_rng(6).random((200, 2)) * 60, np.zeros((200, 1)))
    asked = local_planes.Scattered(np.mgrid[:30, :30].reshape(2, -1).T * 2.0, np.zeros((900, 1)))
    values = 0.2 + known.place @ [0.002, 0.001] + 0.01 * noise(200)

    def fitted() -> tuple[np.ndarray, np.ndarray]:
        planes = local_planes.LocalPlanes(known, asked)
        return planes.fit(values, values), planes.outside(values, np.full(900, 0.2))

    same_in_pieces(monkeypatch, fitted, (local_planes, "_CHUNK"), size=128)


# -- photos -----------------------------------------------------------------------------

STRIPS = [(module, "STRIP_PX") for module in (photo_pillow, photo_color, photo_deep, photo_profile)]


def swapped_profile() -> bytes:
    """The profile of sRGB with red and blue in each other's place, so that every picture becomes another one."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"none").replace(b"bXYZ", b"rXYZ").replace(b"none", b"bXYZ")


def write_photo_of(kind: str, path: Path) -> Path:
    """32 rows and 48 columns, each row another one."""
    values = noise(32, 48, 4)
    values[..., 3] = 0.6 + 0.4 * values[..., 3]
    if kind == "exr":
        file = path.with_suffix(".exr")
        channels = {"RGB": np.ascontiguousarray(values[..., :3])}
        OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(file))
        return file
    file = path.with_suffix(".png")
    if kind.startswith("16"):
        assert cv2.imwrite(str(file), (values[..., :3] * 65_535).astype(np.uint16))
        if kind == "16 profile":
            add_profile(file)
        return file
    eight = (values * 255).astype(np.uint8)
    picture = Image.fromarray(eight if kind == "8 alpha" else eight[..., :3])
    picture.save(file, icc_profile=swapped_profile() if kind == "8 profile" else None)
    return file


def add_profile(png: Path) -> None:
    """Puts a colour profile behind the first chunk of a PNG file."""
    data, body = png.read_bytes(), b"iCCPtest\0\0" + zlib.compress(swapped_profile())
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    png.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("kind", ["8", "8 alpha", "8 profile", "16", "16 profile", "exr"])
def test_photos_are_read_in_strips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    path = write_photo_of(kind, tmp_path / "photo")

    def pixels() -> tuple[np.ndarray, np.ndarray]:
        photo = open_photo(path)
        assert not photo.warnings
        return photo.pixels_srgb, np.zeros(0) if photo.pixels_deep is None else photo.pixels_deep

    same_in_pieces(monkeypatch, pixels, *STRIPS, size=3 * 48 * 3)


def test_light_is_converted_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = photo_profile.matrix_profile(swapped_profile())
    assert profile is not None
    light = 2 * noise(32, 48, 3)
    same_in_pieces(monkeypatch, lambda: profile.to_linear(light), (photo_profile, "STRIP_PX"), size=3 * 48 * 4)


def test_alpha_is_taken_out_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    alpha = (noise(32, 48) * 65_535).astype(np.uint16)

    def divided() -> np.ndarray:
        colors = (noise(32, 48, 3) * alpha[..., None]).astype(np.uint16)
        photo_deep.divide_by_alpha(colors, alpha)
        return colors

    same_in_pieces(monkeypatch, divided, (photo_deep, "STRIP_PX"), size=3 * 48 * 3)
