"""The image that the user is looking at, as a file for the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image as PillowImage

from infinidepth_blender.errors import PhotoError
from infinidepth_blender.ui.active_image import ActiveImage, PhotoFile, find_active_image, photo_file

WIDTH, HEIGHT = 12, 8


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "My photo.png"
    PillowImage.fromarray(pixels).save(path)
    return path


@pytest.fixture
def made() -> Iterator[list[PhotoFile]]:
    """Photo files of a test; the temporary ones are removed afterwards."""
    files: list[PhotoFile] = []
    yield files
    for file in files:
        if file.temporary:
            file.path.unlink()
            file.path.parent.rmdir()


def as_file(made: list[PhotoFile], image: bpy.types.Image) -> PhotoFile:
    made.append(photo_file(ActiveImage(image), bpy.context.scene))
    return made[-1]


def read(path: Path) -> np.ndarray:
    return np.asarray(PillowImage.open(path).convert("RGB"))


def user_visible_state(image: bpy.types.Image) -> tuple[object, ...]:
    return (image.filepath_raw, image.file_format, image.source, image.is_dirty, image.packed_file is not None,
            image.colorspace_settings.name, len(bpy.data.images), len(bpy.data.scenes))  # fmt: skip


def test_a_file_is_handed_over_as_it_is(photo: Path, made: list[PhotoFile]) -> None:
    image = bpy.data.images.load(str(photo))
    assert as_file(made, image) == PhotoFile(photo, "My photo")


def test_packed_bytes_are_written_as_they_are(photo: Path, made: list[PhotoFile]) -> None:
    original = photo.read_bytes()
    image = bpy.data.images.load(str(photo))
    image.pack()
    photo.unlink()
    before = user_visible_state(image)
    file = as_file(made, image)
    assert file.path.read_bytes() == original
    assert file.temporary
    assert file.path.suffix == ".png"
    assert user_visible_state(image) == before


def test_painted_pixels_are_what_is_saved(photo: Path, made: list[PhotoFile], pixels: np.ndarray) -> None:
    image = bpy.data.images.load(str(photo))
    image.pixels[:4] = (1.0, 0.0, 0.0, 1.0)  # the bottom left
    before = user_visible_state(image)
    file = as_file(made, image)
    expected = pixels.copy()
    expected[-1, 0] = (255, 0, 0)
    np.testing.assert_array_equal(read(file.path), expected)
    np.testing.assert_array_equal(read(photo), pixels)
    assert user_visible_state(image) == before


@pytest.mark.parametrize("view_transform", ["Standard", "AgX"])
def test_generated_bytes_do_not_pass_through_the_view_transform(made: list[PhotoFile], view_transform: str) -> None:
    bpy.context.scene.view_settings.view_transform = view_transform
    image = bpy.data.images.new("Généré/one", WIDTH, HEIGHT)
    image.generated_color = (0.5, 0.25, 0.125, 1.0)
    before = user_visible_state(image)
    file = as_file(made, image)
    np.testing.assert_array_equal(read(file.path)[0, 0], read_first_pixel(image))
    assert user_visible_state(image) == before
    assert bpy.context.scene.view_settings.view_transform == view_transform


def read_first_pixel(image: bpy.types.Image) -> np.ndarray:
    return np.rint(np.array(image.pixels[:3]) * 255).astype(np.uint8)


def test_unsaved_floats_stay_linear(made: list[PhotoFile]) -> None:
    image = bpy.data.images.new("float", WIDTH, HEIGHT, float_buffer=True)
    values = np.random.default_rng(1).random((HEIGHT * WIDTH, 4), dtype=np.float32) * 4
    values[:, 3] = 1
    image.pixels.foreach_set(values.ravel())
    file = as_file(made, image)
    assert file.path.suffix == ".exr"
    again = bpy.data.images.load(str(file.path))
    result = np.empty(WIDTH * HEIGHT * 4, np.float32)
    again.pixels.foreach_get(result)
    np.testing.assert_allclose(result.reshape(-1, 4)[:, :3], values[:, :3], rtol=2e-3)


def test_a_sequence_gives_the_file_of_the_current_frame(tmp_path: Path, pixels: np.ndarray) -> None:
    for frame in (1, 2, 3):
        PillowImage.fromarray(pixels).save(tmp_path / f"shot_{frame:04d}.png")
    image = bpy.data.images.load(str(tmp_path / "shot_0001.png"))
    image.source = "SEQUENCE"
    scene = bpy.context.scene
    scene.frame_set(3)
    assert photo_file(ActiveImage(image), scene).path == tmp_path / "shot_0003.png"

    reference = bpy.data.objects.new("Reference", None)
    scene.collection.objects.link(reference)
    reference.empty_display_type = "IMAGE"
    reference.data = image
    reference.image_user.frame_duration = 3
    reference.image_user.use_auto_refresh = True
    scene.frame_set(2)
    reference.image_user.frame_current = 2
    assert photo_file(ActiveImage(image, reference.image_user), scene).path == tmp_path / "shot_0002.png"

    scene.frame_set(9)
    with pytest.raises(PhotoError, match="no file shot_0009"):
        photo_file(ActiveImage(image), scene)


def render_result(scene: bpy.types.Scene) -> bpy.types.Image:
    bpy.ops.render.render(scene=scene.name)
    return next(image for image in bpy.data.images if image.type == "RENDER_RESULT")


def test_a_render_result_looks_like_the_render(made: list[PhotoFile]) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.view_settings.view_transform = "Standard"
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("World")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.214, 0.0, 0.0, 1.0)  # sRGB 0.5
    settings = scene.render.image_settings
    settings.file_format, settings.quality = "JPEG", 55
    result = render_result(scene)
    file = as_file(made, result)
    assert np.abs(read(file.path)[0, 0].astype(int) - (127, 0, 0)).max() <= 1
    assert (settings.file_format, settings.quality) == ("JPEG", 55)
    assert len(bpy.data.scenes) == 1


def test_what_is_no_photo_is_refused_by_name(tmp_path: Path, photo: Path) -> None:
    scene = bpy.context.scene
    missing = bpy.data.images.load(str(photo))
    photo.unlink()
    with pytest.raises(PhotoError, match=r"file of 'My photo\.png' is missing"):
        photo_file(ActiveImage(missing), scene)

    tiles = bpy.data.images.new("tiles", 4, 4, tiled=True)
    with pytest.raises(PhotoError, match="UDIM"):
        photo_file(ActiveImage(tiles), scene)

    assert len(bpy.data.scenes) == 1


def test_the_panels_choice_comes_first_then_the_reference_image(addon: bpy.types.AddonPreferences, photo: Path) -> None:
    assert find_active_image(bpy.context) is None
    image = bpy.data.images.load(str(photo))
    reference = bpy.data.objects.new("Reference", None)
    reference.empty_display_type = "IMAGE"
    reference.data = image
    bpy.context.scene.collection.objects.link(reference)
    bpy.context.view_layer.objects.active = reference
    active = find_active_image(bpy.context)
    assert active is not None
    assert active.image == image
    assert active.user == reference.image_user

    chosen = bpy.data.images.new("Chosen", 4, 4)
    bpy.context.scene.infinidepth.photo = chosen
    assert find_active_image(bpy.context) == ActiveImage(chosen)
