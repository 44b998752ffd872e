"""The mask of detail that is made for data sets without one: of detail, not of holes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from evaluation.datasets import open_dataset
from evaluation.highfreq import MASK_PIXELS, REACH_PX, detail_energy, detail_mask
from evaluation.judge import own_detail_mask
from scipy.ndimage import binary_erosion, distance_transform_cdt

H, W = 180, 240


@pytest.fixture
def depth_m() -> np.ndarray:
    """(H, W) a slope with fine waves in one corner."""
    y, x = np.mgrid[:H, :W]
    waves = 0.05 * np.sin(x / 1.5) * np.sin(y / 1.7)
    return (4 + 0.005 * y + np.where((y < 60) & (x < 80), waves, 0)).astype(np.float32)


def with_holes(depth_m: np.ndarray) -> np.ndarray:
    result = depth_m.copy()
    for top in range(80, 160, 40):
        for left in range(100, 220, 40):
            result[top : top + 8, left : left + 8] = 0
    return result


def from_holes_px(known: np.ndarray) -> np.ndarray:
    return np.asarray(distance_transform_cdt(known, metric="chessboard"))


def test_holes_are_no_detail(depth_m: np.ndarray) -> None:
    truth = with_holes(depth_m)
    mask = own_detail_mask(truth, None, 0)
    far = from_holes_px(truth > 0) > REACH_PX
    assert mask.any()
    assert far[mask].all()
    # The holes are elsewhere than the waves, where all the detail is.
    assert mask[:62, :82].sum() > 0.95 * mask.sum()
    whole = own_detail_mask(depth_m, None, 0)
    assert mask.sum() == whole.sum()


def test_what_a_hole_is_filled_with_acts_on_nothing_that_counts(depth_m: np.ndarray) -> None:
    truth = with_holes(depth_m)
    known = truth > 0
    clear = from_holes_px(known) > REACH_PX
    near, far = (detail_energy(np.where(known, truth, fill), clear) for fill in (0.1, 1e4))
    assert np.array_equal(near[clear], far[clear])
    # A pixel nearer they differ, so that the reach is not wider than it need be.
    rim = from_holes_px(known) == REACH_PX
    assert not np.array_equal(near[rim], far[rim])


def test_where_all_is_known_the_mask_is_that_of_the_whole_map(depth_m: np.ndarray) -> None:
    count = min(MASK_PIXELS, max(100, depth_m.size // 800))
    inside = np.asarray(binary_erosion(np.ones(depth_m.shape, bool), iterations=3), bool)
    for sky, counts in ((None, inside), (np.zeros(depth_m.shape, bool), inside | True)):
        wanted = detail_mask(depth_m, counts, np.random.default_rng(5), count)
        assert np.array_equal(own_detail_mask(depth_m, sky, 5), wanted)


def test_the_rim_of_the_sky_is_detail_and_counts_as_the_farthest(depth_m: np.ndarray) -> None:
    truth = depth_m.copy()
    truth[:40] = 0
    wanted = detail_mask(np.where(truth > 0, truth, truth.max()), truth > 0, np.random.default_rng(5), 100)
    assert np.array_equal(own_detail_mask(truth, truth == 0, 5), wanted)


def test_nothing_left_beside_holes_is_no_detail() -> None:
    truth = np.full((40, 60), 3, np.float32)
    truth[::6, ::6] = 0
    assert not own_detail_mask(truth, None, 0).any()
    assert not own_detail_mask(np.full((40, 60), 3, np.float32), None, 0).any()


def test_what_is_too_near_in_synth4k_is_not_the_sky(tmp_path: Path, depth_m: np.ndarray) -> None:
    raw = 10 * depth_m
    raw[100:140, 100:140] = 2.5
    raw[:20] = 400
    folder = tmp_path / "game" / "scene"
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    cv2.imwrite(str(folder / "rgb" / "1.png"), np.zeros((H, W, 3), np.uint8))
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Y": raw}).write(str(folder / "depth" / "1.exr"))
    data = open_dataset(tmp_path, "synth4k")
    truth = data.truth(data.items[0])
    assert truth.sky is not None and truth.sky[:20].all() and not truth.sky[20:].any()
    assert not truth.depth_m[100:140, 100:140].any() and not truth.depth_m[:20].any()
    mask = own_detail_mask(truth.depth_m, truth.sky, 0)
    assert mask[:62].any() and not mask[94:146, 94:146].any()
