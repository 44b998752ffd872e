"""Metric completion from a few measured points: the points, simple interpolations to beat, and where edges are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from infinidepth_blender.field.local_planes import search_tree

EDGE_STEP = 0.05
SPARSE_EDGE_STEP = 0.1
EDGE_REACH_PX = 5
DENSE = 0.25
"""Share of known pixels from which neighbours tell where depth has edges."""
_NEIGHBOURS = 8

Interpolation = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def random_points(
    depth_m: NDArray[np.float32], count: int, seed: int, shape: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """(h, w) the prompt: `count` of the pixels with known depth, 0 elsewhere.

    Args:
        depth_m: Metres at any resolution, 0 where unknown.
        count: Points, or all there are.
        seed: Of the choice.
        shape: (h, w) of the prompt, in which a point stands where its pixel has its middle; None: that of `depth_m`.
            Of points that meet in a pixel one is kept.
    """
    known = np.flatnonzero(depth_m > 0)
    chosen = np.random.default_rng(seed).permutation(known)[:count]
    prompt = np.zeros(shape or depth_m.shape, np.float32)
    y, x = (
        ((place + 0.5) * size / own).astype(int)
        for place, size, own in zip(np.divmod(chosen, depth_m.shape[1]), prompt.shape, depth_m.shape, strict=True)
    )
    prompt[y, x] = depth_m.ravel()[chosen]
    return prompt


def near_edges(true_m: NDArray[np.float32], reach_px: int = EDGE_REACH_PX) -> NDArray[np.bool_]:
    """(h, w) pixels within a few pixels of a step of more than 5 % between known neighbours.

    Where few pixels are known, and so hardly any two are neighbours: known pixels with known depths within
    the same reach that differ by more than 10 %.
    """
    known = true_m > 0
    if known.mean() < DENSE:
        window = 2 * reach_px + 1
        far = maximum_filter(np.where(known, true_m, 0), window)
        near = minimum_filter(np.where(known, true_m, np.inf), window)
        return known & (far > (1 + SPARSE_EDGE_STEP) * near)
    log = np.log(np.where(known, true_m, np.nan))
    edge = np.zeros(true_m.shape, bool)
    with np.errstate(invalid="ignore"):
        across, down = (np.abs(np.diff(log, axis=axis)) > np.log1p(EDGE_STEP) for axis in (1, 0))
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return np.asarray(binary_dilation(edge, iterations=reach_px), bool)


def interpolated(
    prompt_m: NDArray[np.float32], wanted: NDArray[np.bool_], method: Interpolation
) -> NDArray[np.float32]:
    """(h, w) depth at the wanted pixels from the prompt's alone, 0 elsewhere."""
    known = np.argwhere(prompt_m > 0)
    depth = np.zeros(prompt_m.shape, np.float32)
    values = prompt_m[known[:, 0], known[:, 1]].astype(np.float64)
    depth[wanted] = method(known.astype(np.float64), values, np.argwhere(wanted).astype(np.float64))
    return depth


def nearest(known: NDArray[Any], values: NDArray[np.float64], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """The depth of the nearest point."""
    return values[search_tree(known).query(wanted)[1]]


def linear(known: NDArray[Any], values: NDArray[np.float64], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """Linear on triangles between the points; outside of them the nearest."""
    if len(known) < 4:
        return nearest(known, values, wanted)
    inside = LinearNDInterpolator(known, values)(wanted)
    outside = np.isnan(inside)
    if outside.any():
        inside[outside] = nearest(known, values, wanted[outside])
    return inside


def inverse_distance(known: NDArray[Any], values: NDArray[np.float64], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """The mean of the eight nearest points, weighted by the inverse squared distance."""
    distance, index = search_tree(known).query(wanted, list(range(1, min(_NEIGHBOURS, len(known)) + 1)))
    weight = 1 / np.maximum(distance, 1e-6) ** 2
    return (weight * values[index]).sum(1) / weight.sum(1)


INTERPOLATIONS: dict[str, Interpolation] = {"nearest": nearest, "linear": linear, "idw": inverse_distance}
