"""The background is an object of its own, behind the mesh, and never in the photo's own view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blender_renders import render, save_png
from blender_synthetic import CAMERAS

from infinidepth_blender.errors import BundleError
from infinidepth_blender.geometry.background import build_background, hidden_surface
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.reconstruction import FLAG_VALID, save
from infinidepth_blender.scene.build import build_scene, show_only
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.saved import recall


def with_background(make_bundle, tmp_path):
    """A card before a wall."""
    camera = CAMERAS["landscape"]
    rec = make_bundle(camera, points=50)
    row, col = np.mgrid[:61, :81]
    depth = np.where((row > 15) & (row < 45) & (col > 30) & (col < 50), 2.0, 6 + 0.02 * col).astype(np.float32)
    grid = cut_grid(depth, np.full(depth.shape, FLAG_VALID, np.uint8), 0.04)
    surface = hidden_surface(grid, camera)
    assert surface is not None and rec.folder is not None
    save_png(rec.folder / "background.png", np.full((60, 80, 3), (1.0, 0.0, 1.0)))
    rec = replace(
        rec,
        mesh=mesh_of_grid(grid, camera),
        backdrop=None,
        background=build_background(grid, surface, camera),
        background_file="background.png",
    )
    save(rec, tmp_path / "bundle")
    return rec


def test_the_photos_own_view_does_not_change(make_bundle, tmp_path):
    objects = build_scene(with_background(make_bundle, tmp_path))
    match_scene_to_photo(objects)
    assert objects.background is not None
    seen = render(tmp_path, samples=4, sharp=False)
    objects.background.hide_render = True
    without = render(tmp_path, samples=4, sharp=False)
    np.testing.assert_array_equal(seen.rgba, without.rgba)
    # From aside it fills the gap, in its own colours.
    objects.camera.location.x += 0.4
    gap = render(tmp_path, samples=1).rgba[..., 3][20:100, 30:120] < 0.5
    objects.background.hide_render = False
    filled = render(tmp_path, samples=1)
    assert gap.sum() > 100
    assert (filled.rgba[..., 3][20:100, 30:120][gap] > 0.5).mean() > 0.99
    np.testing.assert_allclose(np.median(filled.srgb[20:100, 30:120][gap], axis=0), [1, 0, 1], atol=0.02)


def test_it_belongs_to_the_mesh_and_is_recalled(make_bundle, tmp_path):
    objects = build_scene(with_background(make_bundle, tmp_path))
    assert recall(objects.collection).background == objects.background
    assert objects.background is not None and not objects.background.hide_render
    show_only(objects, "POINTS")
    assert objects.background.hide_render
    show_only(objects, "MESH")
    assert not objects.background.hide_render


def test_a_missing_texture_is_said(make_bundle, tmp_path):
    rec = with_background(make_bundle, tmp_path)
    with pytest.raises(BundleError, match="picture"):
        build_scene(replace(rec, background_file="gone.png"))
