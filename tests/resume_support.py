"""A photo, and the record of a result of it that `--resume` may keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infinidepth_blender.batch import BatchItem
from infinidepth_blender.commands.resume import Networks
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.options import ReconstructOptions

NETWORKS = Networks(model="abc", companion="def", sky="123", splats="456")


def make_item(tmp_path: Path) -> BatchItem:
    """A photo, and a folder for its result."""
    photo, folder = tmp_path / "a.jpg", tmp_path / "a"
    photo.write_bytes(b"a photo")
    folder.mkdir()
    return BatchItem(photo, folder)


def write_result(item: BatchItem, options: ReconstructOptions, **model: Any) -> None:
    """A record without arrays; `model` is what it says of further networks and files."""
    record = {
        "format": "infinidepth-reconstruction",
        "version": 1,
        "options": options.to_json(),
        "photo": {"sha256": sha256_of(item.photo)},
        "model": {"sha256": NETWORKS.model, "sky_network_sha256": NETWORKS.sky} | model,
        "arrays": {},
    }
    (item.folder / "reconstruction.json").write_text(json.dumps(record))
