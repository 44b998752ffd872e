"""A photo through the whole engine, with a depth field of known shape."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from analytic_fields import PlaneField
from PIL import Image

from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.errors import Cancelled, DepthFileError, OptionsError, OutputError, PhotoError
from infinidepth_blender.field.network import InfiniDepthNetwork, NetworkConfig
from infinidepth_blender.field.vit import VitConfig
from infinidepth_blender.field.weights_files import save_weights
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, Reconstruction

FILES = {
    "arrays", "camera.json", "depth.exr", "depth.png", "mesh.ply", "photo.png", "points.ply", "reconstruction.json",
    "splats.ply",
}  # fmt: skip
SMALL = {"points": 2000, "mesh_size": 33, "fov_deg": 60.0}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:60, 0:80]
    path = tmp_path / "holiday.png"
    Image.fromarray(np.stack([x * 3, y * 4, 255 - x * 2], axis=-1).astype(np.uint8)).save(path)
    return path


def make(photo: Path, folder: Path, field: PlaneField | None = None, **options: object) -> Reconstruction:
    chosen = ReconstructOptions(**{**SMALL, **options})  # type: ignore[arg-type]
    return reconstruct_photo(photo, folder, chosen, field=field or PlaneField())


def plane_disparity(field: PlaneField, x_px: np.ndarray, y_px: np.ndarray, camera: Camera) -> np.ndarray:
    constant, by_y, by_x = field.coefficients
    return constant + by_y * (y_px / camera.height_px * 2 - 1) + by_x * (x_px / camera.width_px * 2 - 1)


def test_the_bundle_is_complete_and_loads(photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "holiday"
    made = make(photo, folder)
    assert {p.name for p in folder.iterdir()} == FILES
    assert [p.name for p in folder.parent.iterdir()] == ["holiday"]  # no staging left
    loaded = bundle.load(folder)
    assert made.folder == folder
    assert loaded.name == "holiday" and loaded.photo_path is not None and loaded.photo_path.is_file()
    assert loaded.photo.sha256 == sha256_of(photo) and loaded.photo.source == str(photo)
    assert ReconstructOptions.from_json(loaded.options) == ReconstructOptions(**SMALL)  # type: ignore[arg-type]
    assert set(loaded.timings_s) == {"load", "encode", "depth", "mesh", "points", "splats", "write"}
    assert loaded.scale_known and loaded.camera.source == "given"
    assert loaded.depth_m.shape == loaded.flags.shape == loaded.confidence.shape == (60, 80)
    assert loaded.points is not None and len(loaded.points.positions_cam) == 2000
    assert loaded.splats is not None and 1900 < len(loaded.splats) <= 2000
    assert loaded.mesh is not None and loaded.backdrop is None


def test_everything_lies_on_the_plane(photo: Path, tmp_path: Path) -> None:
    field = PlaneField()
    made = make(photo, tmp_path / "out", field)
    camera = made.camera
    y, x = np.mgrid[0:60, 0:80] + 0.5
    assert np.allclose(made.depth_m, 1 / plane_disparity(field, x, y, camera), rtol=1e-5)
    assert made.mesh is not None and made.points is not None and made.splats is not None
    for places in (made.mesh.vertices_cam, made.splats.means, made.points.positions_cam):
        px = camera.project(places)
        assert np.allclose(places[:, 2], 1 / plane_disparity(field, px[:, 0], px[:, 1], camera), rtol=1e-4)
    corners = camera.project(made.mesh.vertices_cam)
    assert np.allclose(corners.min(axis=0), 0, atol=1e-3) and np.allclose(corners.max(axis=0), [80, 60], atol=1e-3)
    normal = made.normals_cam.reshape(-1, 3).mean(axis=0)
    assert np.allclose(made.points.normals_cam, normal / np.linalg.norm(normal), atol=1e-3)
    expected = np.stack([px[:, 0] - 0.5, px[:, 1] - 0.5], axis=-1) * [3, 4]
    inside = ((px > 1) & (px < [79, 59])).all(axis=1)
    assert np.abs(made.points.colors_srgb[inside, :2] - expected[inside]).max() <= 1


def test_sky_becomes_a_backdrop(photo: Path, tmp_path: Path) -> None:
    made = make(photo, tmp_path / "out", PlaneField(sky_above_y=-0.4))
    assert (made.flags[:18] == FLAG_SKY).all() and (made.flags[18:] & FLAG_VALID).all()
    assert (made.depth_m[:18] == NO_DEPTH_M).all()
    assert made.backdrop is not None and made.mesh is not None
    assert made.backdrop.vertices_cam[:, 2].min() > made.mesh.vertices_cam[:, 2].max()


def test_only_what_was_asked_for(photo: Path, tmp_path: Path) -> None:
    make(photo, tmp_path / "full")
    always = {"arrays", "reconstruction.json", "photo.png"}
    for parts, files in {
        ("depth",): {"depth.exr", "depth.png"},
        ("mesh",): {"mesh.ply"},
        ("glb",): {"scene.glb"},
        ("points",): {"points.ply"},
        ("splats",): {"splats.ply"},
        ("camera",): {"camera.json"},
    }.items():
        folder = tmp_path / "full"  # files of the older result go
        made = make(photo, folder, make=parts)
        assert {p.name for p in folder.iterdir()} == always | files
        assert (made.points is not None, made.splats is not None) == ("points" in parts, "splats" in parts)


def test_a_glb_holds_pictures_of_8_bits(photo: Path, tmp_path: Path) -> None:
    deep = np.asarray(Image.open(photo).convert("RGB")).astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    make(tmp_path / "deep.png", tmp_path / "out", make=("glb",))
    assert cv2.imread(str(tmp_path / "out" / "photo.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    data = (tmp_path / "out" / "scene.glb").read_bytes()
    header = data[data.index(b"\x89PNG") :][:26]
    assert header[24] == 8


def test_transparent_parts_have_nothing_at_all(photo: Path, tmp_path: Path) -> None:
    rgba = np.dstack([np.asarray(Image.open(photo)), np.full((60, 80), 255, np.uint8)])
    rgba[:, 50:, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    made = make(tmp_path / "cut.png", tmp_path / "out", PlaneField(sky_above_y=-0.4))
    assert (made.flags[:, 50:] == 0).all() and (made.depth_m[:, 50:] == NO_DEPTH_M).all()
    assert (made.flags[:18, :50] == FLAG_SKY).all()
    assert made.mesh is not None and made.points is not None and made.backdrop is not None
    assert made.points.source_px[:, 0].max() <= 50
    for part in (made.mesh, made.backdrop):
        corners = np.concatenate([part.quads.ravel(), part.triangles.ravel()])
        assert made.camera.project(part.vertices_cam[corners])[:, 0].max() <= 50 + 80 / 32
    assert any("Transparent" in w for w in made.warnings)


def test_unknown_scale_and_lens_are_said(photo: Path, tmp_path: Path) -> None:
    made = make(photo, tmp_path / "out", PlaneField(scale="relative", fov_x_rad=1.0), fov_deg=None)
    assert not made.scale_known and np.median(made.depth_m) == pytest.approx(5, rel=1e-2)
    assert made.camera.source == "estimated" and made.camera.fov_x_rad == pytest.approx(1.0)
    assert any("scale" in w for w in made.warnings) and any("focal length" in w for w in made.warnings)
    assert json.loads((tmp_path / "out" / "camera.json").read_text())["source"] == "estimated"


def test_a_depth_prompt_makes_metres(photo: Path, tmp_path: Path) -> None:
    field = PlaneField(scale="relative")
    y, x = np.mgrid[0:15, 0:20] + 0.5
    truth = 1 / (0.3 * plane_disparity(field, x, y, Camera.from_focal_px(9, 20, 15)) + 0.01)
    np.save(tmp_path / "lidar.npy", truth)
    made = make(photo, tmp_path / "out", field, depth_prompt=str(tmp_path / "lidar.npy"))
    assert made.scale_known
    assert made.model["depth_prompt_sha256"] == sha256_of(tmp_path / "lidar.npy")
    assert np.median(made.depth_m) == pytest.approx(np.median(truth), rel=0.02)


def test_a_sensor_of_short_reach_is_told_and_makes_metres_beyond_it(photo: Path, tmp_path: Path) -> None:
    field = PlaneField(0.2, 0.18, 0.0, scale="relative")
    y, x = np.mgrid[0:15, 0:20] + 0.5
    seen = plane_disparity(field, x, y, Camera.from_focal_px(9, 20, 15))
    truth = 1 / (0.5 * seen)
    reached = np.where(truth < 10, 1 / (0.45 * seen + 0.01), 0)  # as a line through noise would have it
    np.save(tmp_path / "lidar.npy", reached)
    made = make(photo, tmp_path / "out", field, depth_prompt=str(tmp_path / "lidar.npy"))
    assert any("nearer or farther than all that lidar.npy measures" in warning for warning in made.warnings)
    assert 0.4 < made.model["prompt_beyond"] < 0.7
    assert made.model["disparity_factor_beyond"] == pytest.approx(0.48, abs=0.02)
    # The line by itself would put the far end, 90 m away, at 50 m.
    far = 1 / (0.5 * field.disparity_grid(made.depth_m.shape[0], made.depth_m.shape[1])[0].numpy())
    assert made.depth_m[0] == pytest.approx(far, rel=0.15)


def test_a_known_distance_makes_metres(photo: Path, tmp_path: Path) -> None:
    made = make(photo, tmp_path / "out", PlaneField(scale="relative"), known_distance=("9,7=3.5",))
    assert made.scale_known and not any("unknown" in w for w in made.warnings)
    camera = made.camera
    x, y = np.array(9.5), np.array(7.5)
    seen = camera.unproject(x, y, np.array(made.depth_m[7, 9]))
    assert np.linalg.norm(seen) == pytest.approx(3.5, rel=1e-4)
    with pytest.raises(OptionsError, match="pixels"):
        make(photo, tmp_path / "other", PlaneField(scale="relative"), known_distance=("900,7=3.5",))
    assert not (tmp_path / "other").exists()


def test_a_camera_file(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "lens.txt").write_text("40 40 9 8")
    made = make(photo, tmp_path / "out", PlaneField(), camera=str(tmp_path / "lens.txt"), fov_deg=None)
    assert (made.camera.fx_px, made.camera.cx_px, made.camera.source) == (40, 9, "given")
    assert made.model["file_sha256"]["camera"] == sha256_of(tmp_path / "lens.txt")


def test_depth_maps_of_other_sizes(photo: Path, tmp_path: Path) -> None:
    made = make(photo, tmp_path / "out", depth_size="2x", make=("depth",))
    assert made.depth_m.shape == (120, 160) and made.camera.width_px == 80


def test_the_same_seed_gives_the_same_bundle(photo: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make(photo, tmp_path / name, seed=7)
    for path in (tmp_path / "a").rglob("*"):
        if path.suffix in (".npy", ".ply"):
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path.name


# -- when something goes wrong -------------------------------------------------------


def test_progress_runs_through_all_stages(photo: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    reconstruct_photo(
        photo,
        tmp_path / "out",
        ReconstructOptions(**SMALL),  # type: ignore[arg-type]
        field=PlaneField(),
        progress=lambda stage, fraction, message="": seen.append((stage, fraction)),
    )
    order = list(dict.fromkeys(stage for stage, _ in seen))
    assert order == ["load", "encode", "depth", "mesh", "points", "splats", "write"]
    for stage in order:
        fractions = [fraction for name, fraction in seen if name == stage]
        assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1


@pytest.mark.parametrize("stage", ["load", "encode", "depth", "mesh", "points", "splats", "write"])
def test_cancel_keeps_the_older_result_and_nothing_else(photo: Path, tmp_path: Path, stage: str) -> None:
    folder = tmp_path / "out" / "holiday"
    folder.parent.mkdir()
    if stage in ("depth", "write"):
        make(photo, folder)
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    else:
        before = {}

    def progress(name: str, fraction: float, message: str = "") -> None:
        if name == stage and fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        reconstruct_photo(photo, folder, ReconstructOptions(**SMALL), field=PlaneField(), progress=progress)  # type: ignore[arg-type]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert [p.name for p in folder.parent.iterdir()] == (["holiday"] if before else [])


def test_bad_input_leaves_nothing(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(PhotoError, match=r"text\.jpg is a text file"):
        make(tmp_path / "text.jpg", tmp_path / "out" / "a")
    with pytest.raises(DepthFileError):
        make(photo, tmp_path / "out" / "a", depth_prompt=str(tmp_path / "none.npy"))
    with pytest.raises(PhotoError, match="all sky"):
        make(photo, tmp_path / "out" / "a", PlaneField(sky_above_y=2.0))
    assert not list(tmp_path.glob("out/*"))


def test_depth_that_lies_on_its_side_is_refused_before_the_photo_is_looked_at(photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "turned.npy", np.full((80, 60), 3.0))
    stages: list[str] = []
    options = ReconstructOptions(depth_prompt=str(tmp_path / "turned.npy"))
    with pytest.raises(DepthFileError, match="other way round"):
        reconstruct_photo(
            photo, tmp_path / "out", options, progress=lambda stage, fraction, message="": stages.append(stage)
        )
    assert set(stages) == {"load"}


def test_depth_of_another_shape_is_mentioned(photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.full((40, 80), 3.0))
    made = make(photo, tmp_path / "out", make=("depth",), depth_prompt=str(tmp_path / "wide.npy"))
    assert any("another shape" in warning for warning in made.warnings)


def test_an_output_that_cannot_be(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file is a file, not a folder"):
        make(photo, tmp_path / "file" / "holiday")


def refusals(photo: Path, folder: Path) -> list[str]:
    """What making each part alone says, with results of 100 kB and more."""
    sentences = []
    for part in ("depth", "mesh", "points", "splats"):
        with pytest.raises(OutputError) as caught:
            make(photo, folder / part, make=(part,), points=20_000, mesh_size=161, depth_size="4x")
        sentences.append(caught.value.message)
    return sentences


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX resource limits")
def test_files_that_cannot_grow(photo: Path, tmp_path: Path) -> None:
    """Every file beyond 20 kB fails, whichever library writes it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        sentences = refusals(photo, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all("The disk is full" in sentence for sentence in sentences), sentences
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs a mount")
def test_full_disk(photo: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        sentences = refusals(photo, disk / "out")
        assert all("The disk is full" in sentence for sentence in sentences), sentences
        assert not list((disk / "out").iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_exif_reaches_the_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 35
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "lens.jpg", exif=exif)
    made = make(tmp_path / "lens.jpg", tmp_path / "out", fov_deg=None, make=("camera",))
    assert made.camera.source == "exif" and made.camera.fx_px == pytest.approx(35 / 36 * 60)
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == (tmp_path / "lens.jpg").read_bytes()
    assert made.warnings == []


def tiny_model(folder: Path) -> str:
    """A weights file of a network with random weights: nonsense for depth, but everything else holds."""
    torch.manual_seed(0)
    vit = VitConfig(width=32, blocks=4, heads=2, in_channels=5)
    config = NetworkConfig(vit=vit, blocks=(0, 1, 2, 3), channels=(8, 8, 8, 8), head_hidden=16, tokens=24)
    save_weights(InfiniDepthNetwork(config), folder / "tiny.safetensors", {"steps": 0})
    return str(folder / "tiny.safetensors")


def test_cancel_reaches_into_a_long_question(photo: Path, tmp_path: Path) -> None:
    seen: list[float] = []

    def progress(stage: str, fraction: float, message: str = "") -> None:
        if stage == "depth":
            seen.append(fraction)
            if len(seen) == 12:
                raise Cancelled

    options = ReconstructOptions(model=tiny_model(tmp_path), device="cpu", depth_size="8x", make=("depth",))
    with pytest.raises(Cancelled):
        reconstruct_photo(photo, tmp_path / "out", options, progress=progress)
    assert seen == sorted(seen) and not (tmp_path / "out").exists()


def test_with_a_network(photo: Path, tmp_path: Path) -> None:
    models = ModelCache()
    for name in ("a", "b"):
        options = ReconstructOptions(**{**SMALL, "model": tiny_model(tmp_path), "device": "cpu"})  # type: ignore[arg-type]
        made = reconstruct_photo(photo, tmp_path / name, options, models=models)
    assert made.model["name"] == "tiny.safetensors" and len(made.model["sha256"]) == 64
    assert not made.scale_known and made.camera.source == "given"
    assert ((made.flags & (FLAG_VALID | FLAG_SKY)) > 0).all()
    assert (tmp_path / "a" / "splats.ply").read_bytes() == (tmp_path / "b" / "splats.ply").read_bytes()
