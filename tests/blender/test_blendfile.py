"""`scene.blend` and exports, from the process that a user's command line starts."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bpy
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, photograph

from infinidepth_blender.engine import blend_process
from infinidepth_blender.engine.blend import ERROR_MARK
from infinidepth_blender.errors import OutputError
from infinidepth_blender.reconstruction import save
from infinidepth_blender.scene.blendfile import write_blend
from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.views import views_of


def run_process(bundle: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, blend_process.__file__, str(bundle), str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_written_file_renders_the_photo_on_its_own(make_bundle, tmp_path):
    camera = CAMERAS["off-centre"]
    rec = make_bundle(camera, points=500, splats=500)
    out = tmp_path / "elsewhere" / "scene.blend"
    done = run_process(rec.folder, out)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["scene.blend"]
    shutil.rmtree(rec.folder)
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert bpy.context.scene.camera.name == "Analytic Camera"
    result = render(tmp_path)
    photo, _, _ = photograph(camera)
    assert result.rgba.shape[:2] == photo.shape[:2]
    assert psnr_db(result.srgb, photo / 255) >= 40


@pytest.mark.parametrize("kind", ["landscape", "portrait"])
def test_the_written_file_opens_with_the_photo_in_every_view(kind, make_bundle, tmp_path):
    rec = make_bundle(CAMERAS[kind], mesh_vertices=9)
    assert run_process(rec.folder, tmp_path / "scene.blend").returncode == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    views = [view for screen in bpy.data.screens for view in views_of(screen)]
    assert len(views) > 5
    render_size = bpy.context.scene.render
    for view in views:
        assert view.space.region_3d.view_perspective == "CAMERA"
        assert view.space.shading.type == "MATERIAL" and not view.space.use_local_camera
        # Blender's own formulas, from zoom and offset to the frame in the region.
        share = (2**0.5 + view.space.region_3d.view_camera_zoom / 50) ** 2 / 4
        along = view.width_px if kind == "landscape" else view.height_px
        scale = share * along / max(render_size.resolution_x, render_size.resolution_y)
        right, up = (-2 * share * offset for offset in view.space.region_3d.view_camera_offset)
        width, height = scale * render_size.resolution_x, scale * render_size.resolution_y
        left = (view.width_px - width) / 2 + right * view.width_px
        bottom = (view.height_px - height) / 2 + up * view.height_px
        assert left > view.left_px and left + width < view.width_px - view.right_px
        assert bottom > 0 and bottom + height < view.height_px - view.top_px
        free = view.width_px - view.left_px - view.right_px, view.height_px - view.top_px
        assert 0.9 < max(width / free[0], height / free[1]) < 0.95


def test_a_far_sky_is_seen_by_views_that_turn_away_too(make_bundle, tmp_path):
    rec = make_bundle(CAMERAS["landscape"], mesh_vertices=9)
    far = replace(rec, backdrop=replace(rec.backdrop, vertices_cam=rec.backdrop.vertices_cam * 100))
    save(far, tmp_path / "far")
    assert run_process(tmp_path / "far", tmp_path / "scene.blend").returncode == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    sky_m = float(far.backdrop.vertices_cam[:, 2].max())
    assert sky_m > 2000
    assert all(view.space.clip_end > 2 * sky_m for screen in bpy.data.screens for view in views_of(screen))


def test_the_process_says_what_is_wrong(tmp_path):
    done = run_process(tmp_path, tmp_path / "scene.blend")
    assert done.returncode == 1
    assert f"{ERROR_MARK}{tmp_path} holds no finished reconstruction" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(make_bundle, tmp_path):
    rec = make_bundle(CAMERAS["landscape"])
    out = tmp_path / "taken"
    (out / "scene.blend").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"scene\.blend"):
        write_blend(rec.folder, out / "scene.blend")
    assert [path.name for path in out.iterdir()] == ["scene.blend"]


@pytest.mark.parametrize("mode", ["PHOTO", "LIT"])
def test_gltf_export_carries_the_photo_as_texture(mode, make_bundle, tmp_path):
    import addon_utils

    addon_utils.enable("io_scene_gltf2")
    rec = make_bundle(CAMERAS["landscape"], mesh_vertices=9)
    objects = build_scene(rec, SceneOptions(photo_mode=mode))
    bpy.context.view_layer.objects.active = objects.mesh
    objects.mesh.select_set(True)
    path = tmp_path / "mesh.glb"
    bpy.ops.export_scene.gltf(filepath=str(path), use_selection=True, export_format="GLB")
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    gltf = json.loads(data[20 : 20 + length])
    (material,) = gltf["materials"]
    assert material["pbrMetallicRoughness"]["baseColorTexture"]["index"] == 0
    assert ("KHR_materials_unlit" in material.get("extensions", {})) == (mode == "PHOTO")
    assert len(gltf["images"]) == 1
    assert "TEXCOORD_0" in gltf["meshes"][0]["primitives"][0]["attributes"]
