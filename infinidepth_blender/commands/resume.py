"""`--resume`: which bundles need not be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..batch import BatchItem
from ..bundle_record import is_whole, read_record
from ..bundled import BUNDLED
from ..clip_files import source_sha256
from ..engine.model_store import held_sha256
from ..engine.registry import SKY_MODEL
from ..errors import InfiniDepthError
from ..hashing import sha256_if_there
from ..options import READ_BY, Part, ReconstructOptions
from ..scene_file import SCENE_NAME, is_as_written
from ..staging import SEQUENCE_DIR
from .models import model_file


@dataclass(frozen=True)
class Networks:
    """SHA-256 of the files of the networks that a run uses; empty: there is no such file.

    Attributes:
        model: The depth model.
        companion: The bundled model, which published ones take along for sky, camera and scale.
        sky: The sky network, where the sky of any photo is found automatically.
        splats: The Gaussian predictor, where splats are made by one.
    """

    model: str
    companion: str = ""
    sky: str = ""
    splats: str = ""

    @classmethod
    def of(cls, options: ReconstructOptions) -> Networks:
        """Those of the options of a run."""
        return cls(
            sha256_if_there(model_file(options.model)),
            held_sha256(BUNDLED),
            held_sha256(SKY_MODEL) if options.sky == "auto" else "",
            sha256_if_there(Path(options.splats_model)) if options.predicts_splats else "",
        )


def is_up_to_date(item: BatchItem, options: ReconstructOptions, networks: Networks) -> bool:
    """Whether a bundle is complete and was made from the same photo, networks and options; it may hold further parts.

    Photo, depth file, camera file, masks and networks are compared by their content. The device does not count:
    it changes nothing but the last digits.

    Args:
        item: The photo and its bundle.
        options: The options of this photo, without `blend`.
        networks: The networks of this run.
    """
    try:
        data = read_record(item.folder)
        recorded = ReconstructOptions.from_json(data["options"])
        made_of = {
            (data["photo"]["sha256"], source_sha256(item.photo)),
            (data["model"]["sha256"], networks.model),
        }
        if "companion_sha256" in data["model"]:
            made_of.add((data["model"]["companion_sha256"], networks.companion))
        if options.predicts_splats:
            made_of.add((data["model"]["splats_model_sha256"], networks.splats))
        if options.depth_prompt:
            made_of.add((data["model"]["depth_prompt_sha256"], sha256_if_there(Path(options.depth_prompt))))
        for name, path in options.photo_files.items():
            if name in READ_BY and not READ_BY[name] & {*options.make}:
                continue
            made_of.add((data["model"]["file_sha256"][name], sha256_if_there(Path(path))))
        return (
            _parts(options) <= _parts(recorded)
            and _comparable(recorded, options.make) == _comparable(options, options.make)
            and bool(recorded.depth_prompt) == bool(options.depth_prompt)
            and all(then and then == now for then, now in made_of)
            and data["model"]["sky_network_sha256"] == (networks.sky if options.sky == "auto" else "")
            and is_whole(item.folder, data)
        )
    except (InfiniDepthError, OSError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
        return False


def _comparable(options: ReconstructOptions, asked: Sequence[Part]) -> dict[str, Any]:
    """The options that change the parts that are asked for, those about files left out."""
    files = dict.fromkeys(options.photo_files, "")
    unread = {name: None for name, parts in READ_BY.items() if not parts & {*asked}}
    return options.to_json() | files | unread | {"device": "", "depth_prompt": "", "make": ()}


def _parts(options: ReconstructOptions) -> set[str]:
    return {*options.make} - {"blend"}


def files_of(folder: Path) -> list[str]:
    """Names of what a bundle holds for other programs and is there; empty: there is no bundle.

    A scene in which somebody has worked is not among them: it stays, whatever becomes of the bundle.
    """
    try:
        data = read_record(folder)
        names = [str(name) for name in data.get("files", ()) if (folder / name).is_file()]
        names += [SEQUENCE_DIR] * ("clip" in data and (folder / SEQUENCE_DIR).is_dir())
    except (InfiniDepthError, OSError, TypeError, ValueError):
        return []
    return names + [SCENE_NAME] * is_as_written(folder, folder / SCENE_NAME)
