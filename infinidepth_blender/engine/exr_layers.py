"""Which layer of an OpenEXR file is the picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import PhotoError

_PREFERRED = ("combined", "beauty", "rgba", "rgb", "main", "color", "colour", "image", "composite")
_NO_PICTURE = re.compile(r"crypto|matte|mask|(^|[._])id([._]|$)")
_LONG_NAMES = {"RED": "R", "GREEN": "G", "BLUE": "B", "ALPHA": "A"}


def color_channels(path: Path, exr: Any) -> tuple[int, list[str]]:
    """The part and the channel names R, G, B(, A) or Y(, A) of the layer to use.

    A part's name is the name of the layer where its channels have none. One called Combined, Beauty or the like goes before
    others, mattes and masks come last, and the first of several in a file before those that follow.

    Args:
        path: The file, for the message.
        exr: It, as the library has it.

    Raises:
        PhotoError: none has colour.
    """
    names: list[tuple[int, str]] = [(part, name) for part in range(len(exr.parts)) for name in exr.channels(part)]
    layers: dict[tuple[int, str], dict[str, str]] = {}
    for part, name in names:
        layer, _, channel = name.rpartition(".")
        short = channel.upper()
        layers.setdefault((part, layer), {})[_LONG_NAMES.get(short, short)] = name
    usable: list[tuple[tuple[int, int, int], int, list[str]]] = []
    for (part, layer), channels in layers.items():
        for wanted in (("R", "G", "B"), ("Y",)):
            if all(c in channels for c in wanted):
                alpha = [channels["A"]] if "A" in channels else []
                rank = (_rank(_called(exr, part, layer)), part, -len(alpha))
                usable.append((rank, part, [channels[c] for c in wanted] + alpha))
                break
    if not usable:
        found = ", ".join(name for _, name in names[:8]) or "none"
        raise PhotoError(
            f"{path.name} has no colour channels R, G, B or Y (it has: {found}).", "Save the picture with its colour."
        )
    _, part, used = min(usable, key=lambda entry: entry[0])
    return part, used


def _called(exr: Any, part: int, layer: str) -> str:
    """A layer's name in lower case, without the view that it is of."""
    if layer or len(exr.parts) == 1:
        return layer.lower()
    header = exr.header(part)
    name = str(header.get("name", "")).lower()
    return name.removesuffix("." + str(header.get("view", "")).lower())


def _rank(name: str) -> int:
    if not name:
        return 0
    last = name.rpartition(".")[2]
    if last in _PREFERRED:
        return 1 + _PREFERRED.index(last)
    return 100 if _NO_PICTURE.search(name) else 99
