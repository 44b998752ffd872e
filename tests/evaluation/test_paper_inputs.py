"""What the network is shown under the paper's protocol, and what it is scored on: the same part of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import released_recipe
from evaluation import runner
from evaluation.datasets import Dataset
from evaluation.items import DatasetName, Item, TrueDepth
from evaluation.judge import Judge, Settings
from evaluation.paper_inputs import as_released, middle


def picture(height: int, width: int) -> np.ndarray:
    """(height, width, 3) where red tells the column and green the row, both from 0 to 255."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x // 40 + y // 40) % 2 * 255], axis=-1).astype(np.uint8)


def slope(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (2 + 6 * x / width + y / height).astype(np.float32)


def dataset(name: DatasetName) -> Dataset:
    return Dataset(name, ())


@pytest.mark.parametrize(
    ("name", "shape", "border"),
    [
        ("kitti", (352, 1216), (0, 0)),
        ("eth3d", (900, 600), (0, 0)),
        ("nyu", (480, 640), (45, 60)),
        ("scannet", (480, 640), (9, 12)),
    ],
)
def test_photo_and_truth_are_cut_alike(name: DatasetName, shape: tuple[int, int], border: tuple[int, int]) -> None:
    photo, depth = picture(*shape), slope(*shape)
    depth[100:120, ::3] = 0
    seen, truth = as_released(dataset(name), photo, TrueDepth(depth, None))
    rows, columns = border
    inside = np.s_[rows : shape[0] - rows, columns : shape[1] - columns]
    wanted = released_recipe.crop_and_resize(photo[inside].astype(np.float32) / 255, depth[inside], 512, 672)
    np.testing.assert_allclose(seen / 255, wanted.image, atol=1 / 255)
    assert np.array_equal(truth.depth_m, wanted.prompt_m)
    assert truth.sky is None and truth.detail is None and truth.measured_m is None


def test_scannets_photo_is_brought_to_the_size_of_its_depth_first() -> None:
    seen, _ = as_released(dataset("scannet"), picture(968, 1296), TrueDepth(slope(480, 640), None))
    same, _ = as_released(dataset("scannet"), picture(480, 640), TrueDepth(slope(480, 640), None))
    assert np.abs(seen[..., :2].astype(int) - same[..., :2]).max() <= 3


def test_rendered_truth_keeps_its_pixels_and_all_that_belongs_to_it_is_cut_alike() -> None:
    depth = slope(1080, 1920)
    measured = np.zeros((540, 960), np.float32)
    measured[270, [2, 480]] = 5
    whole = TrueDepth(depth, depth > 7, depth < 3, measured)
    seen, truth = as_released(dataset("synth4k"), picture(540, 960), whole)
    assert seen.shape == (512, 896, 3)
    assert np.array_equal(truth.depth_m, depth[:, 15:1905])
    assert truth.sky is not None and np.array_equal(truth.sky, truth.depth_m > 7)
    assert truth.detail is not None and np.array_equal(truth.detail, truth.depth_m < 3)
    assert truth.measured_m is not None and np.argwhere(truth.measured_m).tolist() == [[270, 473]]
    # The picture's first and last columns are those of the truth.
    assert seen[200, [0, -1], 0] == pytest.approx([15 / 1920 * 255, 1905 / 1920 * 255], abs=1.5)


def test_what_has_the_shape_already_stays_whole() -> None:
    values = slope(512, 672)
    assert middle(values, 512, 672) is not None and np.array_equal(middle(values, 512, 672), values)
    assert middle(slope(100, 672), 512, 672).shape == (100, 131)
    assert middle(slope(512, 67), 512, 672).shape == (51, 67)


def test_points_are_drawn_from_what_was_measured() -> None:
    true = slope(60, 80)
    measured = np.zeros((30, 40), np.float32)
    measured[10, ::2] = 9
    item = Item("x", Path("x"), Path("x"), prompt=Path("y"))
    judge = Judge(item, TrueDepth(true, None, None, measured), Settings(prompt_points=12), 0)
    assert judge.prompt_m is not None and np.count_nonzero(judge.prompt_m) == 12
    rows = np.unique(np.nonzero(judge.prompt_m)[0])
    assert rows.tolist() == [21] and set(judge.prompt_m[judge.prompt_m > 0]) == {9}
    assert not judge.scored[judge.prompt_m > 0].any()
    with pytest.raises(runner.DepthFileError, match="Nothing was measured"):
        Judge(item, TrueDepth(true, None, None, 0 * measured), Settings(prompt_points=12), 0)
