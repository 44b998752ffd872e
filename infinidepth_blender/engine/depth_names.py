"""Which files are depth, and which of their arrays or channels, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

DEPTH_SUFFIXES = (".npy", ".npz", ".exr", ".png", ".tif", ".tiff", ".h5", ".hdf5")
"""Kinds of depth files that can be read."""

_ARRAYS = ("depth", "depth_m", "data", "depth_map", "depthmap", "dataset", "arr_0", "z")
_LEAVES = ("Z", "Y", "DEPTH", "V", "R")
"""Last parts of the names of EXR channels that hold depth, the likeliest first."""
_OTHER_PASSES = re.compile(
    "normal|position|vector|motion|flow|mist|uv|combined|colou?r|albedo|diff|gloss|trans|emi[st]|env|shadow|ao$|crypto|denois|alpha|index|noise"
)
"""Passes of a renderer that are no depth."""


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

    What calls itself depth goes before a bare `Z` or `Y`, and that before a layer of another name.
    `Normal.Z` and its like never are.
    """
    names = list(names)
    if len(names) == 1:
        return names[0]
    by_layer = {name: name.rpartition(".")[::2] for name in names}
    usual = [
        name for name, (layer, _) in by_layer.items() if not _OTHER_PASSES.search(layer.rpartition(".")[2].lower())
    ]
    called = [name for name in usual if "depth" in name.lower()]
    bare = [name for name, (layer, _) in by_layer.items() if not layer]
    for likely in (called, bare, usual):
        for wanted in _LEAVES:
            for name in likely:
                if by_layer[name][1].upper() == wanted:
                    return name
    return called[0] if len(called) == 1 else None
