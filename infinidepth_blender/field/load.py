"""Finds a model by name or file and puts it on a device."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from .device import choose_device
from .network_field import FieldModel, Notify, bundled_weights_path, log_notice
from .weights_files import load_weights

BUNDLED = "bundled"


def load_field_model(name_or_file: str, device: str = "auto", notify: Notify = log_notice) -> FieldModel:
    """Loads a depth model.

    Args:
        name_or_file: `bundled`, or the path of a `.safetensors` file that the trainer wrote.
        device: `auto`, `cpu`, `cuda` or `mps`.
        notify: Called with a sentence when a graphics card is too small and the processor takes over.

    Raises:
        ModelError: there is no such model, its file is of another kind or damaged, or there is no such device.
    """
    torch_device = choose_device(device)
    path = _resolve(name_or_file)
    weights = load_weights(path)
    config = weights.network.config
    info = {
        "name": name_or_file if name_or_file == BUNDLED else path.name,
        "sha256": weights.sha256,
        "parameters": sum(parameter.numel() for parameter in weights.network.parameters()),
        "tokens": config.tokens,
        "device": str(torch_device),
        "training": weights.training,
    }
    return FieldModel(weights.network, torch_device, info, notify)


def _resolve(name_or_file: str) -> Path:
    if name_or_file == BUNDLED:
        path = bundled_weights_path()
        if not path.is_file():
            raise ModelError(
                f"The bundled model is missing: {path} does not exist.",
                "Install the extension again, or choose a file.",
            )
        return path
    path = Path(name_or_file).expanduser()
    looks_like_file = path.suffix != "" or path.parent != Path()
    if not path.is_file() and not looks_like_file:
        raise ModelError(f"There is no model named '{name_or_file}'.", f"Use '{BUNDLED}' or a .safetensors file.")
    return path
