"""Every image of a held-out pool once, always in one order and with the same queries, however many are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .data import Batch, in_other_light, make_batch
from .pool import Shard, shard_folders
from .relight import evened

BATCH = 8
_SEED = 9001


class HeldOut:
    """The images of a pool, by number.

    Attributes:
        names: `shard_000003/5` and so on, in order.
        key: Tells pools apart, in hexadecimal digits.

    Args:
        pool: Folder of shards.
        evened: Whether surfaces of all directions become equally bright (`relight.evened`).

    Raises:
        FileNotFoundError: the pool is empty.
    """

    def __init__(self, pool: Path, evened: bool = False) -> None:
        shards = [(folder.name, Shard.open(folder)) for folder in shard_folders(pool)]
        self._evened = evened
        self._places = [(shard, k) for _, shard in shards for k in range(len(shard))]
        self.names = [f"{name}/{k}" for name, shard in shards for k in range(len(shard))]
        if not self.names:
            raise FileNotFoundError(f"{pool} has no shards; pool.py renders some.")
        labels = b"".join(shard.labels.tobytes() for _, shard in shards)
        self.key = hashlib.sha256(labels).hexdigest()[:16] + ("-evened" if evened else "")

    def spread(self, count: int | None) -> list[int]:
        """Numbers of at most `count` images, evenly over the pool; None: of all."""
        there = len(self.names)
        return list(range(there)) if count is None or count >= there else [k * there // count for k in range(count)]

    def batches(self, chosen: list[int], *what: Any, **how: Any) -> Iterator[tuple[list[int], Batch]]:
        """Numbers of images of one size, and a batch of them; each has queries of its own, whatever it stands beside.

        Args:
            chosen: Numbers of images.
            what, how: `queries`, `tokens` and all that follows of `make_batch`.
        """
        alike: dict[tuple[int, ...], list[int]] = {}
        for number in chosen:
            shard, _ = self._places[number]
            alike.setdefault(shard.image.shape[1:], []).append(number)
        for numbers in alike.values():
            for begin in range(0, len(numbers), BATCH):
                part = numbers[begin : begin + BATCH]
                single = [
                    make_batch(_One(*self._places[k], self._evened), np.random.default_rng([_SEED, k]), 1, *what, **how)
                    for k in part
                ]
                yield part, _joined(single)


@dataclass(frozen=True)
class _One:
    """What `make_batch` draws from: the one picture that it is to get."""

    shard: Shard
    number: int
    evened: bool

    def draw(self, count: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32]]]:
        k = self.number
        image, codes, labels = self.shard.image[k], self.shard.log_depth[k], self.shard.labels[k]
        return [(in_other_light(image, codes, labels, evened) if self.evened else image, codes, labels)] * count


def _joined(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat([getattr(batch, field.name) for batch in batches]) for field in fields(Batch)))
