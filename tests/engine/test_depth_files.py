"""Depth files in the forms that people have, and files that must be refused."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import cv2
import h5py
import numpy as np
import OpenEXR
import pytest

from infinidepth_blender.engine.depth_files import read_depth_file, read_prompt
from infinidepth_blender.errors import DepthFileError

GOLDENS = Path(
    os.environ.get("INFINIDEPTH_GOLDENS", Path(__file__).resolve().parents[3] / "shared" / "reference" / "goldens")
)


@pytest.fixture
def depth() -> np.ndarray:
    """(20, 30) float32 metres in whole millimetres, with a hole."""
    y, x = np.mgrid[0:20, 0:30]
    depth = ((1000 + 37 * x + 411 * y) / 1000).astype(np.float32)
    depth[3:6, 4:9] = 0
    return depth


def sparse(depth: np.ndarray) -> dict[str, np.ndarray]:
    mask = depth > 0
    mask[::2] = False
    return {"mask": mask, "value": depth[mask].astype(np.float64)}


def write_exr(path: Path, **channels: np.ndarray) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def test_sixteen_bit_png_and_tiff_are_millimetres(tmp_path: Path, depth: np.ndarray) -> None:
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), np.rint(depth * 1000).astype(np.uint16))
        assert np.allclose(read_depth_file(tmp_path / name).depth_m, depth, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_whole_numbers_are_millimetres_and_it_is_said(tmp_path: Path, depth: np.ndarray, dtype: type) -> None:
    mm = np.rint(depth * 1000).astype(dtype)
    np.save(tmp_path / "a.npy", mm)
    np.savez(tmp_path / "a.npz", depth=mm)
    mask = mm > 0
    np.save(tmp_path / "packed.npy", {"mask": mask, "value": mm[mask]}, allow_pickle=True)  # type: ignore[arg-type]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["depth"] = mm
    for name in ("a.npy", "a.npz", "packed.npy", "a.h5"):
        prompt = read_depth_file(tmp_path / name)
        np.testing.assert_allclose(prompt.depth_m, depth, atol=1e-6)
        (warning,) = prompt.warnings
        assert f"{name} holds whole numbers, which were read as millimetres" in warning


def test_an_array_of_8_bits_is_a_preview(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((20, 30), 200, np.uint8))
    with pytest.raises(DepthFileError, match="only 8 bits"):
        read_depth_file(tmp_path / "a.npy")


def test_near_depth_stays_in_millimetres(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "macro.png"), np.full((20, 30), 200, np.uint16))
    assert read_depth_file(tmp_path / "macro.png").depth_m[0, 0] == pytest.approx(0.2)


def test_millimetres_packed_into_colours(tmp_path: Path, depth: np.ndarray) -> None:
    mm = np.rint(depth * 10_000).astype(np.uint32)
    cv2.imwrite(str(tmp_path / "a.png"), np.stack([mm & 255, mm >> 8 & 255, mm >> 16], axis=-1).astype(np.uint8))
    assert np.allclose(read_depth_file(tmp_path / "a.png").depth_m, depth * 10, atol=1e-3)


def test_npy(tmp_path: Path, depth: np.ndarray) -> None:
    for array in (depth, depth.astype(np.float64), depth[None], depth[..., None], depth.astype(np.float16)):
        np.save(tmp_path / "a.npy", array)
        assert np.allclose(read_depth_file(tmp_path / "a.npy").depth_m, depth, rtol=1e-3)


@pytest.mark.parametrize("protocol", range(6))
def test_npy_with_a_packed_dictionary(tmp_path: Path, depth: np.ndarray, protocol: int) -> None:
    """All pickle protocols spell arrays in their own way; numpy itself writes 4, older ones 2 and 3."""
    packed = sparse(depth)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": ()})
    wrapper = np.empty((), dtype=object)
    wrapper[()] = packed
    (tmp_path / "a.npy").write_bytes(buffer.getvalue() + pickle.dumps(wrapper, protocol=protocol))
    prompt = read_depth_file(tmp_path / "a.npy")
    assert np.array_equal(prompt.depth_m, np.where(packed["mask"], depth, 0))
    assert prompt.valid_count == len(packed["value"])


def test_npy_dictionary_as_numpy_saves_it(tmp_path: Path, depth: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", sparse(depth), allow_pickle=True)  # type: ignore[arg-type]
    assert read_depth_file(tmp_path / "a.npy").valid_count == len(sparse(depth)["value"])
    np.save(tmp_path / "b.npy", {"depth": depth, "scale": np.float32(2), "name": "x"}, allow_pickle=True)  # type: ignore[arg-type]
    assert np.array_equal(read_depth_file(tmp_path / "b.npy").depth_m, depth)


@pytest.mark.parametrize("key", ["depth", "data", "depth_map", "arr_0", "anything"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, depth: np.ndarray, key: str, save: object) -> None:
    save(tmp_path / "a.npz", **{key: depth})  # type: ignore[operator]
    assert np.array_equal(read_depth_file(tmp_path / "a.npz").depth_m, depth)


def test_npz_prefers_the_depth(tmp_path: Path, depth: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", confidence=depth * 0 + 1, depth=depth)
    assert np.array_equal(read_depth_file(tmp_path / "a.npz").depth_m, depth)


def test_npz_with_several_arrays(tmp_path: Path, depth: np.ndarray) -> None:
    for others in ({"K": np.eye(3)}, {"confidence": depth * 0 + 1, "mask": depth > 0}):
        np.savez(tmp_path / "a.npz", **others, depth_m=depth)
        assert np.array_equal(read_depth_file(tmp_path / "a.npz").depth_m, depth)
    np.savez(tmp_path / "a.npz", mask=depth > 0, K=np.eye(3), range=depth)
    assert np.array_equal(read_depth_file(tmp_path / "a.npz").depth_m, depth)
    np.savez(tmp_path / "a.npz", left=depth, right=depth)
    with pytest.raises(DepthFileError, match=r"several arrays.*left, right"):
        read_depth_file(tmp_path / "a.npz")


@pytest.mark.parametrize("channel", ["Z", "Y", "depth", "R", "ViewLayer.Depth.Z", "whatever"])
def test_exr(tmp_path: Path, depth: np.ndarray, channel: str) -> None:
    extra = {} if channel == "whatever" else {"a.B": depth * 0, "a.G": depth * 0}
    write_exr(tmp_path / "a.exr", **{channel: np.where(depth > 0, depth, np.float32(1e10))}, **extra)
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)


@pytest.mark.parametrize("channel", ["Depth.V", "ViewLayer.Depth.Z", "depth", "Z", "range.V"])
def test_exr_with_other_passes(tmp_path: Path, depth: np.ndarray, channel: str) -> None:
    others = [f"{layer}.{axis}" for layer in ("A.Normal", "Position", "Vector") for axis in "XYZ"]
    others += ["Combined.R", "Combined.G", "Mist.Z", "ViewLayer.Mist.V", "Denoising Depth.Z"]
    write_exr(tmp_path / "a.exr", **dict.fromkeys(others, np.full_like(depth, 0.5)), **{channel: depth})
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)
    write_exr(tmp_path / "b.exr", **dict.fromkeys(others, np.full_like(depth, 0.5)))
    with pytest.raises(DepthFileError, match="no depth channel"):
        read_depth_file(tmp_path / "b.exr")


def write_parts(path: Path, **parts: dict[str, np.ndarray]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File([OpenEXR.Part(header | {"name": name}, held, name) for name, held in parts.items()]).write(str(path))


@pytest.mark.parametrize(
    "order", [("rgba", "depth", "normal"), ("normal", "depth", "rgba"), ("depth", "normal", "rgba")]
)
@pytest.mark.parametrize("channel", ["Z", "Y", "R", "depth.Z"])
def test_parts_of_an_exr_go_by_their_names(
    tmp_path: Path, depth: np.ndarray, order: tuple[str, ...], channel: str
) -> None:
    other = np.full_like(depth, 0.5)
    parts = {"rgba": dict.fromkeys("RGBY", other), "depth": {channel: depth}, "normal": dict.fromkeys("XYZ", other)}
    write_parts(tmp_path / "a.exr", **{name: parts[name] for name in order})
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)


@pytest.mark.parametrize("order", [("rgba", "N"), ("N", "rgba")])
def test_depth_beside_the_colours_of_one_part(tmp_path: Path, depth: np.ndarray, order: tuple[str, ...]) -> None:
    other = np.full_like(depth, 0.5)
    parts = {"rgba": dict.fromkeys("RGB", other) | {"Z": depth}, "N": dict.fromkeys("XYZ", other)}
    write_parts(tmp_path / "a.exr", **{name: parts[name] for name in order})
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)


@pytest.mark.parametrize(
    "parts",
    [
        {"C": "RGB", "Z": "R"},
        {"C": "RGB", "zdepth": "Y"},
        {"rgba": "RGB", "depth": "RGB"},
        {"shadow": "Z", "rgb": "RGB"},
        {"C": "RGB", "shadow": "ZA"},
        {"diffuse": "ZA"},
        {"N": "XYZ", "rgb": "RGBA", "range": "Z"},
    ],
)
def test_colours_are_not_taken_for_depth(tmp_path: Path, depth: np.ndarray, parts: dict[str, str]) -> None:
    def values(name: str, channel: str) -> np.ndarray:
        is_depth = name in ("Z", "zdepth", "depth") or (channel == "Z" and name != "N")
        return depth if is_depth else np.full_like(depth, 0.5)

    write_parts(tmp_path / "a.exr", **{name: {c: values(name, c) for c in held} for name, held in parts.items()})
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)


@pytest.mark.parametrize("parts", [{"a": "RGB"}, {"a": "RGB", "b": "RGBA"}, {"Mist": "Z", "a": "RGB"}, {"N": "XYZ"}])
def test_a_picture_is_no_depth(tmp_path: Path, depth: np.ndarray, parts: dict[str, str]) -> None:
    held = {name: {c: depth + np.float32(ord(c)) for c in channels} for name, channels in parts.items()}
    write_parts(tmp_path / "a.exr", **held)
    with pytest.raises(DepthFileError, match="no depth channel"):
        read_depth_file(tmp_path / "a.exr")


def test_depth_in_all_channels_of_a_picture(tmp_path: Path, depth: np.ndarray) -> None:
    write_exr(tmp_path / "a.exr", **dict.fromkeys("RGB", depth), A=np.ones_like(depth))
    assert np.array_equal(read_depth_file(tmp_path / "a.exr").depth_m, depth)


def test_parts_without_depth_are_refused_by_name(tmp_path: Path, depth: np.ndarray) -> None:
    write_parts(tmp_path / "a.exr", rgba=dict.fromkeys("GB", depth), normal=dict.fromkeys("XYZ", depth))
    with pytest.raises(DepthFileError, match=r"no depth channel .*normal\.Z"):
        read_depth_file(tmp_path / "a.exr")


def test_an_exr_that_breaks_off(tmp_path: Path, depth: np.ndarray) -> None:
    write_exr(tmp_path / "a.exr", Z=np.random.default_rng(0).random((64, 64), np.float32))
    whole = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "a.exr").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DepthFileError, match="damaged or incomplete"):
        read_depth_file(tmp_path / "a.exr")


@pytest.mark.parametrize("left_px, top_px", [(7, 4), (-5, -3), (-5, 6)])
def test_an_exr_that_holds_another_part_than_it_shows(tmp_path: Path, left_px: int, top_px: int) -> None:
    """Renders of a border hold less, those with overscan more."""
    y, x = np.mgrid[top_px : top_px + 20, left_px : left_px + 24]
    window = ((left_px, top_px), (left_px + 23, top_px + 19))
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "dataWindow": window,
        "displayWindow": ((0, 0), (29, 14)),
    }
    OpenEXR.File(header, {"Z": (100 + x + 0.01 * y).astype(np.float32)}).write(str(tmp_path / "a.exr"))
    y, x = np.mgrid[0:15, 0:30]
    inside = (x >= left_px) & (x < left_px + 24) & (y >= top_px) & (y < top_px + 20)
    expected = np.where(inside, 100 + x + 0.01 * y, 0)
    np.testing.assert_allclose(read_depth_file(tmp_path / "a.exr").depth_m, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["dataset", "depth", "group/depth_0"])
def test_h5(tmp_path: Path, depth: np.ndarray, name: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = depth
        file.attrs["unit"] = "m"
    assert np.array_equal(read_depth_file(tmp_path / "a.h5").depth_m, depth)


def test_what_is_no_depth(tmp_path: Path) -> None:
    values = np.array([[0, -1, np.nan, np.inf], [-np.inf, 1e10, 65504, 2.5]], np.float32)
    np.save(tmp_path / "a.npy", values)
    assert read_depth_file(tmp_path / "a.npy").depth_m.tolist() == [[0, 0, 0, 0], [0, 0, 0, 2.5]]


class Bomb:
    """What a hostile pickle does: run something when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["BOMB_FOLDER"],)


@pytest.mark.parametrize("wrap", ["npy", "npz", "in a dictionary"])
def test_pickles_never_run_anything(tmp_path: Path, wrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "exploded"
    monkeypatch.setenv("BOMB_FOLDER", str(folder))
    payload = np.empty((), dtype=object)
    payload[()] = {"depth": Bomb()} if wrap == "in a dictionary" else Bomb()
    path = tmp_path / ("evil.npz" if wrap == "npz" else "evil.npy")
    if wrap == "npz":
        np.savez(path, depth=payload)
    else:
        np.save(path, payload, allow_pickle=True)
    with pytest.raises(DepthFileError, match="could run programs"):
        read_depth_file(path)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.npz", "a.exr", "a.h5"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.7])
def test_truncated_files(tmp_path: Path, name: str, keep: float) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(1000, 60_000, (64, 64)).astype(np.uint16)
    if name == "a.png":
        cv2.imwrite(str(path), noise)
    elif name == "a.npy":
        np.save(path, noise)
    elif name == "a.npz":
        np.savez(path, depth=noise)
    elif name == "a.exr":
        write_exr(path, Z=noise.astype(np.float32))
    else:
        with h5py.File(path, "w") as file:
            file["depth"] = noise
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DepthFileError) as caught:
        read_depth_file(path)
    assert name in caught.value.message and caught.value.remedy and "\n" not in str(caught.value)


def test_other_bad_files(tmp_path: Path, depth: np.ndarray) -> None:
    def refuse(name: str, message: str) -> None:
        with pytest.raises(DepthFileError, match=message):
            read_depth_file(tmp_path / name)

    refuse("gone.npy", "does not exist")
    (tmp_path / "folder.npy").mkdir()
    refuse("folder.npy", "is a folder")
    (tmp_path / "a.txt").write_text("1 2 3")
    refuse("a.txt", "known kind")
    cv2.imwrite(str(tmp_path / "preview.png"), (depth * 20).astype(np.uint8))
    refuse("preview.png", "8 bits")
    grey = np.clip(depth * 25, 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "coloured.png"), cv2.applyColorMap(grey, cv2.COLORMAP_TURBO))
    refuse("coloured.png", "colour picture")
    for dtype, shape in ((np.uint8, (20, 30, 3)), (np.uint8, (20, 30)), (np.uint16, (20, 30))):
        cv2.imwrite(str(tmp_path / "black.png"), np.zeros(shape, dtype))
        refuse("black.png", "no depth")
    np.save(tmp_path / "cube.npy", np.ones((3, 4, 5)))
    refuse("cube.npy", r"\(3, 4, 5\)")
    np.save(tmp_path / "zero.npy", np.zeros((4, 5)))
    refuse("zero.npy", "no depth")
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    refuse("words.npy", "not one depth")
    bad = sparse(depth)
    np.save(tmp_path / "short.npy", bad | {"value": bad["value"][:-1]}, allow_pickle=True)  # type: ignore[operator,arg-type]
    refuse("short.npy", "mask of .* values")


def test_depth_of_another_shape_than_the_photo(tmp_path: Path, depth: np.ndarray) -> None:
    path = tmp_path / "depth.npy"
    np.save(path, depth)
    for photo_px in ((30, 20), (3000, 2000), (300, 202)):
        prompt = read_prompt(path, *photo_px)
        assert prompt.warnings == ()
        np.testing.assert_allclose(prompt.depth_m, depth)
    (warning,) = read_prompt(path, 40, 20).warnings
    for photo_px in ((60, 20), (20, 35)):
        with pytest.raises(DepthFileError, match="another shape than the photo's"):
            read_prompt(path, *photo_px)
    assert "another shape" in warning
    with pytest.raises(DepthFileError, match="other way round"):
        read_prompt(path, 20, 30)


@pytest.mark.skipif(not GOLDENS.is_dir(), reason="no golden data (INFINIDEPTH_GOLDENS)")
@pytest.mark.parametrize("name", ["load_depth_a.npz", "load_depth_b.npy", "load_depth_c.png", "load_depth_d.h5"])
def test_golden_files(name: str) -> None:
    """Nearest neighbour resize of what is read equals the reference loader's output where depth is valid."""
    truth = np.load(GOLDENS / "misc.npz")[f"{Path(name).stem}_depth"]
    read = read_depth_file(GOLDENS / name).depth_m
    resized = cv2.resize(read, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.allclose(resized, truth, rtol=1e-6)
