"""What the worker can do besides reconstructing photos; each command is named in `protocol.Call`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..progress import Progress

if TYPE_CHECKING:  # a light worker has no torch
    from .models import ModelCache


def verify_model(arguments: dict[str, Any], *, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Loads a model and looks through it at a small grey picture.

    Args:
        arguments: `model`: `bundled` or a file; `device`.
        models: The loaded models.
        progress: Reports and hears of a cancel.

    Returns:
        The model's `info`.

    Raises:
        ModelError: it cannot be loaded, or gives no finite depth.
    """
    import numpy as np
    import torch

    from ..field.official.model import OfficialModel

    progress("load", 0.0, "Loading the model")
    model = models.get(arguments["model"], arguments["device"])
    progress("encode", 0.0, "Trying the model")
    picture = np.full((64, 96, 3), 128, dtype=np.uint8)
    if isinstance(model, OfficialModel):
        measured_m = np.full((64, 96), 2.0)
        field = model.encode(
            picture, measured_m, on_step=lambda done: progress("encode", 0.9 * done, "Trying the model")
        )
    else:
        field = model.encode(picture)
    if not bool(torch.isfinite(field.disparity_grid(8, 12)).all()):
        raise ModelError(f"The model '{arguments['model']}' gives no usable depth.", "Install it again.")
    return {key: value for key, value in model.info.items() if isinstance(value, str | int | float)}


def describe_model(arguments: dict[str, Any], *, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Says what a file of weights holds, without running it.

    Args:
        arguments: `file`.
        models: Not needed.
        progress: Reports and hears of a cancel.

    Returns:
        `kind`, `encoder` and `prompted` of published depth networks, `values`, and `types` of numbers.

    Raises:
        ModelError: it is damaged, holds more than tensors or no known model.
    """
    from ..field.official.checkpoints import read_checkpoint

    progress("load", 0.0, "Reading the model")
    checkpoint = read_checkpoint(Path(arguments["file"]))
    tensors = checkpoint.tensors.values()
    return {
        "kind": checkpoint.kind,
        "encoder": checkpoint.config.encoder if checkpoint.config else "",
        "prompted": bool(checkpoint.config and checkpoint.config.prompted),
        "values": sum(tensor.numel() for tensor in tensors),
        "types": sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}),
    }


def render(arguments: dict[str, Any], *, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Renders splats along a camera path.

    Args:
        arguments: `source`, `output` and the other settings of `splats.views.render_views`.
        models: Not needed.
        progress: Reports and hears of a cancel.

    Returns:
        The fields of `RenderedViews`.

    Raises:
        BundleError, SplatFileError, OptionsError, OutputError: see `render_views`.
    """
    from ..splats.views import render_views

    settings = dict(arguments)
    source, output = Path(settings.pop("source")), Path(settings.pop("output"))
    size_px = settings.pop("size_px", None)
    views = render_views(source, output, size_px=tuple(size_px) if size_px else None, progress=progress, **settings)
    return asdict(views) | {"output": str(views.output)}


def fetch_model(arguments: dict[str, Any], *, models: ModelCache | None, progress: Progress) -> dict[str, Any]:
    """Downloads a model, or takes its file from a disk, into the folder of the models.

    Args:
        arguments: `name` in the registry, `root` of the models, `source`: a file on a disk, or empty.
        models: Not needed; a light worker has none.
        progress: Reports and hears of a cancel.

    Returns:
        `name` and `file`.

    Raises:
        LicenceError, DownloadError, ModelError, OutputError: see `download_model` and `ModelStore.add`.
    """
    from .download import download_model
    from .model_store import ModelStore
    from .registry import find

    entry, store = find(arguments["name"]), ModelStore(Path(arguments["root"]))
    if arguments["source"]:
        file = store.add(entry, Path(arguments["source"]), progress)
    else:
        file = download_model(entry, store, progress)
    return {"name": entry.name, "file": str(file)}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "verify_model": verify_model,
    "describe_model": describe_model,
    "render": render,
    "fetch_model": fetch_model,
}
"""`command(arguments, models=..., progress=...) -> summary` by name."""
