"""Small splat files that would take the memory or the time of much larger ones, or start a program."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sog_files import write_small_sog

from infinidepth_blender import cli
from infinidepth_blender.errors import SplatFileError
from infinidepth_blender.glb_container import Parts, header
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats import files, splat_file
from infinidepth_blender.splats.files import read_splats
from infinidepth_blender.splats.info import file_info
from infinidepth_blender.splats.sog import read_sog
from infinidepth_blender.splats.spz import write_spz

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
MANY = 100_000_000


def encoded(width: int, height: int, kind: str = "WEBP") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (128, 128, 128)).save(stream, kind, lossless=True)
    return stream.getvalue()


def picture(width: int, height: int) -> bytes:
    """The first bytes of a lossless WebP that says that it is so large."""
    return b"RIFF\x40\0\0\0WEBPVP8L\x34\0\0\0\x2f" + struct.pack("<I", (height - 1) << 14 | width - 1) + bytes(40)


def spz(count: int, version: int = 3) -> bytes:
    return gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", version, count, 0, 12, 0, 0) + bytes(40))


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Ghostscript is a shell script")
def test_pictures_of_a_sog_start_no_program(tmp_path, monkeypatch):
    """Pillow would hand PostScript to Ghostscript."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho run >> {tmp_path}/was_run\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(SplatFileError, match="no WebP or PNG picture"):
        read_splats(write_small_sog(tmp_path / "a.sog", EPS))
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_pictures_of_both_kinds_are_read(tmp_path, kind):
    assert len(read_splats(write_small_sog(tmp_path / "a.sog", encoded(3, 2, kind))).gaussians) == 4


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("opacity", [None, 100])
def test_what_webp_says_of_its_size_is_understood(tmp_path, lossless, opacity):
    """Of all three kinds of it: with and without loss, and extended."""
    stream = io.BytesIO()
    image = Image.new("RGB", (300, 20))
    if opacity is not None:
        image.putalpha(opacity)
    image.save(stream, "WEBP", lossless=lossless, exif=b"Exif\0\0" if opacity else b"")
    assert len(read_splats(write_small_sog(tmp_path / "a.sog", stream.getvalue(), count=6000)).gaussians) == 6000
    with pytest.raises(SplatFileError, match="6000 pixels for 6001 splats"):
        read_splats(write_small_sog(tmp_path / "a.sog", stream.getvalue(), count=6001))


def test_a_picture_is_measured_before_it_is_decoded(tmp_path):
    def decode(data: bytes) -> np.ndarray:
        raise AssertionError("it was decoded")

    path = write_small_sog(tmp_path / "a.sog", picture(12_000, 12_000))
    with pytest.raises(SplatFileError, match="means has 12000 x 12000 pixels for 4 splats"):
        read_sog(path, decode)


@pytest.mark.parametrize("count", [0, -1, 1.5, float("inf"), True, "4", MANY])
def test_a_count_that_is_none(tmp_path, count):
    reason = "bytes cannot hold 100,000,000" if count is MANY else "no number of splats"
    with pytest.raises(SplatFileError, match=reason):
        read_splats(write_small_sog(tmp_path / "a.sog", encoded(2, 2), count=count))


@pytest.mark.parametrize(
    "changes",
    [
        {"means": {"mins": [[[0, 0, 0]]] * 50, "maxs": [1, 1, 1], "files": ["a.webp", "a.webp"]}},
        {"scales": {"codebook": [[0.0] * 50] * 256, "files": ["a.webp"]}},
        {"sh0": {"codebook": [10**400] * 256, "files": ["a.webp"]}},
    ],
)
def test_lists_of_another_shape_are_refused(tmp_path, changes):
    with pytest.raises(SplatFileError, match="damaged"):
        read_splats(write_small_sog(tmp_path / "a.sog", encoded(2, 2), **changes))


@pytest.mark.parametrize("packed", [True, False])
def test_a_list_that_is_too_long(tmp_path, packed):
    path = write_small_sog(tmp_path / "a.sog", encoded(2, 2), filler=" " * (9 << 20))
    if not packed:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
        path = tmp_path / "meta.json"
    with pytest.raises(SplatFileError, match=r"meta\.json is too large"):
        read_splats(path)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_spz_that_cannot_hold_its_splats(tmp_path, version):
    (tmp_path / "a.spz").write_bytes(spz(MANY, version))
    with pytest.raises(SplatFileError, match=r"a\.spz is damaged: .* bytes cannot hold 100,000,000 splats"):
        read_splats(tmp_path / "a.spz")


def test_spz_within_glb_that_cannot_hold_its_splats(tmp_path):
    parts = Parts()
    view = parts.view(np.frombuffer(spz(MANY), np.uint8))
    inner = {"extensions": {"KHR_gaussian_splatting_compression_spz_2": {"bufferView": view}}}
    primitive = {"attributes": {}, "mode": 0, "extensions": {"KHR_gaussian_splatting": inner}}
    content = {"nodes": [{"mesh": 0}], "meshes": [{"primitives": [primitive]}]}
    with (tmp_path / "a.glb").open("wb") as stream:
        stream.write(header("a.glb", content, parts, ""))
        stream.writelines(parts.blocks())
    with pytest.raises(SplatFileError, match=r"a\.glb is damaged: .* bytes cannot hold"):
        read_splats(tmp_path / "a.glb")


def test_files_that_do_not_fit_into_the_memory_say_so(tmp_path, monkeypatch):
    (tmp_path / "a.spz").write_bytes(spz(3))

    def full(path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(files, "read_spz", full)
    with pytest.raises(SplatFileError, match=r"a\.spz does not fit into the memory"):
        read_splats(tmp_path / "a.spz")


def test_a_wall_of_one_colour_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(splat_file, "FEW", 1000)
    y, x = np.mgrid[:100, :200].reshape(2, -1).astype(np.float32)
    count = len(x)
    wall = Gaussians(
        means=np.stack([x / 100, y / 100, np.full(count, 2, np.float32)], axis=1),
        scales=np.full((count, 3), 0.01, np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        opacities=np.ones(count, np.float32),
        sh=np.full((count, 1, 3), 0.3, np.float32),
    )
    write_spz(tmp_path / "a.spz", wall)
    assert (tmp_path / "a.spz").stat().st_size < 2 * count
    assert len(read_splats(tmp_path / "a.spz").gaussians) == count


def test_info_of_an_unpacked_sog(tmp_path, capsys):
    with zipfile.ZipFile(write_small_sog(tmp_path / "a.sog", encoded(2, 2))) as archive:
        archive.extractall(tmp_path)
    assert cli.main(["info", str(tmp_path / "meta.json")]) == 0
    assert "Gaussian splats" in (out := capsys.readouterr().out) and "vertex      4" in out
    assert file_info(tmp_path / "meta.json")["bytes"] > (tmp_path / "meta.json").stat().st_size
    (tmp_path / "meta.json").write_text('{"name": "another program\'s"}')
    assert cli.main(["info", str(tmp_path / "meta.json")]) == 1
    assert "is no SOG file of version 2" in capsys.readouterr().err
