"""Gaussian splats: placed on samples, read and written, rendered.

`placed`, `ply`, `sh` and `info` need numpy (and plyfile) alone; `raster`, `fit`, `of_photo`, `views` and
`video` also need numba and OpenCV and are imported by the engine only.
"""
