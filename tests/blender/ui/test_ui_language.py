"""The add-on speaks Blender's language and offers every setting."""

from __future__ import annotations

import ast
import math
from dataclasses import fields
from pathlib import Path

import bpy
import pytest

import infinidepth_blender
from infinidepth_blender.options import ReconstructOptions


def registered() -> set[str]:
    return {name for name in dir(bpy.types) if "infinidepth" in name.lower()}


def operators() -> list[type[bpy.types.Operator]]:
    return [cls for name in registered() if issubclass(cls := getattr(bpy.types, name), bpy.types.Operator)]


def test_labels_and_descriptions_follow_blenders_guidelines(addon: bpy.types.AddonPreferences) -> None:
    assert len(operators()) > 8
    for cls in operators():
        words = cls.bl_label.split()
        assert all(word[0].isupper() or word in ("to", "of", "in") for word in words), cls.bl_label
        assert cls.bl_description, cls
        assert not cls.bl_description.endswith("."), cls
    for properties in (bpy.context.scene.infinidepth, addon):
        for prop in properties.bl_rna.properties:
            if prop.identifier not in ("rna_type", "name", "bl_idname"):
                assert prop.description, prop.identifier
                assert not prop.description.endswith("."), prop.identifier


def test_every_option_of_a_reconstruction_can_be_set(addon: bpy.types.AddonPreferences) -> None:
    from infinidepth_blender.ui.engine_options import options_of

    settings = bpy.context.scene.infinidepth
    assert options_of(settings) == ReconstructOptions(make=("depth", "camera", "mesh", "points", "splats"))

    settings.make = {"mesh"}
    settings.depth_size, settings.depth_width_px, settings.depth_height_px = "CUSTOM", 640, 480
    settings.points, settings.mesh_size, settings.edge_step, settings.seed = 1234, 77, 0.1, 5
    settings.mesh, settings.mesh_error, settings.mesh_error_px, settings.mesh_faces = (
        "adaptive",
        0.005,
        0.7,
        "triangles",
    )
    settings.use_solid, settings.solid, settings.background = True, 0.2, "none"
    settings.points_mask, settings.points_density = "/photos/mask.png", "/photos/density.png"
    settings.points_crop, settings.points_outliers = (10, 20, 300, 200), "remove"
    settings.grazing_cap_rad, settings.sky = math.radians(90), "OFF"
    settings.lens, settings.fov_rad, settings.tilt = "FOV", 1.0, "level"
    settings.depth_prompt = "/photos/depth.png"
    settings.model, settings.model_file = "FILE", "/models/mine.safetensors"
    addon.device, addon.precision = "cuda", "exact"
    options = options_of(settings, addon)
    assert options.make == ("depth", "camera", "mesh")
    assert options.depth_size == "640x480"
    assert (options.points, options.mesh_size, options.edge_step, options.seed) == (1234, 77, 0.1, 5)
    assert (options.solid, options.background) == (0.2, "none")
    assert (options.mesh, options.mesh_error, options.mesh_faces) == ("adaptive", 0.005, "triangles")
    assert options.mesh_error_px == 0.7
    assert (options.points_mask, options.points_density) == ("/photos/mask.png", "/photos/density.png")
    assert (options.points_crop, options.points_outliers) == ((10, 20, 300, 200), "remove")
    assert (options.grazing_cap_deg, options.sky) == (None, "off")
    assert options.fov_deg == pytest.approx(57.2958, abs=1e-3)
    assert (options.focal_px, options.tilt) == (None, "level")
    assert (options.model, options.splats_model) == ("/models/mine.safetensors", "surface")
    assert (options.device, options.precision) == ("cuda", "exact")

    settings.lens, settings.camera_file = "FILE", "/photos/camera.json"
    settings.depth_prompt, settings.known_distance = "", "1,2=3; 4,5:6,7=8"
    options = options_of(settings)
    assert (options.fov_deg, options.camera) == (None, "/photos/camera.json")
    assert options.known_distance == ("1,2=3", "4,5:6,7=8")

    settings.sky, settings.sky_file, settings.grazing_cap_rad = "FILE", "/photos/sky.png", math.radians(80)
    options = options_of(settings)
    assert (options.sky, options.grazing_cap_deg) == ("/photos/sky.png", 80.0)

    settings.splats_model, settings.splats_model_file = "FILE", "/models/splats.ckpt"
    assert options_of(settings).splats_model == "/models/splats.ckpt"
    settings.model = "BUNDLED"
    assert options_of(settings).splats_model == "surface"

    settings.lens, settings.focal_px = "FOCAL", 1234.5
    options = options_of(settings)
    assert (options.fov_deg, options.focal_px) == (None, 1234.5)


def sentences_with_options() -> set[str]:
    """What the engine says with the name of an option of the command line in it."""
    package = Path(infinidepth_blender.__file__).parent
    names = ["--fov", *(f"--{field.name.replace('_', '-')}" for field in fields(ReconstructOptions))]
    found: set[str] = set()
    for path in (
        package / "options.py",
        *(file for room in ("engine", "field") for file in (package / room).rglob("*.py")),
    ):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts -= {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
        found |= {text for text in texts if " " in text and any(name in text for name in names)}
    return found


def test_sentences_name_the_panel_and_not_the_command_line() -> None:
    from infinidepth_blender.ui.text import in_panel_words

    # What is made is no words but buttons in the panel.
    sentences = {text for text in sentences_with_options() if "--make" not in text}
    assert len(sentences) >= 5
    for text in sentences:
        assert "--" not in in_panel_words(text), in_panel_words(text)


def test_operators_say_why_they_cannot_run(addon: bpy.types.AddonPreferences) -> None:
    for operator, reason in (
        (bpy.ops.infinidepth.reconstruct_image, "Pick a photo"),
        (bpy.ops.infinidepth.cancel, "Nothing is being reconstructed"),
        (bpy.ops.infinidepth.match_scene, "Select an object of a reconstructed photo"),
        (bpy.ops.infinidepth.install_runtime, "Allow Online Access"),
    ):
        assert not operator.poll()
        with pytest.raises(RuntimeError, match=reason):
            operator()
