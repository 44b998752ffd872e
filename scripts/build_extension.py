#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Blender extension: one zip for every platform and Blender version.

    python3 scripts/build_extension.py [-o FOLDER]

At the root of the zip lie the manifest, the licence, the content of the package and
`wheels/`. The same sources give the same bytes. Plain Python 3.11 or newer is enough;
where Blender or the bpy module is at hand, its own validator checks the result.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it with an older one is told
    sys.exit(f"build_extension: this is Python {sys.version.split()[0]}; run it with Python 3.11 or newer.")
import tomllib

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fetch_wheels

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "infinidepth_blender"
MANIFEST = ROOT / "blender_manifest.toml"
LICENSE = ROOT / "LICENSE"

_LEFT_OUT_DIRS = {"__pycache__"}
_SHIPPED_SUFFIXES = {".py", ".txt", ".md", ".safetensors", ".json", ".typed"}
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can hold: file times must not change the bytes."""


class BuildError(RuntimeError):
    """The extension cannot be built from these sources."""


def package_files(package: Path = PACKAGE) -> dict[str, Path]:
    """The package's files by their path inside the zip, caches and temporary files left out."""
    files = {}
    for path in package.rglob("*"):
        relative = path.relative_to(package)
        hidden = any(part.startswith(".") or part in _LEFT_OUT_DIRS for part in relative.parts)
        if path.is_file() and not hidden and len(path.suffixes) == 1 and path.suffix in _SHIPPED_SUFFIXES:
            files[relative.as_posix()] = path
    return files


def staged_files() -> dict[str, Path]:
    """Everything that goes into the zip, by its path inside it.

    Raises:
        BuildError: the manifest's wheels are not those of the lock, or a model is missing.
        fetch_wheels.WheelError: a wheel cannot be fetched.
    """
    files = package_files()
    if "__init__.py" not in files:
        raise BuildError(f"{PACKAGE} holds no package.")
    if not any(name.startswith("weights/") and name.endswith(".safetensors") for name in files):
        raise BuildError(f"{PACKAGE.name}/weights holds no model (*.safetensors).")
    files |= {MANIFEST.name: MANIFEST, LICENSE.name: LICENSE}

    wheels = {f"wheels/{path.name}": path for path in fetch_wheels.fetch()}
    manifest = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    named = {PurePosixPath(name).as_posix() for name in manifest.get("wheels", [])}
    if named != set(wheels):
        raise BuildError(f"The manifest names the wheels {sorted(named)}, wheels.lock has {sorted(wheels)}.")
    return files | wheels


def write_zip(files: dict[str, Path], target: Path) -> None:
    """Writes `files` into a zip, in a fixed order and without times or modes; all or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".tmp")
    os.close(handle)
    staging = Path(name)
    try:
        with zipfile.ZipFile(staging, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for inside, path in sorted(files.items()):
                info = zipfile.ZipInfo(inside, _ZIP_DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes())
        staging.chmod(0o644)
        staging.replace(target)
    finally:
        staging.unlink(missing_ok=True)


def validator_command() -> list[str] | None:
    """Blender's own validator: that of the bpy module, else of a Blender on the path."""
    spec = importlib.util.find_spec("bpy")
    if spec is not None and spec.origin is not None:
        for script in Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return [sys.executable, str(script), "validate"]
    if blender := shutil.which("blender"):
        return [blender, "--factory-startup", "--command", "extension", "validate"]
    return None


def validate(path: Path) -> bool:
    """Runs Blender's validator on the zip; False if there is none on this machine.

    Raises:
        BuildError: the validator refuses the zip.
    """
    command = validator_command()
    if command is None:
        return False
    result = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BuildError(f"Blender's validator refuses {path.name}:\n{(result.stdout + result.stderr).strip()}")
    return True


def build(output_dir: Path) -> Path:
    """Builds the extension into `output_dir` and returns the zip's path.

    Raises:
        BuildError, fetch_wheels.WheelError: see `staged_files`.
    """
    manifest = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    target = output_dir / f"{manifest['id']}-{manifest['version']}.zip"
    write_zip(staged_files(), target)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the Blender extension.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="FOLDER")
    args = parser.parse_args()
    try:
        path = build(args.output)
        checked = validate(path)
    except (BuildError, fetch_wheels.WheelError) as error:
        print(f"build_extension: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"build_extension: {error}. Choose another folder with -o.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build_extension: stopped.", file=sys.stderr)
        return 130
    size_mb = path.stat().st_size / 1e6
    print(f"{path}  {size_mb:.1f} MB  sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    print(
        "Checked by Blender's validator."
        if checked
        else "Not validated: no Blender was found, and this Python has no bpy module (that of .venv has)."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
