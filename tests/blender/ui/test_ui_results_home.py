"""Results of files that were never saved outlive the extension, wherever they were before."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import pytest
from test_ui_extension import extension  # noqa: F401 - a fixture

from infinidepth_blender.scene.saved import BUNDLE_KEY
from infinidepth_blender.ui import addon, results_home
from infinidepth_blender.ui.active_image import PhotoFile
from infinidepth_blender.ui.output import bundle_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the user's folders are set by variables")

LIFE = """
import json, os, sys
from pathlib import Path
import bpy, addon_utils
name = "bl_ext.user_default.infinidepth_blender"
old = Path(bpy.utils.extension_path_user(name, path="results", create=True)) / "street"
old.mkdir()
(old / "reconstruction.json").write_text("{}")
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
output = __import__(name + ".ui.output", fromlist=["x"])
active = __import__(name + ".ui.active_image", fromlist=["x"])
photo = Path(sys.argv[1])
new = output.bundle_folder(active.PhotoFile(photo, "yard"))
new.mkdir(parents=True)
(new / "reconstruction.json").write_text("{}")
repos = bpy.context.preferences.extensions.repos
repo = next(repo.directory for repo in repos if repo.module == "user_default")
print("RESULT" + json.dumps({"user": str(old.parents[1]), "repo": repo, "new": str(new)}))
addon_utils.disable(name, default_set=True)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with documents, whose extension's folder is the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INFINIDEPTH_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home" / "Documents").mkdir(parents=True)
    monkeypatch.setattr(addon, "user_dir", lambda: tmp_path / "extension")
    return tmp_path / "home"


def write_result(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "reconstruction.json").write_text("{}")
    return folder


def test_uninstalling_keeps_what_was_reconstructed(extension: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "Documents").mkdir()
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "blender"), "HOME": str(tmp_path)}
    environment.pop("XDG_CONFIG_HOME", None)
    command = [sys.executable, "-I", "-c", LIFE, str(extension)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(result.stdout.partition("RESULT")[2].splitlines()[0])
    manager = Path(bpy.utils.resource_path("LOCAL"), "scripts", "addons_core", "bl_pkg", "cli", "blender_ext.py")
    uninstall = [sys.executable, str(manager), "uninstall", "infinidepth_blender"]
    uninstall += ["--local-dir", found["repo"], "--user-dir", str(Path(found["user"]).parent)]
    subprocess.run(uninstall, check=True, capture_output=True)
    assert not Path(found["user"]).exists() and not Path(found["repo"], "infinidepth_blender").exists()
    assert Path(found["new"]) == tmp_path / "Documents" / "InfiniDepth" / "yard"
    for name in ("street", "yard"):
        assert (tmp_path / "Documents" / "InfiniDepth" / name / "reconstruction.json").is_file()


def test_without_documents_results_are_among_the_data_of_programs(
    addon: bpy.types.AddonPreferences, home: Path
) -> None:
    addon.bundle_location = "BLEND"
    photo = PhotoFile(home / "a.png", "a")
    assert bundle_folder(photo) == home / "Documents" / "InfiniDepth" / "a"
    (home / "Documents" / "InfiniDepth").rmdir()
    (home / "Documents" / "InfiniDepth").touch()
    assert bundle_folder(photo) == home / "data" / "results" / "a"
    (home / "Documents" / "InfiniDepth").unlink()
    (home / "Documents").rmdir()
    assert bundle_folder(photo) == home / "data" / "results" / "a"


@pytest.mark.parametrize("refused", ["looking", "writing"])
def test_documents_that_are_refused_stop_nothing(
    addon: bpy.types.AddonPreferences, home: Path, tmp_path: Path, refused: str
) -> None:
    addon.bundle_location = "BLEND"
    if refused == "looking":  # a name too long for the file system is refused to an administrator as well
        (home / ".config").mkdir()
        (home / ".config" / "user-dirs.dirs").write_text(f'XDG_DOCUMENTS_DIR="$HOME/{"d" * 300}"\n')
    else:
        # A folder that takes no files, from an administrator neither, although its permissions let him.
        if not Path("/proc/self/fd").is_dir():
            pytest.skip("there is no such folder here")
        (home / "Documents" / "InfiniDepth").symlink_to("/proc/self/fd")
    write_result(tmp_path / "extension" / "results" / "street")
    results_home.move_out_of_extension()
    assert not (tmp_path / "extension" / "results").exists()
    assert (home / "data" / "results" / "street" / "reconstruction.json").is_file()
    assert bundle_folder(PhotoFile(home / "a.png", "a")) == home / "data" / "results" / "a"


def test_a_refusal_is_asked_for_once_and_leaves_nothing(
    addon: bpy.types.AddonPreferences, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tempfile` takes what Windows says of such a folder for a name that is in use, and tries others for hours."""
    addon.bundle_location = "BLEND"
    assert bundle_folder(PhotoFile(home / "a.png", "a")).parent == home / "Documents" / "InfiniDepth"
    assert list((home / "Documents" / "InfiniDepth").iterdir()) == []
    asked: list[str] = []
    really = io.open

    def refused(path: Path | str, *arguments: Any, **more: Any) -> Any:
        if "InfiniDepth" not in str(path):
            return really(path, *arguments, **more)
        asked.append(str(path))
        raise PermissionError(13, "Access is denied")

    with monkeypatch.context() as for_now:
        for_now.setattr("io.open", refused)
        for_now.setattr("os.open", refused)
        folder = results_home.unsaved_results_dir()
    assert folder == home / "data" / "results" and len(asked) == 1


def test_scenes_follow_results_that_were_moved(home: Path, tmp_path: Path) -> None:
    old = write_result(tmp_path / "extension" / "results" / "street")
    pixels = bpy.data.images.new("street", 4, 4)
    pixels.filepath_raw, pixels.file_format = str(old / "photo.png"), "PNG"
    pixels.save()
    bpy.data.images.remove(pixels)
    loose = bpy.data.images.load(str(old / "photo.png"))
    packed = bpy.data.images.load(str(old / "photo.png"))
    packed.pack()
    for name, bundle in (("street", old), ("elsewhere", tmp_path / "elsewhere")):
        bpy.data.collections.new(name)[BUNDLE_KEY] = str(bundle)
        bpy.data.collections[name].use_fake_user = True
    loose.use_fake_user = packed.use_fake_user = True
    names = loose.name, packed.name
    write_result(home / "Documents" / "InfiniDepth" / "street")  # of another photo
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))

    results_home.move_out_of_extension()
    assert not (tmp_path / "extension" / "results").exists()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    results_home.follow_moved_results()
    new = home / "Documents" / "InfiniDepth" / "street.001"
    assert (new / "reconstruction.json").is_file()
    assert bpy.data.collections["street"][BUNDLE_KEY] == str(new)
    assert bpy.data.collections["elsewhere"][BUNDLE_KEY] == str(tmp_path / "elsewhere")
    assert bpy.data.images[names[0]].filepath == str(new / "photo.png")
    assert bpy.data.images[names[0]].size[:] == (4, 4)


def test_a_result_that_somebody_is_making_stays_until_the_next_time(home: Path, tmp_path: Path) -> None:
    old = write_result(tmp_path / "extension" / "results" / "street")
    work = old.with_name("street.partial") / "not_ours.txt"
    work.parent.mkdir()
    work.touch()
    results_home.move_out_of_extension()
    assert old.is_dir() and work.is_file()
    work.unlink()
    work.parent.rmdir()
    results_home.move_out_of_extension()
    assert not old.exists() and (home / "Documents" / "InfiniDepth" / "street").is_dir()


def test_photos_of_one_job_that_would_share_a_folder_elsewhere_do_not(
    addon: bpy.types.AddonPreferences, tmp_path: Path
) -> None:
    first = bundle_folder(PhotoFile(tmp_path / "Photo.jpg", "Photo"))
    second = bundle_folder(PhotoFile(tmp_path / "photo.png", "photo"), {first})
    assert (first.name, second.name) == ("Photo", "photo.001")
    assert bundle_folder(PhotoFile(tmp_path / "nul.png", "nul")).name == "nul_photo"
