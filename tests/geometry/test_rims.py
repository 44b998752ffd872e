"""Rims of near things reach over the pixels that show a mixture of both sides, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.mesh import CutGrid, cut_grid, mesh_of_grid, photo_rim_steps
from infinidepth_blender.geometry.solid import closed
from infinidepth_blender.options import MeshKind
from infinidepth_blender.reconstruction import FLAG_VALID, MeshArrays

CAMERA = Camera(80, 60, 70.0, 70.0, 40.0, 30.0)
ROWS, COLS = 61, 81


def card(width: int = 20, slope: float = 0.0) -> NDArray[np.float32]:
    """A card 2 m away, from column 30 and row 20 on, in front of a wall at 6 m."""
    disparity = np.full((ROWS, COLS), 1 / 6)
    x = np.arange(COLS)
    disparity[20:40, 30 : 30 + width] = (0.5 + slope * (x - 40))[30 : 30 + width]
    return (1 / disparity).astype(np.float32)


def cut(depth_m: NDArray[np.float32], rim_steps: int) -> CutGrid:
    return cut_grid(depth_m, np.full(depth_m.shape, FLAG_VALID, np.uint8), 0.04, rim_steps)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_near_things_gain_so_many_vertices_on_every_side(steps: int) -> None:
    grid = cut(card(), steps)
    near = grid.disparity > 0.3
    expected = np.zeros(near.shape, bool)
    expected[20:40, 30 - steps : 50 + steps] = True
    expected[20 - steps : 40 + steps, 30:50] = True
    # Corners may be rounded.
    inner = np.zeros(near.shape, bool)
    inner[20 - steps : 40 + steps, 30 - steps : 50 + steps] = True
    assert (near >= expected).all() and (near <= inner).all()
    np.testing.assert_allclose(grid.disparity[near], 0.5, rtol=1e-6)
    np.testing.assert_allclose(grid.disparity[~near], 1 / 6, rtol=1e-6)
    np.testing.assert_array_equal(grid.edges.right, near[:, 1:] != near[:, :-1])
    np.testing.assert_array_equal(grid.edges.down, near[1:] != near[:-1])


def test_what_is_away_from_the_steps_stays_as_it_is() -> None:
    plain, wide = cut(card(slope=0.004), 0), cut(card(slope=0.004), 2)
    far_off = np.ones((ROWS, COLS), bool)
    far_off[17:43, 27:53] = False
    far_off[20:40, 30:50] = True
    np.testing.assert_array_equal(plain.disparity[far_off], wide.disparity[far_off])


@pytest.mark.parametrize("gap", [1, 2, 3, 4, 6])
def test_gaps_between_near_things_stay_open(gap: int) -> None:
    depth_m = card(20)
    depth_m[:, 40 : 40 + gap] = 6
    grid = cut(depth_m, 3)
    between = grid.disparity[25:35, 40 : 40 + gap] < 0.3
    assert between.any(axis=1).all()


def test_neither_rough_surfaces_nor_the_sky_are_taken() -> None:
    depth_m = card()
    depth_m[20:40, 30:50] = 6 / 1.08
    np.testing.assert_array_equal(cut(depth_m, 2).disparity, cut(depth_m, 0).disparity)
    flags = np.where(card() > 4, 0, FLAG_VALID).astype(np.uint8)
    grid = cut_grid(card(), flags, 0.04, 2)
    np.testing.assert_array_equal(grid.valid, flags > 0)
    assert (grid.disparity[~grid.valid] == 0).all()


def test_the_border_of_the_sky_stays_as_it_is() -> None:
    """A new tear in a cell that the sky has a corner of would change how much of it is covered."""
    flags = np.full((ROWS, COLS), FLAG_VALID, np.uint8)
    flags[:30, 51:] = 0
    seen = [mesh_of_grid(cut_grid(card(), flags, 0.04, steps), CAMERA) for steps in (0, 1)]
    plain, wide = (_areas_px(mesh).sum() for mesh in seen)
    assert wide == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("kind", ["regular", "adaptive"])
def test_the_photo_is_still_covered_once_and_solids_are_closed(kind: MeshKind) -> None:
    mesh = mesh_of_grid(cut(card(slope=0.004), 1), CAMERA, kind=kind)
    areas = _areas_px(mesh)
    assert areas.min() > -1e-3
    assert areas.sum() == pytest.approx(80 * 60, rel=1e-4)
    z = mesh.vertices_cam[:, 2][_triangles(mesh)]
    assert np.max(z.max(axis=1) / z.min(axis=1)) < 1.1
    _, place = np.unique(np.round(closed(mesh, 0.1).vertices_cam, 6), axis=0, return_inverse=True)
    links: dict[tuple[int, int], int] = {}
    for face in place.ravel()[_triangles(closed(mesh, 0.1))]:
        if len(set(face.tolist())) == 3:
            for a, b in ((0, 1), (1, 2), (2, 0)):
                links[face[a], face[b]] = links.get((face[a], face[b]), 0) + 1
    assert all(links.get((b, a), 0) == count for (a, b), count in links.items())


def test_a_pixel_of_the_photo_spans_at_least_one_vertex() -> None:
    assert [photo_rim_steps(1025, width) for width in (4000, 1024, 512, 256)] == [1, 1, 2, 4]


def _areas_px(mesh: MeshArrays) -> NDArray[np.float64]:
    """Of the triangles in the photo, positive where they face the camera."""
    corners = CAMERA.project(mesh.vertices_cam)[_triangles(mesh)]
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return -(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2


def _triangles(mesh: MeshArrays) -> NDArray[np.int32]:
    return np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]], mesh.triangles])
