"""Splats in binary glTF: what another program wrote, there and back, nodes that move them, and damage.

`data/splat_files/splat_transform.glb` was written by PlayCanvas' splat-transform 2.7.1 of a PLY with the splats of `source.npz`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infinidepth_blender import cli
from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.glb import TexturedMesh, write_glb
from infinidepth_blender.errors import SplatFileError
from infinidepth_blender.glb_container import Container, Parts, header
from infinidepth_blender.reconstruction import Gaussians, MeshArrays
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.sh import dc_to_rgb, evaluate_sh
from infinidepth_blender.splats.transform import half_turned, mapped

FILES = Path(__file__).resolve().parents[1] / "data" / "splat_files"


@pytest.fixture
def splats() -> Gaussians:
    values = np.load(FILES / "source.npz")
    sh = np.concatenate([values["sh0"][:, None], values["shN"]], axis=1)
    opacities = 1 / (1 + np.exp(-values["logit"]))
    return Gaussians(values["means"], np.exp(values["log_scales"]), values["quats"], opacities, sh)


@pytest.fixture
def written(splats: Gaussians, tmp_path: Path) -> Path:
    write_splats(tmp_path / "a.glb", splats)
    return tmp_path / "a.glb"


def covariances(gaussians: Gaussians) -> np.ndarray:
    """(N, 3, 3): what a splat is, whatever its axes are called."""
    axes = rotation_matrices(gaussians.rotations.astype(np.float64)) * gaussians.scales[:, None, :]
    return axes @ np.swapaxes(axes, 1, 2)


def assert_same(found: Gaussians, expected: Gaussians, close: float = 1e-5) -> None:
    """The same splats in the same order, and the same colours from a few sides."""
    np.testing.assert_allclose(found.means, expected.means, atol=close)
    np.testing.assert_allclose(covariances(found), covariances(expected), atol=close)
    np.testing.assert_allclose(found.opacities, expected.opacities, atol=close)
    for direction in ([1, 0, 0], [0, 0.6, 0.8], [0.48, -0.6, 0.64]):
        seen = np.broadcast_to(np.array(direction), (len(found), 3))
        np.testing.assert_allclose(evaluate_sh(found.sh, seen), evaluate_sh(expected.sh, seen), atol=10 * close)


def changed(path: Path, change: Any) -> Path:
    """The file with its JSON changed in place."""
    file = Container.open(path)
    content, block = json.loads(json.dumps(file.content)), file.block.tobytes()
    change(content)
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(block), b"BIN\0") + block
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    return path


# -- files of other programs ----------------------------------------------------------


def test_a_file_of_another_program(splats: Gaussians) -> None:
    """It turns PLY's axes half about z, where we turn half about x: both have y up."""
    found = read_splats(FILES / "splat_transform.glb")
    assert_same(found.gaussians, mapped(splats, np.diag([-1.0, 1.0, -1.0]), np.zeros(3)))
    assert found.camera is None
    assert found.color_space == "srgb"


# -- there and back -------------------------------------------------------------------


def test_there_and_back_with_its_camera(splats: Gaussians, tmp_path: Path) -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]
    pose[:3, 3] = [1, 2, 3]
    camera = Camera(640, 480, 500.0, 510.0, 300.0, 250.0)
    write_splats(tmp_path / "a.glb", splats, camera, pose)
    found = read_splats(tmp_path / "a.glb")
    assert_same(found.gaussians, splats, 1e-6)
    assert found.camera is not None
    assert (found.camera.width_px, found.camera.fy_px, found.camera.cx_px) == (640, 510.0, 300.0)
    np.testing.assert_allclose(found.cam_to_world, pose, atol=1e-12)
    write_splats(tmp_path / "b.glb", splats, camera, pose)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_the_file_is_what_the_extension_says(splats: Gaussians, written: Path) -> None:
    """Points with linear scales, plain opacities, x y z w, y up, and colours for programs that know points alone."""
    file = Container.open(written)
    (primitive,) = file.content["meshes"][0]["primitives"]
    assert primitive["mode"] == 0
    assert file.content["extensionsUsed"] == ["KHR_gaussian_splatting"]
    about = primitive["extensions"]["KHR_gaussian_splatting"]
    assert about["kernel"] == "ellipse" and about["colorSpace"] == "srgb_rec709_display"
    tables = {name: file.table(number) for name, number in primitive["attributes"].items()}
    np.testing.assert_allclose(tables["POSITION"], splats.means * [1, -1, -1], atol=1e-6)
    np.testing.assert_allclose(tables["KHR_gaussian_splatting:SCALE"], splats.scales, rtol=1e-6)
    np.testing.assert_allclose(tables["KHR_gaussian_splatting:OPACITY"][:, 0], splats.opacities, atol=1e-6)
    w, x, y, z = splats.rotations.T
    np.testing.assert_allclose(tables["KHR_gaussian_splatting:ROTATION"], np.stack([x, -y, -z, w], 1), atol=1e-6)
    assert sum("SH_DEGREE_3" in name for name in tables) == 7
    encoded = np.clip(dc_to_rgb(splats.sh[:, 0]), 0, 1)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(tables["COLOR_0"][:, :3], linear, atol=1e-4)
    accessor = file.listed("accessors", primitive["attributes"]["POSITION"])
    np.testing.assert_allclose(accessor["min"], tables["POSITION"].min(axis=0))


def test_convert_keeps_camera_and_colours(splats: Gaussians, tmp_path: Path, capsys) -> None:
    write_splats(tmp_path / "a.ply", splats, Camera(640, 480, 500.0, 500.0, 320.0, 240.0))
    assert cli.main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "a.glb")]) == 0
    assert "left out" not in capsys.readouterr().err
    assert cli.main(["convert", str(tmp_path / "a.glb"), str(tmp_path / "b.ply")]) == 0
    back = read_splats(tmp_path / "b.ply")
    assert back.camera is not None and back.camera.width_px == 640
    assert_same(back.gaussians, splats)
    assert cli.main(["info", str(tmp_path / "a.glb"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sh_degree"] == 3


def test_info_of_a_mesh_says_so(tmp_path: Path, capsys) -> None:
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32)
    quad = MeshArrays(corners, corners[:, :2], corners, np.array([[0, 1, 3, 2]], np.int32), np.zeros((0, 3), np.int32))
    write_glb(tmp_path / "a.glb", "a", Camera(4, 4, 4.0, 4.0, 2.0, 2.0), [TexturedMesh("a", quad, b"\x89PNG")])
    assert cli.main(["info", str(tmp_path / "a.glb"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["kind"], info["elements"]) == ("mesh", {"vertex": 4, "face": 2})
    assert cli.main(["info", str(tmp_path / "a.glb")]) == 0
    assert "a.glb: a mesh" in capsys.readouterr().out
    with pytest.raises(SplatFileError, match="holds no splats"):
        read_splats(tmp_path / "a.glb")


# -- what other files may have ----------------------------------------------------------


def test_nodes_turn_move_and_stretch_their_splats(splats: Gaussians, written: Path) -> None:
    """A node below a node; colours turn along. The same once more, stretched unevenly."""

    def change(content: dict[str, Any]) -> None:
        content["nodes"] = [
            {"children": [1], "translation": [1, 2, 3], "rotation": [0, 0.6, 0, 0.8]},
            {"mesh": 0, "scale": [2, 2, 2]},
        ]
        content["scenes"] = [{"nodes": [0]}]

    turn = np.array([[0.28, 0, 0.96], [0, 1, 0], [-0.96, 0, 0.28]])
    upright = half_turned(splats)
    expected = mapped(upright, turn, np.zeros(3))
    expected = Gaussians(
        2 * expected.means + np.array([1, 2, 3], np.float32),
        2 * expected.scales,
        expected.rotations,
        expected.opacities,
        expected.sh,
    )
    assert_same(half_turned(read_splats(changed(written, change)).gaussians), expected, 2e-5)

    def stretch(content: dict[str, Any]) -> None:
        content["nodes"][1]["scale"] = [1, 2, -0.5]

    found = half_turned(read_splats(changed(written, stretch)).gaussians)
    linear = turn @ np.diag([1, 2, -0.5])
    np.testing.assert_allclose(found.means, upright.means @ linear.T + [1, 2, 3], atol=1e-4)
    wanted = linear @ covariances(upright) @ linear.T
    size = np.trace(wanted, axis1=1, axis2=2)[:, None, None]
    np.testing.assert_allclose(covariances(found) / size, wanted / size, atol=1e-5)


def test_thin_splats_stay_thin_in_a_mirror(splats: Gaussians, tmp_path: Path) -> None:
    thin = replace(splats, scales=np.tile(np.array([2e-3, 1e-3, 1e-6], np.float32), (300, 1)))
    write_splats(tmp_path / "thin.glb", thin)
    path = changed(tmp_path / "thin.glb", lambda c: c["nodes"][0].update(scale=[-1, 1, 1]))
    np.testing.assert_allclose(np.sort(read_splats(path).gaussians.scales), np.sort(thin.scales), rtol=1e-3)


def test_splats_without_numbers_are_left_out_also_where_they_are_stretched(splats: Gaussians, written: Path) -> None:
    data = bytearray(written.read_bytes())
    file = Container.open(written)
    primitive = file.content["meshes"][0]["primitives"][0]["attributes"]
    view = file.listed("bufferViews", file.listed("accessors", primitive["KHR_gaussian_splatting:SCALE"])["bufferView"])
    start = len(data) - len(file.block) + view["byteOffset"]
    data[start : start + 4] = np.float32(np.nan).tobytes()
    written.write_bytes(data)
    for scale in ([1, 1, 1], [1, 2, 3]):
        found = read_splats(changed(written, lambda c, scale=scale: c["nodes"][0].update(scale=scale)))
        assert (len(found.gaussians), found.dropped) == (299, 1)


def test_what_is_no_number_is_not_written(splats: Gaussians, tmp_path: Path) -> None:
    """One of them in the bounds would make the whole file unreadable elsewhere."""
    means = splats.means.copy()
    means[7, 1] = np.nan
    write_splats(tmp_path / "a.glb", replace(splats, means=means))
    assert len(read_splats(tmp_path / "a.glb").gaussians) == 299
    assert b"NaN" not in (tmp_path / "a.glb").read_bytes()[:20_000]
    with pytest.raises(SplatFileError):
        write_splats(tmp_path / "none.glb", replace(splats, means=np.full_like(means, np.nan)))
    assert not (tmp_path / "none.glb").exists()


def test_a_camera_below_a_scaled_node_keeps_its_pose(splats: Gaussians, tmp_path: Path) -> None:
    pose = np.eye(4)
    pose[:3, 3] = [1, 2, 3]
    write_splats(tmp_path / "a.glb", splats, Camera(640, 480, 500.0, 510.0, 300.0, 250.0), pose)

    def below(scale: float):
        def change(content: dict[str, Any]) -> None:
            content["nodes"] = [*content["nodes"][:2], {"children": [0, 1], "scale": [scale] * 3}]
            content["scenes"] = [{"nodes": [2]}]

        return change

    found = read_splats(changed(tmp_path / "a.glb", below(2.0)))
    assert found.camera is not None
    np.testing.assert_allclose(found.cam_to_world[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found.cam_to_world[:3, 3], [2, 4, 6])
    assert read_splats(changed(tmp_path / "a.glb", below(0.0))).camera is None
    assert read_splats(changed(tmp_path / "a.glb", below(-1.0))).camera is None


def test_a_small_file_does_not_become_a_large_scene(written: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["nodes"] = [{"mesh": 0}] * 20_000
        content["scenes"] = [{"nodes": list(range(20_000))}]

    with pytest.raises(SplatFileError, match="nodes repeat more than"):
        read_splats(changed(written, change))


def test_several_clouds_become_one_and_hidden_ones_stay_out(splats: Gaussians, written: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["nodes"] = [{"mesh": 0}, {"mesh": 0, "matrix": [*np.eye(4)[:3].ravel(), 5, 0, 0, 1]}, {"mesh": 0}]
        content["scenes"] = [{"nodes": [0, 1]}, {"nodes": [2]}]

    found = read_splats(changed(written, change)).gaussians
    assert len(found) == 2 * len(splats)
    np.testing.assert_allclose(found.means[300:] - found.means[:300], np.tile([5, 0, 0], (300, 1)), atol=1e-5)


def test_rounded_tables_and_rows_with_gaps(splats: Gaussians, tmp_path: Path) -> None:
    """Integers that are normalized, and rows that lie farther apart than they are long."""
    g, parts = half_turned(splats), Parts()
    rows = np.zeros((300, 5), "<f4")
    rows[:, 1:4] = g.means
    place = parts.accessor(np.ascontiguousarray(g.means, "<f4"), bounds=True)
    parts.accessors[place] |= {"bufferView": parts.view(rows), "byteOffset": 4}
    parts.views[-1]["byteStride"] = 20
    largest = float(g.scales.max())
    factor = 65535 / largest
    scales = np.zeros((300, 4), "<u2")
    scales[:, :3] = np.round(g.scales * factor)
    tables = {
        "POSITION": place,
        "KHR_gaussian_splatting:SCALE": parts.accessor(scales, normalized=True),
        "KHR_gaussian_splatting:ROTATION": parts.accessor(
            np.round(np.roll(g.rotations, -1, axis=1) * 32767).astype("<i2"), normalized=True
        ),
        "KHR_gaussian_splatting:OPACITY": parts.accessor(np.round(g.opacities * 65535).astype("<u2"), normalized=True),
        "KHR_gaussian_splatting:SH_DEGREE_0_COEF_0": parts.accessor(np.ascontiguousarray(g.sh[:, 0], "<f4")),
    }
    parts.accessors[tables["KHR_gaussian_splatting:SCALE"]] |= {"type": "VEC3"}
    parts.views[parts.accessors[tables["KHR_gaussian_splatting:SCALE"]]["bufferView"]]["byteStride"] = 8
    content = {
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [largest] * 3}],
        "meshes": [{"primitives": [{"attributes": tables, "mode": 0, "extensions": {"KHR_gaussian_splatting": {}}}]}],
    }
    path = tmp_path / "rounded.glb"
    path.write_bytes(header("rounded.glb", content, parts, "") + b"".join(bytes(block) for block in parts.blocks()))
    found = read_splats(path).gaussians
    np.testing.assert_allclose(found.means, splats.means * largest, rtol=1e-5)
    np.testing.assert_allclose(found.scales, splats.scales, atol=2 * largest / 65535)
    np.testing.assert_allclose(found.opacities, splats.opacities, atol=1e-4)
    assert found.sh.shape[1] == 1


def test_drafts_had_logarithms_of_scales(splats: Gaussians, written: Path) -> None:
    data = bytearray(written.read_bytes())
    file = Container.open(written)
    number = file.content["meshes"][0]["primitives"][0]["attributes"]["KHR_gaussian_splatting:SCALE"]
    view = file.listed("bufferViews", file.listed("accessors", number)["bufferView"])
    start = len(data) - len(file.block) + view["byteOffset"]
    data[start : start + view["byteLength"]] = np.log(splats.scales).astype("<f4").tobytes()
    written.write_bytes(data)
    assert_same(read_splats(written).gaussians, splats, 1e-5)


def test_splats_that_are_packed_as_spz(splats: Gaussians, tmp_path: Path) -> None:
    packed = np.frombuffer((FILES / "gsply_v3.spz").read_bytes(), np.uint8)
    parts = Parts()
    about = {"extensions": {"KHR_gaussian_splatting_compression_spz_2": {"bufferView": parts.view(packed)}}}
    content = {
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {}, "mode": 0, "extensions": {"KHR_gaussian_splatting": about}}]}],
    }
    path = tmp_path / "packed.glb"
    path.write_bytes(header("packed.glb", content, parts, "") + b"".join(bytes(block) for block in parts.blocks()))
    assert_same(read_splats(path).gaussians, read_splats(FILES / "gsply_v3.spz").gaussians, 1e-6)


def test_linear_colours_are_told(written: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["meshes"][0]["primitives"][0]["extensions"]["KHR_gaussian_splatting"]["colorSpace"] = (
            "lin_rec709_display"
        )

    assert read_splats(changed(written, change)).color_space == "linear"


# -- damage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda c: c["meshes"][0]["primitives"][0].pop("extensions"), "holds no splats"),
        (lambda c: c["buffers"][0].update(uri="a.bin"), "lies in another file"),
        (lambda c: c["accessors"][0].update(count=10**9), "shorter than it says"),
        (lambda c: c["accessors"][0].update(count=-1), "do not fit their description"),
        (lambda c: c["accessors"][0].update(count=0), "do not fit their description"),
        (lambda c: c["accessors"][0].update(componentType=[5126]), "do not fit their description"),
        (lambda c: c["bufferViews"][0].update(byteStride=10**30), "shorter than it says"),
        (lambda c: c["bufferViews"][0].update(extensions={"EXT_meshopt_compression": {}}), "compressed"),
        (lambda c: c["nodes"][0].update(matrix=[10**400] * 16), "placed by no numbers"),
        (lambda c: c["nodes"][0].update(rotation=[0, 0, 0, 0]), "placed by no numbers"),
        (
            lambda c: (
                c["nodes"][0].update(scale=[1e200, 1, 1], children=[1]) or c["nodes"].append({"scale": [1e200] * 3})
            ),
            "no numbers",
        ),
        (lambda c: c["accessors"][2].update(count=299), "not of one length"),
        (lambda c: c["accessors"][0].update(sparse={}), "sparse"),
        (lambda c: c["bufferViews"][0].update(byteOffset=-4), "do not fit"),
        (lambda c: c["nodes"][0].update(children=[0]), "no tree"),
        (lambda c: c["nodes"][0].update(rotation=[0, "x", 0, 1]), "placed by no numbers"),
        (lambda c: c["nodes"][0].update(matrix=[1, 2]), "placed by no numbers"),
        (lambda c: c["nodes"][0].update(mesh=7), "lacks"),
        (lambda c: c.update(nodes={}), "lacks|cannot be read"),
        (lambda c: c["meshes"][0]["primitives"][0]["attributes"].pop("KHR_gaussian_splatting:SCALE"), "no scale"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(written: Path, what, said: str) -> None:
    with pytest.raises(SplatFileError, match=said) as caught:
        read_splats(changed(written, what))
    assert "a.glb" in str(caught.value)


def test_cut_and_scrambled_files_are_told_or_harmless(tmp_path: Path) -> None:
    data = (FILES / "splat_transform.glb").read_bytes()
    path = tmp_path / "broken.glb"
    for length in (4, 11, 12, 19, 20, 100, 3000, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(SplatFileError, match=r"broken\.glb"):
            read_splats(path)
    rng = np.random.default_rng(5)
    for _ in range(80):
        broken = bytearray(data)
        for place in rng.integers(0, 5000 if rng.random() < 0.7 else len(data), 3):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken)
        try:
            assert len(read_splats(path).gaussians) > 0
        except SplatFileError as error:
            assert "broken.glb" in str(error)


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    3,
    10**12,
    10**400,
    1e300,
    float("nan"),
    "",
    "x",
    [],
    [0],
    [[]],
    {},
    {"a": 1},
    5126,
    0.5,
)


def test_values_of_other_kinds_are_told_or_harmless(splats: Gaussians, tmp_path: Path) -> None:
    """Any value of the description replaced by an odd one, with a camera and nodes in it."""
    write_splats(tmp_path / "a.glb", splats, Camera(640, 480, 500.0, 510.0, 300.0, 250.0))
    file = Container.open(tmp_path / "a.glb")
    content = file.content
    content["nodes"] += [{"children": [0], "rotation": [0, 0, 0, 1], "scale": [1, 2, 1], "translation": [0, 0, 1]}]
    content["scenes"] = [{"nodes": [1, 2]}]
    places = list(_places(content))
    rng = np.random.default_rng(2)
    path = tmp_path / "odd.glb"
    for number in range(500):
        broken = json.loads(json.dumps(content))
        *way, last = places[rng.integers(len(places))]
        inside: Any = broken
        for step in way:
            inside = inside[step]
        inside[last] = ODD[number % len(ODD)]
        text = json.dumps(broken).encode()
        text += b" " * (-len(text) % 4)
        block = file.block.tobytes()
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(block), b"BIN\0") + block
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        try:
            found = read_splats(path)
        except SplatFileError as error:
            assert "odd.glb" in str(error)
        else:
            assert {
                len(getattr(found.gaussians, name)) for name in ("means", "scales", "rotations", "opacities", "sh")
            } == {len(found.gaussians)}


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a description."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*way, key)
        yield from _places(part, (*way, key))
