"""Finds a model by name or file and puts it on a device."""

from __future__ import annotations

from pathlib import Path

from ..bundled import BUNDLED, BUNDLED_WEIGHTS
from ..errors import ModelError
from ..hashing import sha256_of
from ..options import Precision
from .device import choose_device
from .evaluation import Notify, log_notice
from .network_field import FieldModel
from .official.checkpoints import network_of, read_checkpoint
from .official.model import OfficialModel
from .weights_files import load_weights

NO_CARD = "No graphics card that PyTorch can use was found: the processor runs this model, which may take a minute."

DepthModel = FieldModel | OfficialModel


def load_field_model(
    name_or_file: str,
    device: str = "auto",
    precision: Precision = "auto",
    notify: Notify = log_notice,
    known: tuple[str, str] | None = None,
) -> DepthModel:
    """Loads a depth model; what kind it is, its file tells.

    Args:
        name_or_file: `bundled`, or the path of weights: what the trainer wrote, or a checkpoint of
            the official networks.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: How exactly a large encoder computes.
        notify: Called with a sentence when a large model runs on the processor for want of a graphics
            card, or later because the card is too small.
        known: Name and SHA-256 of a file whose content was checked, for the record; None: it goes by its own name.

    Raises:
        ModelError: there is no such model, its file is of another kind or damaged, or there is no such device.
    """
    torch_device = choose_device(device, notify)
    path = _resolve(name_or_file)
    name = name_or_file if name_or_file == BUNDLED else known[0] if known else path.name
    checkpoint = read_checkpoint(path)
    if checkpoint.kind == "bundled":
        weights = load_weights(path)
        info = {
            "name": name,
            "sha256": weights.sha256,
            "parameters": sum(parameter.numel() for parameter in weights.network.parameters()),
            "tokens": weights.network.config.tokens,
            "input_patch_px": weights.network.config.input_patch_px,
            "training": weights.training,
        }
        return FieldModel(weights.network, torch_device, info, notify)
    network = network_of(checkpoint)
    if device == "auto" and torch_device.type == "cpu":
        notify(NO_CARD)
    info = {
        "name": name,
        "sha256": known[1] if known else sha256_of(path),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    return OfficialModel(network, torch_device, info, precision=precision, notify=notify)


def _resolve(name_or_file: str) -> Path:
    if name_or_file == BUNDLED:
        if not BUNDLED_WEIGHTS.is_file():
            raise ModelError(
                f"The bundled model is missing: {BUNDLED_WEIGHTS} does not exist.",
                "Install the extension again, or choose a file.",
            )
        return BUNDLED_WEIGHTS
    path = Path(name_or_file).expanduser()
    looks_like_file = path.suffix != "" or path.parent != Path()
    if not path.is_file() and not looks_like_file:
        raise ModelError(f"There is no model named '{name_or_file}'.", f"Use '{BUNDLED}' or a file of weights.")
    return path
