"""`--resume`: which bundles need not be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..batch import BatchItem
from ..errors import InfiniDepthError
from ..options import SURFACE_SPLATS, ReconstructOptions
from ..reconstruction import read_json
from ..staging import ARRAYS_DIR
from .models import sha256_of


def is_up_to_date(item: BatchItem, options: ReconstructOptions, model_sha256: str) -> bool:
    """Whether a bundle is complete and was made from the same photo, model and options.

    Photo, depth file, camera file, masks and model are compared by their content. The device does not count:
    it changes nothing but the last digits.

    Args:
        item: The photo and its bundle.
        options: The options of this run, without `blend`.
        model_sha256: Hash of the model's file.
    """
    try:
        data = read_json(item.folder)
        recorded = ReconstructOptions.from_json(data["options"])
        made_of = {
            (data["photo"]["sha256"], sha256_of(item.photo)),
            (data["model"]["sha256"], model_sha256),
        }
        if options.splats_model != SURFACE_SPLATS and "splats" in options.make:
            made_of.add((data["model"]["splats_model_sha256"], sha256_of(Path(options.splats_model))))
        if options.depth_prompt:
            made_of.add((data["model"]["depth_prompt_sha256"], sha256_of(Path(options.depth_prompt))))
        for name, path in options.photo_files.items():
            made_of.add((data["model"]["file_sha256"][name], sha256_of(Path(path))))
        return (
            _comparable(recorded) == _comparable(options)
            and bool(recorded.depth_prompt) == bool(options.depth_prompt)
            and all(then and then == now for then, now in made_of)
            and all((item.folder / ARRAYS_DIR / f"{stem}.npy").is_file() for stem in data["arrays"])
        )
    except (InfiniDepthError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return False


def _comparable(options: ReconstructOptions) -> dict[str, Any]:
    files = dict.fromkeys(options.photo_files, "")
    return options.to_json() | files | {"device": "", "depth_prompt": "", "make": sorted(set(options.make) - {"blend"})}
