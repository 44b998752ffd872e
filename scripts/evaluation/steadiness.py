"""How steady the depth of a clip is, and how right, where answers may lack pixels or whole frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fits import fit_depth

_STILL = 0.05
_FARTHEST_M = 1e9
_FIT_PIXELS = 200_000

Depths = NDArray[np.float32]


def told(depth_m: Depths) -> NDArray[np.bool_]:
    """Where metres are depth: neither missing nor the sky."""
    return np.isfinite(depth_m) & (depth_m > 0) & (depth_m < _FARTHEST_M)


def compare(depth_m: Depths, truth_m: Depths, common: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """Scores of (K, h, w) depth against the truth; sky and unknown truth are left out.

    Args:
        depth_m, truth_m: Metres, the first of any scale.
        common: (K, h, w) pixels that count for drift and flicker, such as those that all compared answers tell; of
            these answers are used where this one has some. None: all.

    Returns:
        `scale_drift` and `flicker`, which are missing where no two frames can be compared; `shot_delta_1` and
        `frame_delta_1`, in which known truth without an answer is wrong; `coverage`, the share of it that has one.

    Raises:
        ValueError: nothing of the truth is known.
    """
    known = told(truth_m)
    if not known.any():
        raise ValueError("no frame has known depth")
    there = known & told(depth_m)
    scores = _steadiness(depth_m, truth_m, there if common is None else there & common)
    frames = [
        _delta_1(depth, truth, wanted, has)
        for depth, truth, wanted, has in zip(depth_m, truth_m, known, there, strict=True)
        if wanted.any()
    ]
    return scores | {
        "shot_delta_1": _delta_1(depth_m, truth_m, known, there),
        "frame_delta_1": float(np.mean(frames)),
        "coverage": float(there.sum() / known.sum()),
    }


def _steadiness(depth_m: Depths, truth_m: Depths, there: NDArray[np.bool_]) -> dict[str, float]:
    log_truth = np.log(np.where(there, truth_m, np.nan))
    ratio = np.log(np.where(there, depth_m, np.nan)) - log_truth
    levels = [np.nanmedian(frame) for frame, has in zip(ratio, there, strict=True) if has.any()]
    still = np.abs(np.diff(log_truth, axis=0)) < _STILL
    scores = {"scale_drift": float(np.std(levels))} if len(levels) > 1 else {}
    return scores | ({"flicker": float(np.abs(np.diff(ratio, axis=0))[still].mean())} if still.any() else {})


def _delta_1(depth_m: Depths, truth_m: Depths, known: NDArray[np.bool_], there: NDArray[np.bool_]) -> float:
    """Share of known pixels, or of so many drawn ones, whose depth is within 25 % after one fit."""
    chosen = np.flatnonzero(known)
    if len(chosen) > _FIT_PIXELS:
        chosen = np.random.default_rng(0).choice(chosen, _FIT_PIXELS, replace=False)
    has = there.ravel()[chosen]
    if not has.any():
        return 0.0
    answer, truth = depth_m.ravel()[chosen[has]], truth_m.ravel()[chosen[has]]
    fitted = fit_depth(1 / answer, truth, "lad").depth_m
    return float((np.maximum(fitted / truth, truth / fitted) < 1.25).sum() / len(chosen))
