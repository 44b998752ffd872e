"""Setting the engine up from Blender: what is refused, what is said when it fails, where it lies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest

from infinidepth_blender.engine import install_place, runtime
from infinidepth_blender.errors import Cancelled, RuntimeMissingError
from infinidepth_blender.file_lock import mark_in_use
from infinidepth_blender.ui import addon as addon_module
from infinidepth_blender.ui import engine_drawing, runtime_link


@pytest.fixture
def place(addon: bpy.types.AddonPreferences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for the engine, and the network allowed."""
    monkeypatch.setenv("INFINIDEPTH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(runtime.PYTHON_VARIABLE, raising=False)
    monkeypatch.setattr(addon_module, "user_dir", lambda: tmp_path / "extension")
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", True)
    runtime_link.state.failure = None
    runtime_link.refresh()
    return tmp_path


def engine_in(folder: Path, packages: list[str]) -> Path:
    """An environment whose Python answers the probe."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    report = {"python": "3.11.9", "executable": str(python), "packages": {"torch": "2.13.0"}, "missing": []}
    python.write_text(f"#!/bin/sh\necho '{json.dumps(report)}'\n")
    python.chmod(0o755)
    install_place.write_marker(folder, packages, "3.11", "2.13.0", "")
    return python


def test_no_engine_is_installed_where_another_python_is_used(
    place: Path, addon: bpy.types.AddonPreferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bpy.ops.infinidepth.install_runtime.poll()
    addon.engine_python = str(place / "python")
    with pytest.raises(RuntimeError, match="The Python chosen in the preferences is used"):
        bpy.ops.infinidepth.install_runtime()
    addon.engine_python = ""
    monkeypatch.setenv(runtime.PYTHON_VARIABLE, str(place / "python"))
    with pytest.raises(RuntimeError, match="The variable INFINIDEPTH_PYTHON names the engine's Python"):
        bpy.ops.infinidepth.install_runtime()


def test_what_the_system_refuses_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "home").write_text("a file")
    with pytest.raises(RuntimeError, match=f"cannot be installed in {place / 'home'}"):
        bpy.ops.infinidepth.install_runtime()
    assert runtime_link.state.failure is not None and not runtime_link.state.installing
    bpy.ops.infinidepth.dismiss_install()
    assert runtime_link.state.failure is None

    def broken(*_arguments: object, **_more: object) -> None:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(runtime, "install_runtime", broken)
    monkeypatch.setattr(runtime, "remove_runtime", broken)
    for operator in (bpy.ops.infinidepth.install_runtime, bpy.ops.infinidepth.remove_runtime):
        with pytest.raises(RuntimeError, match="Unforeseen LookupError: nobody thought of this"):
            operator()
        assert not runtime_link.state.installing


def test_without_a_network_the_engine_comes_from_a_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", False)
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.infinidepth.install_runtime()
    packages = place / "packages"
    packages.mkdir()
    with pytest.raises(RuntimeError, match=r"There are no packages \(\.whl\) in"):
        bpy.ops.infinidepth.install_from_folder(directory=f"{packages}{os.sep}")
    assert not (place / "home").exists()
    # With a real pip, which looks into that folder alone.
    (packages / "other-1.0-py3-none-any.whl").touch()
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    said: list[str] = []
    on_line = runtime_link._on_line
    monkeypatch.setattr(runtime_link, "_on_line", lambda line: (said.append(line), on_line(line)))
    with pytest.raises(RuntimeError, match="No matching distribution found for torch=="):
        bpy.ops.infinidepth.install_from_folder(directory=f"{packages}{os.sep}")
    assert f"Looking in links: {packages}" in said and not any("Looking in indexes" in line for line in said)


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")
def test_an_engine_of_an_earlier_version_goes_on_and_an_update_is_offered(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = engine_in(place / "extension" / "runtime-01234567", ["torch==1"])
    assert runtime_link.engine_python() == old
    found = runtime_link.state.found
    assert found is not None and found.outdated and runtime_link.state.installed
    runtime_link._look(runtime_link._places())
    assert "GB" in runtime_link.state.size_note and runtime_link.state.found == found  # what an update takes

    asked: dict[str, object] = {}

    def fails(user_dir: Path, *_arguments: object, **more: object) -> None:
        asked.update(more, user_dir=user_dir)
        raise RuntimeMissingError("The engine could not be installed.", "Try again.")

    monkeypatch.setattr(runtime, "install_runtime", fails)
    with pytest.raises(RuntimeError, match="could not be installed"):
        bpy.ops.infinidepth.install_runtime(reinstall=True)
    assert asked == {
        "user_dir": place / "home", "older_dirs": (place / "extension",), "reinstall": True, "pip_arguments": []
    }  # fmt: skip
    assert runtime_link.state.found is not None and runtime_link.state.ready  # the old one still works

    def cancelled(*_arguments: object, **_more: object) -> None:
        raise Cancelled

    monkeypatch.setattr(runtime, "install_runtime", cancelled)
    assert bpy.ops.infinidepth.install_runtime() == {"FINISHED"}
    assert runtime_link.state.failure is None

    new = engine_in(place / "home" / "rt-01234567", install_place.read_pins())
    runtime_link.refresh()
    assert runtime_link.engine_python() == new
    assert runtime_link.state.found is not None and not runtime_link.state.found.outdated
    assert bpy.ops.infinidepth.remove_runtime() == {"FINISHED"}
    assert not old.exists() and not new.exists() and not runtime_link.state.installed


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")
def test_an_older_engine_that_was_in_use_goes_the_next_time_and_is_told_of_until_then(place: Path) -> None:
    old = engine_in(place / "home" / "rt-00000000", ["torch==1"])
    new = engine_in(place / "home" / "rt-11111111", install_place.read_pins())
    handle = mark_in_use(old.parents[1] / install_place.MARKER)
    assert handle is not None
    try:
        look()
        assert runtime_link.state.found is not None and runtime_link.state.found.python == new and old.is_file()
        assert f"The older engine in {old.parents[1]} stays for now: another Blender" in runtime_link.state.older_note
    finally:
        os.close(handle)
    look()
    assert not old.exists() and new.is_file() and not runtime_link.state.older_note


def look() -> None:
    runtime_link._look(runtime_link._places())
    assert runtime_link._tidier is not None
    runtime_link._tidier.join(60)


class Drawn:
    """A layout that remembers which buttons were drawn, by what they do and whether they reinstall."""

    def __init__(self) -> None:
        self.buttons: list[Drawn] = []
        self.name, self.reinstall = "", False

    def operator(self, name: str, **_look: object) -> Drawn:
        button = Drawn()
        button.name = name.removeprefix("infinidepth.")
        self.buttons.append(button)
        return button

    def __getattr__(self, _name: str) -> Callable[..., Drawn]:
        return lambda *_arguments, **_more: self

    @property
    def drawn(self) -> list[tuple[str, bool]]:
        return [(button.name, button.reinstall) for button in self.buttons]


INSTALL, REINSTALL = ("install_runtime", False), ("install_runtime", True)


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")
@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("loads", [True, False])
def test_an_engine_that_is_there_can_always_be_made_anew(
    place: Path, addon: bpy.types.AddonPreferences, monkeypatch: pytest.MonkeyPatch, starts: bool, loads: bool
) -> None:
    monkeypatch.setattr(engine_drawing, "paragraph", lambda *_arguments, **_look: None)
    folder = place / "home" / "rt-00000000"
    python = engine_in(folder, install_place.read_pins())
    if not starts:
        python.write_text("#!/bin/sh\nexit 1\n")
    if not loads:
        (folder / install_place.UNLOADED).touch()
    runtime_link._find(runtime_link._places())
    assert runtime_link.state.unloaded is not loads
    layout: Any = Drawn()
    engine_drawing.draw_engine(layout, addon, bpy.context)
    assert REINSTALL in layout.drawn and ("remove_runtime", False) in layout.drawn
    assert (INSTALL in layout.drawn) == (not loads or runtime_link.state.found is None)
    panel: Any = Drawn()
    engine_drawing.draw_remedy(panel)
    assert REINSTALL in panel.drawn


def test_without_a_network_the_folder_is_offered_where_the_engine_is_missing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", False)
    said: list[str] = []
    monkeypatch.setattr(engine_drawing, "paragraph", lambda _layout, text, *_arguments, **_look: said.append(text))
    layout: Any = Drawn()
    engine_drawing.draw_welcome(layout, bpy.context)
    assert any("or a folder of packages" in text for text in said)
    assert ("install_from_folder", False) in layout.drawn and INSTALL not in layout.drawn
