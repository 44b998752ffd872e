"""A render from the matched camera gives the photo back, and its depth pass the depth map."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator

import bpy
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


@pytest.fixture
def anisotropic_filter() -> Iterator[str]:
    """Blender's factory setting, which is there again after the test."""
    system = bpy.context.preferences.system
    before = system.anisotropic_filter
    yield before
    system.anisotropic_filter = before


@pytest.mark.skipif(
    sys.platform == "linux" and ctypes.util.find_library("EGL") is None,
    reason="EEVEE renders without a window only where libEGL is installed",
)
def test_mesh_in_eevee(make_bundle, tmp_path, anisotropic_filter):
    """EEVEE's geometry is exact, too; what it loses is up to the texture filter of graphics card and preferences.

    The photo is as fine as can be. Software OpenGL blurs it with its anisotropic filter to less than 20 dB, and a
    smooth one hardly.
    """
    camera = CAMERAS["landscape"]
    smooth, _, _ = photograph(camera)
    objects = build_scene(make_bundle(camera, "Smooth", photo=smooth))
    match_scene_to_photo(objects)
    result = render(tmp_path, samples=1, engine="EEVEE")
    assert result.covered.mean() >= 0.97
    assert psnr_db(result.srgb, smooth / 255, result.covered) >= 32
    objects.collection.hide_render = True

    fine = fine_photo(camera)
    objects = build_scene(make_bundle(camera, "Fine", photo=fine))
    match_scene_to_photo(objects)
    if bpy.app.version < (5, 1):  # later ones do not take the setting up without a window
        bpy.context.preferences.system.anisotropic_filter = "FILTER_0"
        result = render(tmp_path, samples=1, engine="EEVEE")
        assert psnr_db(result.srgb, fine / 255, result.covered) >= 50
        bpy.context.preferences.system.anisotropic_filter = anisotropic_filter
    for obj in (objects.mesh, objects.backdrop):
        obj.data.materials[0].node_tree.nodes["Image Texture"].interpolation = "Closest"
    result = render(tmp_path, samples=1, engine="EEVEE")
    assert psnr_db(result.srgb, fine / 255, result.covered) >= 50
