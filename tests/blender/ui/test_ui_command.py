"""`blender --command infinidepth`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import bpy
import pytest
from PIL import Image
from sog_files import write_small_sog

from infinidepth_blender.ui import command


def test_sog_needs_no_pillow(
    addon: bpy.types.AddonPreferences,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Blender's own Python has none, and users of its command cannot install it there."""
    stream = io.BytesIO()
    Image.new("RGBA", (2, 2), (128, 128, 128, 255)).save(stream, "WEBP", lossless=True)
    write_small_sog(tmp_path / "a.sog", stream.getvalue())
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # which the command sets where Blender is offline
    assert command._execute(["info", str(tmp_path / "a.sog")]) == 0
    assert "vertex      4" in capsys.readouterr().out
    assert command._execute(["convert", str(tmp_path / "a.sog"), str(tmp_path / "a.ply")]) == 0
    assert (tmp_path / "a.ply").is_file()
