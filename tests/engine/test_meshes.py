"""The mesh options of a reconstruction arrive in its bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import torch
from analytic_fields import PlaneField
from photo_files import write_exr
from PIL import Image
from torch import Tensor

from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.engine.summary import summary_of_bundle
from infinidepth_blender.errors import BundleError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import Reconstruction
from infinidepth_blender.staging import JSON_NAME


class StepField(PlaneField):
    """A plane with a card twice as near in its middle."""

    def disparity(self, coords_yx: Tensor) -> Tensor:
        plane = super().disparity(coords_yx)
        return torch.where((coords_yx.abs() < 0.4).all(dim=1), 2 * plane, plane)


def make(folder: Path, **options: object) -> Reconstruction:
    photo = folder / "photo.png"
    y, x = np.mgrid[0:60, 0:80]
    Image.fromarray(np.stack([x * 3, y * 4, 255 - x * 2], axis=-1).astype(np.uint8)).save(photo)
    settings = {"make": ("mesh",), "mesh_size": 65, "fov_deg": 60.0, **options}
    reconstruct_photo(photo, folder / "out", ReconstructOptions(**settings), field=StepField())  # type: ignore[arg-type]
    return bundle.load(folder / "out")


def test_the_background_has_arrays_a_texture_and_a_file(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.mesh is not None and made.background is not None
    assert made.background_path is not None
    with Image.open(made.background_path) as texture:
        assert texture.size == (80, 60)
    assert (tmp_path / "out" / "background.ply").is_file()
    assert summary_of_bundle(tmp_path / "out")["parts"]["background"]["vertices"] == len(made.background.vertices_cam)
    copy = tmp_path / "copy"
    bundle.save(made, copy)
    assert (copy / made.background_file).is_file()


def test_without_background_nothing_of_it_is_written_nor_left(tmp_path: Path) -> None:
    make(tmp_path)
    made = make(tmp_path, background="none")
    assert made.background is None and made.background_path is None
    assert not list((tmp_path / "out").rglob("background*"))


def test_bundles_from_before_the_background_can_be_read(tmp_path: Path) -> None:
    make(tmp_path, background="none")
    path = tmp_path / "out" / JSON_NAME
    data = json.loads(path.read_text())
    del data["background_file"], data["sky_file"]
    path.write_text(json.dumps(data))
    loaded = bundle.load(tmp_path / "out")
    assert (loaded.background_file, loaded.sky_file, loaded.beyond) == ("", "", None)


def make_below_sky(folder: Path, **options: object) -> Reconstruction:
    """A plane below a blue sky."""
    pixels = np.full((60, 80, 3), (40, 120, 30), np.uint8)
    pixels[:18] = (60, 110, 220)
    Image.fromarray(pixels).save(folder / "photo.png")
    settings = {"make": ("mesh",), "mesh_size": 65, "fov_deg": 60.0, **options}
    plane = PlaneField(sky_above_y=-0.4)
    return reconstruct_photo(folder / "photo.png", folder / "out", ReconstructOptions(**settings), field=plane)  # type: ignore[arg-type]


def test_the_sky_goes_on_beyond_the_photo_in_a_picture_of_its_own(tmp_path: Path) -> None:
    made = make_below_sky(tmp_path)
    assert made.backdrop is not None and made.beyond is not None and made.sky_path is not None
    with Image.open(made.sky_path) as picture:
        assert picture.size == (80 + 2 * 16, 60 + 2 * 16)
        assert np.abs(np.asarray(picture).astype(int) - (60, 110, 220)).max() <= 3
    px = made.camera.project(made.beyond.vertices_cam)
    assert px[:, 0].min() < -15 and px[:, 0].max() > 95 and px[:, 1].min() < -15
    assert summary_of_bundle(tmp_path / "out")["parts"]["beyond"]["vertices"] == len(made.beyond.vertices_cam)
    copy = tmp_path / "copy"
    bundle.save(bundle.load(tmp_path / "out"), copy)
    assert (copy / "sky_beyond.jpg").is_file()
    loaded = bundle.load(copy)
    assert loaded.beyond is not None and loaded.sky_file == "sky_beyond.jpg"
    triangles = make_below_sky(tmp_path, mesh_faces="triangles")
    assert triangles.beyond is not None and not len(triangles.beyond.quads)
    # A photo without sky that is made into the same folder leaves nothing of it behind.
    assert make(tmp_path).beyond is None
    assert not list((tmp_path / "out").rglob("sky*")) and not list((tmp_path / "out").rglob("beyond*"))


def test_a_glb_has_both_parts_of_the_sky(tmp_path: Path) -> None:
    made = make_below_sky(tmp_path, make=("glb",), background="none")
    data = (tmp_path / "out" / "scene.glb").read_bytes()
    content = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert [node["name"] for node in content["nodes"]] == ["Mesh", "Sky", "Sky Beyond", "Camera"]
    pictures = [mesh["primitives"][0]["material"] for mesh in content["meshes"]]
    assert pictures[0] == pictures[1] != pictures[2]
    assert made.sky_path is not None and made.sky_path.read_bytes() in data


def test_a_bundle_that_names_a_picture_elsewhere_is_damaged(tmp_path: Path) -> None:
    make_below_sky(tmp_path)
    path = tmp_path / "out" / JSON_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sky_file": "../sky.jpg"}))
    with pytest.raises(BundleError, match="outside"):
        bundle.load(tmp_path / "out")


def test_the_sky_of_a_photo_in_linear_light_is_as_bright_as_it_was(tmp_path: Path) -> None:
    linear = np.full((60, 80, 3), 0.1, np.float32)
    linear[:18] = 4
    write_exr(tmp_path / "light.exr", {name: np.ascontiguousarray(linear[..., i]) for i, name in enumerate("RGB")})
    options = ReconstructOptions(make=("mesh",), mesh_size=65, fov_deg=60.0)
    made = reconstruct_photo(tmp_path / "light.exr", tmp_path / "out", options, field=PlaneField(sky_above_y=-0.4))
    assert made.sky_file == "sky_beyond.exr" and made.sky_path is not None
    picture = OpenEXR.File(str(made.sky_path)).channels()["RGB"].pixels
    assert picture.dtype == np.float16
    np.testing.assert_allclose(picture.astype(float), 4, rtol=0.01)
    assert Image.open(tmp_path / "out" / "sky_beyond.jpg").size == (112, 92)


def test_layout_faces_and_thickness(tmp_path: Path) -> None:
    regular = make(tmp_path).mesh
    adaptive = make(tmp_path, mesh="adaptive").mesh
    exact = make(tmp_path, mesh="adaptive", mesh_error_px=1e-6).mesh
    parts = make(tmp_path, mesh_faces="triangles")
    triangles = parts.mesh
    assert parts.background is not None and not len(parts.background.quads)
    solid = make(tmp_path, solid=0.1).mesh
    assert regular is not None and adaptive is not None and triangles is not None and solid is not None
    assert exact is not None
    assert len(adaptive.vertices_cam) < 0.5 * len(regular.vertices_cam)
    # Even rounding is an error now.
    assert len(exact.vertices_cam) > 1.2 * len(adaptive.vertices_cam)
    assert len(triangles.quads) == 0 < len(regular.quads)
    assert len(solid.vertices_cam) >= 2 * len(regular.vertices_cam)
    assert solid.vertices_cam[:, 2].max() > 1.09 * regular.vertices_cam[:, 2].max()


def test_the_sky_lies_behind_what_a_finer_depth_map_sees(tmp_path: Path) -> None:
    """Ground up to the horizon: the rows just below it are further away than any vertex of the mesh."""
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((600, 800, 3), 120, np.uint8)).save(photo)
    ground = PlaneField(constant=0.1 * 0.5, by_y=0.5, by_x=0.0, sky_above_y=-0.1)
    options = ReconstructOptions(
        make=("mesh", "points", "splats"), mesh_size=65, points=20_000, fov_deg=60.0, grazing_cap_deg=None
    )
    made = reconstruct_photo(photo, tmp_path / "out", options, field=ground)
    assert made.backdrop is not None and made.points is not None and made.splats is not None and made.mesh is not None
    distance_m = made.backdrop.vertices_cam[:, 2].min()
    assert made.depth_m[made.depth_m < 1e9].max() > made.mesh.vertices_cam[:, 2].max()
    assert distance_m > made.depth_m[made.depth_m < 1e9].max()
    assert np.mean(made.points.positions_cam[:, 2] > distance_m) < 0.001


def test_splats_show_the_photo_where_there_is_neither_depth_nor_sky(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((60, 80, 3), 120, np.uint8)).save(photo)
    beyond = PlaneField(constant=0.04, by_y=0.2, by_x=0.0)
    options = ReconstructOptions(make=("splats",), points=1200, fov_deg=60.0)
    made = reconstruct_photo(photo, tmp_path / "out", options, field=beyond)
    assert made.splats is not None and made.backdrop is not None
    upper = made.splats.means[:, 1] / made.splats.means[:, 2] < -0.2
    assert upper.sum() > 200
    assert made.splats.means[upper, 2].min() > 0.9 * made.backdrop.vertices_cam[:, 2].min()


def test_a_photo_in_linear_light_keeps_it_behind_the_foreground_too(tmp_path: Path) -> None:
    """All is as bright as 4 but for the card; what is made up behind the card is as bright as what is around it."""
    linear = np.full((60, 80, 3), 4, np.float32)
    linear[20:40, 28:52] = 0.1
    write_exr(tmp_path / "light.exr", {name: np.ascontiguousarray(linear[..., i]) for i, name in enumerate("RGB")})
    options = ReconstructOptions(make=("mesh",), mesh_size=65, fov_deg=60.0)
    made = reconstruct_photo(tmp_path / "light.exr", tmp_path / "out", options, field=StepField())
    assert (made.photo.file, made.background_file) == ("photo.exr", "background.exr")
    assert made.background_path is not None
    behind = OpenEXR.File(str(made.background_path)).channels()["RGB"].pixels
    assert behind.dtype == np.float16
    assert np.abs(behind[30, 31].astype(float) - 4).max() < 0.5
    assert (behind[5, 5] == 4).all()
    # Other programs read the pictures of 8 bits that lie beside them.
    for stem, texture in (("mesh", "photo.png"), ("background", "background.jpg")):
        header = (tmp_path / "out" / f"{stem}.ply").read_bytes()[:400].decode(errors="replace")
        assert f"TextureFile {texture}\n" in header
        assert Image.open(tmp_path / "out" / texture).size == (80, 60)
    copy = tmp_path / "copy"
    bundle.save(made, copy)
    pictures = {"photo.exr", "photo.png", "background.exr", "background.jpg"}
    assert {path.name for path in copy.iterdir() if path.is_file()} == pictures | {JSON_NAME}
    # A photo of 8 bits that is made into the same folder leaves none of them behind.
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "light.png")
    reconstruct_photo(tmp_path / "light.png", tmp_path / "out", options, field=StepField())
    assert not list((tmp_path / "out").glob("*.exr"))


def test_near_things_reach_over_the_mixed_pixels_of_their_outline(tmp_path: Path) -> None:
    """The card's outline in the photo is at pixels 24 and 56; what is a pixel further belongs to it as well."""
    for mesh_size, vertex_px in ((65, 1.25), (161, 0.5)):
        made = make(tmp_path, mesh_size=mesh_size).mesh
        assert made is not None
        near = 1 / made.vertices_cam[:, 2] > 1.5 * np.median(1 / made.vertices_cam[:, 2])
        x_px = made.uv[near, 0] * 80
        assert 24 - 1 - 1.5 * vertex_px <= x_px.min() <= 24 - 1 + vertex_px
        assert 56 + 1 - vertex_px <= x_px.max() <= 56 + 1 + 1.5 * vertex_px
