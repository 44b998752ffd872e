"""SPZ files (Niantic Spatial): splats in about a tenth of a PLY's bytes, each value rounded to 8 to 24 bits.

Little-endian: a header, then one table after another: positions (3 x 24 bits, fixed point), opacities, colours,
scales (3 x 8 bits each but for opacities), rotations (3 or 4 bytes), harmonics (8 bits). Versions 1 to 3 are one gzip
stream, in version 1 with positions of half precision; version 4 has a plain header, a list of sizes, and a Zstandard
stream for each table. Axes are OpenGL's (y up, z backwards) unless an extension says otherwise, ours and those of PLY
are OpenCV's.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SplatFileError
from ..reconstruction import Gaussians
from .splat_file import OTHERS, SplatFile, atomic_file, check_count, completed_quaternions, damaged, opening, usable
from .transform import flipped, half_turned

MAGIC = b"NGSP"
_HEADER = struct.Struct("<4sIIBBBB")
"""Magic, version, number of splats, degree of harmonics, fractional bits, flags, number of streams (version 4)."""

_HEADER_4_BYTES = 32
_LISTED = struct.Struct("<QQ")
"""Bytes of a stream as it is stored, and unpacked."""

_MAX_EXTRA_BYTES = 1 << 20
_WITH_EXTENSIONS = 2
"""The flag of a file with extensions: after the header of version 4, after the tables of older ones."""

_RECORD = struct.Struct("<II")
"""Type of an extension, and the bytes that follow."""

_AXES_TYPE = 0xADBE0003
"""SPZ_ADOBE_coordinate_system."""

_AXES = ("RUB", "LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF")
"""Where x, y and z point, by its value: right or left, up or down, back or front; 0 says nothing of it."""

_COEFFICIENTS = (0, 3, 8, 15, 24)
"""Harmonics beyond the constant one, by degree."""

_KEPT_COEFFICIENTS = 15
_COLOR_SCALE = 0.15
_SCALE_STEPS, _SCALE_OFFSET = 16.0, 10.0
_ROTATION_STEPS = 511
_SHIFTS = np.array([20, 10, 0], np.uint32)
"""Places of the three smaller components of x, y, z, w among the bits, in their order."""

_WRITTEN_VERSION = 3
"""What most programs read: version 4 is of 2026, version 2 has coarser rotations."""

_HARMONIC_STEPS = (8, 16)
"""Steps that harmonics of degree 1, and of higher ones, are rounded to; the format's own choice, for small files."""

_FRACTIONAL_BITS = (12, 20)
_STEPS_IN_A_SPLAT = 8
_MOST = 0.999
"""Share of the splats that keep their places, however far away the others are."""
_FARTHEST_STEP = 2**23 - 1


@dataclass(frozen=True)
class _Tables:
    """The tables of a file as bytes, one row a splat."""

    positions: NDArray[np.uint8]
    opacities: NDArray[np.uint8]
    colors: NDArray[np.uint8]
    scales: NDArray[np.uint8]
    rotations: NDArray[np.uint8]
    harmonics: NDArray[np.uint8]


def read_spz(path: Path) -> SplatFile:
    """Reads an SPZ file of version 1 to 4; harmonics of degree 4 are left out.

    Raises:
        SplatFileError: the file is missing, damaged, or of another version; or it is of version 4 and
            this Python has no Zstandard.
    """
    with opening(path, "an SPZ file"):
        data = path.read_bytes()
    gaussians, dropped = usable(path, gaussians_of_spz(path, data))
    return SplatFile(gaussians, dropped=dropped)


def gaussians_of_spz(path: Path, data: bytes) -> Gaussians:
    """The splats in the bytes of a file, in OpenCV's axes; `path` is for errors, which are those of `read_spz`."""
    header, body = _header_of(path, data)
    _, version, count, degree, bits, flags, _ = header
    if count == 0:
        raise SplatFileError(f"{path} holds no splats.", "Choose another file.")
    if degree >= len(_COEFFICIENTS) or bits > 23:
        raise damaged(path, "its header has values that the format does not allow")
    check_count(path, count, len(data))
    widths = [6 if version == 1 else 9, 1, 3, 3, 3 if version <= 2 else 4, 3 * _COEFFICIENTS[degree]]
    unpacked = _unpack_4(path, data, widths, header) if version == 4 else _unpack(path, body, widths, count)
    streams, extensions = unpacked
    if version == 1 and len(extensions) == 3 * count:
        # Newer programs call files version 1 whose positions are those of version 2: there are as many bytes too many.
        widths[0] = 9
        whole = io.BytesIO(b"".join(streams) + extensions)
        streams = [whole.read(width * count) for width in widths]
    tables = _Tables(*(np.frombuffer(s, np.uint8).reshape(count, w) for s, w in zip(streams, widths, strict=True)))
    axes = _axes_of(path, extensions) if flags & _WITH_EXTENSIONS else _AXES[0]
    x, y, z = (1 if letter in "RDF" else -1 for letter in axes)
    return flipped(_decoded(tables, bits), (x, y, z))


def write_spz(path: Path, gaussians: Gaussians) -> int:
    """Writes an SPZ file of version 3, all or nothing.

    Places are rounded to an eighth of the smallest splats' size or finer, unless that is below 2^-20 or 99.9 % of the
    splats reach too far for it; sizes to 3 %, colours and opacities to 1/255. Where that precision asks for it, the
    farthest splats, a thousandth at most, come nearer and shrink as much: they look the same from the origin. Splats
    with values that are not numbers are left out.

    Returns:
        The number of splats in the file.

    Raises:
        OutputError: the file cannot be written; an older one of that name is untouched.
        SplatFileError: there are no splats whose values are numbers.
    """
    gaussians, _ = usable(path, gaussians)
    bits = _fractional_bits(gaussians)
    gaussians = _within(gaussians, _FARTHEST_STEP * 2.0**-bits)
    harmonics = gaussians.sh.shape[1] - 1
    header = _HEADER.pack(MAGIC, _WRITTEN_VERSION, len(gaussians), _COEFFICIENTS.index(harmonics), bits, 0, 0)
    tables = _encoded(gaussians, bits)
    # Neither name nor time of day: the same splats give the same bytes.
    with atomic_file(path) as stream, gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
        packed.write(header)
        for table in (
            tables.positions,
            tables.opacities,
            tables.colors,
            tables.scales,
            tables.rotations,
            tables.harmonics,
        ):
            packed.write(np.ascontiguousarray(table).data)
    return len(gaussians)


# -- containers -------------------------------------------------------------------


def _header_of(path: Path, data: bytes) -> tuple[tuple[Any, ...], tuple[Any, bytes]]:
    """The header, and for packed files the decompressor with what it has not yet read."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        head = data[: _HEADER.size] if data.startswith(MAGIC) else unpacker.decompress(data, _HEADER.size)
    except zlib.error as error:
        raise damaged(path, str(error)) from error
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        raise SplatFileError(f"{path} is no SPZ file.", "Choose a file with Gaussian splats.")
    header = _HEADER.unpack(head)
    version, packed = header[1], not data.startswith(MAGIC)
    if version not in (1, 2, 3, 4) or (version == 4) == packed:
        raise SplatFileError(
            f"{path} is SPZ of version {version}, which cannot be read.", "Export it as PLY or as SPZ of version 3."
        )
    return header, (unpacker, unpacker.unconsumed_tail)


def _unpack(path: Path, body: tuple[Any, bytes], widths: list[int], count: int) -> tuple[list[bytes], bytes]:
    """The tables of versions 1 to 3, and what follows them."""
    unpacker, rest = body
    streams = []
    for width in widths:
        parts, missing = [], width * count
        while missing:
            try:
                part = unpacker.decompress(rest, missing)
            except zlib.error as error:
                raise damaged(path, str(error)) from error
            if not part:
                raise damaged(path, "it is shorter than its header says")
            parts.append(part)
            missing, rest = missing - len(part), unpacker.unconsumed_tail
        streams.append(b"".join(parts))
    try:  # The check sum follows, and before it what programs add for themselves.
        extra = unpacker.decompress(rest, max(_MAX_EXTRA_BYTES, 3 * count + 1))
    except zlib.error as error:
        raise damaged(path, str(error)) from error
    if not unpacker.eof and not unpacker.unconsumed_tail:
        raise damaged(path, "its end is missing")
    return streams, extra


def _unpack_4(path: Path, data: bytes, widths: list[int], header: tuple[Any, ...]) -> tuple[list[bytes], bytes]:
    """The tables of version 4, of which an empty one has no stream, and what stands between header and list."""
    count, listed = header[2], header[6]
    (place,) = struct.unpack_from("<I", data, 16) if len(data) >= _HEADER_4_BYTES else (0,)
    start = place + listed * _LISTED.size
    if place < _HEADER_4_BYTES or len(data) < start or listed != sum(width > 0 for width in widths):
        raise damaged(path, "its list of tables does not fit its header")
    streams = []
    for k, width in enumerate(widths):
        if width == 0:
            streams.append(b"")
            continue
        packed, unpacked = _LISTED.unpack_from(data, place + k * _LISTED.size)
        if unpacked != width * count or start + packed > len(data):
            raise damaged(path, "its list of tables does not fit its header")
        streams.append(_unpack_zstandard(path, data[start : start + packed], width * count))
        start += packed
    return streams, data[_HEADER_4_BYTES:place]


def _axes_of(path: Path, extensions: bytes) -> str:
    """Where x, y and z point.

    Raises:
        SplatFileError: the extensions are damaged, or name axes in another order.
    """
    start = 0
    while start + _RECORD.size <= len(extensions):
        kind, length = _RECORD.unpack_from(extensions, start)
        start += _RECORD.size
        if start + length > len(extensions) or (kind == _AXES_TYPE and length != 4):
            raise damaged(path, "its extensions are not as long as they say")
        if kind == _AXES_TYPE:
            (code,) = struct.unpack_from("<I", extensions, start)
            if code >= len(_AXES):
                raise SplatFileError(
                    f"{path} has axes of a kind that cannot be read (number {code}).",
                    "Export it with y up or down, or as PLY.",
                )
            return _AXES[code]
        start += length
    return _AXES[0]


def _unpack_zstandard(path: Path, data: bytes, size: int) -> bytes:
    """Never more than `size` bytes, whatever a stream says of itself."""
    try:
        import zstandard
    except ImportError:
        raise SplatFileError(
            f"{path} is SPZ of version 4, and this Python has no Zstandard to unpack it.",
            "Install the package zstandard, or export the file as PLY or as SPZ of version 3.",
        ) from None
    try:
        unpacked = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read(size)
    except zstandard.ZstdError as error:
        raise damaged(path, str(error)) from error
    if len(unpacked) != size:
        raise damaged(path, "it is shorter than its header says")
    return unpacked


# -- values -----------------------------------------------------------------------


def _decoded(tables: _Tables, bits: int) -> Gaussians:
    """The splats in the axes of the file."""
    count = len(tables.positions)
    if tables.positions.shape[1] == 6:
        means = np.ascontiguousarray(tables.positions).view("<f2").astype(np.float32)
    else:
        fixed = np.zeros((count, 3, 4), np.uint8)
        fixed[..., 1:] = tables.positions.reshape(count, 3, 3)
        means = (fixed.view("<i4")[..., 0] >> 8).astype(np.float32) * np.float32(2.0**-bits)
    dc = (tables.colors.astype(np.float32) / 255 - np.float32(0.5)) / np.float32(_COLOR_SCALE)
    rest = tables.harmonics.reshape(count, -1, 3)[:, :_KEPT_COEFFICIENTS]
    sh = np.concatenate([dc[:, None], (rest.astype(np.float32) - 128) / 128], axis=1)
    return Gaussians(
        means,
        np.exp(tables.scales.astype(np.float32) / np.float32(_SCALE_STEPS) - np.float32(_SCALE_OFFSET)),
        _rotations_of(tables.rotations),
        tables.opacities[:, 0].astype(np.float32) / 255,
        sh,
    )


def _encoded(gaussians: Gaussians, bits: int) -> _Tables:
    g = half_turned(gaussians)
    count = len(g)
    fixed = np.round(g.means.astype(np.float64) * 2.0**bits).clip(-_FARTHEST_STEP, _FARTHEST_STEP).astype("<i4")
    with np.errstate(divide="ignore"):
        log_scales = np.log(g.scales)
    harmonics = np.round(g.sh[:, 1:] * 128) + 128
    for rows, step in ((slice(0, 3), _HARMONIC_STEPS[0]), (slice(3, None), _HARMONIC_STEPS[1])):
        harmonics[:, rows] = (harmonics[:, rows] + step // 2) // step * step
    return _Tables(
        positions=fixed.reshape(count, 3, 1).view(np.uint8)[..., :3].reshape(count, 9),
        opacities=_bytes(g.opacities * 255)[:, None],
        colors=_bytes((g.sh[:, 0] * _COLOR_SCALE + 0.5) * 255),
        scales=_bytes((log_scales + _SCALE_OFFSET) * _SCALE_STEPS),
        rotations=_packed_rotations(g.rotations),
        harmonics=_bytes(harmonics).reshape(count, -1),
    )


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _rotations_of(rotations: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 4) quaternions w, x, y, z of three signed bytes, or of the three smallest components and which is left out."""
    if rotations.shape[1] == 3:
        three = rotations.astype(np.float32) / np.float32(127.5) - 1
        largest = np.full(len(rotations), 3)
    else:
        packed = np.ascontiguousarray(rotations).view("<u4")
        largest = (packed[:, 0] >> 30).astype(np.intp)
        fields = packed >> _SHIFTS
        three = (fields & _ROTATION_STEPS).astype(np.float32) * np.float32(math.sqrt(0.5) / _ROTATION_STEPS)
        three = np.where(fields & 512, -three, three)
    return np.roll(completed_quaternions(three, largest), 1, axis=1)


def _packed_rotations(quaternions: NDArray[Any]) -> NDArray[np.uint8]:
    """The inverse for version 3."""
    q = np.roll(quaternions, -1, axis=1)
    rows = np.arange(len(q))
    largest = np.abs(q).argmax(axis=1)
    q = q * np.where(q[rows, largest] < 0, -1, 1)[:, None]
    three = np.take_along_axis(q, OTHERS[largest], axis=1)
    size = np.minimum(np.abs(three) * (_ROTATION_STEPS * math.sqrt(2)) + 0.5, _ROTATION_STEPS).astype("<u4")
    fields = (size | np.where(three < 0, 512, 0).astype("<u4")) << _SHIFTS
    packed = largest.astype("<u4") << 30 | np.bitwise_or.reduce(fields, axis=1)
    return packed[:, None].view(np.uint8)


def _fractional_bits(gaussians: Gaussians) -> int:
    """As fine as small splats need, and where all places fit at least the format's usual 1/4096."""
    least, most = _FRACTIONAL_BITS
    small = float(np.quantile(gaussians.scales.max(axis=1), 0.01))
    fine = min(math.ceil(math.log2(_STEPS_IN_A_SPLAT / small)), most) if small > 0 else 0
    reach = _reach(gaussians)
    fits, fits_most = (_bits_for(float(far)) for far in (reach.max(), np.quantile(reach, _MOST, method="higher")))
    return max(0, min(max(fine, least), fits), min(fine, fits_most))


def _bits_for(far: float) -> int:
    """The most fractional bits with which a coordinate can be written."""
    return min(math.floor(math.log2(_FARTHEST_STEP / far)), _FRACTIONAL_BITS[1]) if far > 0 else _FRACTIONAL_BITS[1]


def _within(gaussians: Gaussians, farthest: float) -> Gaussians:
    """The splats beyond, nearer along the line to the origin and as much smaller."""
    reach = _reach(gaussians)
    if reach.max() <= farthest:
        return gaussians
    shrink = (farthest / np.maximum(reach, farthest))[:, None]
    means, scales = ((values * shrink).astype(np.float32) for values in (gaussians.means, gaussians.scales))
    return replace(gaussians, means=means, scales=scales)


def _reach(gaussians: Gaussians) -> NDArray[np.float64]:
    """(N,) each splat's largest coordinate."""
    return np.abs(gaussians.means).max(axis=1).astype(np.float64)
