"""Splat files of other kinds than plain PLY: what other programs wrote, there and back, and damaged ones.

`data/splat_files/source.npz` holds 300 random splats (positions, logarithms of scales, quaternions w x y z, logits of
opacities, colours, harmonics of degree 3); the files beside it were written of them by gsply 0.4.6 and gsplat 1.5.3.
"""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from splat_samples import FILES, assert_same, colours_from, source, upside_down

from infinidepth_blender import cli
from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import SplatFileError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.splats.info import file_info, file_lines
from infinidepth_blender.splats.ply import write_splat_ply

# -- files of other programs --------------------------------------------------------


@pytest.mark.parametrize("name", ["gsply.compressed.ply", "gsplat.compressed.ply"])
def test_packed_ply_of_other_programs(name):
    """Three channels of 10 or 11 bits over the width of a chunk, harmonics of 8 bits over 8."""
    found = read_splats(FILES / name).gaussians
    assert_same(
        found, source(), place=0.012, scale=3e-3, turn_deg=0.2, opacity=2e-3, colour=6e-3, harmonics=0.5 / 32 + 1e-4
    )


@pytest.mark.parametrize("name", ["gsply_v3.spz", "gsply_v4.spz"])
def test_spz_of_other_programs(name):
    """No axes are turned: its y up is our y up."""
    found = read_splats(FILES / name).gaussians
    assert_same(
        found,
        upside_down(source()),
        place=3e-4,
        scale=1 / 32 + 1e-4,
        turn_deg=0.2,
        opacity=2e-3,
        colour=0.5 / 255 / 0.15 + 1e-4,
        harmonics=0.5 / 255 / 0.15 + 1e-4,
    )


def test_dot_splat_of_other_programs():
    """It cuts off where others round, hence a whole step of colour and turn."""
    found = read_splats(FILES / "gsplat.splat").gaussians
    assert_same(
        found, source(), place=0, scale=1e-6, turn_deg=2, opacity=1 / 255, colour=1 / 255 / 0.282, harmonics=None
    )


# -- there and back -----------------------------------------------------------------


def test_spz_there_and_back(tmp_path):
    write_splats(tmp_path / "a.spz", source())
    assert_same(
        read_splats(tmp_path / "a.spz").gaussians,
        source(),
        place=3e-4,
        scale=1 / 32 + 1e-4,
        turn_deg=0.2,
        opacity=2e-3,
        colour=0.5 / 255 / 0.15 + 1e-4,
        harmonics=9 / 128,
    )
    assert (tmp_path / "a.spz").stat().st_size < (FILES / "source.npz").stat().st_size / 4
    write_splats(tmp_path / "b.spz", source())
    assert (tmp_path / "a.spz").read_bytes() == (tmp_path / "b.spz").read_bytes()


def test_spz_axes_are_those_of_the_format(tmp_path):
    """A splat below and ahead of an OpenCV camera is at y < 0, z < 0 in the file's own numbers."""
    g = source()
    one = Gaussians(np.array([[1, 2, 3]], np.float32), g.scales[:1], g.rotations[:1], g.opacities[:1], g.sh[:1, :1])
    write_splats(tmp_path / "a.spz", one)
    data = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, bits = struct.unpack_from("<4sIIBB", data)
    assert (magic, version, count, degree) == (b"NGSP", 3, 1, 0)
    place = [int.from_bytes(data[16 + 3 * k : 19 + 3 * k], "little", signed=True) / 2**bits for k in range(3)]
    assert place == pytest.approx([1, -2, -3], abs=1e-3)


def test_spz_keeps_colours_from_every_side(tmp_path):
    write_splats(tmp_path / "a.spz", source())
    found = read_splats(tmp_path / "a.spz").gaussians
    for direction in ([1, 0, 0], [0, 0.6, 0.8], [0.48, -0.6, 0.64]):
        difference = colours_from(found, np.array(direction)) - colours_from(source(), np.array(direction))
        assert np.abs(difference).mean() < 0.03


def spz_record(kind: int, value: bytes) -> bytes:
    return struct.pack("<II", kind, len(value)) + value


def with_records(name: str, records: bytes) -> bytes:
    """A file with extensions: in version 4 between header and list, in version 3 after the tables."""
    data = bytearray((FILES / name).read_bytes())
    if not data.startswith(b"NGSP"):
        data = bytearray(gzip.decompress(data))
        data[14] |= 2
        return gzip.compress(data + records)
    data[14] |= 2
    struct.pack_into("<I", data, 16, 32 + len(records))
    return bytes(data[:32] + records + data[32:])


@pytest.mark.parametrize("name", ["gsply_v3.spz", "gsply_v4.spz"])
@pytest.mark.parametrize(
    ("code", "signs"),
    [(0, (1, 1, 1)), (4, (1, 1, 1)), (6, (1, -1, -1)), (8, (1, 1, -1)), (1, (-1, -1, 1)), (3, (-1, 1, 1))],
)
def test_spz_that_names_its_axes(tmp_path, name, code, signs):
    """Right, up and back, as without; right, down and front, as ours; and mirrors of these."""
    records = spz_record(0xADBE0002, b"\0" * 12) + spz_record(0xADBE0003, struct.pack("<I", code))
    (tmp_path / "a.spz").write_bytes(with_records(name, records))
    found, usual = read_splats(tmp_path / "a.spz").gaussians, read_splats(FILES / name).gaussians
    np.testing.assert_array_equal(found.means, usual.means * np.array(signs))
    direction = np.array([0.48, -0.6, 0.64])
    np.testing.assert_allclose(colours_from(found, direction * signs), colours_from(usual, direction), atol=1e-5)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (spz_record(0xADBE0003, struct.pack("<I", 9)), "axes of a kind that cannot be read"),
        (spz_record(0xADBE0003, b"\6"), "not as long as they say"),
        (struct.pack("<II", 0xADBE0002, 5000), "not as long as they say"),
    ],
)
@pytest.mark.parametrize("name", ["gsply_v3.spz", "gsply_v4.spz"])
def test_spz_with_extensions_that_are_not_right(tmp_path, name, records, reason):
    (tmp_path / "a.spz").write_bytes(with_records(name, records))
    with pytest.raises(SplatFileError, match=reason):
        read_splats(tmp_path / "a.spz")


@pytest.mark.parametrize("halves", [True, False])
def test_spz_of_version_1(tmp_path, halves):
    """Places of half precision; some writers call files so whose places are those of version 2."""
    g = upside_down(source())
    if halves:
        places = g.means.astype("<f2").tobytes()
    else:
        fixed = np.round(g.means * 4096).astype("<i4").reshape(len(g), 3, 1)
        places = np.ascontiguousarray(fixed.view(np.uint8)[..., :3]).tobytes()
    turns = g.rotations * np.sign(g.rotations[:, :1])
    tables = [
        g.opacities * 255,
        (g.sh[:, 0] * 0.15 + 0.5) * 255,
        (np.log(g.scales) + 10) * 16,
        (turns[:, 1:] + 1) * 127.5,
        g.sh[:, 1:] * 128 + 128,
    ]
    header = struct.pack("<4sIIBBBB", b"NGSP", 1, len(g), 3, 12, 0, 0)
    rest = b"".join(np.clip(np.round(table), 0, 255).astype(np.uint8).tobytes() for table in tables)
    (tmp_path / "a.spz").write_bytes(gzip.compress(header + places + rest))
    assert_same(
        read_splats(tmp_path / "a.spz").gaussians,
        source(),
        place=5e-3,
        scale=1 / 32 + 1e-4,
        turn_deg=10,
        opacity=2e-3,
        colour=0.5 / 255 / 0.15 + 1e-4,
        harmonics=0.5 / 255 / 0.15 + 1e-4,
    )


@pytest.mark.parametrize(("size", "bits"), [(1e-4, 17), (1.0, 12)])
def test_spz_places_are_as_fine_as_splats_need(tmp_path, size, bits):
    g = source()
    small = Gaussians(g.means, np.full_like(g.scales, size), g.rotations, g.opacities, g.sh)
    write_splats(tmp_path / "a.spz", small)
    assert gzip.decompress((tmp_path / "a.spz").read_bytes())[13] == bits
    assert np.abs(read_splats(tmp_path / "a.spz").gaussians.means - g.means).max() < 2.0**-bits


def test_spz_holds_what_is_far(tmp_path):
    g = source()
    far = Gaussians(g.means * 1e4, g.scales, g.rotations, g.opacities, g.sh)
    write_splats(tmp_path / "a.spz", far)
    np.testing.assert_allclose(read_splats(tmp_path / "a.spz").gaussians.means, far.means, atol=0.02)


@pytest.mark.parametrize("far_m", [1e5, 1e12, 1e38])
def test_spz_of_one_splat_far_away_is_as_fine_as_without(tmp_path, far_m):
    rng = np.random.default_rng(0)
    n, size = 4000, 0.004
    means = rng.uniform(-5, 5, (n, 3)).astype(np.float32)
    means[7] = (0.5 * far_m, 0.1 * far_m, -far_m)
    turns = np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1))
    sizes = np.full((n, 3), size, np.float32)
    sizes[7] = far_m / 1e6
    write_splats(tmp_path / "a.spz", Gaussians(means, sizes, turns, np.ones(n, np.float32), means[:, None] * 0))
    found = read_splats(tmp_path / "a.spz").gaussians
    near = np.arange(n) != 7
    assert np.abs(found.means - means)[near].max() <= size / 16
    # From the origin the far one is where it was, and as large.
    distance = np.linalg.norm(found.means[7].astype(np.float64))
    np.testing.assert_allclose(
        found.means[7] / distance, means[7] / np.linalg.norm(means[7].astype(np.float64)), atol=1e-5
    )
    assert found.scales[7, 0] / distance == pytest.approx(1e-6 / np.linalg.norm([0.5, 0.1, 1]), rel=0.04)


def test_spz_moves_nothing_that_fits(tmp_path):
    """Large splats need no more than what holds the far one as well."""
    rng = np.random.default_rng(0)
    means = rng.uniform(-5, 5, (4000, 3)).astype(np.float32)
    means[7, 2] = 3e4
    turns = np.tile(np.array([1, 0, 0, 0], np.float32), (4000, 1))
    write_splats(tmp_path / "a.spz", Gaussians(means, means * 0 + 0.1, turns, means[:, 0] * 0 + 1, means[:, None] * 0))
    assert np.abs(read_splats(tmp_path / "a.spz").gaussians.means - means).max() < 0.1 / 16


@pytest.mark.parametrize("kind", ["ply", "spz", "splat", "glb"])
@pytest.mark.parametrize("name", ["means", "scales", "rotations", "opacities", "sh"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_written(tmp_path, kind, name, wrong):
    g = source()
    values = getattr(g, name).copy()
    values[5] = wrong
    assert write_splats(tmp_path / f"a.{kind}", replace(g, **{name: values})) == len(g) - 1
    rest = Gaussians(*(np.delete(getattr(g, each), 5, axis=0) for each in Gaussians.__dataclass_fields__))
    assert write_splats(tmp_path / f"b.{kind}", rest) == len(g) - 1
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize("kind", ["ply", "spz", "splat", "glb"])
def test_a_file_of_nothing_is_refused(tmp_path, kind):
    g = source()
    none = Gaussians(*(getattr(g, each)[:0] for each in Gaussians.__dataclass_fields__))
    for gaussians in (none, replace(g, means=np.full_like(g.means, np.nan))):
        with pytest.raises(SplatFileError, match="no usable splats"):
            write_splats(tmp_path / f"a.{kind}", gaussians)
    assert not list(tmp_path.iterdir())


def test_dot_splat_there_and_back(tmp_path):
    write_splats(tmp_path / "a.splat", source())
    found = read_splats(tmp_path / "a.splat").gaussians
    assert_same(
        found, source(), place=0, scale=1e-6, turn_deg=1, opacity=2e-3, colour=0.5 / 255 / 0.282 + 1e-4, harmonics=None
    )
    weight = found.scales.prod(axis=1, dtype=np.float64) * found.opacities
    assert weight[:30].mean() > 100 * weight[-30:].mean()


# -- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(f.name for f in FILES.iterdir() if f.suffix != ".npz"))
def test_cut_short_at_any_place(tmp_path, name):
    """One sentence that names the file, never another error and never splats that are not there."""
    data = (FILES / name).read_bytes()
    path = tmp_path / name
    for length in [0, 1, 3, 4, 10, 15, 16, 17, 31, 32, 40, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        if name.endswith(".splat") and length and length % 32 == 0:
            continue  # nothing in such a file tells how long it was
        with pytest.raises(SplatFileError, match=name):
            read_splats(path)


@pytest.mark.parametrize("name", ["gsply_v3.spz", "gsply_v4.spz", "gsply.compressed.ply"])
def test_random_damage_is_told_or_harmless(tmp_path, name):
    data = bytearray((FILES / name).read_bytes())
    rng = np.random.default_rng(3)
    for _ in range(60):
        broken = bytearray(data)
        for place in rng.integers(0, 64 if rng.random() < 0.5 else len(data), 3):
            broken[place] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(broken)
        try:
            assert len(read_splats(tmp_path / name).gaussians) > 0
        except SplatFileError as error:
            assert name in str(error)


def test_spz_that_claims_more_than_it_has(tmp_path):
    """Millions of splats in thirty bytes: neither their memory nor their time."""
    header = struct.pack("<4sIIBBBB", b"NGSP", 3, 4_000_000, 3, 12, 0, 0)
    (tmp_path / "a.spz").write_bytes(gzip.compress(header + b"\0" * 100))
    with pytest.raises(SplatFileError, match="shorter than its header says"):
        read_splats(tmp_path / "a.spz")


@pytest.mark.parametrize(("version", "packed"), [(0, True), (5, False), (9, True)])
def test_spz_of_other_versions(tmp_path, version, packed):
    data = struct.pack("<4sIIBBBB", b"NGSP", version, 3, 0, 12, 0, 5) + b"\0" * 200
    (tmp_path / "a.spz").write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(SplatFileError, match=f"version {version}, which cannot be read"):
        read_splats(tmp_path / "a.spz")


def test_other_files(tmp_path):
    (tmp_path / "a.spz").write_bytes(b"hello, this is text")
    with pytest.raises(SplatFileError, match="no splat file of a kind"):
        read_splats(tmp_path / "a.spz")
    (tmp_path / "b.splat").write_bytes(np.full(64, -1, "<f4").tobytes())
    with pytest.raises(SplatFileError, match="less than no size"):
        read_splats(tmp_path / "b.splat")
    with pytest.raises(SplatFileError, match="does not exist"):
        read_splats(tmp_path / "missing.spz")
    with pytest.raises(SplatFileError, match=r"ends in no kind.*\.spz"):
        write_splats(tmp_path / "c.obj", source())
    assert not (tmp_path / "c.obj").exists()


# -- the command line -------------------------------------------------------------------


def test_info_tells_every_kind(tmp_path, capsys):
    for name in ("gsply_v4.spz", "gsply.compressed.ply", "gsplat.splat"):
        assert cli.main(["info", str(FILES / name), "--json"]) == 0
        info = json.loads(capsys.readouterr().out)
        assert info["kind"] == "splats" and info["elements"]["vertex"] == 300
    lines = file_lines(FILES / "gsply_v3.spz", file_info(FILES / "gsply_v3.spz"))
    assert "Gaussian splats" in lines[0] and any("degree 3" in line for line in lines)


def test_convert_there_and_back(tmp_path, capsys):
    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
    write_splat_ply(tmp_path / "a.ply", source(), camera)
    assert cli.main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "new" / "a.spz")]) == 0
    said = capsys.readouterr()
    assert "300 splats" in said.out and "left out: the camera" in said.err
    assert cli.main(["convert", str(tmp_path / "new" / "a.spz"), str(tmp_path / "b.splat"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["splats"] == 300 and said["left_out"] == ["colours that depend on the view"]
    assert cli.main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "c.ply")]) == 0
    copy = read_splats(tmp_path / "c.ply")
    assert copy.camera is not None and copy.camera.width_px == 640
    np.testing.assert_array_equal(copy.gaussians.sh, read_splats(tmp_path / "a.ply").gaussians.sh)


def test_convert_refuses_in_one_sentence(tmp_path, capsys):
    write_splats(tmp_path / "a.ply", source())
    before = (tmp_path / "a.ply").read_bytes()
    assert cli.main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "a.ply")]) == 2
    assert cli.main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "a.obj")]) == 2
    assert "ends in no kind of splat file" in capsys.readouterr().err
    assert (tmp_path / "a.ply").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ply"]


def test_without_zstandard_the_file_is_named_and_what_to_do(tmp_path):
    """In a Python of its own, in which the package cannot be imported."""
    code = (
        "import sys; sys.modules['zstandard'] = None\n"
        "from pathlib import Path; from infinidepth_blender.splats.files import read_splats\n"
        f"read_splats(Path({str(FILES / 'gsply_v4.spz')!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FILES.parents[2])
    assert "no Zstandard to unpack it" in ended.stderr
