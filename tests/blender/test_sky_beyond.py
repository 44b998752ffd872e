"""The sky goes on behind the foreground and beyond the frame, in one object with two pictures."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render, save_png
from blender_synthetic import CAMERAS, photograph

from infinidepth_blender.errors import BundleError
from infinidepth_blender.geometry.backdrop import FRAME_MARGIN, build_backdrop
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, save
from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.photo_modes import photo_materials, set_sky_mode
from infinidepth_blender.scene.saved import recall

CAMERA = CAMERAS["landscape"]


def below_sky(make_bundle):
    """A card on the ground below a sky that goes on in magenta."""
    rec = make_bundle(CAMERA)
    row, col = np.mgrid[:61, :81]
    depth = np.where((row > 15) & (row < 50) & (col > 30) & (col < 50), 2.0, NO_DEPTH_M)
    depth = np.where(row > 40, 4.0, depth).astype(np.float32)
    flags = np.where(depth < NO_DEPTH_M, FLAG_VALID, FLAG_SKY).astype(np.uint8)
    backdrop = build_backdrop(depth, flags, CAMERA)
    assert backdrop is not None and rec.folder is not None
    margin = round(FRAME_MARGIN * 160)
    save_png(rec.folder / "sky.png", np.full((120 + 2 * margin, 160 + 2 * margin, 3), (1.0, 0.0, 1.0)))
    return replace(
        rec,
        mesh=mesh_of_grid(cut_grid(depth, flags, 0.04), CAMERA),
        backdrop=backdrop.seen,
        beyond=backdrop.beyond,
        sky_file="sky.png",
    )


def test_the_photos_own_view_is_the_photo(make_bundle, tmp_path):
    objects = build_scene(below_sky(make_bundle))
    match_scene_to_photo(objects)
    seen = render(tmp_path)
    photo, _, _ = photograph(CAMERA)
    off = np.abs(seen.srgb - photo / 255).max(axis=-1)
    # Where card, ground and sky meet in one cell, a pixel may see a little of what is behind.
    assert (off > 0.05).sum() <= 2
    assert psnr_db(seen.srgb, photo / 255, seen.covered & (off < 0.05)) >= 50
    assert seen.covered.mean() > 0.99


def test_a_moved_camera_sees_the_sky_go_on(make_bundle, tmp_path):
    objects = build_scene(below_sky(make_bundle))
    match_scene_to_photo(objects)
    objects.camera.location.x += 0.3
    bpy.context.scene.render.use_border = False
    seen = render(tmp_path, samples=1)
    magenta = np.abs(seen.srgb - (1, 0, 1)).max(axis=-1) < 0.02
    # Beside the card, where it stood.
    assert magenta[35:75].sum(axis=1).min() >= 5
    objects.camera.location.x -= 0.3
    objects.camera.rotation_mode = "XYZ"
    objects.camera.rotation_euler.z += 0.14
    seen = render(tmp_path, samples=1)
    magenta = np.abs(seen.srgb - (1, 0, 1)).max(axis=-1) < 0.02
    # Up to the edge of the picture.
    assert magenta[:70, :8].all()


def test_it_is_one_object_in_all_modes(make_bundle, tmp_path):
    rec = below_sky(make_bundle)
    save(rec, tmp_path / "bundle")
    objects = build_scene(tmp_path / "bundle")
    assert recall(objects.collection).backdrop == objects.backdrop
    assert len(photo_materials(objects.backdrop)) == 2
    assert len(objects.backdrop.data.polygons) == sum(
        len(faces) for part in (rec.backdrop, rec.beyond) for faces in (part.quads, part.triangles)
    )
    assert all(image.packed_file for image in bpy.data.images if image.source == "FILE")
    match_scene_to_photo(objects)
    set_sky_mode(objects.backdrop, "HOLDOUT")
    objects.camera.location.x += 0.3
    assert render(tmp_path, samples=1).rgba[:60, :30, 3].max() < 0.01


def test_a_missing_picture_is_said(make_bundle):
    with pytest.raises(BundleError, match="picture"):
        build_scene(replace(below_sky(make_bundle), sky_file="gone.png"))
