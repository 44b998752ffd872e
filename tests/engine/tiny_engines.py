"""Tiny wheels and stand-ins for interpreters, for the tests of finding and installing an engine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from infinidepth_blender.engine import install_place
from infinidepth_blender.engine.install import install_runtime

posix_only = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")


def make_wheel(folder: Path, name: str, version: str, code: str = "", more: dict[str, str] | None = None) -> Path:
    """A tiny pure Python wheel; `code` runs when it is imported, `more` are further files by path."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n{code}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    } | (more or {})
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record + f"{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return wheel


def shell_python(path: Path, body: str) -> Path:
    """A program in the place of a Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def reporting_python(path: Path, version: str, missing: list[str]) -> Path:
    """A program that answers the probe as a Python of another version would."""
    report = {"python": version, "executable": str(path), "packages": {}, "missing": missing}
    return shell_python(path, f"echo '{json.dumps(report)}'")


def pins(folder: Path, *lines: str) -> Path:
    """A file of pinned packages."""
    path = folder / "requirements.txt"
    path.write_text("# pins\n" + "".join(f"{line}\n" for line in lines))
    return path


def install_tiny(user_dir: Path, version: str = "1.0", code: str = "", **more: object) -> tuple[Path, list[str]]:
    """Installs one tiny package from a folder, with a real venv and a real pip; returns Python and what was said."""
    wheels, lines = user_dir.parent / "wheels", []
    make_wheel(wheels, "tinypackage", version, code)
    python = install_runtime(
        user_dir,
        lines.append,
        requirements=pins(user_dir.parent, f"tinypackage=={version}"),
        **({"pip_arguments": ["--no-index", "--find-links", str(wheels)]} | more),  # type: ignore[arg-type]
    )
    return python, lines


def left_in(user_dir: Path) -> list[Path]:
    """What is there beside the lock, whose file stays."""
    return [path for path in user_dir.iterdir() if path.name != install_place.LOCK_NAME]
