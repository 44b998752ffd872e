"""The statistical outlier filter: Open3D's choice on the golden clouds, and what it is for."""

from __future__ import annotations

import re

import numpy as np
import pytest
from goldens import golden_paths

from infinidepth_blender.errors import Cancelled
from infinidepth_blender.geometry.outliers import mean_neighbour_distance, without_outliers

CASES = [
    pytest.param(path, key, id=f"{path.stem}-{key}")
    for path in golden_paths("sor*.npz")
    for key in np.load(path).files
    if key.startswith("keep")
]


@pytest.mark.parametrize(("path", "key"), CASES)
def test_the_same_points_are_kept_as_by_open3d(path, key):
    golden = np.load(path)
    match = re.fullmatch(r"keep(\d*)_nb(\d+)_std([\d.]+)", key)
    assert match, f"{key} does not say which points and settings it is for"
    keep = without_outliers(golden[f"points{match[1]}"], int(match[2]), float(match[3]))
    np.testing.assert_array_equal(np.flatnonzero(keep), golden[key])


def plane_with_strays(strays: int = 5, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0)), axis=-1).reshape(-1, 2)
    plane = np.column_stack([grid + 0.2 * rng.random(grid.shape), np.full(len(grid), 5.0)])
    floating = np.column_stack([rng.uniform(0, 40, (strays, 2)), np.linspace(20, 40, strays)])
    return np.concatenate([plane, floating])


def test_strays_go_and_the_surface_stays_whatever_the_order():
    points = plane_with_strays()
    order = np.random.default_rng(0).permutation(len(points))
    keep = np.empty(len(points), dtype=bool)
    keep[order] = without_outliers(points[order].astype(np.float32))
    assert not keep[-5:].any()
    assert keep[:-5].all()


def test_distances_are_to_the_nearest_points_and_the_point_itself():
    points = np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32)
    np.testing.assert_allclose(mean_neighbour_distance(points, 2), [0.5, 0.5, 1.0])
    np.testing.assert_allclose(mean_neighbour_distance(points, 30), [4 / 3, 1.0, 5 / 3])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_where_nothing_would_be_left_everything_stays(count):
    points = np.ones((count, 3), np.float32)
    assert without_outliers(points).tolist() == [True] * count


def test_it_reports_how_far_it_is_and_can_be_stopped():
    done: list[float] = []
    without_outliers(plane_with_strays(), progress=done.append)
    assert done[-1] == 1.0

    def stop(_: float) -> None:
        raise Cancelled()

    with pytest.raises(Cancelled):
        without_outliers(plane_with_strays(), progress=stop)
