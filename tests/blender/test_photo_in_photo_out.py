"""A render from the matched camera gives the photo back, and its depth pass the depth map."""

from __future__ import annotations

import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, photograph

from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo


def fine_photo(camera, seed: int = 0) -> np.ndarray:
    """A photo whose every pixel differs from its neighbours: it cannot come out right by accident."""
    rng = np.random.default_rng(seed)
    photo, _, _ = photograph(camera)
    return np.clip(photo.astype(int) + rng.integers(-60, 61, photo.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", list(CAMERAS))
def test_mesh(kind, make_bundle, tmp_path):
    camera = CAMERAS[kind]
    photo = fine_photo(camera)
    rec = make_bundle(camera, photo=photo)
    objects = build_scene(rec)
    match_scene_to_photo(objects)
    result = render(tmp_path)
    assert result.rgba.shape[:2] == photo.shape[:2]
    assert result.covered.mean() >= 0.97
    assert psnr_db(result.srgb, photo / 255, result.covered) >= 40
    # Where the mesh is, the depth pass is the depth map; the grid's own cuts are elsewhere.
    surface = (rec.flags == 1) & (result.depth < 30)
    error = np.abs(result.depth[surface] / rec.depth_m[surface] - 1)
    assert np.median(error) < 1e-3
    assert surface.mean() > 0.45
