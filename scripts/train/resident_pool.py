"""Images of pools that still grow, in the memory of the device where a network is trained."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .pool import LOG_FAR, LOG_NEAR, SKY_CODE, Shard, shard_folders

GROWTH = 0.5
"""Share of the images there are for which room is made when it runs out."""
READ_AHEAD = 16
"""Shards that wait in the computer's memory."""


def decode_on_device(codes: Tensor) -> Tensor:
    """Log depth, infinite at the sky, of codes whose bits are in int16: `pool.decode_log_depth` on any device."""
    values = codes.int() & 0xFFFF
    return torch.where(values == SKY_CODE, torch.inf, values * ((LOG_FAR - LOG_NEAR) / (SKY_CODE - 1)) + LOG_NEAR)


@dataclass
class Images:
    """Images of one size, and their truth, as `Shard` has them; the oldest make room for the newest.

    Attributes:
        image: (n, H, W, 3) uint8.
        codes: (n, h, w) int16, the bits of the codes of log depth.
        labels: (n, 4) float32.
        count: How many of the n there are. oldest: The next to make room.
    """

    image: Tensor
    codes: Tensor
    labels: NDArray[np.float32]
    count: int = 0
    oldest: int = 0

    @classmethod
    def like(cls, shard: Shard, device: torch.device) -> Images:
        """Room for images of a shard's size, and none of them yet."""
        none = torch.empty((0, *shard.image.shape[1:]), dtype=torch.uint8, device=device)
        no_codes = torch.empty((0, *shard.log_depth.shape[1:]), dtype=torch.int16, device=device)
        return cls(none, no_codes, np.empty((0, 4), np.float32))

    @property
    def kept_bytes(self) -> int:
        """Memory on the device, free room included."""
        return self.image.nbytes + self.codes.nbytes

    def add(self, image: Tensor, codes: Tensor, labels: NDArray[np.float32], spare_bytes: float) -> None:
        """Takes images in.

        Args:
            image, codes, labels: As the attributes.
            spare_bytes: By how much the memory may grow; without any images yet it grows by these in any case. While
                it grows, what was there is there twice.
        """
        missing = len(image) - (len(self.labels) - self.count)
        if missing > 0:
            allowed = int(spare_bytes / (image[0].nbytes + codes[0].nbytes))
            more = min(max(math.ceil(GROWTH * self.count), missing), max(allowed, 0 if self.count else len(image)))
            self.image = torch.cat([self.image, self.image.new_empty((more, *self.image.shape[1:]))])
            self.codes = torch.cat([self.codes, self.codes.new_empty((more, *self.codes.shape[1:]))])
            self.labels = np.concatenate([self.labels, np.empty((more, 4), np.float32)])
        for k in range(len(image)):
            if self.count < len(self.labels):
                at, self.count = self.count, self.count + 1
            else:
                at, self.oldest = self.oldest, (self.oldest + 1) % self.count
            self.image[at].copy_(image[k])
            self.codes[at].copy_(codes[k])
            self.labels[at] = labels[k]


@dataclass
class ResidentPool:
    """What the shards of some folders hold, read ahead by a thread and kept on a device.

    Attributes:
        folders: Pools that may still grow.
        device: Where the images are kept.
        limit_bytes: Memory of all images, from which on the oldest make room.
        by_size: Images by height, width and the height of their truth.
    """

    folders: Sequence[Path]
    device: torch.device
    limit_bytes: float
    by_size: dict[tuple[int, ...], Images] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read: queue.Queue[Shard | BaseException] = queue.Queue(READ_AHEAD)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read_ahead, daemon=True)
        self._reader.start()

    def __len__(self) -> int:
        return sum(images.count for images in self.by_size.values())

    def close(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self._reader.join()

    def take(self, wait_s: float = 0.0) -> None:
        """Takes in what has been read, `READ_AHEAD` shards at most.

        Args:
            wait_s: How long to wait for the first images.

        Raises:
            Exception: whatever reading ended with.
        """
        for _ in range(READ_AHEAD):
            try:
                shard = self._read.get(timeout=wait_s) if wait_s and not self.by_size else self._read.get_nowait()
            except queue.Empty:
                return
            if isinstance(shard, BaseException):
                raise shard
            size = (*shard.image.shape[1:3], shard.log_depth.shape[1])
            images = self.by_size.setdefault(size, Images.like(shard, self.device))
            image, codes = torch.from_numpy(shard.image), torch.from_numpy(shard.log_depth.view(np.int16))
            spare = self.limit_bytes - sum(kept.kept_bytes for kept in self.by_size.values())
            images.add(image.to(self.device), codes.to(self.device), shard.labels, spare)

    def _read_ahead(self) -> None:
        known: set[Path] = set()
        try:
            while not self._ended.is_set():
                new = [path for folder in self.folders for path in shard_folders(folder) if path not in known]
                if not new:
                    time.sleep(0.5)
                for path in new:
                    known.add(path)
                    with contextlib.suppress(OSError, ValueError):  # removed meanwhile
                        mapped = Shard.open(path)
                        self._hand_over(Shard(*(np.array(getattr(mapped, n)) for n in mapped.__dataclass_fields__)))
        except BaseException as error:
            self._hand_over(error)

    def _hand_over(self, what: Shard | BaseException) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(queue.Full):
                self._read.put(what, timeout=1)
                return
