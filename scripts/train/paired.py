"""Two networks' scores of the same images: the mean difference, and how far chance alone may carry it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLED = 2000


class Difference(NamedTuple):
    """New minus old over the images that have the score in both.

    Attributes:
        centre: Mean of the differences, or their median for scores whose median is told.
        standard_error: Of `centre`.
        images: How many.
    """

    centre: float
    standard_error: float
    images: int


def differences(
    new: list[dict[str, Any]], old: list[dict[str, Any]], medians: tuple[str, ...], without: tuple[str, ...] = ()
) -> dict[str, Difference]:
    """The difference of each score.

    Args:
        new, old: Scores of single images, which are known by their `image`.
        medians: Scores of which a few images decide the mean.
        without: What is no score.
    """
    before = {row["image"]: row for row in old}
    both = [(row, before[row["image"]]) for row in new if row["image"] in before]
    names = dict.fromkeys(name for row, _ in both for name in row if name not in ("image", *without))
    result = {}
    for name in names:
        values = np.array([row[name] - other[name] for row, other in both if name in row and name in other])
        if len(values) > 1:
            result[name] = _median(values) if name in medians else _mean(values)
    return result


def read_scores(path: Path, key: str) -> list[dict[str, Any]]:
    """Scores of single images out of a file that `validate.py` has written.

    Args:
        path: The file.
        key: Of the pool that they must be of.

    Raises:
        ValueError: it is no such file, or of other images.
    """
    try:
        told = json.loads(path.read_text())
        rows, of = told["images"], told["pool_key"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} has no scores of single images; score the older model again, with --json {path}."
        ) from error
    if of != key:
        raise ValueError(f"{path} has scores of another pool; score the older model on this one.")
    return rows


def _mean(values: NDArray[np.float64]) -> Difference:
    return Difference(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))


def _median(values: NDArray[np.float64]) -> Difference:
    drawn = np.random.default_rng(0).choice(values, (_RESAMPLED, len(values)))
    return Difference(float(np.median(values)), float(np.median(drawn, axis=1).std()), len(values))
