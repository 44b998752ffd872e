"""The published networks against every golden file: one test for each file and quantity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from goldens import golden_paths, no_such_file, release_rule_weights
from official_golden import golden_case

INPUTS = {
    "image_u8", "coords", "dbg_idx", "tok_idx", "basic_pos", "dense_hw", "gt_depth", "gt_mask", "prompt_depth",
}  # fmt: skip


def quantities() -> list:
    """Every array of every file that is an answer; fitting a line to a reference (`align*`) has tests of its own."""
    parameters = []
    for path in [*golden_paths("sensor_*.npz"), *golden_paths("depth_*.npz")]:
        with np.load(path) as golden:
            names = [name for name in golden.files if name not in INPUTS and not name.startswith("align")]
        parameters += [pytest.param(path, name, id=f"{path.stem}-{name}") for name in names]
    return parameters or [pytest.param(None, "", marks=no_such_file("sensor_*.npz", "depth_*.npz"), id="no-file")]


@pytest.fixture(scope="module", autouse=True)
def _no_weights_left():
    yield
    release_rule_weights()


@pytest.mark.parametrize(("file", "quantity"), quantities())
def test_golden(file: Path, quantity: str) -> None:
    case = golden_case(file)
    check(quantity, case.answers[quantity], case.golden[quantity])


def check(quantity: str, ours: np.ndarray, golden: np.ndarray) -> None:
    assert ours.shape == golden.shape
    error = np.abs(ours.astype(np.float64) - golden)
    if quantity == "warp_mask_count":
        assert np.array_equal(ours, golden)
    elif quantity.startswith("warp_"):
        np.testing.assert_allclose(ours, golden, rtol=1e-6)
    elif quantity == "raw_grad_yx":
        # The field has kinks; a query within rounding of one may get the slope of its other side.
        near = error <= 1e-3 * np.abs(golden) + 1e-3 * np.median(np.abs(golden))
        assert near.mean() >= 0.99
    elif quantity == "depth":
        np.testing.assert_allclose(ours, golden, rtol=1e-3)
    elif quantity in ("raw", "disparity", "dense_raw", "dense_disparity"):
        assert error.max() <= 3e-5
        assert np.median(error) <= 3e-6
    elif quantity.startswith("basic_"):
        assert error.max() <= 1e-4
    else:
        assert quantity.startswith(("dbg_", "tokens_", "ptokens_", "cls_")), f"unknown quantity {quantity}"
        assert error.max(initial=0) <= 5e-5
