"""The two windows of an OpenEXR file: which pixels it holds, and which part of the plane is the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_EMPTY = 16
_FEW_PIXELS = 1 << 27
"""What any picture may show, however little of it a file holds: renderers store the frame around what is not empty."""


def size_of(window: Any) -> tuple[int, int]:
    """Width and height of a window, whose corners are both inside."""
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def window_beyond(header: Mapping[str, Any], most_pixels: int) -> tuple[int, int] | None:
    """Width and height of a window of more pixels than are read; None: both may be read.

    A picture that holds next to nothing of what it shows may not be large: each of its pixels takes memory and time.
    """
    data, shown = size_of(header["dataWindow"]), size_of(header["displayWindow"])
    held, painted = (width * height for width, height in (data, shown))
    if held > most_pixels:
        return data
    return shown if painted > min(most_pixels, max(_MOST_EMPTY * held, _FEW_PIXELS)) else None


def on_display(pixels: NDArray[Any], header: Mapping[str, Any]) -> NDArray[Any]:
    """The picture that is shown, of which a file may hold only a part, or more than it; 0 where it holds nothing.

    Args:
        pixels: (h, w) a channel of the size of the data window, else it comes back as it is.
        header: Of its part of the file.
    """
    width, height = size_of(header["dataWindow"])
    if pixels.shape != (height, width):
        return pixels
    # Of the data, from the upper left corner of the picture.
    x, y = (
        int(data) - int(shown) for data, shown in zip(header["dataWindow"][0], header["displayWindow"][0], strict=True)
    )
    shown_width, shown_height = size_of(header["displayWindow"])
    if (x, y, width, height) == (0, 0, shown_width, shown_height):
        return pixels
    shown = np.zeros((shown_height, shown_width), pixels.dtype)
    top, bottom, left, right = max(y, 0), min(y + height, shown_height), max(x, 0), min(x + width, shown_width)
    if top < bottom and left < right:
        shown[top:bottom, left:right] = pixels[top - y : bottom - y, left - x : right - x]
    return shown
