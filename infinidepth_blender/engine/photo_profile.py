"""Colours that are told by a curve and three primaries, for pictures of 8 bits, 16 bits and floating point values.

Colour profiles of three primaries and a curve each ("matrix" profiles: sRGB, Adobe RGB, Display P3, ProPhoto and the
like) or of one grey curve are read, as ICC.1:2022 describes them. Others need a table's interpolation.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..srgb import encode_srgb
from .photo_color import STRIP_PX

Curve = Callable[[NDArray[Any]], NDArray[Any]]
"""Linear light of encoded values from 0 to 1; of floating point pictures also below and above."""
Whole = TypeVar("Whole", np.uint8, np.uint16)

_LEVELS = 65_536
_SRGB_TO_XYZ_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
"""Linear sRGB to CIE XYZ as profiles hold it, adapted to D50 by Bradford's method."""
_SAME_PRIMARIES = 2e-3
_ROOTS = 1 << 18
_KNEE = 0.8
"""Light from which on highlights are rolled off."""


@dataclass(frozen=True)
class MatrixProfile:
    """How values become linear light of Rec.709 primaries.

    Attributes:
        curves: One for each colour, or one for all.
        matrix: (3, 3) from their light to that of Rec.709; None: it is that, or grey.
        has_highlights: There is light brighter than white, which sRGB shall not cut off.
    """

    curves: tuple[Curve, ...]
    matrix: NDArray[np.float32] | None = None
    has_highlights: bool = False

    def to_srgb(self, values: NDArray[Whole]) -> NDArray[Whole]:
        """Converts (H, W, C) whole numbers, C of 1 or 3, to sRGB, relative colorimetric; what sRGB does not hold is clipped."""
        top = np.iinfo(values.dtype).max
        levels = self._levels[:, :: (_LEVELS - 1) // top]
        encoded = _encoded(top).astype(values.dtype)
        out = np.empty(values.shape, dtype=values.dtype)
        rows = max(1, STRIP_PX // max(1, values.shape[1] * 4))
        for at in range(0, len(values), rows):
            strip = values[at : at + rows]
            linear = np.stack([self._of(levels, i)[strip[..., i]] for i in range(strip.shape[2])], axis=-1)
            linear = self._to_rec709(linear)
            if self.has_highlights:
                roll_off(linear)
            roots = np.sqrt(np.clip(linear, 0, 1)) * (_ROOTS - 1) + 0.5
            out[at : at + rows] = encoded[roots.astype(np.int32)]
        return out

    def to_linear(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Converts (H, W, C) floating point values, C of 1 or 3, to linear light, which nothing bounds."""
        out = np.empty(values.shape, dtype=np.float32)
        rows = max(1, STRIP_PX // max(1, values.shape[1] * 4))
        for at in range(0, len(values), rows):
            strip = values[at : at + rows].astype(np.float32)
            with np.errstate(over="ignore", invalid="ignore"):
                linear = np.stack([self._of(self.curves, i)(strip[..., i]) for i in range(strip.shape[2])], axis=-1)
                out[at : at + rows] = self._to_rec709(linear)
        return out

    @functools.cached_property
    def _levels(self) -> NDArray[np.float32]:
        """(C, 65536) light of every level of 16 bits."""
        return np.stack([curve(np.arange(_LEVELS) / (_LEVELS - 1)) for curve in self.curves]).astype(np.float32)

    def _of(self, each: Any, channel: int) -> Any:
        return each[channel if len(self.curves) > 1 else 0]

    def _to_rec709(self, linear: NDArray[Any]) -> NDArray[Any]:
        return linear if self.matrix is None or linear.shape[2] == 1 else linear @ self.matrix.T


@functools.cache
def _encoded(top: int) -> NDArray[np.int64]:
    """(ROOTS,) sRGB values up to `top` by the root of light, in which a table's steps are even enough."""
    return np.rint(encode_srgb(np.linspace(0, 1, _ROOTS) ** 2) * top).astype(np.int64)


def roll_off(linear: NDArray[np.float32]) -> None:
    """Brings the highlights of (H, W, C) linear light below 1, in place, each pixel with its hue.

    Up to 0.8 nothing changes; white becomes 0.9, five times as bright 0.99.
    """
    brightest = functools.reduce(np.maximum, np.moveaxis(linear, -1, 0))
    above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    rolled = _KNEE + (1 - _KNEE) * above / (1 + above)
    linear *= (rolled / np.maximum(brightest, _KNEE))[..., None]


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
            return MatrixProfile((_curve(tags[b"kTRC"]),))
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        to_xyz = np.stack([_fixed(tags[name], 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        matrix = np.linalg.solve(_SRGB_TO_XYZ_D50, to_xyz)
        is_srgb = np.allclose(matrix, np.eye(3), atol=_SAME_PRIMARIES)
        return MatrixProfile(curves, None if is_srgb else matrix.astype(np.float32))
    except (LookupError, ArithmeticError, ValueError, struct.error):
        return None


def power_curve(exponent: float) -> Curve:
    """Values to the power of `exponent`; none below 0 unless it is 1."""
    return lambda x: x if exponent == 1 else np.maximum(x, 0) ** exponent


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 256)))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _fixed(tag: bytes, count: int) -> NDArray[np.float64]:
    """Numbers of the type s15Fixed16 behind a tag's eight bytes of type."""
    return np.frombuffer(tag, ">i4", count, 8) / 65_536


def _curve(tag: bytes) -> Curve:
    """A curve of type `curv` or `para`."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            return power_curve(1)
        return power_curve(values[0] / 256) if count == 1 else _sampled(values / 65_535)
    if tag[:4] != b"para":
        raise ValueError("a curve of unknown type")
    (kind,) = struct.unpack_from(">H", tag, 8)
    g, a, b, c, d, e, f = _parametric(kind, _fixed(tag[4:], (1, 3, 4, 5, 7)[kind]).tolist())
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _sampled(values: NDArray[np.float64]) -> Curve:
    """A curve by its values at even steps from 0 to 1; beyond it goes on as its last step does."""
    at = np.linspace(0, 1, len(values))
    rise = float(values[-1] - values[-2]) * (len(values) - 1)
    return lambda x: np.interp(x, at, values) + np.maximum(x - 1, 0) * rise


def _parametric(kind: int, p: list[float]) -> tuple[float, ...]:
    """g, a, b, c, d, e, f of the curve `(a x + b)^g + e` from d on, `c x + f` below."""
    if kind == 0:
        return p[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        offset = p[3] if kind == 2 else 0.0
        return p[0], p[1], p[2], 0.0, -p[2] / p[1], offset, offset
    return (*p, 0.0, 0.0) if kind == 3 else tuple(p)
