"""What the worker can do besides reconstructing photos; each command is named in `protocol.Call`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .models import ModelCache
from .progress import Progress


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

    progress("load", 0.0, "Loading the model")
    model = models.get(arguments["model"], arguments["device"])
    progress("encode", 0.0, "Trying the model")
    field = model.encode(np.full((64, 96, 3), 128, dtype=np.uint8))
    if not bool(torch.isfinite(field.disparity_grid(8, 12)).all()):
        raise ModelError(f"The model '{arguments['model']}' gives no usable depth.", "Install it again.")
    return {key: value for key, value in model.info.items() if isinstance(value, str | int | float)}


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


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {"verify_model": verify_model, "render": render}
"""`command(arguments, models=..., progress=...) -> summary` by name."""
