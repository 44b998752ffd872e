"""Gaussian splats: placed on samples, read and written, rendered.

`placed`, `files` and what they need, `sh` and `info` need numpy (and plyfile) alone; `raster`, `fit`, `of_photo`, `views` and
`video` also need numba and OpenCV and are imported by the engine only.
"""

WRITTEN_SUFFIXES = (".ply", ".spz", ".splat", ".glb")
"""Kinds of splat files that `files.write_splats` writes."""

READ_SUFFIXES = (*WRITTEN_SUFFIXES, ".sog")
"""Kinds that `files.read_splats` reads."""
