"""Weights of a network twice as wide that gives the same answers, to go on learning with.

    python scripts/train/widen.py OLD.safetensors NEW.safetensors --ratio 3

After Net2Net (arXiv 1511.05641): every channel of the transformer's tokens is there twice, and whatever reads both shares
its weights out between them. The shares are random, so that the two copies learn different things from the first step on.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from infinidepth_blender.field.network import InfiniDepthNetwork  # noqa: E402
from infinidepth_blender.field.weights_files import load_weights, save_weights  # noqa: E402


def widened(network: InfiniDepthNetwork, ratio: float, seed: int = 0) -> InfiniDepthNetwork:
    """A network with twice the width and number of heads and equal answers (but for rounding).

    Args:
        network: The network; it stays as it is.
        ratio: Hidden width of the new feed-forward parts over their width; `ratio` times the new width must be between
            once and twice the old hidden width.
        seed: Decides how weights are shared out.

    Raises:
        ValueError: the hidden width is out of these bounds, or the feed-forward parts are gated.
    """
    config = network.config
    width = config.vit.width
    hidden, new_hidden = int(config.vit.ratio * width), int(ratio * 2 * width)
    if config.vit.feed_forward != "mlp" or not hidden <= new_hidden <= 2 * hidden:
        raise ValueError(f"A hidden width of {hidden} cannot become {new_hidden} by doubling channels.")
    generator = torch.Generator().manual_seed(seed)
    vit = replace(config.vit, width=2 * width, heads=2 * config.vit.heads, ratio=ratio)
    wide = InfiniDepthNetwork(replace(config, vit=vit))
    once = torch.arange(width)
    token = once.repeat(2)
    hidden_unit = torch.cat([torch.arange(hidden), torch.randperm(hidden, generator=generator)[: new_hidden - hidden]])

    def several(count: int) -> Tensor:
        """`count` tokens side by side, each doubled."""
        return torch.cat([token + width * k for k in range(count)])

    def written(name: str) -> Tensor | None:
        """Old row (or channel) of each new one; None: as before."""
        if name.endswith(("cls_token", "storage_tokens", "mask_token")):
            return token
        if ".qkv." in name:
            return several(3)
        if ".fc1." in name:
            return hidden_unit
        if name.startswith(("pretrained.", "context.out.")):
            return token
        return None

    def read(name: str) -> Tensor | None:
        """Old column of each new one, of layers that read tokens or hidden units."""
        if ".fc2." in name:
            return hidden_unit
        if any(part in name for part in (".qkv.", ".attn.proj.", ".fc1.", "quarter.expand", "eighth.expand")):
            return token
        if name.startswith("perspective."):
            return token
        if name.startswith("sixteenth."):
            return several(len(config.blocks) - 2)
        if name.startswith("globals_hidden."):  # class token, mean token, aspect ratio
            return torch.cat([several(2), torch.tensor([2 * width])])
        return None

    tensors = {}
    parameters = {name for name, _ in network.named_parameters()}
    for name, value in network.state_dict().items():
        if name not in parameters:
            tensors[name] = wide.state_dict()[name]
            continue
        rows, columns = written(name), read(name) if value.ndim == 2 else None
        if columns is not None:
            value = value[:, columns] * _shares(columns, len(value), generator)
        if rows is not None:
            # Tokens and scales have their channels last, layers their outputs first.
            value = value[..., rows] if name.endswith(("_token", "_tokens")) else value[rows]
        tensors[name] = value
    wide.load_state_dict(tensors)
    return wide


def _shares(columns: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """(rows, len(columns)) factors that sum to 1 over columns with the same source."""
    shares = torch.ones(rows, len(columns))
    for_source: dict[int, list[int]] = {}
    for new, old in enumerate(columns.tolist()):
        for_source.setdefault(old, []).append(new)
    pairs = torch.tensor([places for places in for_source.values() if len(places) == 2], dtype=torch.long).reshape(
        -1, 2
    )
    # With this deviation the doubled weights have half the mean square, as those of a layer with twice the inputs.
    first = 0.5 + 0.5 * torch.randn(rows, len(pairs), generator=generator)
    shares[:, pairs[:, 0]], shares[:, pairs[:, 1]] = first, 1 - first
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--ratio", type=float, default=4.0, help="hidden width of the new feed-forward parts over their width"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    known = load_weights(args.old)
    wide = widened(known.network, args.ratio, args.seed)
    save_weights(wide, args.new, known.training)
    print(f"{sum(p.numel() for p in wide.parameters()) / 1e6:.2f} million parameters")


if __name__ == "__main__":
    main()
