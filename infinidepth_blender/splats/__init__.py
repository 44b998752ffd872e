"""Gaussian splats: placed on samples, read and written, rendered.

`placed`, `files` and what they need, `sh` and `info` need numpy (and plyfile) alone; what rasterises, fits or predicts them and writes
pictures of them also needs numba, OpenCV or torch, and only the engine imports it.
"""

WRITTEN_SUFFIXES = (".ply", ".spz", ".splat", ".glb")
"""Kinds of splat files that `files.write_splats` writes."""

READ_SUFFIXES = (*WRITTEN_SUFFIXES, ".sog")
"""Kinds that `files.read_splats` reads."""

SOG_LIST = "meta.json"
"""The list of an unpacked SOG file, which `files.read_splats` takes for it."""
