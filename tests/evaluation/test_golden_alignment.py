"""The paper's alignment: the same line from the same seed, and our own fit on the planted cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation.paper_alignment import align_disparity, ransac_line
from evaluation.paper_inputs import depth_of
from goldens import golden_file, golden_paths, no_such_file

from infinidepth_blender.field.robust_line import fit_affine_robust

KINDS = {"P": "a planted line", "N": "a planted negative slope", "F": "an unrelated reference"}


def cases() -> list[object]:
    found = []
    for path in golden_paths("depth_*.npz"):
        with np.load(path) as data:
            found += [
                pytest.param(path, kind, id=f"{path.stem}-{kind}") for kind in KINDS if f"align{kind}_seed" in data
            ]
    return found or [pytest.param(None, None, marks=no_such_file("depth_*.npz with an alignment"), id="no-file")]


@pytest.mark.parametrize(("path", "kind"), cases())
def test_the_same_seed_gives_the_same_line(path: Path, kind: str) -> None:
    data = np.load(path)
    random = np.random.RandomState(int(data[f"align{kind}_seed"]))
    for index, raw in enumerate(data["dense_raw"]):
        reference, mask = data[f"align{kind}_gt_disp"][index, 0], data[f"align{kind}_gt_mask"][index, 0] > 0
        found = align_disparity(raw, reference, mask, random)
        wanted = data[f"align{kind}_scale"][index], data[f"align{kind}_shift"][index]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("path", "kind"), cases())
def test_the_line_applies_to_dense_and_sparse_answers(path: Path, kind: str) -> None:
    data = np.load(path)
    a, b = (data[f"align{kind}_{name}"][:, None, None] for name in ("scale", "shift"))
    np.testing.assert_allclose(a * data["dense_raw"] + b, data[f"align{kind}_disparity"], atol=3e-5)
    sparse = (a * data["raw"] + b)[..., 0]
    np.testing.assert_allclose(sparse, data[f"align{kind}_sparse_disparity"][..., 0], atol=3e-5)
    depth = data[f"align{kind}_sparse_depth"][..., 0]
    np.testing.assert_allclose(depth_of(data[f"align{kind}_sparse_disparity"][..., 0]), depth, rtol=1e-4)


@pytest.mark.parametrize(("path", "kind"), [case for case in cases() if getattr(case, "id", "").endswith("-P")])
def test_our_own_fit_finds_a_planted_line(path: Path, kind: str) -> None:
    data = np.load(path)
    for index, raw in enumerate(data["dense_raw"]):
        reference, mask = data[f"align{kind}_gt_disp"][index, 0], data[f"align{kind}_gt_mask"][index, 0] > 0
        used = mask & (reference > 1e-8)
        np.testing.assert_allclose(fit_affine_robust(raw[used], reference[used]), (0.35, 0.08), atol=1e-3)


@pytest.mark.parametrize("name", ["pos", "neg", "noisy", "empty"])
def test_single_lines(name: str) -> None:
    data = np.load(golden_file("misc.npz"))
    seed = json.loads(golden_file("misc.json").read_text())[f"ransac_{name}_seed"]
    pred, reference, mask = (data[f"ransac_{name}_{part}"][0, 0] for part in ("pred", "gt", "mask"))
    found = align_disparity(pred, reference, mask > 0, np.random.RandomState(seed))
    np.testing.assert_allclose(found, data[f"ransac_{name}_ab"], atol=1e-5)


def test_what_cannot_be_a_line_is_refused() -> None:
    random = np.random.RandomState(0)
    with pytest.raises(ValueError, match="two points"):
        ransac_line(np.ones(1), np.ones(1), random)


def test_numpys_global_generator_stays_untouched() -> None:
    np.random.seed(5)  # noqa: NPY002
    wanted = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    x = np.linspace(0, 1, 50)
    assert ransac_line(x, 2 * x + 1, np.random.RandomState(3)) == pytest.approx((2, 1))
    assert fit_affine_robust(x, 2 * x + 1) == pytest.approx((2, 1))
    assert np.random.rand() == wanted  # noqa: NPY002
