"""`blender --command infinidepth`."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import bpy
import pytest
from PIL import Image

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
    book = [0.0] * 256
    meta = {
        "version": 2,
        "count": 4,
        "means": {"mins": [0, 0, 0], "maxs": [1, 1, 1], "files": ["a.webp", "a.webp"]},
        "scales": {"codebook": book, "files": ["a.webp"]},
        "sh0": {"codebook": book, "files": ["a.webp"]},
        "quats": {"files": ["a.webp"]},
    }
    with zipfile.ZipFile(tmp_path / "a.sog", "w") as archive:
        archive.writestr("meta.json", json.dumps(meta))
        archive.writestr("a.webp", stream.getvalue())
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # which the command sets where Blender is offline
    assert command._execute(["info", str(tmp_path / "a.sog")]) == 0
    assert "vertex      4" in capsys.readouterr().out
    assert command._execute(["convert", str(tmp_path / "a.sog"), str(tmp_path / "a.ply")]) == 0
    assert (tmp_path / "a.ply").is_file()
