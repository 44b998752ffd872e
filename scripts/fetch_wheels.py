#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the wheels that the extension ships, exactly those of `wheels/wheels.lock`.

    python3 scripts/fetch_wheels.py

Plain Python 3.11 or newer with pip is enough. Wheels that are there and match their hash
are kept, so that a second call needs no network; a wheel that is not in the lock is removed.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEELS_DIR = ROOT / "wheels"
LOCK = WHEELS_DIR / "wheels.lock"

_LOCK_LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")


class WheelError(RuntimeError):
    """The lock or a wheel is not what it must be."""


@dataclass(frozen=True)
class LockedWheel:
    """One line of the lock."""

    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the wheel's file; only pure-Python wheels are shipped."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


def read_lock(path: Path = LOCK) -> list[LockedWheel]:
    """The wheels of a lock file.

    Raises:
        WheelError: a line is neither a comment nor a pinned wheel with its hash.
    """
    wheels = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LOCK_LINE.fullmatch(line.strip())
        if match is None:
            raise WheelError(f"{path.name}: '{line}' is not of the form name==version --hash=sha256:...")
        wheels.append(LockedWheel(**match.groupdict()))
    return wheels


def is_intact(path: Path, wheel: LockedWheel) -> bool:
    """Whether the file is there and has the locked hash."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256


def fetch(wheels_dir: Path = WHEELS_DIR, lock: Path = LOCK) -> list[Path]:
    """Makes `wheels_dir` hold exactly the locked wheels and returns their paths.

    Raises:
        WheelError: pip could not bring a wheel, or what it brought has another hash.
    """
    wheels = read_lock(lock)
    missing = [wheel for wheel in wheels if not is_intact(wheels_dir / wheel.file_name, wheel)]
    if missing:
        _download(lock, wheels_dir, missing)
    expected = {wheel.file_name for wheel in wheels}
    for path in wheels_dir.glob("*.whl"):
        if path.name not in expected:
            path.unlink()
    return [wheels_dir / wheel.file_name for wheel in wheels]


def _download(lock: Path, wheels_dir: Path, missing: list[LockedWheel]) -> None:
    with tempfile.TemporaryDirectory(dir=wheels_dir, prefix=".fetch-") as folder:
        # The target is stated, so that any Python fetches the same files.
        target = ["--python-version", "3.11", "--implementation", "py", "--abi", "none", "--platform", "any"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", *target, "--require-hashes", "--requirement", str(lock), "--dest", folder]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode != 0:
            raise WheelError(
                f"pip could not fetch the wheels of {lock.name}:\n{result.stdout.strip()}\n"
                "This needs the network once: check the connection, or HTTPS_PROXY behind a proxy, and run it again."
            )
        for wheel in missing:
            path = Path(folder) / wheel.file_name
            if not is_intact(path, wheel):
                raise WheelError(f"{wheel.file_name} was not fetched, or does not match the hash in {lock.name}.")
            path.replace(wheels_dir / wheel.file_name)


def main() -> int:
    argparse.ArgumentParser(description="Fetch the wheels that the extension ships.").parse_args()
    try:
        for path in fetch():
            print(path.relative_to(ROOT))
    except WheelError as error:
        print(f"fetch_wheels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
