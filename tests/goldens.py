"""Golden files: where they are, and the rule that makes the weights they were computed with.

The folder is the one that INFINIDEPTH_GOLDENS names, else `../shared/reference/goldens` beside the
checkout, else the compact subset in `tests/data/goldens`. Tests run on every file of their kind:

    @pytest.mark.parametrize("file", golden_files("depth_*.npz"))
    def test_something(file: Path) -> None: ...

Nothing here imports torch before it is needed, so that the files can be used beside Blender, too.
"""

from __future__ import annotations

import functools
import math
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

_ROOT = Path(__file__).resolve().parent.parent
COMPACT_FOLDER = _ROOT / "tests/data/goldens"
_RANDOM_LEAVES = {
    "cls_token", "storage_tokens", "mask_token", "sep", "sep_pe", "positional_encoding_gaussian_matrix",
}  # fmt: skip


@functools.cache
def golden_folder() -> Path:
    """The folder with golden files.

    Raises:
        FileNotFoundError: INFINIDEPTH_GOLDENS names no folder; a wrong name must not pass unseen.
    """
    named = os.environ.get("INFINIDEPTH_GOLDENS")
    if named:
        if not Path(named).is_dir():
            raise FileNotFoundError(f"INFINIDEPTH_GOLDENS names {named}, which is no folder")
        return Path(named)
    beside = _ROOT.parent / "shared/reference/goldens"
    return beside if beside.is_dir() else COMPACT_FOLDER


def golden_paths(pattern: str) -> list[Path]:
    """All files of a kind, in order."""
    return sorted(golden_folder().glob(pattern))


def golden_files(*patterns: str) -> list[Any]:
    """Parameters for a test on every file of the kinds; one skipped parameter where there is no such file."""
    paths = [path for pattern in patterns for path in golden_paths(pattern)]
    if not paths:
        return [pytest.param(None, marks=no_such_file(*patterns), id="no-file")]
    return [pytest.param(path, id=path.stem) for path in paths]


def no_such_file(*patterns: str) -> pytest.MarkDecorator:
    """The mark of a test that has nothing to run on."""
    reason = f"no {' or '.join(patterns)} in {golden_folder()} (INFINIDEPTH_GOLDENS names another folder)"
    return pytest.mark.skip(reason=reason)


def golden_file(name: str) -> Path:
    """One file by its name; skips the test where it is missing."""
    path = golden_folder() / name
    if not path.is_file():
        pytest.skip(f"no {name} in {golden_folder()} (INFINIDEPTH_GOLDENS names another folder)")
    return path


def rule_weight(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The weight that the goldens were made with.

    Args:
        name: Name in the bare network, without `pipeline.` or `encoder.`.
        shape: Shape of the weight; it is part of the rule.
    """
    leaf = name.rpartition(".")[2]
    if name in ("_mean", "_std"):
        values = [0.485, 0.456, 0.406] if name == "_mean" else [0.229, 0.224, 0.225]
        return np.array(values, np.float32).reshape(shape)
    if leaf == "periods":
        exponents = np.arange(shape[0], dtype=np.float32) * np.float32(2) / np.float32(2 * shape[0])
        return np.float32(100) ** exponents
    if leaf == "bias_mask":
        return np.repeat(np.array([1, 0, 1], np.float32), shape[0] // 3)
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    if leaf in _RANDOM_LEAVES:
        return values
    if leaf == "gamma":
        return np.float32(0.25) * (1 + np.float32(0.1) * values)
    if leaf == "bias":
        return np.float32(2 * (name == "depth_implicit_head.out_layer.layers.6.bias")) + np.float32(0.02) * values
    if len(shape) == 1:
        return 1 + np.float32(0.1) * values
    gain = 1.0
    if name.startswith("gaussian_"):
        gain = 2.0
    elif name.startswith("depth_implicit_head.") and shape[0] > 1:
        gain = math.sqrt(2)
    values *= np.float32(gain / math.sqrt(math.prod(shape[1:])))
    return values


class _RuleTensors:
    """Weights by name and shape. Of the large ones it keeps those of one encoder: an 845 M network has 3.4 GB."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[str, tuple[int, ...]], torch.Tensor] = {}
        self._encoder: tuple[int, ...] = ()

    def clear(self) -> None:
        self._tensors.clear()
        self._encoder = ()

    def state(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
        import torch

        if encoder := shapes.get("pretrained.cls_token"):
            # Width, depth and kind of the encoder; smaller modules leave the large weights alone.
            seen = (*encoder, sum(name.startswith("pretrained.") for name in shapes))
            if seen != self._encoder:
                self.clear()
                self._encoder = seen
        for name, shape in shapes.items():
            if (name, shape) not in self._tensors:
                self._tensors[name, shape] = torch.from_numpy(rule_weight(name, shape))
        return {name: self._tensors[name, shape] for name, shape in shapes.items()}


_rule_tensors = _RuleTensors()


def fill_by_rule(module: nn.Module) -> nn.Module:
    """Gives a module the golden weights, by the names in its state dictionary, and puts it into evaluation mode.

    The module may be on the meta device: it takes the tensors over. Modules share them, so a test
    that changes weights must copy them first.
    """
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(_rule_tensors.state(shapes), strict=True, assign=True)
    return module.eval()


def release_rule_weights() -> None:
    """Forgets all weights; those of the largest network take 3.4 GB."""
    _rule_tensors.clear()
