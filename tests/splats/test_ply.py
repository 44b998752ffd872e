"""Splat files: written as everybody reads them, read however they were written."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from goldens import golden_file, golden_files
from plyfile import PlyData, PlyElement

from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import OutputError, SplatFileError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.ply import open_ply, read_splat_ply, write_splat_ply
from infinidepth_blender.splats.sh import SH_C0
from infinidepth_blender.splats.transform import mapped, scales_and_rotations

CAMERA = Camera(640, 480, 700.0, 710.0, 321.5, 239.0)


def random_gaussians(count: int = 50, coefficients: int = 1, seed: int = 3) -> Gaussians:
    rng = np.random.default_rng(seed)
    rotations = rng.standard_normal((count, 4)).astype(np.float32)
    return Gaussians(
        means=rng.standard_normal((count, 3)).astype(np.float32),
        scales=np.exp(rng.standard_normal((count, 3))).astype(np.float32),
        rotations=rotations / np.linalg.norm(rotations, axis=1, keepdims=True),
        opacities=rng.uniform(0.05, 0.95, count).astype(np.float32),
        sh=rng.standard_normal((count, coefficients, 3)).astype(np.float32),
    )


def assert_same(a: Gaussians, b: Gaussians, rtol: float = 2e-6) -> None:
    for name in Gaussians.__dataclass_fields__:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=1e-6, err_msg=name)


def table_of(gaussians: Gaussians, tmp_path: Path) -> np.ndarray:
    """The vertex table of a file in our own layout, to be changed by a test."""
    write_splat_ply(tmp_path / "own.ply", gaussians)
    return np.array(open_ply(tmp_path / "own.ply")["vertex"].data)


def write_table(table: np.ndarray, path: Path, **how) -> Path:
    PlyData([PlyElement.describe(table, "vertex")], **how).write(path)
    return path


def keep(table: np.ndarray, names: list[str], types: dict[str, str] | None = None) -> np.ndarray:
    out = np.empty(len(table), [(n, (types or {}).get(n, "f4")) for n in names])
    for name in names:
        out[name] = table[name]
    return out


# -- round trips ----------------------------------------------------------------------


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_what_was_written_is_read_back(tmp_path, coefficients):
    gaussians = random_gaussians(5000, coefficients)
    pose = np.eye(4)
    pose[:3, 3] = (1, 2, 3)
    write_splat_ply(tmp_path / "splats.ply", gaussians, CAMERA, cam_to_world=pose)
    file = read_splat_ply(tmp_path / "splats.ply")
    assert_same(file.gaussians, gaussians)
    assert file.camera == CAMERA
    assert file.color_space == "srgb"
    assert file.dropped == 0
    np.testing.assert_array_equal(file.cam_to_world, pose)


def test_a_file_without_camera_has_none(tmp_path):
    write_splat_ply(tmp_path / "bare.ply", random_gaussians())
    assert read_splat_ply(tmp_path / "bare.ply").camera is None


def test_harmonics_of_degree_4_are_left_out(tmp_path):
    """Colour by colour there are 24, of which the first 15 are of degrees 1 to 3."""
    write_splat_ply(tmp_path / "splats.ply", random_gaussians())
    table = PlyData.read(tmp_path / "splats.ply")["vertex"].data
    fields = [d for d in table.dtype.descr if not d[0].startswith("f_rest_")] + [
        (f"f_rest_{i}", "f4") for i in range(72)
    ]
    larger = np.zeros(len(table), fields)
    for name, *_ in fields:
        if name in table.dtype.names and not name.startswith("f_rest_"):
            larger[name] = table[name]
    for colour in range(3):
        for k in range(24):
            larger[f"f_rest_{24 * colour + k}"] = 100 * colour + k
    PlyData([PlyElement.describe(larger, "vertex")]).write(tmp_path / "four.ply")
    sh = read_splat_ply(tmp_path / "four.ply").gaussians.sh
    assert sh.shape == (len(table), 16, 3)
    np.testing.assert_array_equal(sh[0, 1:], np.arange(15)[:, None] + 100 * np.arange(3))


def test_extreme_opacities_and_scales_stay_finite_in_the_file(tmp_path):
    gaussians = random_gaussians(3)
    gaussians.opacities[:] = (0, 1, 0.5)
    gaussians.scales[0] = 0
    write_splat_ply(tmp_path / "extreme.ply", gaussians)
    table = open_ply(tmp_path / "extreme.ply")["vertex"].data
    assert np.isfinite(table.view("<f4")).all()
    np.testing.assert_allclose(read_splat_ply(tmp_path / "extreme.ply").gaussians.opacities, (0, 1, 0.5), atol=2e-6)


# -- goldens --------------------------------------------------------------------------

GOLDEN_FILES = golden_files("ply_*.ply")
QUARTER_TURN_ABOUT_X = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


@functools.cache
def golden_input() -> dict[str, np.ndarray]:
    return dict(np.load(golden_file("ply_input.npz")))


def golden_gaussians() -> Gaussians:
    g = golden_input()
    return Gaussians(g["means"], g["scales"], g["rotations"], g["opacities"], g["harmonics"].transpose(0, 2, 1))


def without_centre(gaussians: Gaussians, centre: np.ndarray) -> Gaussians:
    return replace(gaussians, means=gaussians.means - centre.astype(np.float32))


def official_export(name: str, golden: Path, path: Path) -> None:
    """Writes what the official exporter made of the golden input, with our functions.

    It moves a centre to the origin and leaves harmonics out, as a rule.
    """
    gaussians, g = golden_gaussians(), golden_input()
    means = gaussians.means
    plain = replace(gaussians, sh=gaussians.sh[:, :1])
    in_the_middle = without_centre(plain, means.mean(axis=0, dtype=np.float64))
    if name == "ply_default":
        write_splat_ply(path, in_the_middle)
    elif name == "ply_median":
        # The lower of the two middle ones.
        write_splat_ply(path, without_centre(plain, np.sort(means, axis=0)[(len(means) - 1) // 2]))
    elif name == "ply_bbox_rotx":
        of_bounds = (means.min(axis=0).astype(np.float64) + means.max(axis=0)) / 2
        write_splat_ply(path, mapped(without_centre(plain, of_bounds), QUARTER_TURN_ABOUT_X, np.zeros(3)))
    elif name == "ply_inference_gs":
        height, width = g["image_hw"].tolist()
        camera = Camera(width, height, *g["focal"].tolist(), *g["principal"].tolist())
        write_splat_ply(path, in_the_middle, camera)
    elif name == "ply_camera_full_sh":
        camera = read_splat_ply(golden).camera
        write_splat_ply(path, gaussians, camera, cam_to_world=g["extrinsic"])
    elif name == "ply_cov":
        scales, rotations = scales_and_rotations(np.load(golden_file("ply_cov_input.npz"))["covariances"])
        write_splat_ply(path, replace(in_the_middle, scales=scales, rotations=rotations))
    else:
        pytest.skip(f"{name} was exported with settings that this test does not know")


def covariances_of(vertices: PlyElement) -> np.ndarray:
    scales = np.exp(np.stack([vertices[f"scale_{i}"] for i in range(3)], axis=1).astype(np.float64))
    axes = rotation_matrices(np.stack([vertices[f"rot_{i}"] for i in range(4)], axis=1).astype(np.float64))
    return (axes * scales[:, None] ** 2) @ axes.transpose(0, 2, 1)


@pytest.mark.parametrize("path", GOLDEN_FILES)
def test_the_official_export_is_reproduced(path, tmp_path):
    official_export(path.stem, path, tmp_path / "ours.ply")
    ours, golden = (tmp_path / "ours.ply").read_bytes(), path.read_bytes()
    end = golden.index(b"end_header\n") + len(b"end_header\n")
    assert ours[:end] == golden[:end]
    assert len(ours) == len(golden)
    a, b = open_ply(tmp_path / "ours.ply"), open_ply(path)
    # Eigenvectors have no sign, and the small eigenvalues have the rounding error of the large ones.
    from_covariances = path.stem == "ply_cov"
    for element in b.elements:
        if element.name == "color_space":
            continue  # 1 in the official export, although its colours are sRGB
        for name in element.data.dtype.names:
            if not (from_covariances and name.startswith(("rot_", "scale_"))):
                # Values that a shift brought near 0 have the rounding error of what they were before.
                np.testing.assert_allclose(
                    a[element.name][name], b[element.name][name], rtol=1e-6, atol=1e-6, err_msg=name
                )
    if from_covariances:
        np.testing.assert_allclose(covariances_of(a["vertex"]), covariances_of(b["vertex"]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("path", GOLDEN_FILES)
def test_golden_files_are_read_and_written_back_byte_for_byte(path, tmp_path):
    file = read_splat_ply(path)
    assert file.dropped == 0
    assert file.color_space == "srgb"
    write_splat_ply(tmp_path / "again.ply", file.gaussians, file.camera, cam_to_world=file.cam_to_world)
    ours, golden = (tmp_path / "again.ply").read_bytes(), path.read_bytes()
    end = golden.index(b"end_header\n") + len(b"end_header\n")
    assert ours[:end] == golden[:end]
    assert len(ours) == len(golden)
    a, b = open_ply(tmp_path / "again.ply"), open_ply(path)
    for element in b.elements:
        if element.name == "color_space":
            continue  # 1 in the official export, although its colours are sRGB
        for name in element.data.dtype.names:
            # A float32 opacity near 1 has a coarse logit; files of others are only as good as that.
            tolerance = 2e-2 if name == "opacity" else 2e-6
            np.testing.assert_allclose(
                a[element.name][name], b[element.name][name], rtol=tolerance, atol=2e-6, err_msg=name
            )


@pytest.mark.parametrize("path", GOLDEN_FILES)
def test_golden_parameters_come_out_activated(path):
    gaussians, expected = read_splat_ply(path).gaussians, golden_gaussians()
    if "cov" not in path.name:
        np.testing.assert_allclose(gaussians.scales, expected.scales, rtol=1e-5)
    np.testing.assert_allclose(gaussians.opacities, expected.opacities, atol=2e-6)
    np.testing.assert_allclose(gaussians.sh, expected.sh[:, : gaussians.sh.shape[1]], rtol=1e-6)


# -- files of others ------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"text": True}, {"byte_order": ">"}, {"byte_order": "<"}])
def test_every_encoding_gives_the_same_splats(tmp_path, how):
    gaussians = random_gaussians(40, 4)
    path = write_table(table_of(gaussians, tmp_path), tmp_path / "other.ply", **how)
    assert_same(read_splat_ply(path).gaussians, gaussians)


def test_a_sharp_file_without_normals_and_with_its_own_elements(tmp_path):
    gaussians = random_gaussians(10)
    table = table_of(gaussians, tmp_path)
    names = [n for n in table.dtype.names if not n.startswith("n")]

    def element(name: str, values, dtype: str) -> PlyElement:
        return PlyElement.describe(np.array([(v,) for v in values], [(name, dtype)]), name)

    PlyData([
        PlyElement.describe(keep(table, names), "vertex"),
        element("extrinsic", np.eye(4).ravel(), "f4"),
        element("intrinsic", CAMERA.matrix().ravel(), "f4"),
        element("image_size", (640, 480), "u4"),
        element("frame", (1, 10), "i4"),
        element("disparity", (0.1, 0.9), "f4"),
        element("color_space", (1,), "u1"),
        element("version", (1, 5, 0), "u1"),
    ]).write(tmp_path / "sharp.ply")  # fmt: skip
    file = read_splat_ply(tmp_path / "sharp.ply")
    assert_same(file.gaussians, gaussians)
    assert file.camera == CAMERA
    assert file.color_space == "linear"
    assert file.extra["version"] == [1, 5, 0]


def test_byte_colours_stand_in_for_f_dc(tmp_path):
    table = table_of(random_gaussians(4), tmp_path)
    names = [*"xyz", "red", "green", "blue", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    out = np.zeros(4, [(n, "u1" if n in ("red", "green", "blue") else "f4") for n in names])
    for name in names:
        if name in table.dtype.names:
            out[name] = table[name]
    out["red"] = 255
    file = read_splat_ply(write_table(out, tmp_path / "bytes.ply"))
    np.testing.assert_allclose(file.gaussians.sh[:, 0] * SH_C0 + 0.5, [[1, 0, 0]] * 4, atol=1e-6)
    np.testing.assert_array_equal(file.gaussians.opacities, 1)


@pytest.mark.parametrize(
    ("dtype", "white"), [("u1", 255), ("u2", 65535), ("i4", 255), ("f4", 255), ("f4", 1), ("u4", 65535)]
)
def test_colours_of_any_number_type(tmp_path, dtype, white):
    table = table_of(random_gaussians(4), tmp_path)
    names = [*"xyz", "red", "green", "blue", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    out = np.zeros(4, [(n, dtype if n in ("red", "green", "blue") else "f4") for n in names])
    for name in names:
        if name in table.dtype.names:
            out[name] = table[name]
    out["blue"] = white
    file = read_splat_ply(write_table(out, tmp_path / "colours.ply"))
    np.testing.assert_allclose(file.gaussians.sh[:, 0] * SH_C0 + 0.5, [[0, 0, 1]] * 4, atol=1e-6)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("line", ["comment für Zoë", "obj_info Grüße aus Köln"])
def test_letters_beyond_ascii_in_comments_do_no_harm(tmp_path, line, text):
    """Nor is anything put elsewhere: such letters have two bytes."""
    write_splat_ply(tmp_path / "own.ply", random_gaussians(3), CAMERA)
    data = PlyData.read(tmp_path / "own.ply")
    data.text = text
    data.write(tmp_path / "plain.ply")
    written = (tmp_path / "plain.ply").read_bytes()
    (tmp_path / "comment.ply").write_bytes(written.replace(b"element vertex", f"{line}\nelement vertex".encode(), 1))
    found = read_splat_ply(tmp_path / "comment.ply")
    assert found.camera == CAMERA
    assert_same(found.gaussians, read_splat_ply(tmp_path / "own.ply").gaussians)


def test_letters_beyond_ascii_in_names_are_told(tmp_path):
    write_splat_ply(tmp_path / "own.ply", random_gaussians(3))
    path = tmp_path / "name.ply"
    path.write_bytes((tmp_path / "own.ply").read_bytes().replace(b"float nx", "float nä".encode(), 1))
    with pytest.raises(SplatFileError, match="other letters than ASCII in the names of its header"):
        read_splat_ply(path)


def test_two_dimensional_gaussians_become_flat_ones(tmp_path):
    gaussians = random_gaussians(4)
    table = table_of(gaussians, tmp_path)
    flat = keep(table, [n for n in table.dtype.names if n != "scale_2"])
    scales = read_splat_ply(write_table(flat, tmp_path / "flat.ply")).gaussians.scales
    np.testing.assert_allclose(scales[:, :2], gaussians.scales[:, :2], rtol=1e-5)
    assert (scales[:, 2] < 0.01 * scales[:, :2].min(axis=1)).all()


def test_rotations_are_normalised_and_mixed_types_read(tmp_path):
    gaussians = random_gaussians(6)
    table = table_of(gaussians, tmp_path)
    for i in range(4):
        table[f"rot_{i}"] *= 7
    out = keep(table, list(table.dtype.names), {"x": "f8", "opacity": "f8"})
    assert_same(read_splat_ply(write_table(out, tmp_path / "mixed.ply")).gaussians, gaussians)
    table["rot_0"] = table["rot_1"] = table["rot_2"] = table["rot_3"] = 0
    np.testing.assert_array_equal(
        read_splat_ply(write_table(table, tmp_path / "zero.ply")).gaussians.rotations, [[1, 0, 0, 0]] * 6
    )


def test_values_that_are_not_numbers_are_left_out_and_counted(tmp_path):
    gaussians = random_gaussians(10)
    table = table_of(gaussians, tmp_path)
    table["x"][2] = np.nan
    table["scale_1"][5] = np.inf
    table["f_dc_2"][7] = np.nan
    table["opacity"][8] = np.inf  # the logit of 1, as SHARP may write it: a good value
    file = read_splat_ply(write_table(table, tmp_path / "nan.ply"))
    assert file.dropped == 3
    assert len(file.gaussians) == 7
    assert file.gaussians.opacities[5] == 1


@pytest.mark.parametrize("element", ["intrinsic", "extrinsic"])
def test_a_useless_camera_does_not_cost_the_splats(tmp_path, element):
    write_splat_ply(tmp_path / "a.ply", random_gaussians(), CAMERA)
    data = PlyData.read(tmp_path / "a.ply")
    data[element].data[element] = 0
    data.write(tmp_path / "b.ply")
    file = read_splat_ply(tmp_path / "b.ply")
    assert file.camera == (None if element == "intrinsic" else CAMERA)
    np.testing.assert_array_equal(file.cam_to_world, np.eye(4))


# -- bad files ------------------------------------------------------------------------


def _bad(name: str, tmp_path: Path) -> Path:
    path = tmp_path / f"{name}.ply"
    write_splat_ply(tmp_path / "good.ply", random_gaussians(100))
    good = (tmp_path / "good.ply").read_bytes()
    table = table_of(random_gaussians(5), tmp_path)
    match name:
        case "truncated":
            path.write_bytes(good[:-50])
        case "header_cut":
            path.write_bytes(good[:100])
        case "text":
            path.write_text("this is no splat file\n")
        case "empty":
            path.write_bytes(b"")
        case "garbage_header":
            path.write_bytes(b"ply\n" + bytes(range(256)) * 4)
        case "huge_count":
            path.write_bytes(good.replace(b"vertex 100\n", b"vertex 99999999999\n"))
        case "no_vertices":
            path.write_bytes(good.replace(b"vertex 100\n", b"vertex 0\n")[: good.index(b"end_header") + 9])
        case "point_cloud":
            write_table(keep(table, ["x", "y", "z", "nx", "ny", "nz"]), path)
        case "compressed":
            write_table(np.zeros(3, [("packed_position", "u4")]), path)
        case "odd_sh":
            write_table(keep(random_rest(table), [*table.dtype.names, "f_rest_0", "f_rest_1"]), path)
        case "all_nan":
            table["x"] = np.nan
            write_table(table, path)
    return path


def random_rest(table: np.ndarray) -> np.ndarray:
    out = np.zeros(len(table), [*table.dtype.descr, ("f_rest_0", "f4"), ("f_rest_1", "f4")])
    for name in table.dtype.names:
        out[name] = table[name]
    return out


@pytest.mark.parametrize("name", ["f_dc_1", "f_dc_2", "scale_1", "rot_0", "rot_2", "rot_3"])
def test_a_file_without_a_part_of_something_is_refused(tmp_path, name):
    table = table_of(random_gaussians(5), tmp_path)
    write_table(keep(table, [other for other in table.dtype.names if other != name]), tmp_path / "part.ply")
    with pytest.raises(SplatFileError, match=f"it has no '{name}'"):
        read_splat_ply(tmp_path / "part.ply")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("missing", "does not exist"),
        ("truncated", "damaged"),
        ("header_cut", "damaged"),
        ("text", "not a PLY"),
        ("empty", "not a PLY"),
        ("garbage_header", "damaged"),
        ("huge_count", "damaged"),
        ("no_vertices", "no splats"),
        ("point_cloud", "point cloud"),
        ("compressed", "compressed"),
        ("odd_sh", "f_rest"),
        ("all_nan", "not numbers"),
    ],
)
def test_bad_files_get_one_clear_sentence(tmp_path, name, word):
    path = _bad(name, tmp_path)
    with pytest.raises(SplatFileError) as caught:
        read_splat_ply(path)
    assert word in caught.value.message
    assert path.name in caught.value.message


def test_a_folder_is_no_splat_file(tmp_path):
    with pytest.raises(SplatFileError, match="folder"):
        read_splat_ply(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "splats.ply"
    write_splat_ply(path, random_gaussians(5))
    before = path.read_bytes()
    broken = random_gaussians(5)
    object.__setattr__(broken, "rotations", broken.rotations[:, :2])
    with pytest.raises(ValueError):
        write_splat_ply(path, broken)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["splats.ply"]
    (tmp_path / "a_file").write_text("")
    with pytest.raises(OutputError):
        write_splat_ply(tmp_path / "a_file" / "splats.ply", random_gaussians(5))
