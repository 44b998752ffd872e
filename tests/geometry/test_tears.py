"""A blurred step is cut in two, whatever the size of the grid that shows it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.edges import find_edges, sharpen
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.geometry.tears import SPANS, spans_for
from infinidepth_blender.reconstruction import FLAG_VALID

ROWS = 64
SIZES = [512, 1024, 1500, 2048, 4096]
BLURS = {
    "linear": lambda t: np.clip(t + 0.5, 0, 1),
    "smooth": lambda t: 0.5 + 0.5 * np.sin(np.pi * np.clip(t, -0.5, 0.5)),
}


def blurred_step(size: int, ratio: float, width: float, blur: str) -> tuple[NDArray[np.float32], ...]:
    """A slanted step across a strip of a photo with `size` vertices along its width.

    Args:
        size: Vertices along the photo's width.
        ratio: Depth behind the step by depth before it.
        width: Of the ramp, as a share of the photo's width.
        blur: Its shape.

    Returns:
        Disparity, and that of the surfaces on both sides alone.
    """
    x, y = np.linspace(0, 1, size), np.arange(ROWS)[:, None] / size
    plane = 0.5 * (1 + 0.2 * x + 0.1 * y)
    along = BLURS[blur]((x + 0.3 * y - 0.5) / width)
    near, far = plane, plane / ratio
    return tuple(part.astype(np.float32) for part in (near * (1 - along) + far * along, near, far))


@pytest.mark.parametrize("width", [0.002, 0.005, 0.01])
@pytest.mark.parametrize("ratio", [1.5, 3.0])
@pytest.mark.parametrize("blur", BLURS)
@pytest.mark.parametrize("size", SIZES)
def test_every_vertex_lies_on_one_of_the_surfaces(size: int, blur: str, ratio: float, width: float) -> None:
    disparity, near, far = blurred_step(size, ratio, width, blur)
    sharp, edges = sharpen(disparity, np.ones(disparity.shape, bool), 0.04)
    off = np.minimum(np.abs(sharp / near - 1), np.abs(sharp / far - 1))
    assert off.max() < 0.06
    assert edges.right.any(axis=1).all()


@pytest.mark.parametrize("size", SIZES)
def test_no_triangle_spans_the_step(size: int) -> None:
    disparity, _, _ = blurred_step(size, 2.0, 0.01, "smooth")
    camera = Camera(size - 1, ROWS - 1, size, size, size / 2, ROWS / 2)
    mesh = mesh_of_grid(cut_grid(1 / disparity, np.full(disparity.shape, FLAG_VALID, np.uint8), 0.04), camera)
    x, y = mesh.uv[:, 0], (1 - mesh.uv[:, 1]) * (ROWS - 1) / size
    relative = 1 / mesh.vertices_cam[:, 2] / (0.5 * (1 + 0.2 * x + 0.1 * y))
    assert np.minimum(np.abs(relative - 1), np.abs(relative * 2 - 1)).max() < 0.06
    is_near = relative > 0.75
    for faces in (mesh.quads, mesh.triangles):
        assert (is_near[faces].all(axis=1) | ~is_near[faces].any(axis=1)).all()


@pytest.mark.parametrize("size", [2048, 4096])
def test_wide_curves_and_floors_are_no_steps(size: int) -> None:
    x, y = np.linspace(0, 1, size, dtype=np.float32), np.arange(ROWS, dtype=np.float32)[:, None] / size
    whole = np.ones((ROWS, size), bool)
    for disparity in (0.3 + 0.05 * np.sin(12 * x) + y, 0.001 + x + y, 0.2 + np.abs(x - 0.4) + y):
        _, edges = sharpen(disparity, whole, 0.04)
        assert not edges.touched().any()


def test_wide_ramps_are_searched_in_strides() -> None:
    assert spans_for(1024) == tuple((span, 1) for span in SPANS)
    assert spans_for(2048)[len(SPANS) :] == ((16, 2), (24, 2))
    assert spans_for(4096)[len(SPANS) :] == ((16, 2), (24, 2), (32, 4), (48, 4))


def test_blocks_of_rows_leave_no_trace() -> None:
    rng = np.random.default_rng(0)
    disparity = np.cumsum(rng.normal(0, 0.02, (300, 900)), axis=1).astype(np.float32) ** 2 + 0.2
    valid = rng.random(disparity.shape) > 0.01
    whole = find_edges(disparity, valid, 0.04)
    for rows in (slice(0, 100), slice(100, 300)):
        np.testing.assert_array_equal(find_edges(disparity[rows], valid[rows], 0.04).right, whole.right[rows])
