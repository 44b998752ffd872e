"""Says what a Python has: runs alone as `python -I probe.py` and inside the worker.

Written for any Python 3, because it is what finds out that a Python is too old.
Nothing is imported but looked up, so that it takes a fraction of a second.
"""

import importlib.metadata
import importlib.util
import json
import platform
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
