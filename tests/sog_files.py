"""SOG files for tests, of four splats."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def write_small_sog(path: Path, picture: bytes, **changes: object) -> Path:
    """A SOG file of four splats, all of whose pictures are the same; `changes` are of its list."""
    book = [0.0] * 256
    meta = {
        "version": 2,
        "count": 4,
        "means": {"mins": [0, 0, 0], "maxs": [1, 1, 1], "files": ["a.webp", "a.webp"]},
        "scales": {"codebook": book, "files": ["a.webp"]},
        "sh0": {"codebook": book, "files": ["a.webp"]},
        "quats": {"files": ["a.webp"]},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", json.dumps(meta | changes))
        archive.writestr("a.webp", picture)
    return path
