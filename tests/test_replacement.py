"""A new result takes the place of an older one: whatever is refused or killed, one of the two is there whole."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infinidepth_blender import patience, replacement, staging
from infinidepth_blender.errors import OutputError
from infinidepth_blender.scene_file import remember_scene
from infinidepth_blender.staging import JSON_NAME, discard, staged_folder, staging_of

ROOT = Path(__file__).parent.parent
OLD = dict.fromkeys(["arrays/depth.npy", "depth.exr", "mesh.ply", "points.ply", JSON_NAME], "old")
NEW = dict.fromkeys(["arrays/depth.npy", "depth.exr", "extra.txt", "mesh.ply", "splats.ply", JSON_NAME], "new")
MINE = {"notes.txt": "mine", "scene_edited.blend": "my lights"}

WRITE = """
import os, sys
from pathlib import Path
from infinidepth_blender.staging import staged_folder
sys.path.insert(0, "tests")
from test_replacement import NEW, write
left = [int(sys.argv[2])]
replace = Path.replace
def counted(self, target):
    left[0] -= 1
    return replace(self, target) if left[0] else os.kill(os.getpid(), 9)
Path.replace = counted
with staged_folder(Path(sys.argv[1])) as staging:
    write(staging, NEW)
print(-left[0])
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An older result, and what the user has put beside it."""
    with staged_folder(tmp_path / "photo") as into:
        write(into, OLD)
    write(tmp_path / "photo", MINE)
    return tmp_path / "photo"


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets moves of some files fail, as where other programs have them open."""
    replace = Path.replace
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)

    def set_refused(*moves: tuple[Path, Path]) -> None:
        def refusing(self: Path, target: Path) -> Path:
            if (self, Path(target)) in moves:
                raise PermissionError(13, "in use")
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", refusing)

    return set_refused


def make_new(folder: Path) -> None:
    with staged_folder(folder) as into:
        write(into, NEW)


def test_a_file_that_is_held_for_a_moment_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, refusals = Path.replace, [PermissionError(13, "in use")] * 3

    def held(self: Path, target: Path) -> Path:
        if self.name == "mesh.ply" and refusals:
            raise refusals.pop()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", held)
    make_new(folder)
    assert read(folder) == NEW | MINE and not refusals
    assert not staging_of(folder).exists()


@pytest.mark.parametrize("name", [*{**OLD, **NEW}, ".old"])
def test_each_move_may_be_refused(folder: Path, refuse: Callable[..., None], name: str) -> None:
    name, into = name.partition("/")[0], staging_of(folder)
    if name in ("arrays", "extra.txt", "splats.ply", "depth.exr", "mesh.ply", JSON_NAME):
        refuse((into / name, folder / name))
        with pytest.raises(OutputError):
            make_new(folder)
        assert read(folder) == OLD | MINE and not into.exists()
    refuse((folder / name, into / ".old" / name), (into / name, into / ".replaced"))
    if name in ("extra.txt", "splats.ply", ".old"):
        make_new(folder)
    else:
        with pytest.raises(OutputError):
            make_new(folder)
        assert read(folder) == OLD | MINE and not into.exists()
    refuse()
    make_new(folder)
    assert read(folder) == NEW | MINE and not into.exists()


def write_scene(folder: Path) -> None:
    """A scene as the program writes it: beside a result that is in place."""
    scene = folder / "scene.blend"
    scene.write_text("of the new result")
    remember_scene(folder, scene)


@pytest.mark.parametrize("edited", [False, True])
def test_a_result_that_has_arrived_is_not_replaced_by_itself(
    folder: Path, refuse: Callable[..., None], edited: bool
) -> None:
    into = staging_of(folder)
    refuse((into / ".old", into / ".replaced"))
    make_new(folder)
    write_scene(folder)
    if edited:
        (folder / "scene.blend").write_text("my work")
    there = read(folder)
    with pytest.raises(OutputError, match=r"held before cannot be removed from .*\.old: in use"):
        make_new(folder)
    assert read(folder) == there and (into / ".old").is_dir()
    refuse()
    with pytest.raises(RuntimeError), staged_folder(folder):
        raise RuntimeError
    assert read(folder) == there and not into.exists()


def test_a_staging_folder_that_was_removed_in_part_is_no_harm(folder: Path) -> None:
    into = staging_of(folder)
    into.mkdir()
    (into / ".lock").touch()
    replacement.Replacement.begin(into, folder, list(NEW), list(OLD))
    write_scene(folder)
    there = read(folder)
    discard(into)
    assert read(folder) == there and not into.exists()


def test_what_cannot_be_put_back_is_kept_and_named(folder: Path, refuse: Callable[..., None]) -> None:
    into = staging_of(folder)
    refuse(
        (into / "mesh.ply", folder / "mesh.ply"),
        (folder / "depth.exr", into / "depth.exr"),
        (into / ".old" / "depth.exr", folder / "depth.exr"),
    )
    for _ in range(2):  # the next run cannot put it back either
        with pytest.raises(OutputError, match=r"put back whole \(depth\.exr.*\.old") as caught:
            make_new(folder)
        assert "Close the programs" in caught.value.remedy
        there = read(folder)
        assert {name: there.get(name) for name in ("arrays/depth.npy", "mesh.ply", "points.ply")} == dict.fromkeys(
            ("arrays/depth.npy", "mesh.ply", "points.ply"), "old"
        )
        assert JSON_NAME not in there  # so that nothing takes it for complete
        assert read(into / ".old") == {"depth.exr": "old", JSON_NAME: "old"}
        discard(into)
        assert (into / ".old" / "depth.exr").read_text() == "old"
    refuse()
    discard(into)
    assert read(folder) == OLD | MINE and not into.exists()
    make_new(folder)
    assert read(folder) == NEW | MINE and not into.exists()


def test_what_may_be_replaced_but_not_moved_is_no_loss(folder: Path, refuse: Callable[..., None]) -> None:
    into = staging_of(folder)
    refuse((into / "splats.ply", folder / "splats.ply"), (folder / "depth.exr", into / "depth.exr"))
    with pytest.raises(OutputError, match="No permission"):
        make_new(folder)
    assert read(folder) == OLD | MINE and not into.exists()


@pytest.mark.skipif(os.name == "nt", reason="killing in the middle is done by a signal")
@pytest.mark.parametrize("refused_afterwards", [False, True])
def test_a_kill_at_any_move_leaves_one_whole_result(
    folder: Path, refuse: Callable[..., None], refused_afterwards: bool
) -> None:
    into, move, ended = staging_of(folder), 0, False
    found: list[str] = []
    while not ended:
        move += 1
        command = [sys.executable, "-c", WRITE, str(folder), str(move)]
        ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True).returncode == 0
        if refused_afterwards and not ended:
            refuse((into / "splats.ply", folder / "splats.ply"))
        scene = {}
        if arrived := read(folder) == NEW | MINE:
            write_scene(folder)
            scene = {name: text for name, text in read(folder).items() if "scene" in name}
        discard(into)
        refuse()
        there = read(folder)
        assert there == NEW | MINE | scene if arrived else there in (OLD | MINE, NEW | MINE), move
        assert not into.exists()
        found.append(there[JSON_NAME])
        with staged_folder(folder) as again:
            write(again, OLD)
    assert move >= 12 and found[-1] == "new"
    assert ("new" if refused_afterwards else "old") in found and found.count("new") < move


def test_an_older_result_that_an_earlier_version_moved_away_is_put_back(folder: Path) -> None:
    into = staging_of(folder)
    into.mkdir()
    (into / ".lock").touch()
    (into / ".old").mkdir()
    for name in (JSON_NAME, "mesh.ply", "arrays"):
        (folder / name).rename(into / ".old" / name)
    write(folder, {"arrays/depth.npy": "new"})
    (folder / "scene.blend").write_text("mine too")
    (into / ".old" / "scene.blend").write_text("as it was written")
    discard(into)
    assert read(folder) == OLD | MINE | {"scene.blend": "as it was written", "scene_edited_2.blend": "mine too"}
    assert not into.exists()


def test_a_process_that_ends_while_a_result_is_moved_lets_it_arrive(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_replacing", threading.Lock())
    replace, leaving = Path.replace, threading.Event()
    ends = threading.Thread(target=lambda: (leaving.set(), staging.abandon(staging_of(folder))))

    def slow(self: Path, target: Path) -> Path:
        if self.name == "mesh.ply" and not leaving.is_set():
            ends.start()
            leaving.wait(10)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", slow)
    make_new(folder)
    ends.join(10)
    assert read(folder) == NEW | MINE


def test_a_process_that_ends_before_leaves_the_older_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_replacing", threading.Lock())
    monkeypatch.setattr(staging, "_GRACE_S", 0.1)
    with pytest.raises(RuntimeError), staged_folder(folder) as into:
        write(into, NEW)
        staging.abandon(into)
        assert not into.exists()
        raise RuntimeError
    staging.abandon(into)  # waits no longer than it must
    assert read(folder) == OLD | MINE


@pytest.mark.parametrize("held_times", [1, 99])
def test_what_was_abandoned_may_be_held_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_times: int
) -> None:
    left = staging_of(tmp_path / "photo")
    (left / "arrays").mkdir(parents=True)
    (left / staging.LOCK_NAME).touch()
    remove, tried = shutil.rmtree, []

    def held(path: Path, ignore_errors: bool = False) -> None:
        tried.append(path)
        if len(tried) > held_times:
            remove(path, ignore_errors=ignore_errors)

    with monkeypatch.context() as for_now:
        for_now.setattr(shutil, "rmtree", held)
        if held_times == 1:
            make_new(tmp_path / "photo")
            return
        for_now.setattr(patience, "PATIENCE_S", 0.0)
        with pytest.raises(OutputError, match="Another program holds files in") as caught:
            make_new(tmp_path / "photo")
    assert str(left) in caught.value.message and left.is_dir()
    make_new(tmp_path / "photo")


def test_folders_that_windows_guards_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")
    guarded = staging.output_error(gone, tmp_path / "me" / "Documents" / "photo", "win32")
    assert sys.executable in guarded.message and "Controlled folder access" in guarded.remedy
    for path, system in ((tmp_path / "me" / "photo", "linux"), (tmp_path / "drive" / "photo", "win32")):
        assert "Controlled folder access" not in staging.output_error(gone, path, system).remedy


@pytest.mark.parametrize(
    ("code", "said"), [(errno.EACCES, "No permission to write"), (errno.EROFS, "No permission"), (errno.EIO, "Input")]
)
def test_what_may_not_be_removed_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    left = staging_of(tmp_path / "photo")
    left.mkdir()
    (left / staging.LOCK_NAME).touch()

    def refused(_path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(shutil, "rmtree", refused)
    monkeypatch.setattr(patience.time, "sleep", lambda _s: pytest.fail("waits"))
    with pytest.raises(OutputError, match=said) as caught:
        staging.clear(left)
    assert str(left) in caught.value.message
