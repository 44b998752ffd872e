"""Says what a Python has: runs alone as `python -I probe.py` and inside the worker.

Written for any Python 3, because it is what finds out that a Python is too old.
Nothing is imported but looked up, so that it takes a fraction of a second.
"""

import importlib.metadata
import importlib.util
import json
import platform
import re
import sys

REQUIRED = {
    "torch": ["torch"],
    "numpy": ["numpy"],
    "cv2": ["opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"],
    "scipy": ["scipy"],
    "numba": ["numba"],
    "safetensors": ["safetensors"],
    "PIL": ["pillow"],
    "h5py": ["h5py"],
    "OpenEXR": ["OpenEXR"],
    "plyfile": ["plyfile"],
}
"""Modules that the engine imports, and the packages that may bring them."""

OPTIONAL = {"av": ["av"], "pillow_heif": ["pillow-heif"], "zstandard": ["zstandard"]}
"""Modules that the engine can do without."""


MINIMUM = {
    "torch": "2.5",  # torch.OutOfMemoryError; autocast that tells devices apart is of 2.4
    "numpy": "1.24",  # what Blender 4.2 has, in whose process the same code runs
    "cv2": "4.5.4",  # where the detector of line segments came back
    "scipy": "1.9.2",  # the first for Python 3.11, as of the next
    "numba": "0.57",
    "PIL": "10.3",  # ImageCms.Flags
    "OpenEXR": "3.3",  # OpenEXR.File
    "plyfile": "0.8",  # reads streams that are mapped copy-on-write
}
"""The oldest versions that the engine works with, by module."""


def too_old(versions):
    """Modules that are older than the engine needs: name, version and minimum of each; unknown versions count as new.

    Args:
        versions: As `package_versions` gives them.
    """
    return [
        (module, versions[module], minimum)
        for module, minimum in MINIMUM.items()
        if _numbers(versions.get(module, "")) and _numbers(versions[module]) < _numbers(minimum)
    ]


def _numbers(version):
    """The leading numbers of a version, such as (2, 5, 1) of 2.5.1+cu130; empty: it has none."""
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, leading.group().split("."))) if leading else ()


def package_versions():
    """Versions of the modules that are installed, by module name."""
    versions = {}
    for module, packages in {**REQUIRED, **OPTIONAL}.items():
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):
            found = False
        if found:
            versions[module] = next(filter(None, map(_version, packages)), "unknown")
    return versions


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def report():
    """What the client wants to know of this Python, as plain values."""
    versions = package_versions()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": versions,
        "missing": [name for name in REQUIRED if name not in versions],
    }


if __name__ == "__main__":
    if "--site" in sys.argv:
        sys.path.append(sys.argv[sys.argv.index("--site") + 1])
    print(json.dumps(report()))
