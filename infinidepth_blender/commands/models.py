"""`models list | download | verify`, and what a model's name means."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ModelError
from .context import Context

BUNDLED = "bundled"
BUNDLED_FILE = Path(__file__).resolve().parent.parent / "weights" / "bundled.safetensors"


@dataclass(frozen=True)
class ModelEntry:
    """A model with a name.

    Attributes:
        name: What `--model` takes.
        status: `ready`, `missing` or `not supported yet`.
        about: What it is.
    """

    name: str
    status: str
    about: str


OFFICIAL = {
    "infinidepth": "official InfiniDepth, ViT-L: depth from one photo",
    "infinidepth-depthsensor": "official InfiniDepth, ViT-L: fills in the sparse depth of a sensor",
}
_LATER = "The official weights need a later version of InfiniDepth; nothing was downloaded."


def known_models() -> list[ModelEntry]:
    """All models with a name, the bundled one first."""
    ready = BUNDLED_FILE.is_file()
    bundled = ModelEntry(
        BUNDLED, "ready" if ready else "missing", "small model that comes with InfiniDepth, no download"
    )
    return [bundled, *(ModelEntry(name, "not supported yet", about) for name, about in OFFICIAL.items())]


def resolve_model(name_or_file: str) -> str:
    """The name, or the absolute path of the file, that the engine is told.

    Raises:
        ModelError: there is no such model, or it cannot be used yet.
    """
    if name_or_file == BUNDLED:
        return BUNDLED
    if name_or_file in OFFICIAL:
        raise ModelError(
            f"The model '{name_or_file}' cannot be used yet: it needs a later version.", f"Use '{BUNDLED}'."
        )
    path = Path(name_or_file).expanduser()
    if not path.is_file():
        raise ModelError(
            f"There is no model named '{name_or_file}', and no such file.",
            f"Use '{BUNDLED}' or a .safetensors file; 'models list' shows the names.",
        )
    return str(path.absolute())


def model_file(resolved: str) -> Path:
    """The weights behind what `resolve_model` returned."""
    return BUNDLED_FILE if resolved == BUNDLED else Path(resolved)


def sha256_of(path: Path) -> str:
    """Hash of a file as 64 hexadecimal digits; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def run_list(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the models that have a name."""
    models = known_models()
    if arguments.json:
        print(json.dumps([asdict(model) for model in models]))
        return 0
    width = max(len(model.name) for model in models)
    for model in models:
        print(f"{model.name:<{width}}  {model.status:<17}  {model.about}")
    return 0


def run_download(arguments: argparse.Namespace, context: Context) -> int:
    """Says honestly that there is nothing to download yet.

    Raises:
        ModelError: always.
    """
    if arguments.name == BUNDLED:
        raise ModelError("The bundled model comes with InfiniDepth; there is nothing to download.")
    if arguments.name in OFFICIAL:
        raise ModelError(f"'{arguments.name}' is the {OFFICIAL[arguments.name]}. {_LATER}", f"Use '{BUNDLED}'.")
    raise ModelError(f"There is no model named '{arguments.name}'.", "'models list' shows the names.")


def run_verify(arguments: argparse.Namespace, context: Context) -> int:
    """Loads a model in the engine and tries it.

    Raises:
        ModelError: the model cannot be used.
        RuntimeMissingError: there is no engine.
    """
    resolved = resolve_model(arguments.name)
    with context.engine() as engine:
        job = engine.call("verify_model", {"model": resolved, "device": arguments.device})
        info = engine.finish(job).summary
        ready = engine.ready
    device = f"{ready.device} ({ready.device_name})" if ready else "?"
    if arguments.json:
        print(json.dumps(info | {"file": str(model_file(resolved))}))
    else:
        print(f"{arguments.name} works: {info.get('parameters', 0) / 1e6:.1f} million parameters")
        print(f"  file    {model_file(resolved)}")
        print(f"  sha256  {info.get('sha256', '')}")
        print(f"  device  {info.get('device', device)}")
    return 0
