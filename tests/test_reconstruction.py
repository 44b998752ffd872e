"""The bundle: what goes in comes out, half of one is never taken for a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender import cli, patience
from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.bundle_record import is_whole, read_record
from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import BundleError, OutputError
from infinidepth_blender.reconstruction import Gaussians, MeshArrays, PhotoInfo, PointArrays, Reconstruction
from infinidepth_blender.scene_file import remember_scene
from infinidepth_blender.staging import JSON_NAME, LOCK_NAME, discard, staged_folder

ROOT = Path(__file__).resolve().parents[1]


def example(with_parts: bool = True) -> Reconstruction:
    rng = np.random.default_rng(0)
    f32 = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    mesh = MeshArrays(f32(4, 3), f32(4, 2), f32(4, 3), np.array([[0, 1, 2, 3]], np.int32), np.empty((0, 3), np.int32))
    points = PointArrays(f32(5, 3), f32(5, 3), np.zeros((5, 3), np.uint8), f32(5), f32(5), f32(5, 2))
    splats = Gaussians(f32(6, 3), f32(6, 3), f32(6, 4), f32(6), f32(6, 1, 3))
    return Reconstruction(
        name="photo",
        photo=PhotoInfo("/somewhere/photo.jpg", "photo.jpg", 8, 6),
        camera=Camera.from_focal_px(7.0, 8, 6),
        depth_m=f32(6, 8),
        flags=np.ones((6, 8), np.uint8),
        normals_cam=f32(6, 8, 3),
        confidence=f32(6, 8),
        mesh=mesh if with_parts else None,
        points=points if with_parts else None,
        splats=splats if with_parts else None,
        warnings=["A word."],
    )


@pytest.mark.parametrize("with_parts", [True, False])
def test_a_bundle_gives_back_what_was_saved(tmp_path: Path, with_parts: bool) -> None:
    original = example(with_parts)
    bundle.save(original, tmp_path / "photo")
    loaded = bundle.load(tmp_path / "photo")
    for stem, array in bundle.arrays_of(original).items():
        np.testing.assert_array_equal(bundle.arrays_of(loaded)[stem], array, err_msg=stem)
    assert bundle.arrays_of(loaded).keys() == bundle.arrays_of(original).keys()
    assert (loaded.name, loaded.photo, loaded.camera, loaded.warnings) == (
        original.name,
        original.photo,
        original.camera,
        original.warnings,
    )


def test_arrays_are_mapped_not_read(tmp_path: Path) -> None:
    bundle.save(example(), tmp_path / "photo")
    assert isinstance(bundle.load(tmp_path / "photo").depth_m, np.memmap)


def test_an_error_while_writing_leaves_the_older_result_and_no_staging(tmp_path: Path) -> None:
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    with pytest.raises(RuntimeError), staged_folder(folder) as staging:
        (staging / "depth.exr").write_bytes(b"half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["photo"]
    bundle.load(folder)


def test_a_new_result_removes_the_old_one_but_not_the_users_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "splats.ply").write_bytes(b"old")
    bundle.save(example(with_parts=False), folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "splats.ply").exists()
    assert bundle.load(folder).mesh is None


@pytest.mark.parametrize("name", ["photo.jpg", "scene.blend", "arrays/mine.npy"])
def test_a_folder_with_a_users_files_of_the_same_names_is_refused(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "photo" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match="not from a reconstruction"):
        bundle.save(example(), tmp_path / "photo")
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["photo"]


def test_scenes_in_which_somebody_has_worked_are_kept_one_and_all(tmp_path: Path) -> None:
    folder = tmp_path / "photo"
    notes: list[str] = []
    bundle.save(example(), folder)
    for work in ("my lights", "more lights", "other lights"):
        (folder / "scene.blend").write_text("as it was written")
        remember_scene(folder, folder / "scene.blend")
        (folder / "scene.blend").write_text(work)
        with staged_folder(folder, notes.append) as staging:
            bundle.write_arrays(example(), staging)
        assert not (folder / "scene.blend").exists()
    kept = ["scene_edited.blend", "scene_edited_2.blend", "scene_edited_3.blend"]
    assert [(folder / name).read_text() for name in kept] == ["my lights", "more lights", "other lights"]
    assert notes == [f"scene.blend may hold your work: it is kept as {name}." for name in kept]


def test_a_scene_as_it_was_written_goes_with_its_result(tmp_path: Path) -> None:
    folder = tmp_path / "photo"
    notes: list[str] = []
    bundle.save(example(), folder)
    (folder / "scene.blend").write_text("as it was written")
    remember_scene(folder, folder / "scene.blend")
    with staged_folder(folder, notes.append) as staging:
        bundle.write_arrays(example(), staging)
    assert not list(folder.glob("scene*")) and not notes
    (folder / "scene.blend").write_text("as it was written")  # by whom nobody knows: the note has gone
    bundle.save(example(), folder)
    assert (folder / "scene_edited.blend").is_file()


@pytest.mark.parametrize("edited", [True, False])
def test_a_scene_is_put_back_with_an_older_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    (folder / "scene.blend").write_text("as it was written")
    remember_scene(folder, folder / "scene.blend")
    if edited:
        (folder / "scene.blend").write_text("my lights")
    before = {path.name for path in folder.iterdir()}
    replace = Path.replace

    def refuse_json(self: Path, target: Path) -> Path:
        if self == tmp_path / "photo.partial" / JSON_NAME:
            raise PermissionError(13, "in use")
        return replace(self, target)

    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    monkeypatch.setattr(Path, "replace", refuse_json)
    with pytest.raises(OutputError):
        bundle.save(example(), folder)
    assert {path.name for path in folder.iterdir()} == before
    assert (folder / "scene.blend").read_text() == ("my lights" if edited else "as it was written")


def test_an_older_result_is_put_back_when_the_new_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    (folder / "depth.png").write_text("old")
    replace = Path.replace

    def refuse_json(self: Path, target: Path) -> Path:
        if self == tmp_path / "photo.partial" / JSON_NAME:
            raise PermissionError(13, "in use")
        return replace(self, target)

    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    monkeypatch.setattr(Path, "replace", refuse_json)
    with pytest.raises(OutputError):
        bundle.save(example(with_parts=False), folder)
    assert bundle.load(folder).mesh is not None
    assert (folder / "depth.png").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["photo"]


def test_a_folder_without_the_json_is_not_complete(tmp_path: Path) -> None:
    bundle.save(example(), tmp_path / "photo")
    (tmp_path / "photo" / JSON_NAME).unlink()
    with pytest.raises(BundleError, match="no finished reconstruction"):
        bundle.load(tmp_path / "photo")


def test_a_truncated_array_is_named(tmp_path: Path) -> None:
    bundle.save(example(), tmp_path / "photo")
    array = tmp_path / "photo" / "arrays" / "depth.npy"
    array.write_bytes(array.read_bytes()[:-20])
    with pytest.raises(BundleError, match=r"depth\.npy"):
        bundle.load(tmp_path / "photo")


def test_a_pickle_in_place_of_an_array_is_refused(tmp_path: Path) -> None:
    bundle.save(example(), tmp_path / "photo")
    np.save(tmp_path / "photo" / "arrays" / "depth.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match=r"depth\.npy"):
        bundle.load(tmp_path / "photo")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4',(", b"5"])
def test_an_array_whose_header_is_damaged_is_named_and_not_whole(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    assert is_whole(folder, read_record(folder))
    assert cli.main(["info", str(folder)]) == 0 and "damaged" not in capsys.readouterr().out
    array = folder / "arrays" / "depth.npy"
    array.write_bytes(damage + array.read_bytes()[len(damage) or 10_000 :])
    with pytest.raises(BundleError, match=r"depth\.npy cannot be read"):
        bundle.load(folder)
    assert not is_whole(folder, read_record(folder))
    assert cli.main(["info", str(folder)]) == 0
    assert f"damaged  {array}" in capsys.readouterr().out
    assert cli.main(["info", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"] == str(array)


def test_an_array_of_another_kind_is_not_whole(tmp_path: Path) -> None:
    bundle.save(example(), tmp_path / "photo")
    record = read_record(tmp_path / "photo")
    for array in (np.ones((6, 8), np.int32), np.ones((8, 6), np.float32), np.ones((6, 8), np.float64)):
        np.save(tmp_path / "photo" / "arrays" / "depth.npy", array)
        assert not is_whole(tmp_path / "photo", record)
        with pytest.raises(BundleError, match=r"depth\.npy is"):
            bundle.load(tmp_path / "photo")


CAMERA = Camera.from_focal_px(7.0, 8, 6).to_json()
CLIP = {"frames": 1, "first_frame": 1, "fps": None, "cuts": [], "range_m": [1, 2], "linear": False}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 99},
        {"camera": None},
        {"camera": CAMERA | {"width_px": float("inf")}},
        {"camera": CAMERA | {"width_px": 0}},
        {"camera": CAMERA | {"fx_px": 10**400}},
        {"clip": CLIP | {"frames": float("inf")}},
        {"clip": CLIP | {"range_m": [10**400, 1]}},
        {"arrays": {}},
        {"photo": {}},
    ],
    ids=lambda change: str(change)[:80],
)
def test_a_damaged_json_is_one_clear_error(tmp_path: Path, change: dict) -> None:
    bundle.save(example(), tmp_path / "photo")
    path = tmp_path / "photo" / JSON_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=r"reconstruction\.json"):
        bundle.load(tmp_path / "photo")


@pytest.mark.parametrize("change", [{"camera": CAMERA | {"width_px": 0}}, {"clip": CLIP | {"frames": float("inf")}}])
def test_info_names_a_damaged_json(tmp_path: Path, change: dict, capsys: pytest.CaptureFixture[str]) -> None:
    bundle.save(example(), tmp_path / "photo")
    path = tmp_path / "photo" / JSON_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert cli.main(["info", str(tmp_path / "photo")]) == 1
    assert f"{path} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["../../secret.png", "..", ""])
def test_a_photo_outside_the_bundle_is_refused(tmp_path: Path, file: str) -> None:
    bundle.save(example(), tmp_path / "photo")
    path = tmp_path / "photo" / JSON_NAME
    data = json.loads(path.read_text())
    data["photo"]["file"] = file
    path.write_text(json.dumps(data))
    with pytest.raises(BundleError, match="outside its own folder"):
        bundle.load(tmp_path / "photo")


def test_a_file_where_the_folder_should_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        bundle.save(example(), tmp_path / "taken" / "photo")


# -- staging ---------------------------------------------------------------------------------


def test_two_processes_cannot_make_one_result(tmp_path: Path) -> None:
    folder = tmp_path / "photo"
    code = (
        "import sys; from pathlib import Path; from infinidepth_blender.staging import staged_folder\n"
        "with staged_folder(Path(sys.argv[1])): pass"
    )
    with staged_folder(folder) as staging:
        (staging / "mesh.ply").write_text("first")
        second = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert second.returncode != 0 and "Another InfiniDepth is just making" in second.stderr
        discard(staging)  # what a client does whose engine was killed
        assert (staging / "mesh.ply").is_file()
    assert (folder / "mesh.ply").read_text() == "first"
    assert sorted(path.name for path in folder.iterdir()) == ["mesh.ply"]


def test_a_folder_that_is_called_like_a_staging_folder_is_not_touched(tmp_path: Path) -> None:
    work = tmp_path / "beach.partial" / "my_work.psd"
    work.parent.mkdir()
    work.write_text("mine")
    with pytest.raises(OutputError, match=r"beach\.partial is in the way"), staged_folder(tmp_path / "beach"):
        pass
    discard(work.parent)
    assert work.read_text() == "mine"


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / "photo.partial"
    (left / "arrays").mkdir(parents=True)
    (left / "arrays" / "depth.npy").write_text("half")
    with staged_folder(tmp_path / "photo") as staging:
        assert [path.name for path in staging.iterdir()] == [LOCK_NAME]
    assert not left.exists()


@pytest.mark.skipif(os.name == "nt", reason="killing in the middle is done by a signal")
@pytest.mark.parametrize("moves", range(1, 7))
def test_a_kill_at_any_moment_keeps_the_users_scene(tmp_path: Path, moves: int) -> None:
    folder = tmp_path / "photo"
    with staged_folder(folder) as staging:
        (staging / "arrays").mkdir()
        (staging / "mesh.ply").write_text("old")
        (staging / JSON_NAME).write_text("{}")
    (folder / "scene.blend").write_text("as it was written")
    remember_scene(folder, folder / "scene.blend")
    (folder / "scene_edited.blend").write_text("hours of work before")
    (folder / "scene.blend").write_text("hours of work")
    code = (
        "import os, sys; from pathlib import Path; from infinidepth_blender.staging import staged_folder\n"
        "left = [int(sys.argv[2])]; replace = Path.replace\n"
        "def counted(self, target):\n"
        "    left[0] -= 1\n"
        "    return replace(self, target) if left[0] else os.kill(os.getpid(), 9)\n"
        "Path.replace = counted\n"
        "with staged_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'arrays').mkdir(); (staging / 'mesh.ply').write_text('new')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), str(moves)], check=False, cwd=ROOT)
    discard(tmp_path / "photo.partial")
    kept = {path.read_text() for path in folder.glob("scene*.blend")}
    assert kept == {"hours of work", "hours of work before"}


def test_results_in_a_linked_folder_and_on_a_file(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "photo").symlink_to(tmp_path / "drive", target_is_directory=True)
    with staged_folder(tmp_path / "photo") as staging:
        assert staging.parent == tmp_path and staging.name == "drive.partial"
        (staging / "mesh.ply").write_text("x")
    assert (tmp_path / "drive" / "mesh.ply").is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder"), staged_folder(tmp_path / "file"):
        pass
