"""From the disparity that a model predicts to metres: by measured depth, or by a stated convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DepthFileError, NoSurfaceError
from ..field.align import AlignedField
from ..field.covered import Covered, CoveredField
from ..field.prompted import PromptedField
from ..field.protocol import DepthField
from ..field.rehearsal import AskAgain
from ..field.resample import nearest
from ..field.robust_line import fit_affine_robust
from .depth_files import DepthPrompt

MEDIAN_DEPTH_M = 5.0
"""Where the median depth is put when nothing tells the scale."""

UNKNOWN_SCALE = (
    "The scale of the scene is unknown: the median depth was set to 5 m. "
    "Give --depth-prompt or --known-distance to measure it."
)

_LOOK_SIDE_PX = 384
_MAX_PROMPTS = 100_000
_MIN_PROMPTS_FOR_OFFSET = 8
_MIN_PROMPTS_FOR_CORRECTION = 4
_MANY_LEFT_OUT = 0.1
_POOR_FIT = 0.25
_MUCH_BEYOND = 0.15
"""Share of the picture beyond what was measured that the user is told of."""
_FLOOR = 0.2
"""Least disparity of a line that is left towards what was not measured, as a share of the smallest measured one."""
_COVERED = 0.7
"""Share of the field's range that measurements cover, from which on a line through them is not asked beyond them."""
_RISE_TO_ERROR, _LEAST_RISE = 2.5, 1e-3
"""How much a line must rise over the measurements to be more than chance: over its error, and over their median."""
_LEAST_SPREAD, _SPREAD_TO_ERROR = 0.22, 6.0
"""Spread of the logarithms of measured depths that tells an offset: as such, and over the error of the line."""

PromptUse = Literal["follow", "align", "check"]
"""`align`: measured depth gives factor and offset. `follow`: the field is also corrected locally to agree
with it, from four measurements on. `check`: the field was made from it, and stays as it is."""


@dataclass(frozen=True)
class ScaledField:
    """A field in metres.

    Attributes:
        field: Its disparity is 1 / metres.
        scale_known: False when the median depth was set by convention.
        details: Plain values for the model record of the result.
        warnings: Sentences for the user.
    """

    field: DepthField
    scale_known: bool
    details: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    """A coarse grid of the field: disparity (h, w) float64, and which pixels show a surface."""

    disparity: NDArray[np.float64]
    surface: NDArray[np.bool_]


def scale_to_metres(
    field: DepthField,
    prompt: DepthPrompt | None,
    width_px: int,
    height_px: int,
    seed: int,
    picture_srgb: NDArray[np.uint8] | None = None,
    prompt_use: PromptUse = "follow",
    ask_again: AskAgain | None = None,
) -> ScaledField:
    """Gives a field its scale.

    With measured depth: `a * disparity + b` fitted to the measured disparity in a way that
    outliers do not move, and what `prompt_use` says. Without: a metric field stays as it
    is, of any other the median depth of all that is not sky becomes `MEDIAN_DEPTH_M`.

    Args:
        field: Any field.
        prompt: Measured depth of the whole picture, at any resolution.
        width_px, height_px: Size of the photo.
        seed: Of the choice among very many measurements.
        picture_srgb: (H, W, 3) the photo, whose colours help to tell measured surfaces apart.
        prompt_use: What to do with measured depth.
        ask_again: Tells the network the measurements, if it can read them and they are followed.

    Raises:
        DepthFileError: the measured depth does not belong to this photo.
        NoSurfaceError: the photo shows no surface at all, and none was measured.
    """
    if prompt is not None and prompt_use == "check":
        return _checked(field, prompt, seed)
    look = _look(field, width_px, height_px, prompt)
    if prompt is not None:
        scaled = _fit_to_prompt(field, look, prompt, seed)
        if prompt_use == "align":
            return scaled
        return _corrected(scaled, prompt, width_px, height_px, seed, picture_srgb, ask_again)
    if field.scale == "metric":
        return ScaledField(field, True, {"scale": "metric"})
    offset = _offset_without_measurement(look) if field.scale == "affine" else 0.0
    factor = MEDIAN_DEPTH_M * (float(np.median(look.disparity[look.surface])) + offset)
    warnings = [UNKNOWN_SCALE]
    if field.scale == "affine":
        warnings.append(
            "This model leaves the shape of depth open by an offset, which was guessed: far and near may be stretched."
        )
    details = {"scale": "median", "disparity_factor": 1 / factor, "disparity_offset": offset / factor}
    return ScaledField(AlignedField(field, 1 / factor, offset / factor, "relative"), False, details, tuple(warnings))


def _checked(field: DepthField, prompt: DepthPrompt, seed: int) -> ScaledField:
    """The field as it is, and how well it agrees with the measurements that went into it."""
    source, target = _pairs(field, prompt, seed)
    error = float(np.median(np.abs(source - target) / target))
    details = {"scale": "depth prompt", "prompt_points": len(source), "prompt_median_error": error}
    return ScaledField(field, True, details, tuple(_poor_fit(prompt, error)))


def _corrected(
    scaled: ScaledField,
    prompt: DepthPrompt,
    width_px: int,
    height_px: int,
    seed: int,
    picture_srgb: NDArray[np.uint8] | None,
    ask_again: AskAgain | None,
) -> ScaledField:
    """The aligned field, corrected to agree with the measurements."""
    if prompt.valid_count < _MIN_PROMPTS_FOR_CORRECTION:
        return scaled
    field = PromptedField(scaled.field, prompt.depth_m, width_px, height_px, picture_srgb, seed, ask_again)
    warnings = scaled.warnings
    if field.left_out > _MANY_LEFT_OUT:
        warnings += (
            f"{field.left_out:.0%} of the depths in {prompt.path.name} contradict their surroundings and were left out.",
        )
    details = {
        "prompt_left_out": field.left_out,
        "prompt_network_share": field.network_share,
        "prompt_told_to_network": field.asked_again,
        "prompt_expected_error": field.expected_error if np.isfinite(field.expected_error) else None,
    }
    return ScaledField(field, scaled.scale_known, scaled.details | details, warnings)


def _look(field: DepthField, width_px: int, height_px: int, prompt: DepthPrompt | None) -> _Look:
    factor = min(1.0, _LOOK_SIDE_PX / max(width_px, height_px))
    width, height = max(1, round(width_px * factor)), max(1, round(height_px * factor))
    disparity = field.disparity_grid(height, width).cpu().numpy().astype(np.float64)
    surface = field.sky_grid(height, width).cpu().numpy() < 0.5
    if prompt is not None:
        surface |= _measured(prompt, height, width)
    surface &= np.isfinite(disparity)
    if field.scale != "affine":
        surface &= disparity > 0
    if not surface.any():
        raise NoSurfaceError(
            "The photo shows no surface whose depth could be found: it seems to be all sky.", "Use another photo."
        )
    return _Look(disparity, surface)


def _measured(prompt: DepthPrompt, height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) the pixels of a grid over the picture that hold a measurement."""
    row, column = np.nonzero(prompt.depth_m)
    tall, wide = prompt.depth_m.shape
    result = nearest(prompt.depth_m, height, width) > 0
    result[(2 * row + 1) * height // (2 * tall), (2 * column + 1) * width // (2 * wide)] = True
    return result


def _offset_without_measurement(look: _Look) -> float:
    """Puts the farthest surface at a tenth of the range of disparities."""
    low, high = np.percentile(look.disparity[look.surface], [0.5, 99.5])
    return float(0.1 * max(high - low, 1e-6) - low)


def _fit_to_prompt(field: DepthField, look: _Look, prompt: DepthPrompt, seed: int) -> ScaledField:
    warnings: list[str] = []
    source, target = _pairs(field, prompt, seed)
    name = prompt.path.name
    factor, offset = 0.0, 0.0
    if len(source) >= _MIN_PROMPTS_FOR_OFFSET:
        factor, offset = fit_affine_robust(source, target, seed=seed)
        doubt = _doubt(source, target, look, (factor, offset), name)
        if doubt:
            factor = 0.0
            warnings.append(doubt)
    if factor == 0:
        guessed = _offset_without_measurement(look) if field.scale == "affine" else 0.0
        factor = _factor_alone(source + guessed, target, prompt)
        offset = factor * guessed
    aligned = _aligned(field, look, prompt, (factor, offset), source, target)
    seen = torch.from_numpy(look.disparity[look.surface])
    lost = float((aligned.aligned(seen) <= 0).double().mean())
    if lost > 0.02:
        warnings.append(f"{lost:.0%} of the picture lies beyond what {name} covers and got no depth.")
    factor_beyond, beyond = factor, 0.0
    if isinstance(aligned, CoveredField):
        factor_beyond, beyond = aligned.factor_beyond, aligned.covered.beyond
    if beyond > _MUCH_BEYOND:
        warnings.append(
            f"{beyond:.0%} of the picture is nearer or farther than all that {name} measures: "
            "there the depth is the model's own, scaled by one factor."
        )
    error = float(np.median(np.abs(factor * source + offset - target) / target))
    warnings += _poor_fit(prompt, error)
    details = {
        "scale": "depth prompt",
        "disparity_factor": factor,
        "disparity_offset": offset,
        "disparity_factor_beyond": factor_beyond,
        "prompt_points": len(source),
        "prompt_median_error": error,
        "prompt_beyond": beyond,
    }
    return ScaledField(aligned, True, details, tuple(warnings))


def _aligned(
    field: DepthField,
    look: _Look,
    prompt: DepthPrompt,
    line: tuple[float, float],
    source: NDArray[np.float64],
    target: NDArray[np.float64],
) -> AlignedField:
    """The field under a line, where the measurements reach."""
    ahead = source > 0
    if field.scale == "affine" or line[1] == 0 or not ahead.any():
        # One factor does not bend. Of an affine field it tells nothing: its line is better than a guessed offset.
        return AlignedField(field, *line, "metric")
    covered = Covered.of(-np.log(source[ahead]), -np.log(look.disparity[look.surface]))
    if covered.complete:
        return AlignedField(field, *line, "metric")
    floor = _FLOOR * float(np.percentile(target, 1))
    return CoveredField(field, line, _factor_alone(source, target, prompt), covered, floor)


def _poor_fit(prompt: DepthPrompt, error: float) -> list[str]:
    """A warning where the median relative error is large."""
    if error <= _POOR_FIT:
        return []
    return [
        f"The depth in {prompt.path.name} fits the picture badly (median error {error:.0%}): check that it belongs to it."
    ]


def _pairs(field: DepthField, prompt: DepthPrompt, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Disparities of the field and of the measurements at (at most 100,000 of) the measured pixels; at least one pair."""
    height, width = prompt.depth_m.shape
    pixels = np.flatnonzero(prompt.depth_m)
    if len(pixels) > _MAX_PROMPTS:
        pixels = np.sort(np.random.default_rng(seed).choice(pixels, _MAX_PROMPTS, replace=False))
    row, column = np.divmod(pixels, width)
    coords = np.stack([(row + 0.5) / height * 2 - 1, (column + 0.5) / width * 2 - 1], axis=-1)
    source = field.disparity(torch.from_numpy(coords.astype(np.float32))).cpu().numpy().astype(np.float64)
    target = 1 / prompt.depth_m.ravel()[pixels].astype(np.float64)
    good = np.isfinite(source)
    if not source[good].any():
        raise _nothing_in_common(prompt)
    return source[good], target[good]


def _doubt(
    source: NDArray[np.float64], target: NDArray[np.float64], look: _Look, line: tuple[float, float], name: str
) -> str:
    """Why measurements tell no more than one factor, for the user; empty where their line holds.

    A line through depths that hardly differ is as good flat as steep: flat, it puts everything that was not measured
    at the same depth. If the picture differs at these places it is contradicted, and the sign of its factor is chance.
    """
    if not np.isfinite(line).all():
        line = (0.0, 0.0)
    covered, whole = (_spread(values) for values in (source, look.disparity[look.surface]))
    error = float(np.median(np.abs(line[0] * source + line[1] - target) / target))
    rise = line[0] * covered
    least = max(_RISE_TO_ERROR * error, _LEAST_RISE) * float(np.median(target))
    widely = covered >= _COVERED * whole
    told = rise > least if widely else _spread(np.log(target)) > max(_LEAST_SPREAD, _SPREAD_TO_ERROR * error)
    if rise > 0 and told:
        return ""
    # Measurements that are as flat as the picture contradict nothing, whichever way their line leans.
    differs = covered > _LEAST_SPREAD * float(np.median(np.abs(source)))
    if rise < -least or (differs and (widely or rise <= 0)):
        return f"The depth in {name} contradicts the picture: only the overall scale was taken from it."
    return f"The depths in {name} lie close together: only the overall scale was taken from them."


def _spread(values: NDArray[np.float64]) -> float:
    """From the 5 % to the 95 % quantile."""
    return float(np.subtract(*np.quantile(values, [0.95, 0.05])))


def _factor_alone(source: NDArray[np.float64], target: NDArray[np.float64], prompt: DepthPrompt) -> float:
    ahead = source > 0
    if not ahead.any():
        raise _nothing_in_common(prompt)
    return float(np.median(target[ahead] / source[ahead]))


def _nothing_in_common(prompt: DepthPrompt) -> DepthFileError:
    return DepthFileError(
        f"{prompt.path.name} has depth only where the model finds none.", "Check that it belongs to the photo."
    )
