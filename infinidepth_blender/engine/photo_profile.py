"""Colour profiles for pictures of 16 bits, which Pillow's own conversion would cut to 8.

Only profiles of three primaries and a curve each ("matrix" profiles: sRGB, Adobe RGB, Display P3, ProPhoto and the
like) or of one grey curve are read, as ICC.1:2022 describes them. Others need a table's interpolation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..srgb import encode_srgb
from .photo_color import STRIP_PX

LEVELS = 65_536
_SRGB_TO_XYZ_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
"""Linear sRGB to CIE XYZ as profiles hold it, adapted to D50 by Bradford's method."""


@dataclass(frozen=True)
class MatrixProfile:
    """How 16-bit values become linear light of Rec.709 primaries.

    Attributes:
        curves: (C, 65536) float32 linear light of every level, C of 1 (grey) or 3.
        matrix: (3, 3) from it to Rec.709; None for grey.
    """

    curves: NDArray[np.float32]
    matrix: NDArray[np.float32] | None

    def to_srgb(self, values: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Converts (H, W, C) values to sRGB, relative colorimetric; what sRGB does not hold is clipped."""
        out = np.empty(values.shape, dtype=np.uint16)
        rows = max(1, STRIP_PX // max(1, values.shape[1] * 4))
        for top in range(0, len(values), rows):
            strip = values[top : top + rows]
            linear = np.stack([curve[strip[..., i]] for i, curve in enumerate(self.curves)], axis=-1)
            if self.matrix is not None:
                linear = linear @ self.matrix.T
            out[top : top + rows] = np.rint(encode_srgb(linear) * (LEVELS - 1))
        return out


def matrix_profile(icc_profile: bytes) -> MatrixProfile | None:
    """Reads a profile.

    Args:
        icc_profile: As it stands in a picture.

    Returns:
        The conversion; None if the profile is damaged or says more than primaries and curves.
    """
    try:
        tags = _tags(icc_profile)
        if any(name.startswith((b"A2B", b"D2B")) for name in tags):
            return None
        if icc_profile[16:20] == b"GRAY":
            return MatrixProfile(_curve(tags[b"kTRC"])[None], None)
        curves = np.stack([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")])
        to_xyz = np.stack([_fixed(tags[name], 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        return MatrixProfile(curves, np.linalg.solve(_SRGB_TO_XYZ_D50, to_xyz).astype(np.float32))
    except (LookupError, ArithmeticError, ValueError, struct.error):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 256)))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _fixed(tag: bytes, count: int) -> NDArray[np.float64]:
    """Numbers of the type s15Fixed16 behind a tag's eight bytes of type."""
    return np.frombuffer(tag, ">i4", count, 8) / 65_536


def _curve(tag: bytes) -> NDArray[np.float32]:
    """Linear light of all levels of a curve of type `curv` or `para`."""
    x = np.arange(LEVELS) / (LEVELS - 1)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            y = x
        elif count == 1:
            y = x ** (values[0] / 256)
        else:
            y = np.interp(x, np.linspace(0, 1, count), values / 65_535)
        return y.astype(np.float32)
    if tag[:4] != b"para":
        raise ValueError("a curve of unknown type")
    (kind,) = struct.unpack_from(">H", tag, 8)
    g, a, b, c, d, e, f = _parametric(kind, _fixed(tag[4:], (1, 3, 4, 5, 7)[kind]).tolist())
    power = np.maximum(a * x + b, 0) ** g + e
    return np.where(x >= d, power, c * x + f).astype(np.float32)


def _parametric(kind: int, p: list[float]) -> tuple[float, ...]:
    """g, a, b, c, d, e, f of the curve `(a x + b)^g + e` from d on, `c x + f` below."""
    if kind == 0:
        return p[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        offset = p[3] if kind == 2 else 0.0
        return p[0], p[1], p[2], 0.0, -p[2] / p[1], offset, offset
    return (*p, 0.0, 0.0) if kind == 3 else tuple(p)
