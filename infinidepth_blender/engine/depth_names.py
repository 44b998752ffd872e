"""Which files are depth, and which of their arrays or channels, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

DEPTH_SUFFIXES = (".npy", ".npz", ".exr", ".png", ".tif", ".tiff", ".h5", ".hdf5")
"""Kinds of depth files that can be read."""

_ARRAYS = ("depth", "depth_m", "data", "depth_map", "depthmap", "dataset", "arr_0", "z")
_LEAVES = ("Z", "Y", "DEPTH", "V", "R")
"""Last parts of the names of EXR channels that hold depth, the likeliest first."""
_CALLED = ("z", "zdepth")
"""Layers of these names are depth, whatever their channels are called."""
_LIGHT = re.compile("combined|colou?r|albedo|diff|gloss|trans|emi[st]|env|shadow|ao$")
"""Passes of a renderer that are pictures: a `Z` among their channels is their depth."""
_OTHER_PASSES = re.compile("normal|position|vector|motion|flow|mist|uv|crypto|denois|alpha|index|noise")
"""Passes that neither are nor have depth."""


def named_array(names: Iterable[str]) -> str | None:
    """The name that arrays of depth usually have, if one of them has it; with folders before a `/`, as in HDF5."""
    last = {name: name.rpartition("/")[2].lower() for name in names}
    for wanted in _ARRAYS:
        for name, leaf in last.items():
            if leaf == wanted:
                return name
    return None


def likely_array(maps: Sequence[str]) -> str | None:
    """Of the names of arrays with one number for each pixel, that which is depth; None if several may be."""
    for likely in ([name for name in maps if "depth" in name.lower()], maps):
        if len(likely) == 1:
            return likely[0]
    return None


def channel_of_depth(names: Iterable[str]) -> str | None:
    """The name of the EXR channel that holds depth; None if no name says so.

    What calls itself depth goes first, then `Z`, then `Y` and the like, each before an `R`; of equal ones that without a
    layer. `Normal.Z` and its like never are, nor the `R` of a picture.
    """
    names = list(names)
    if len(names) == 1:
        return names[0]
    split = {name: name.upper().rpartition(".")[::2] for name in names}
    beside: dict[str, set[str]] = {}
    for layer, leaf in split.values():
        beside.setdefault(layer, set()).add(leaf)
    last = {name: layer.rpartition(".")[2].lower() for name, (layer, _) in split.items()}
    possible = [name for name in names if not _OTHER_PASSES.search(last[name])]
    called = [
        name
        for name in possible
        if not _LIGHT.search(last[name]) and ("depth" in name.lower() or last[name] in _CALLED)
    ]
    bare_first = sorted(
        (name for name in possible if not _is_of_color_or_place(split[name][1], beside[split[name][0]])),
        key=lambda name: split[name][0] != "",
    )
    usual = [name for name in bare_first if split[name][1] == "Z" or not _LIGHT.search(last[name])]
    for likely in (called, usual):
        for wanted in _LEAVES:
            for name in likely:
                if split[name][1] == wanted:
                    return name
    return called[0] if len(called) == 1 else None


def _is_of_color_or_place(leaf: str, layer: set[str]) -> bool:
    """Whether a channel is one of several that are a colour, a place or a direction, by its own name and all of its layer."""
    together = (("Z", {"X"}), ("Y", {"X"}), ("Y", {"RY", "BY"}), ("R", {"G", "B"}))
    return any(leaf == each and others <= layer for each, others in together)
