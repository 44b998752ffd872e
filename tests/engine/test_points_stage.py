"""Masks, crops and densities from files; the points stage as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analytic_fields import PlaneField
from PIL import Image

from infinidepth_blender.engine.mask_files import read_painted
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.engine.points_stage import read_selection
from infinidepth_blender.errors import OptionsError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import PointArrays


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    return path


def points_of(photo: Path, field: PlaneField | None = None, **options: object) -> PointArrays:
    chosen = ReconstructOptions(**{"make": ("points",), "points": 3000, "fov_deg": 60.0, **options})  # type: ignore[arg-type]
    made = reconstruct_photo(photo, photo.parent / "out", chosen, field=field or PlaneField())
    assert made.points is not None
    return made.points


def save(path: Path, grey: np.ndarray, mode: str | None = None) -> str:
    Image.fromarray(grey, mode).save(path)
    return str(path)


# -- files ------------------------------------------------------------------------------


def test_pictures_of_any_kind_become_grey_values(tmp_path: Path) -> None:
    half = np.zeros((6, 8), np.uint8)
    half[:, 4:] = 200
    rgba = np.dstack([np.full((6, 8, 3), 255, np.uint8), half])
    kinds = {
        "grey.png": half,
        "color.png": np.repeat(half[..., None], 3, axis=2),
        "alpha.png": rgba,
        "deep.png": half.astype(np.uint16) * 257,
        "float.tif": half.astype(np.float32) / 255,
    }
    for name, values in kinds.items():
        Image.fromarray(values).save(tmp_path / name)
        np.testing.assert_array_equal(read_painted(tmp_path / name, 8, 6, "mask", hard=False), half, err_msg=name)
    hard = read_painted(tmp_path / "grey.png", 80, 60, "mask", hard=True)
    np.testing.assert_array_equal(hard, np.repeat(np.repeat(np.where(half > 0, 255, 0), 10, axis=0), 10, axis=1))


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    save(tmp_path / "tall.png", np.full((80, 60), 255, np.uint8))
    for name, said in (
        ("none.png", "does not exist"),
        ("text.png", "no picture that can be read"),
        ("tall.png", "60 x 80 pixels, but the photo is 80 x 60"),
    ):
        with pytest.raises(OptionsError, match=f"points mask .*{name}.*{said}"):
            read_painted(tmp_path / name, 80, 60, "points mask", hard=True)


def test_sizes_that_are_rounded_are_not_refused(tmp_path: Path) -> None:
    save(tmp_path / "mask.png", np.full((53, 80), 255, np.uint8))
    assert read_painted(tmp_path / "mask.png", 1500, 1000, "mask", hard=True).shape == (1000, 1500)


def test_an_empty_selection_is_refused_before_any_work(tmp_path: Path) -> None:
    black = save(tmp_path / "black.png", np.zeros((60, 80), np.uint8))
    with pytest.raises(OptionsError, match=r"No part of the photo is left .*black\.png"):
        read_selection(ReconstructOptions(points_mask=black), 80, 60)
    left = np.zeros((60, 80), np.uint8)
    left[:, :40] = 255
    mask = save(tmp_path / "left.png", left)
    with pytest.raises(OptionsError, match=r"left\.png and the crop"):
        read_selection(ReconstructOptions(points_mask=mask, points_crop=(40, 0, 40, 60)), 80, 60)
    with pytest.raises(OptionsError, match="outside the photo of 80 x 60"):
        read_selection(ReconstructOptions(points_crop=(80, 0, 5, 5)), 80, 60)


# -- the whole stage --------------------------------------------------------------------


def test_mask_density_and_crop_hold_together(photo: Path, tmp_path: Path) -> None:
    left = np.zeros((60, 80), np.uint8)
    left[:, :40] = 255
    ramp = np.repeat(np.linspace(20, 255, 60).astype(np.uint8)[:, None], 80, axis=1)
    chosen = {"points_mask": save(tmp_path / "mask.png", left), "points_crop": (10, 5, 50, 50)}
    even = points_of(photo, **chosen).source_px[:, 1]
    x, y = points_of(photo, points_density=save(tmp_path / "density.png", ramp), **chosen).source_px.T
    assert len(x) == 3000
    assert x.min() >= 10 and x.max() <= 40 and y.min() >= 5 and y.max() <= 55
    assert (y > 30).mean() > 1.8 * (even > 30).mean()


def test_a_selection_of_nothing_but_sky_is_said(photo: Path) -> None:
    with pytest.raises(OptionsError, match="no surface where points may lie"):
        points_of(photo, PlaneField(sky_above_y=-0.4), points_crop=(0, 0, 80, 10))
    assert not (photo.parent / "out").exists()


def test_a_sky_mask_and_no_sky(photo: Path, tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[:30] = 255
    points = points_of(photo, sky=save(tmp_path / "sky.png", mask))
    assert points.source_px[:, 1].min() >= 30
    points = points_of(photo, PlaneField(sky_above_y=-0.4), sky="off")
    assert points.source_px[:, 1].min() < 1


def test_the_radius_is_half_the_spacing(photo: Path) -> None:
    from scipy.spatial import KDTree

    points = points_of(photo, points=20_000, grazing_cap_deg=None)
    nearest = KDTree(points.positions_cam).query(points.positions_cam, k=2)[0][:, 1]
    # Stratified points keep roughly half to all of the mean spacing from their nearest neighbour.
    assert 0.4 < np.median(nearest) / (2 * np.median(points.radius_m)) < 1.0


def test_flying_points_can_be_removed(photo: Path) -> None:
    class Splinters(PlaneField):
        """A plane with single pixels far in front, as noise gives."""

        def disparity_and_gradient(self, coords_yx):  # type: ignore[no-untyped-def]
            disparity, gradient = super().disparity_and_gradient(coords_yx)
            near = (coords_yx[:, 0] * 97).sin() * (coords_yx[:, 1] * 89).sin() > 0.98
            return disparity * (1 + 4 * near), gradient

    kept = points_of(photo, Splinters())
    removed = points_of(photo, Splinters(), points_outliers="remove")
    plane = PlaneField().coefficients

    def off(points: PointArrays) -> float:
        y, x = points.source_px[:, 1] / 30 - 1, points.source_px[:, 0] / 40 - 1
        true = 1 / (plane[0] + plane[1] * y + plane[2] * x)
        return float((np.abs(points.positions_cam[:, 2] / true - 1) > 0.1).mean())

    assert len(kept.radius_m) == 3000 and off(kept) > 0.003
    assert off(removed) < 0.3 * off(kept)
    assert len(removed.radius_m) > 0.95 * 3000


@pytest.mark.parametrize("depth_size", ["photo", "20x15", "64x48"])
def test_the_size_of_the_depth_map_does_not_decide_where_points_lie(photo: Path, depth_size: str) -> None:
    points = points_of(photo, depth_size=depth_size)
    np.testing.assert_array_equal(points.source_px, points_of(photo).source_px)


@pytest.mark.parametrize("depth_size", ["photo", "200x150"])
def test_no_point_lies_where_a_large_photo_is_cut_out(
    tmp_path: Path, depth_size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twigs thinner than the cells of the grid that areas are measured on."""
    monkeypatch.setattr("infinidepth_blender.query.sampling.GRID_SIDE_PX", 100)
    monkeypatch.setattr("infinidepth_blender.query.sampling.MAX_GRID_PIXELS", 40_000)
    y, x = np.mgrid[0:300, 0:400]
    opaque = (x + y) % 24 < 7
    rgba = np.dstack([np.full((300, 400, 3), 200, np.uint8), np.where(opaque, 255, 0).astype(np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "photo.png")
    points = points_of(tmp_path / "photo.png", depth_size=depth_size)
    column, row = points.source_px.T.astype(int)
    assert len(points.source_px) == 3000
    assert opaque[row, column].mean() > 0.999


def test_no_point_lies_in_the_sky_of_a_large_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infinidepth_blender.query.sampling.GRID_SIDE_PX", 100)
    monkeypatch.setattr("infinidepth_blender.query.sampling.MAX_GRID_PIXELS", 40_000)
    y, x = np.mgrid[0:300, 0:400]
    sky = (x + y) % 24 < 14
    Image.fromarray(np.full((300, 400, 3), 200, np.uint8)).save(tmp_path / "photo.png")
    points = points_of(tmp_path / "photo.png", sky=save(tmp_path / "sky.png", np.where(sky, 255, 0).astype(np.uint8)))
    column, row = points.source_px.T.astype(int)
    assert sky[row, column].mean() < 0.001
