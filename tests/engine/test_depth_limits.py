"""Small depth files and photos that promise pictures of gigabytes are refused before memory is taken for them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import OpenEXR
import pytest

from infinidepth_blender.engine import depth_files
from infinidepth_blender.engine.depth_files import read_depth_file
from infinidepth_blender.engine.exr_window import window_beyond
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.errors import DepthFileError, PhotoError

HUGE = (40_000, 30_000)


def never(*_arguments: Any, **_options: Any) -> Any:
    raise AssertionError("it was read")


def chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    return struct.pack(">I", size) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, length: int | None = None) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(24 * 65))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels, length) + chunk(b"IEND", b"")


def tiff(width: int, height: int, order: str = "<", big: bool = False, tile: int = 0) -> bytes:
    """A directory alone, of which nothing but the size is looked at."""
    values = {256: width, 257: height, 258: 16} | ({322: tile, 323: tile} if tile else {})
    magic = b"II" if order == "<" else b"MM"
    if big:
        entries = b"".join(struct.pack(order + "HHQQ", tag, 16, 1, value) for tag, value in values.items())
        return magic + struct.pack(order + "HHHQQ", 43, 8, 0, 16, len(values)) + entries + bytes(8)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in values.items())
    return magic + struct.pack(order + "HIH", 42, 8, len(values)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("part.png", png(32, 24, 0x7F000000), "damaged or no PNG or TIFF"),
        ("part2.png", png(32, 24, 0xC7000003), "damaged or no PNG or TIFF"),
        ("size.png", png(*HUGE), "too large: 40000 x 30000"),
        ("cut.png", png(32, 24)[:20], "damaged or no PNG or TIFF"),
        ("little.tif", tiff(*HUGE), "too large: 40000 x 30000"),
        ("big.tif", tiff(*HUGE, order=">"), "too large: 40000 x 30000"),
        ("little8.tif", tiff(*HUGE, big=True), "too large: 40000 x 30000"),
        ("big8.tif", tiff(*HUGE, order=">", big=True), "too large: 40000 x 30000"),
        ("tile.tif", tiff(64, 64, tile=1 << 15), "too large: 32768 x 32768"),
        ("cut.tif", tiff(64, 64)[:30], "damaged or no PNG or TIFF"),
        ("other.png", b"neither of them", "damaged or no PNG or TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(tmp_path: Path, name: str, data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", never)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DepthFileError, match=reason):
        read_depth_file(tmp_path / name)


def test_pictures_that_follow_one_another(tmp_path: Path) -> None:
    """What stands before and after the pixels does not matter."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((24, 32), 1500, np.uint16))
    data = (tmp_path / "a.png").read_bytes()
    noted = data[:33] + chunk(b"tEXt", b"Comment\0depth") + data[33:] + b"and more"
    (tmp_path / "a.png").write_bytes(noted)
    assert (read_depth_file(tmp_path / "a.png").depth_m == 1.5).all()
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    for name, options in (("a.tif", []), ("plain.tif", plain)):
        cv2.imwrite(str(tmp_path / name), np.full((24, 32), 1.5, np.float32), options)
        assert (read_depth_file(tmp_path / name).depth_m == 1.5).all()


def npy(shape: tuple[int, ...], descr: str = "<f4", content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (npy(HUGE), "too large: 30000 x 40000"),
        (npy((1, *HUGE)), "too large: 30000 x 40000"),
        (npy((3, *HUGE)), "not one depth for each pixel"),
        (npy((4, 5), "|S1000000000"), "not one depth for each pixel"),
        (b"\x93NUMPY\x02\0" + struct.pack("<I", 1 << 31) + b"{", "header is too long"),
    ],
    ids=["map", "one map", "cube", "text", "header"],
)
def test_arrays(tmp_path: Path, data: bytes, reason: str, pack: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_files, "load_npy", never)
    if pack:
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("depth.npy", data)
    else:
        (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DepthFileError, match=reason):
        read_depth_file(tmp_path / ("a.npz" if pack else "a.npy"))


def test_a_packed_dictionary_that_unpacks_to_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_files, "MAX_UNPACKED_BYTES", 100_000)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("depth.npy", npy((), "|O", bytes(200_000)))
    with pytest.raises(DepthFileError, match=r"a\.npz is too large: it unpacks to"):
        read_depth_file(tmp_path / "a.npz")


def test_arrays_that_are_no_depth_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[int, ...]] = []

    def load(file: io.BufferedIOBase) -> np.ndarray:
        read.append((found := np.load(file)).shape)
        return found

    monkeypatch.setattr(depth_files, "load_npy", load)
    np.savez(tmp_path / "a.npz", cube=np.ones((9, 9, 9)), line=np.ones(9), some=np.full((9, 8), 2.0))
    assert (read_depth_file(tmp_path / "a.npz").depth_m == 2).all()
    assert read == [(9, 8)]


@pytest.mark.parametrize(
    ("shape", "chunks"), [(HUGE, (100, 100)), ((2, *HUGE), (1, 100, 100)), ((50, 50), (20_000, 20_000))]
)
def test_datasets(tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("depth", shape, "f4", chunks=chunks, maxshape=(None,) * len(shape), compression="gzip")
    with pytest.raises(DepthFileError, match="too large" if len(shape) == 2 else "not one depth"):
        read_depth_file(tmp_path / "a.h5")


def exr(path: Path, shown: tuple[int, int], shape: tuple[int, int] = (24, 32)) -> Path:
    values = np.ones(shape, np.float32)
    window = (np.array([0, 0], np.int32), np.array([shown[0] - 1, shown[1] - 1], np.int32))
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "displayWindow": window}
    OpenEXR.File(header, {name: values.copy() for name in "RGBZ"}).write(str(path))
    return path


@pytest.mark.parametrize(("read", "error"), [(read_depth_file, DepthFileError), (open_photo, PhotoError)])
def test_an_exr_that_shows_much_more_than_it_holds(
    tmp_path: Path, read: Callable[[Path], Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"a\.exr is too large: 23000 x 23000 pixels"):
        read(exr(tmp_path / "a.exr", (23_000, 23_000)))
    with pytest.raises(error, match=r"a\.exr is too large: 13000 x 12000 pixels"):
        read(exr(tmp_path / "a.exr", (13_000, 12_000)))
    # A frame of film around the little that a renderer found in it.
    read(exr(tmp_path / "a.exr", (2048, 1080)))


def test_what_to_do_about_a_large_exr_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="of which it holds only 32 x 24") as refused:
        open_photo(exr(tmp_path / "a.exr", (13_000, 12_000)))
    assert "display window" in refused.value.remedy
    with pytest.raises(PhotoError, match=r"40000 x 20000 pixels\.") as refused:
        open_photo(exr(tmp_path / "a.exr", (40_000, 20_000)))
    assert "megapixels" in refused.value.remedy


def test_a_crop_of_a_large_plate_is_read() -> None:
    header = {"dataWindow": ((100, 100), (2299, 1899)), "displayWindow": ((0, 0), (11_999, 8999))}
    assert window_beyond(header, 1 << 28) is None


@pytest.mark.parametrize(("read", "error"), [(read_depth_file, DepthFileError), (open_photo, PhotoError)])
def test_every_part_of_an_exr_is_measured(tmp_path: Path, read: Callable[[Path], Any], error: type[Exception]) -> None:
    values = np.ones((24, 32), np.float32)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), {name: values.copy() for name in "RGBZ"}, part) for part in "ab"]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    data = bytearray((tmp_path / "a.exr").read_bytes())
    name = b"dataWindow\0box2i\0"
    place = data.rfind(name) + len(name) + 4
    data[place : place + 16] = struct.pack("<4i", 0, 0, 39_999, 19_999)
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(error, match="too large: 40000 x 20000"):
        read(tmp_path / "a.exr")
