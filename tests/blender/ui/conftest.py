"""Fixtures for the user interface: the add-on enabled, and an engine where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import addon_utils
import bpy
import pytest

import infinidepth_blender
from infinidepth_blender.engine import runtime
from infinidepth_blender.errors import RuntimeMissingError

ROOT = Path(__file__).resolve().parents[3]
NAME = infinidepth_blender.__name__


@pytest.fixture(scope="module")
def enabled() -> Iterator[None]:
    """The add-on, enabled once, so that the tests of a file share one engine process."""
    assert addon_utils.enable(NAME, default_set=True) is not None
    yield
    addon_utils.disable(NAME, default_set=True)


@pytest.fixture
def addon(enabled: None, clean_file: None, tmp_path: Path) -> bpy.types.AddonPreferences:
    """The add-on with its results going to the test's own folder."""
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.bundle_location = "FOLDER"
    preferences.bundle_folder = str(tmp_path / "results")
    preferences.engine_python = ""
    return preferences


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """A Python with the engine's packages: `INFINIDEPTH_PYTHON`, this one, or the project's own environment."""
    project = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for candidate in (None, project if project.is_file() else None):
        try:
            return runtime.find_runtime(candidate).python
        except RuntimeMissingError as error:
            reason = str(error)
    pytest.skip(f"no engine environment here (name one by {runtime.PYTHON_VARIABLE}): {reason}")


@pytest.fixture(scope="session")
def tiny_model(engine_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights, made by the engine's Python: torch stays out of this process."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; "
        "from engine_support import write_tiny_model; write_tiny_model(Path(sys.argv[1]))"
    )
    command = [str(engine_python), "-c", code, str(path), str(ROOT), str(ROOT / "tests")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture
def engine(addon: bpy.types.AddonPreferences, engine_python: Path, tiny_model: Path) -> bpy.types.AddonPreferences:
    """The add-on with an engine, and settings that take no time."""
    addon.engine_python = "" if engine_python == Path(sys.executable) else str(engine_python)
    addon.device = "cpu"
    settings = bpy.context.scene.infinidepth
    settings.model, settings.model_file = "FILE", str(tiny_model)
    settings.points, settings.mesh_size = 500, 16
    return addon
