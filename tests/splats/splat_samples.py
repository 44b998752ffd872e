"""300 splats and what other programs made of them, for the tests of splat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]

from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.sh import evaluate_sh

FILES = Path(__file__).resolve().parents[1] / "data" / "splat_files"


def source() -> Gaussians:
    values = np.load(FILES / "source.npz")
    sh = np.concatenate([values["sh0"][:, None], values["shN"]], axis=1)
    return Gaussians(
        values["means"], np.exp(values["log_scales"]), values["quats"], 1 / (1 + np.exp(-values["logit"])), sh
    )


def colours_from(gaussians: Gaussians, direction: np.ndarray) -> np.ndarray:
    return evaluate_sh(gaussians.sh, np.broadcast_to(direction, (len(gaussians), 3)))


def assert_same(
    found: Gaussians,
    expected: Gaussians,
    *,
    place: float,
    scale: float,
    turn_deg: float,
    opacity: float,
    colour: float,
    harmonics: float | None,
) -> None:
    """Splat by splat, whatever their order; harmonics None: the file has none."""
    assert len(found) == len(expected)
    distance, index = cKDTree(expected.means).query(found.means)
    assert len(set(index)) == len(expected)
    assert distance.max() <= place
    assert np.abs(np.log(found.scales / expected.scales[index])).max() <= scale
    cosine = np.abs(np.einsum("ni,ni->n", found.rotations, expected.rotations[index], dtype=np.float64))
    assert np.degrees(2 * np.arccos(np.minimum(cosine, 1))).max() <= turn_deg
    assert np.abs(found.opacities - expected.opacities[index]).max() <= opacity
    assert np.abs(found.sh[:, 0] - expected.sh[index, 0]).max() <= colour
    if harmonics is None:
        assert found.sh.shape[1] == 1
    else:
        assert np.abs(found.sh - expected.sh[index]).max() <= harmonics


def upside_down(gaussians: Gaussians) -> Gaussians:
    """What a program means that writes PLY's axes into SPZ, whose y points up."""
    turned = np.array([1, -1, -1], np.float32)
    signs = np.sign(colour_signs(gaussians.sh.shape[1]))
    return Gaussians(
        gaussians.means * turned,
        gaussians.scales,
        gaussians.rotations * np.array([1, 1, -1, -1], np.float32),
        gaussians.opacities,
        (gaussians.sh * signs[:, None]).astype(np.float32),
    )


def colour_signs(coefficients: int) -> np.ndarray:
    """Even or odd in y and z together, from the formulas of the harmonics in order."""
    odd = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0]
    return 1.0 - 2.0 * np.array(odd[:coefficients])
