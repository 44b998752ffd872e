"""A depth file, a known distance, a crop and the masks count for the photo that they were set for."""

# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from PIL import Image as PillowImage

from infinidepth_blender.errors import OptionsError
from infinidepth_blender.ui.active_image import ActiveImage
from infinidepth_blender.ui.engine_options import options_of_each
from infinidepth_blender.ui.photo_settings import given, of_another, photo_key
from infinidepth_blender.ui.session import session

SETTINGS: dict[str, Any] = {
    "depth_prompt": "/photos/depth.png",
    "points_mask": "/photos/mask.png",
    "points_density": "/photos/density.png",
    "points_crop": (10, 20, 30, 40),
    "sky": "FILE",
    "sky_file": "/photos/sky.png",
}


@pytest.fixture
def settings(addon: bpy.types.AddonPreferences) -> Any:
    return bpy.context.scene.infinidepth


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    made = {}
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        y, x = np.mgrid[0:48, 0:64]
        pixels = np.stack([x * 3, y * 4, (x + y + number * 40) % 256], axis=-1).astype(np.uint8)
        made[name] = tmp_path / "in" / f"{name}.png"
        PillowImage.fromarray(pixels).save(made[name])
    return made


def choose(path: Path) -> str:
    image = bpy.data.images.load(str(path), check_existing=True)
    bpy.context.scene.infinidepth.photo = image
    return photo_key(ActiveImage(image))


def give(settings: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


def test_for_another_photo_all_of_them_are_left_out(settings: Any, photos: dict[str, Path]) -> None:
    a = choose(photos["a"])
    give(settings, **SETTINGS)
    (options, note), *_ = options_of_each(settings, None, [a])
    assert not note
    assert (options.depth_prompt, options.points_crop) == ("/photos/depth.png", (10, 20, 30, 40))
    b = choose(photos["b"])
    (options, note), *_ = options_of_each(settings, None, [b])
    assert (options.depth_prompt, options.points_mask, options.points_density) == (None, None, None)
    assert (options.points_crop, options.sky) == (None, "auto")
    assert "set for a.png: Depth Hint, Crop, Points Mask, Density, Sky Mask" in note
    # What is changed for this photo is this photo's; the rest stays the other's.
    settings.points_crop = (0, 0, 5, 5)
    (options, note), *_ = options_of_each(settings, None, [b])
    assert (options.depth_prompt, options.points_crop) == (None, (0, 0, 5, 5))
    assert set(of_another(settings, a)) == {"points_crop"}


def test_a_job_gives_each_photo_its_own(settings: Any, photos: dict[str, Path]) -> None:
    a = choose(photos["a"])
    settings.depth_prompt = "/photos/depth.png"
    made = options_of_each(settings, None, [a, str(photos["b"]), str(photos["c"])])
    assert [options.depth_prompt for options, _ in made] == ["/photos/depth.png", None, None]
    assert [bool(note) for _, note in made] == [False, True, True]


def test_a_distance_of_this_photo_does_not_contradict_the_depth_of_another(
    settings: Any, photos: dict[str, Path]
) -> None:
    choose(photos["a"])
    settings.depth_prompt = "/photos/depth.png"
    b = choose(photos["b"])
    settings.known_distance = "1,2=3"
    (options, _), *_ = options_of_each(settings, None, [b])
    assert (options.depth_prompt, options.known_distance) == (None, ("1,2=3",))


def test_without_a_photo_at_hand_they_are_the_next_ones(settings: Any, photos: dict[str, Path]) -> None:
    settings.depth_prompt = "/photos/depth.png"
    with pytest.raises(OptionsError, match="One depth file was given for several photos"):
        options_of_each(settings, None, [str(path) for path in photos.values()])
    settings.depth_prompt, settings.points_crop = "", (1, 2, 3, 4)
    made = options_of_each(settings, None, [str(path) for path in photos.values()])
    assert {options.points_crop for options, _ in made} == {(1, 2, 3, 4)}
    assert {note for _, note in made} == {"Used for all 3 photos: Crop."}


def test_the_buttons_clear_them_or_use_them_here(settings: Any, photos: dict[str, Path]) -> None:
    choose(photos["a"])
    give(settings, **SETTINGS)
    b = choose(photos["b"])
    assert len(of_another(settings, b)) == 5
    assert bpy.ops.infinidepth.use_photo_settings() == {"FINISHED"}
    assert not of_another(settings, b) and len(given(settings)) == 5
    assert bpy.ops.infinidepth.clear_photo_settings() == {"FINISHED"}
    assert given(settings) == [] and settings.sky == "AUTO" and not settings.photo_settings_of


def test_a_project_that_was_moved_keeps_them(settings: Any, photos: dict[str, Path], tmp_path: Path) -> None:
    choose(photos["a"])
    settings.points_crop = (1, 2, 3, 4)
    twin = tmp_path / "other" / "a.png"
    twin.parent.mkdir()
    shutil.copy(photos["a"], twin)
    assert set(of_another(settings, str(twin))) == {"points_crop"}
    photos["a"].unlink()
    assert not of_another(settings, str(twin))


def test_several_files_never_share_a_depth(
    engine: bpy.types.AddonPreferences, photos: dict[str, Path], tmp_path: Path
) -> None:
    settings = bpy.context.scene.infinidepth
    settings.make = {"points"}
    for name, value in (("depth_prompt", str(tmp_path / "depth.npy")), ("known_distance", "30,20=2")):
        setattr(settings, name, value)
        with pytest.raises(RuntimeError, match=r"given for several photos.*under Advanced with a single photo"):
            bpy.ops.infinidepth.reconstruct_file(
                directory=str(tmp_path / "in"), files=[{"name": path.name} for path in photos.values()], wait=True
            )
        assert session.job is None and not bpy.data.collections
        settings.property_unset(name)


def test_a_distance_is_told_to_be_left_out(
    engine: bpy.types.AddonPreferences, photos: dict[str, Path], tmp_path: Path
) -> None:
    settings = bpy.context.scene.infinidepth
    settings.make = {"points"}
    settings.known_distance = "30,20=2"
    choose(photos["a"])
    for name in ("a", "b"):
        choose(photos[name])
        assert bpy.ops.infinidepth.reconstruct_image(wait=True) == {"FINISHED"}
        told = " ".join(session.delivered.warnings)
        assert ("set for a.png: Known Distance" in told) == (name == "b")
    scales = [
        json.loads((tmp_path / "results" / name / "reconstruction.json").read_text())["options"]["known_distance"]
        for name in ("a", "b")
    ]
    assert scales == [["30,20=2"], []]
