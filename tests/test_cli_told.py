"""The commands that the command line tells its users to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infinidepth_blender import cli

ROOT = Path(__file__).parent.parent


def test_commands_are_told_as_the_terminal_wants_them() -> None:
    command = ["C:\\My Python\\python.exe", "-m", "infinidepth_blender", "info", "it's"]
    assert cli._as_typed(command, "win32") == '"C:\\My Python\\python.exe" -m infinidepth_blender info it\'s'
    assert cli._as_typed(["/my python", "info"], "linux") == "'/my python' info"


@pytest.mark.skipif(os.name == "nt", reason="a link stands for the extension's folder")
def test_inside_blender_no_command_is_told_that_only_blender_knows(tmp_path: Path) -> None:
    (tmp_path / "bl_ext").mkdir()
    (tmp_path / "bl_ext" / "infinidepth_blender").symlink_to(ROOT / "infinidepth_blender")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]; from bl_ext.infinidepth_blender.cli import main; main(sys.argv[2:])"
    )
    plain = [sys.executable, "-S", "-c", code, str(tmp_path), "info", str(tmp_path)]
    environment = os.environ | {"INFINIDEPTH_PYTHON": sys.executable}
    result = subprocess.run(plain, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert "needs the package numpy" in result.stderr and "Run it in a terminal" in result.stderr
    assert "bl_ext" not in result.stderr and " -m " not in result.stderr
