"""Makes the project's Python environments and runs a script inside one.

Standard library only, and syntax that any Python from 3.9 on can read: this is the
part that runs on a fresh machine, before anything is installed.

* `.venv` carries the engine (torch and its company), the tools, and bpy where the Python
  found is one that bpy is published for (3.11: Blender 4.5 LTS, 3.13: Blender 5.2 LTS).
* `.venv-blender-<version>` carries another Blender version for the tests, without torch.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "infinidepth-environment.json"
ENGINE_REQUIREMENTS = ROOT / "infinidepth_blender" / "engine" / "requirements.txt"

SYSTEM_LIBRARIES = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1 libxxf86vm1 libgomp1"
)
"""What the bpy module links to and a bare Debian or Ubuntu lacks."""


@dataclass(frozen=True)
class BlenderRelease:
    """A Blender version as the bpy module, and the Python that it is built for."""

    series: str
    bpy: str
    python: tuple[int, int]
    extra: tuple[str, ...] = ()


RELEASES = (
    BlenderRelease("4.2", "bpy==4.2.23", (3, 11), ("numpy==1.24.3",)),
    BlenderRelease("4.5", "bpy==4.5.15", (3, 11)),
    BlenderRelease("5.0", "bpy==5.0.1", (3, 11)),
    BlenderRelease("5.2", "bpy==5.2.3", (3, 13)),
)
MAIN_SERIES = {(3, 11): "4.5", (3, 13): "5.2"}
BLENDER_SIDE = ("plyfile==1.1.3", "tqdm==4.70.1", "pytest==9.2.0", "pillow==13.0.0")
TOOLS = ("pytest==9.2.0", "ruff==0.17.6", "pyright[nodejs]==1.1.414", "scikit-image==0.26.0")


class EnvironmentProblem(Exception):
    """Something that the user has to mend; the text says what and how."""


# -- finding Pythons ------------------------------------------------------------------


def find_python(version: tuple[int, int]) -> Path | None:
    """An interpreter of exactly this version that can make environments, or None."""
    if sys.version_info[:2] == version and _can_make_environments(Path(sys.executable)):
        return Path(sys.executable)
    for candidate in _candidates(version):
        if candidate.is_file() and _version_of(candidate) == version and _can_make_environments(candidate):
            return candidate
    return None


def _candidates(version: tuple[int, int]) -> list[Path]:
    name = f"{version[0]}.{version[1]}"
    found = [shutil.which(f"python{name}"), shutil.which("python3"), shutil.which("python")]
    paths = [Path(item) for item in found if item]
    home = Path.home()
    roots = [
        (home / ".pyenv" / "versions", f"{name}*/bin/python"),
        (home / ".local" / "share" / "uv" / "python", f"cpython-{name}*/bin/python3"),
        (Path("/opt/homebrew/bin"), f"python{name}"),
        (Path("/usr/local/bin"), f"python{name}"),
        (Path("/Library/Frameworks/Python.framework/Versions"), f"{name}/bin/python3"),
        (
            Path(os.environ.get("LOCALAPPDATA", "/nowhere")) / "Programs" / "Python",
            f"Python{version[0]}{version[1]}/python.exe",
        ),
        (Path(os.environ.get("PROGRAMFILES", "/nowhere")), f"Python{version[0]}{version[1]}/python.exe"),
    ]
    for root, pattern in roots:
        if root.is_dir():
            paths += sorted(root.glob(pattern), reverse=True)
    return paths


def _version_of(python: Path) -> tuple[int, int] | None:
    text = _output([str(python), "-c", "import sys; print(*sys.version_info[:2])"])
    parts = text.split()
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(p.isdigit() for p in parts) else None


def _can_make_environments(python: Path) -> bool:
    return _output([str(python), "-c", "import venv, ensurepip; print('yes')"]).strip() == "yes"


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


# -- making environments --------------------------------------------------------------


def venv_python(folder: Path) -> Path:
    """The interpreter of a virtual environment on this operating system."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_main_environment() -> Path:
    """Makes or reuses `.venv`; returns its interpreter.

    Raises:
        EnvironmentProblem: no usable Python, or an install failed.
    """
    existing = venv_python(VENV)
    version = _version_of(existing) if existing.is_file() else None
    base = existing
    if version not in MAIN_SERIES:
        # None yet, or one without Blender: a fitting Python may have been installed since.
        base, wanted = _main_python()
        if version != wanted:
            shutil.rmtree(VENV, ignore_errors=True)
        version = wanted
    series = MAIN_SERIES.get(version)
    blender = _release(series)
    packages = [*_lines(ENGINE_REQUIREMENTS), *TOOLS]
    if blender:
        packages += [blender.bpy, *blender.extra]
    torch = next(line for line in packages if line.startswith("torch=="))
    packages.remove(torch)
    note = f"Blender {series}" if series else "without Blender: bpy needs Python 3.11 or 3.13, and neither was found"
    return _make(VENV, base, [[torch], packages], f"the engine, the tools and {note}")


def make_blender_environment(series: str) -> Path | None:
    """Makes or reuses the environment of one Blender version; None where its Python is missing."""
    release = _release(series)
    if release is None:
        raise EnvironmentProblem(f"There is no Blender {series} here; known: {', '.join(r.series for r in RELEASES)}.")
    main = venv_python(VENV)
    if main.is_file() and MAIN_SERIES.get(_version_of(main) or (0, 0)) == series:
        return main
    python = find_python(release.python)
    if python is None:
        return None
    folder = ROOT / f".venv-blender-{series}"
    return _make(folder, python, [[release.bpy, *release.extra, *BLENDER_SIDE]], f"Blender {series}")


def _release(series: str | None) -> BlenderRelease | None:
    return next((release for release in RELEASES if release.series == series), None)


def _main_python() -> tuple[Path, tuple[int, int]]:
    running = (sys.version_info[0], sys.version_info[1])
    for version in (running, (3, 11), (3, 13)):
        if version in MAIN_SERIES:
            python = find_python(version)
            if python:
                return python, version
    # Not an interpreter of `.venv` itself, which may be about to be made anew.
    own = Path(getattr(sys, "_base_executable", "") or sys.executable)
    if running >= (3, 11) and _can_make_environments(own):
        return own, running
    raise EnvironmentProblem(
        "InfiniDepth needs Python 3.11 or 3.13 with the venv module. Install one of them"
        " (Debian and Ubuntu: python3.11-venv; macOS and Windows: the installer of python.org), then run this again."
    )


def _lines(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _torch_arguments(torch: str) -> list[str]:
    """The torch build that fits this machine, as arguments for pip."""
    sys.path.insert(0, str(ROOT))
    try:
        from infinidepth_blender.engine import torch_builds
        from infinidepth_blender.errors import InfiniDepthError
    finally:
        sys.path.remove(str(ROOT))
    try:
        return torch_builds.torch_pip_arguments(torch)
    except InfiniDepthError as error:
        raise EnvironmentProblem(str(error)) from error


def _make(folder: Path, base: Path, steps: list[list[str]], what: str) -> Path:
    """Installs `steps` (requirements of one `pip install` each) unless the stamp says that they are there.

    Which build of torch fits is found out only when it is installed: a driver that does not
    answer today is no reason to install another one.
    """
    python = venv_python(folder)
    stamp = folder / STAMP
    if python.is_file() and _stamped(stamp) == steps:
        return python
    print(f"Setting up {folder.name} ({what}). This happens once and takes some minutes.", flush=True)
    stamp.unlink(missing_ok=True)
    # An interpreter without pip: its making was interrupted.
    if not python.is_file() or not _output([str(python), "-m", "pip", "--version"]):
        if base == python:
            base = _base_of(python)
        shutil.rmtree(folder, ignore_errors=True)
        _run([str(base), "-m", "venv", str(folder)], "The environment could not be created.")
    for requirements in steps:
        torch = requirements[0].startswith("torch==")
        arguments = _torch_arguments(requirements[0]) if torch else requirements
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
             "Installing packages failed. Check the network connection and the free disk space (6 GB), then run this again.")  # fmt: skip
    stamp.write_text(json.dumps({"steps": steps}, indent=1))
    return python


def _stamped(stamp: Path) -> list[list[str]]:
    """The requirements that an environment was made with; without pip's options, which older stamps hold."""
    try:
        steps: list[list[str]] = json.loads(stamp.read_text())["steps"]
        return [list(itertools.takewhile(lambda item: not item.startswith("-"), step)) for step in steps]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _base_of(python: Path) -> Path:
    """The interpreter that an environment was made with."""
    base = Path(_output([str(python), "-c", "import sys; print(sys._base_executable)"]).strip())
    return base if base.is_file() and base != python else _main_python()[0]


def _run(command: list[str], failure: str) -> None:
    if subprocess.call(command, stdin=subprocess.DEVNULL) != 0:
        raise EnvironmentProblem(failure)


# -- entering one ---------------------------------------------------------------------


def enter() -> None:
    """Makes sure that the calling script runs inside `.venv`: returns there, else re-runs the script there and exits."""
    if Path(sys.prefix).resolve() == VENV.resolve() and os.environ.get("INFINIDEPTH_IN_VENV"):
        return
    try:
        python = make_main_environment()
    except EnvironmentProblem as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        print("Stopped; run it again to go on.", file=sys.stderr)
        sys.exit(130)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH")}
    environment["INFINIDEPTH_IN_VENV"] = "1"
    sys.stdout.flush()
    try:
        sys.exit(subprocess.call([str(python), *sys.argv], env=environment))
    except KeyboardInterrupt:
        sys.exit(130)


def has_blender(python: Path) -> bool:
    """Whether Blender's module is made for this Python, and so was installed with it."""
    return _version_of(python) in MAIN_SERIES


def missing_library_hint(python: Path) -> str:
    """An empty text if bpy can be imported there, else what to install and why."""
    result = subprocess.run([str(python), "-c", "import bpy"], capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    reason = result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f"exit code {result.returncode}"
    if not has_blender(python):
        return (
            "Blender's module needs Python 3.11 or 3.13, and neither was found. Install one of them and run this again."
        )
    if ".so" in reason and sys.platform.startswith("linux"):
        return f"Blender's module needs system libraries that are missing here ({reason}).\nInstall them with: sudo apt-get install {SYSTEM_LIBRARIES}"
    return f"Blender's module cannot be imported: {reason}"
