"""Where the user's documents are, as a Linux desktop tells it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infinidepth_blender.user_folders import documents_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    (tmp_path / ".config").mkdir()
    return tmp_path


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="asks a Linux desktop's settings")
def test_documents_have_a_name_in_the_users_language(home: Path) -> None:
    assert documents_dir() is None
    (home / "Documents").mkdir()
    assert documents_dir() == home / "Documents"
    settings = home / ".config" / "user-dirs.dirs"
    settings.write_text('# a comment\nXDG_DESKTOP_DIR="$HOME/Desktop"\nXDG_DOCUMENTS_DIR="$HOME/Dokumente"\n')
    assert documents_dir() is None  # it was deleted
    (home / "Dokumente").mkdir()
    assert documents_dir() == home / "Dokumente"
    settings.write_text('XDG_DOCUMENTS_DIR="$HOME/"\n')
    assert documents_dir() is None


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="asks a Linux desktop's settings")
def test_documents_that_may_not_be_looked_at_are_none(home: Path) -> None:
    # A name too long for the file system is refused to an administrator as well.
    (home / ".config" / "user-dirs.dirs").write_text(f'XDG_DOCUMENTS_DIR="$HOME/{"d" * 300}"\n')
    assert documents_dir() is None
