"""SOG, packed and unpacked: as it is described, and damaged."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from splat_samples import assert_same, source

from infinidepth_blender.errors import SplatFileError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import read_splats


def encode(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", lossless=True, exact=True)
    return stream.getvalue()


def write_sog(path: Path, g: Gaussians, **changes: object) -> None:
    """By the published description of the format, version 2; a palette entry for each splat."""
    n, side = len(g), int(np.ceil(np.sqrt(len(g))))

    def picture(values: np.ndarray) -> bytes:
        full = np.zeros((side * side, 4), np.uint8)
        full[:, 3] = 255
        full[:n, : values.shape[1]] = values
        return encode(full.reshape(side, side, 4))

    logs = np.sign(g.means) * np.log1p(np.abs(g.means))
    low, high = logs.min(0), logs.max(0)
    fixed = np.round((logs - low) / (high - low) * 65535).astype(int)
    scale_book = np.linspace(-10, 0, 256)
    color_book = np.linspace(-4, 4, 256)
    rest_book = np.linspace(-1, 1, 256)

    def nearest(book: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.abs(values[..., None] - book).argmin(-1)

    q = g.rotations
    largest = np.abs(q).argmax(1)
    q = q * np.sign(q[np.arange(n), largest])[:, None]
    three = np.stack([q[i, [k for k in range(4) if k != largest[i]]] for i in range(n)])
    quats = np.column_stack([np.round((three * np.sqrt(2) + 1) * 127.5), 252 + largest])
    rows = -(-n // 64)
    palette = np.zeros((rows * 64, 15, 3), np.uint8)
    palette[:n] = nearest(rest_book, g.sh[:, 1:])
    files = {
        "means_l.webp": picture(fixed % 256),
        "means_u.webp": picture(fixed // 256),
        "scales.webp": picture(nearest(scale_book, np.log(g.scales))),
        "quats.webp": picture(quats),
        "sh0.webp": picture(np.column_stack([nearest(color_book, g.sh[:, 0]), np.round(g.opacities * 255)])),
        "centroids.webp": encode(palette.reshape(rows, 64 * 15, 3)),
        "labels.webp": picture(np.column_stack([np.arange(n) % 256, np.arange(n) // 256])),
    }
    meta = {
        "version": 2,
        "count": n,
        "means": {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": scale_book.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": color_book.tolist(), "files": ["sh0.webp"]},
        "shN": {"count": n, "bands": 3, "codebook": rest_book.tolist(), "files": ["centroids.webp", "labels.webp"]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.json", json.dumps(meta | changes))
        for name, data in files.items():
            archive.writestr(name, data)


def test_sog_as_it_is_described(tmp_path):
    write_sog(tmp_path / "a.sog", source())
    assert_same(
        read_splats(tmp_path / "a.sog").gaussians,
        source(),
        place=1e-3,
        scale=0.021,
        turn_deg=1,
        opacity=2e-3,
        colour=0.016,
        harmonics=0.016,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 1}, "version 2"),
        ({"count": 10_000}, "damaged: ValueError: the picture of means has 324 pixels"),
        ({"means": {"mins": [0, 0, 0], "files": ["means_l.webp", "means_u.webp"]}}, "damaged: KeyError: 'maxs'"),
        ({"quats": {"files": ["../../etc/passwd"]}}, "damaged: KeyError"),
        (
            {"shN": {"count": 1, "bands": 9, "codebook": [0.0], "files": ["centroids.webp", "labels.webp"]}},
            "IndexError",
        ),
    ],
)
def test_sog_that_is_not_right(tmp_path, changes, reason):
    write_sog(tmp_path / "a.sog", source(), **changes)
    with pytest.raises(SplatFileError, match=reason):
        read_splats(tmp_path / "a.sog")


def unpack_sog(folder: Path, **changes: object) -> Path:
    write_sog(folder / "a.sog", source(), **changes)
    with zipfile.ZipFile(folder / "a.sog") as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked" / "meta.json"


def test_unpacked_sog_is_the_same(tmp_path):
    found = read_splats(unpack_sog(tmp_path)).gaussians
    packed = read_splats(tmp_path / "a.sog").gaussians
    for name in Gaussians.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(packed, name))


@pytest.mark.parametrize(
    "name", ["../quats.webp", "/etc/passwd", "sub/quats.webp", "..\\quats.webp", "C:a", "..", "", 7]
)
def test_unpacked_sog_never_leads_out_of_its_folder(tmp_path, name):
    path = unpack_sog(tmp_path, quats={"files": [name]})
    for place in (tmp_path, path.parent / "sub"):
        place.mkdir(exist_ok=True)
        (place / "quats.webp").write_bytes((path.parent / "quats.webp").read_bytes())
    with pytest.raises(SplatFileError, match="is no name of a file beside it"):
        read_splats(path)


def test_unpacked_sog_that_is_not_whole(tmp_path):
    path = unpack_sog(tmp_path)
    (path.parent / "quats.webp").unlink()
    with pytest.raises(SplatFileError, match=r"lacks its picture quats\.webp"):
        read_splats(path)
    path.write_text("{}")
    with pytest.raises(SplatFileError, match="no SOG file of version 2"):
        read_splats(path)
    path.write_text("[" * 100_000)
    with pytest.raises(SplatFileError, match="damaged"):
        read_splats(path)


def test_sog_that_was_damaged_is_told_or_harmless(tmp_path):
    write_sog(tmp_path / "whole.sog", source())
    with (
        zipfile.ZipFile(tmp_path / "whole.sog") as whole,
        zipfile.ZipFile(tmp_path / "packed.sog", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    data = (tmp_path / "packed.sog").read_bytes()
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            broken[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a.sog").write_bytes(broken)
        try:
            assert len(read_splats(tmp_path / "a.sog").gaussians) > 0
        except SplatFileError as error:
            told += "a.sog" in str(error)
    assert told > 30


def test_zip_that_holds_no_splats(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.sog", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(SplatFileError, match="zip file without splats"):
        read_splats(tmp_path / "a.sog")
