"""A photo goes through the engine process and comes into the scene."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from blender_synthetic import CAMERAS
from engine_support import wait_until
from PIL import Image as PillowImage
from plyfile import PlyData

from infinidepth_blender.bundle_record import read_record
from infinidepth_blender.engine.client import EngineClient
from infinidepth_blender.errors import OptionsError, OutputError, PhotoError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.scene.photo_modes import surface_mode
from infinidepth_blender.staging import STAGING_SUFFIX
from infinidepth_blender.ui import operators, output
from infinidepth_blender.ui.active_image import PhotoFile, clip_file, clip_length
from infinidepth_blender.ui.engine_options import with_frames
from infinidepth_blender.ui.output import bundle_folder
from infinidepth_blender.ui.photo_jobs import PhotoJob, PhotoRequest
from infinidepth_blender.ui.session import _on_timer, session


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo(tmp_path / "in" / "street.png")


def write_photo(path: Path, width_px: int = 96, height_px: int = 64) -> Path:
    y, x = np.mgrid[0:height_px, 0:width_px]
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([x * 255 / width_px, y * 255 / height_px, (x + y) % 256], axis=-1).astype(np.uint8)
    PillowImage.fromarray(pixels).save(path)
    return path


def choose(image: bpy.types.Image) -> None:
    bpy.context.scene.infinidepth.photo = image


def data_names() -> dict[str, list[str]]:
    kinds = ("objects", "collections", "meshes", "cameras", "materials", "images", "scenes")
    return {kind: [item.name for item in getattr(bpy.data, kind)] for kind in kinds}


def test_the_active_image_becomes_a_scene(engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path) -> None:
    scene = bpy.context.scene
    choose(bpy.data.images.load(str(photo)))
    size_before = (scene.render.resolution_x, scene.render.resolution_y, scene.view_settings.view_transform)

    assert bpy.ops.infinidepth.reconstruct_image() == {"FINISHED"}

    bundle = tmp_path / "results" / "street"
    read_record(bundle)
    collection = bpy.data.collections["street"]
    kinds = {obj.type for obj in collection.all_objects}
    assert {"EMPTY", "CAMERA", "MESH", "POINTCLOUD"} <= kinds
    assert bpy.context.active_object == bpy.data.objects["street Mesh"]
    assert session.job is None
    assert session.delivered is not None
    assert session.delivered.name == "street"
    after = (scene.render.resolution_x, scene.render.resolution_y, scene.view_settings.view_transform)
    assert after == size_before
    assert scene.camera is None

    assert bpy.ops.infinidepth.match_scene() == {"FINISHED"}
    assert (scene.render.resolution_x, scene.render.resolution_y) == (96, 64)
    assert scene.camera == bpy.data.objects["street Camera"]

    assert bpy.ops.infinidepth.show(what="SPLATS") == {"FINISHED"}
    shown = {name: not bpy.data.objects[f"street {name}"].hide_render for name in ("Mesh", "Points", "Splats")}
    assert shown == {"Mesh": False, "Points": False, "Splats": True}
    for mode in ("SHADOW", "LIT"):
        assert bpy.ops.infinidepth.photo_mode(mode=mode) == {"FINISHED"}
        assert surface_mode(bpy.data.objects["street Mesh"]) == mode


def test_packed_photos_leave_no_temporary_files(engine: bpy.types.AddonPreferences, photo: Path) -> None:
    image = bpy.data.images.load(str(photo))
    image.pack()
    photo.unlink()
    choose(image)
    assert bpy.ops.infinidepth.reconstruct_image() == {"FINISHED"}
    assert "street" in bpy.data.collections
    assert not list(Path(bpy.app.tempdir).glob("infinidepth-*"))


def test_the_same_photo_replaces_its_bundle_and_another_of_that_name_does_not(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    other = write_photo(tmp_path / "elsewhere" / "street.png", 64, 96)
    bpy.context.scene.infinidepth.make = {"points"}
    for path in (photo, photo, other):
        assert bpy.ops.infinidepth.reconstruct_file(filepath=str(path)) == {"FINISHED"}
    assert sorted(folder.name for folder in (tmp_path / "results").iterdir()) == ["street", "street.001"]


def test_a_bad_photo_is_reported_and_the_others_are_made(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    bad = photo.with_name("notes.jpg")
    bad.write_text("not a photo")
    bpy.context.scene.infinidepth.make = {"mesh"}
    with pytest.raises(RuntimeError, match=r"notes"):
        bpy.ops.infinidepth.reconstruct_file(
            directory=str(photo.parent), files=[{"name": bad.name}, {"name": photo.name}]
        )
    assert [collection.name for collection in bpy.data.collections] == ["street"]
    assert [folder.name for folder in (tmp_path / "results").iterdir()] == ["street"]
    assert len(session.problems) == 1
    assert session.problems[0].kind == "photo"


def test_of_several_photos_the_last_is_seen_alone(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    write_photo(photo.with_name("yard.png"))
    kept = write_photo(tmp_path / "before" / "kept.png")
    bpy.context.scene.infinidepth.make = {"mesh", "points"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(kept))
    assert session.delivered is not None and not any("same place" in told for told in session.delivered.warnings)
    files = [{"name": name} for name in ("street.png", "yard.png")]
    assert bpy.ops.infinidepth.reconstruct_file(directory=str(photo.parent), files=files) == {"FINISHED"}

    def seen() -> set[str]:
        bpy.context.view_layer.update()
        return {
            obj.name for obj in bpy.data.objects if obj.visible_get() and not obj.name.endswith(("Sky", "Background"))
        }

    kept_parts, yard = {"kept Root", "kept Camera", "kept Mesh"}, {"yard Root", "yard Camera", "yard Mesh"}
    assert seen() == kept_parts | yard
    assert session.delivered is not None and any("only the last one" in told for told in session.delivered.warnings)
    bpy.context.view_layer.objects.active = bpy.data.objects["street Mesh"]
    bpy.ops.infinidepth.show(what="POINTS")
    street = {"street Root", "street Camera", "street Points"}
    assert seen() == kept_parts | street
    bpy.context.view_layer.objects.active = bpy.data.objects["yard Mesh"]
    bpy.ops.infinidepth.show(what="MESH")
    assert seen() == kept_parts | yard
    # What was moved apart can be seen beside it.
    bpy.data.objects["yard Root"].location.x = 10.0
    bpy.context.view_layer.objects.active = bpy.data.objects["street Mesh"]
    bpy.ops.infinidepth.show(what="POINTS")
    assert seen() == kept_parts | yard | street


def test_an_unforeseen_error_costs_one_photo(
    engine: bpy.types.AddonPreferences,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write_photo(photo.with_name("yard.png"))
    bpy.context.scene.infinidepth.make = {"points"}
    put_into_scene = operators.put_into_scene

    def fail_once(context, scene, bundle: Path, *rest):
        if bundle.name == "street":
            raise ZeroDivisionError("by chance")
        return put_into_scene(context, scene, bundle, *rest)

    monkeypatch.setattr(operators, "put_into_scene", fail_once)
    with pytest.raises(RuntimeError, match="'street' was not added"):
        bpy.ops.infinidepth.reconstruct_file(
            directory=str(photo.parent), files=[{"name": photo.name}, {"name": other.name}]
        )
    assert [collection.name for collection in bpy.data.collections] == ["yard"]
    assert [problem.kind for problem in session.problems] == ["scene"]
    assert session.job is None
    assert "by chance" in capsys.readouterr().err


class BrokenClient:
    """An engine whose every answer is an error nobody thought of."""

    def reconstruct(self, photo: Path, folder: Path, options: ReconstructOptions) -> int:
        return 1

    def poll(self) -> list:
        raise KeyError("nobody thought of this")

    def cancel(self, job: int) -> None:
        pass


def test_the_panel_is_never_busy_for_ever(
    addon: bpy.types.AddonPreferences, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = [PhotoRequest(photo, name, tmp_path / name, ReconstructOptions()) for name in ("a", "b")]
    session.problems = []
    session.job = PhotoJob(BrokenClient(), requests)  # pyright: ignore[reportArgumentType]
    session.abandoned = False
    assert [_on_timer() is None for _ in requests] == [False, True]
    assert session.job is None
    assert [str(problem)[:22] for problem in session.problems] == ["a: Unforeseen KeyError", "b: Unforeseen KeyError"]
    assert "nobody thought of this" in capsys.readouterr().err


def test_errors_leave_the_scene_untouched(engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path) -> None:
    before = data_names()
    truncated = photo.with_name("half.png")
    truncated.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    for filepath, message in ((truncated, "half"), (photo.with_name("nothing.jpg"), "no file")):
        with pytest.raises(RuntimeError, match=message):
            bpy.ops.infinidepth.reconstruct_file(filepath=str(filepath))
    assert data_names() == before
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())


def test_a_missing_engine_says_how_to_mend_it(addon: bpy.types.AddonPreferences, photo: Path, tmp_path: Path) -> None:
    addon.engine_python = str(tmp_path / "no" / "python")
    with pytest.raises(RuntimeError, match=r"cannot be used.*Install the engine"):
        bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    assert [problem.kind for problem in session.problems] == ["runtime_missing"]
    assert session.job is None


def test_wrong_settings_are_refused_before_anything_starts(engine: bpy.types.AddonPreferences, photo: Path) -> None:
    bpy.context.scene.infinidepth.make = set()
    with pytest.raises(RuntimeError, match="Switch on Mesh"):
        bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    assert session.job is None
    assert [problem.kind for problem in session.problems] == ["options"]


def test_a_result_can_be_opened_again(engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path) -> None:
    bpy.context.scene.infinidepth.make = {"mesh"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert not bpy.data.collections
    json_path = tmp_path / "results" / "street" / "reconstruction.json"
    assert bpy.ops.infinidepth.open_bundle(filepath=str(json_path)) == {"FINISHED"}
    assert "street Mesh" in bpy.data.objects
    with pytest.raises(RuntimeError, match="no finished reconstruction"):
        bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path))


def test_splats_are_imported_and_bad_files_refused(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    bpy.context.scene.infinidepth.make = {"splats"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    path = tmp_path / "results" / "street" / "splats.ply"
    assert bpy.ops.infinidepth.import_splats(filepath=str(path)) == {"FINISHED"}
    assert bpy.context.active_object.name == "splats"
    assert len(bpy.context.active_object.data.vertices) == PlyData.read(path)["vertex"].count > 0
    before = data_names()
    broken = tmp_path / "broken.ply"
    broken.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RuntimeError, match=r"broken\.ply"):
        bpy.ops.infinidepth.import_splats(filepath=str(broken))
    assert data_names() == before


def test_of_several_splat_files_a_bad_one_does_not_cost_the_others(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    bpy.context.scene.infinidepth.make = {"splats"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    good = (tmp_path / "results" / "street" / "splats.ply").read_bytes()
    folder = tmp_path / "splats"
    folder.mkdir()
    for name, data in (("a.ply", good), ("bad.ply", good[:-100]), ("worse.ply", b"no"), ("z.ply", good)):
        (folder / name).write_bytes(data)
    files = [{"name": path.name} for path in sorted(folder.iterdir())]
    with pytest.raises(RuntimeError, match=r"(?s)bad\.ply.*worse\.ply"):
        bpy.ops.infinidepth.import_splats("INVOKE_DEFAULT", directory=str(folder), files=files)
    chosen = {obj.name for obj in bpy.context.selected_objects}
    assert chosen == {"a", "z"} and bpy.context.active_object.name == "z"
    assert len(session.problems) == 1


def test_several_results_are_opened_at_once(addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path) -> None:
    for name in ("A", "B"):
        make_bundle(CAMERAS["landscape"], name, mesh_vertices=9)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match="no finished reconstruction"):
        bpy.ops.infinidepth.open_bundle(directory=str(tmp_path), dirs=[{"name": name} for name in ("A", "empty", "B")])
    assert {"A Mesh", "B Mesh"} <= set(bpy.data.objects.keys())
    assert bpy.data.objects["A Mesh"].hide_render and not bpy.data.objects["B Mesh"].hide_render
    assert bpy.data.collections["A"]["infinidepth_job"] == bpy.data.collections["B"]["infinidepth_job"]
    assert bpy.ops.infinidepth.open_bundle(directory=str(tmp_path / "A"), files=[{"name": "reconstruction.json"}]) == {
        "FINISHED"
    }
    assert bpy.data.collections["A.001"]["infinidepth_job"] != bpy.data.collections["A"]["infinidepth_job"]


def test_a_cancelled_job_ends_soon_and_keeps_nothing(
    engine: bpy.types.AddonPreferences, engine_python: Path, tiny_model: Path, photo: Path, tmp_path: Path
) -> None:
    options = ReconstructOptions(model=str(tiny_model), points=3_000_000, depth_size="6000x4000", device="cpu")
    folder = tmp_path / "results" / "street"
    with EngineClient(engine_python) as client:
        job = PhotoJob(client, [PhotoRequest(photo, name, folder, options) for name in ("street", "b")])
        assert wait_until(lambda: job.tick() is None and job.fraction > 0)
        assert job.active
        job.cancel()
        assert job.stage_text == "Cancelling"
        assert wait_until(lambda: job.tick() is None and not job.active)
    assert not job.results
    assert not job.failures
    assert not folder.exists()
    assert not folder.with_name(folder.name + STAGING_SUFFIX).exists()


def test_disabling_the_addon_ends_the_engine(engine: bpy.types.AddonPreferences, photo: Path) -> None:
    import addon_utils

    bpy.context.scene.infinidepth.make = {"points"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    client = session.client
    assert client is not None
    assert client.running
    addon_utils.disable("infinidepth_blender", default_set=True)
    assert not client.running
    assert session.client is None
    addon_utils.enable("infinidepth_blender", default_set=True)


def test_a_linked_photo_is_not_changed_as_if_that_would_last(
    engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path
) -> None:
    bpy.context.scene.infinidepth.make = {"mesh", "points"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["street"]
    bpy.context.scene.collection.children.link(bpy.data.collections["street"])
    for operator, arguments in (
        (bpy.ops.infinidepth.show, {"what": "POINTS"}),
        (bpy.ops.infinidepth.photo_mode, {"mode": "LIT"}),
    ):
        with pytest.raises(RuntimeError, match=r"is linked from library\.blend"):
            operator(**arguments)
    assert not bpy.data.objects["street Mesh"].hide_render


def test_places_for_results_that_cannot_be(
    addon: bpy.types.AddonPreferences, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is too long is cut; a place that may not be looked at is said instead of searched for ever."""
    long = bundle_folder(PhotoFile(photo, "絵" * 100))
    assert len(long.name.encode()) <= 220 and long.parent == tmp_path / "results"
    addon.bundle_folder = str(tmp_path / ("x" * 300))
    with pytest.raises(OutputError, match="could not be written"):
        bundle_folder(PhotoFile(photo, "a"))
    addon.bundle_folder = "//results"  # of a file that was never saved
    monkeypatch.setattr(output, "unsaved_results_dir", lambda: tmp_path / "documents")
    assert bundle_folder(PhotoFile(photo, "a")) == tmp_path / "documents" / "a"


def test_a_dropped_splat_file_is_opened(engine: bpy.types.AddonPreferences, photo: Path, tmp_path: Path) -> None:
    bpy.context.scene.infinidepth.make = {"splats"}
    bpy.ops.infinidepth.reconstruct_file(filepath=str(photo))
    path = tmp_path / "results" / "street" / "splats.ply"
    assert bpy.ops.infinidepth.import_splats("INVOKE_DEFAULT", filepath=str(path)) == {"FINISHED"}
    assert bpy.context.active_object.name == "splats"


def write_frames(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        y, x = np.mgrid[0:64, 0:96]
        pixels = np.stack([x * 2 + 9 * number, y * 3, (x + y + 7 * number) % 256], axis=-1).astype(np.uint8)
        PillowImage.fromarray(pixels).save(folder / f"take_{number + 5:03d}.png")
    return folder / "take_005.png"


def test_a_sequence_becomes_a_surface_that_moves(engine: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    image = bpy.data.images.load(str(write_frames(tmp_path / "in")))
    choose(image)
    with pytest.raises(RuntimeError, match="Open a movie or an image sequence"):
        bpy.ops.infinidepth.reconstruct_clip()
    image.source = "SEQUENCE"
    # Another sequence in the same folder is none of this one's.
    write_photo(tmp_path / "in" / "other_005.png", 32, 32)
    bpy.context.scene.infinidepth.clip_last = 2

    assert bpy.ops.infinidepth.reconstruct_clip() == {"FINISHED"}

    bundle = tmp_path / "results" / "take"
    assert sorted(path.name for path in (bundle / "sequence" / "depth").iterdir()) == ["0001.exr", "0002.exr"]
    assert session.delivered is not None and session.delivered.summary.startswith("2 frames")
    surface = bpy.data.objects["take Mesh"]
    assert bpy.context.active_object == surface
    middles = []
    for frame in (1, 2):
        bpy.context.scene.frame_set(frame)
        mesh = surface.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
        middles.append(float(np.median([vertex.co[1] for vertex in mesh.vertices])))
        # What this Blender reads from the engine's EXR file is its depth.
        assert middles[-1] == pytest.approx(5, rel=0.5)
    assert middles[0] != middles[1]
    assert bpy.ops.infinidepth.photo_mode(mode="LIT") == {"FINISHED"}
    # Again: the earlier one in the scene plays from its folder, which therefore stays as it is.
    assert bpy.ops.infinidepth.reconstruct_clip() == {"FINISHED"}
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["take", "take.001"]


def test_the_panel_counts_the_frames_of_a_sequence(engine: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    for name in ("take #2_0001.png", "take #2_0002.png", "rgb_v2_0001.jp2"):
        write_photo(tmp_path / name) if name.endswith("png") else (tmp_path / name).touch()
    image = bpy.data.images.load(str(tmp_path / "take #2_0001.png"))
    assert clip_length(image) == 0
    image.source = "SEQUENCE"
    assert clip_length(image) == 2
    assert clip_file(image) == PhotoFile(tmp_path / "take #2_####.png", "take #2")
    write_photo(tmp_path / "take #2_0003.png")
    assert clip_length(image) == 3
    other = bpy.data.images.new("other", 4, 4)
    other.source, other.filepath = "SEQUENCE", str(tmp_path / "rgb_v2_0001.jp2")
    assert clip_file(other).path.name == "rgb_v2_####.jp2"
    other.filepath = str(tmp_path / "gone" / "a_01.png")
    assert clip_length(other) == 0
    with pytest.raises(PhotoError, match="is missing"):
        clip_file(other)


def test_the_panel_counts_from_the_first_frame(engine: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    settings = bpy.context.scene.infinidepth
    for number in (0, 1, 2, 5):
        write_photo(tmp_path / f"s.{number:04d}.png", 16, 16)
    clip, plain = tmp_path / "s.####.png", ReconstructOptions()
    for first, last, step, wanted in (
        (1, 0, 2, None),
        (1, 1, 1, "0-0"),
        (2, 4, 1, "1-5"),
        (3, 0, 1, "2-"),
        (1, 9, 1, "0-5"),
    ):
        settings.clip_first, settings.clip_last, settings.clip_every = first, last, step
        made = with_frames(plain, settings, clip)
        assert (made.frames, made.every) == (wanted, step)
    for first, last, words in ((5, 0, "has 4 frames, and none from 5 on"), (3, 2, "from 3 to 2 are none")):
        settings.clip_first, settings.clip_last = first, last
        with pytest.raises(OptionsError, match=words):
            with_frames(plain, settings, clip)


def test_frames_that_are_left_over_do_not_stop_a_photo(engine: bpy.types.AddonPreferences, photo: Path) -> None:
    settings = bpy.context.scene.infinidepth
    settings.clip_first, settings.clip_last = 10, 5
    choose(bpy.data.images.load(str(photo)))
    assert bpy.ops.infinidepth.reconstruct_image() == {"FINISHED"}


def test_a_movie_is_a_clip(engine: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    movie = write_movie(tmp_path / "film.avi", engine.engine_python or sys.executable)
    image = bpy.data.images.load(str(movie))
    assert image.source == "MOVIE"
    choose(image)
    assert bpy.ops.infinidepth.reconstruct_clip() == {"FINISHED"}
    read_record(tmp_path / "results" / "film")
    assert bpy.ops.infinidepth.reconstruct_file(
        directory=str(tmp_path), files=[{"name": "film.avi"}]
    ) == {"FINISHED"}  # fmt: skip


def write_movie(path: Path, python: str) -> Path:
    """A movie of three frames, written by the engine's OpenCV."""
    code = (
        "import cv2, numpy as np, sys; w = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter.fourcc(*'MJPG'), 5, (96, 64)); "
        "[w.write(np.full((64, 96, 3), 60 + 40 * k, np.uint8)) for k in range(3)]; w.release()"
    )
    subprocess.run([python, "-c", code, str(path)], check=True)
    return path
