"""A pool of rendered images on disk: one process fills it, the trainer reads it again and again.

A shard is a folder of plain arrays for images of one size. New shards appear under their
final name only when complete; when the pool is full the oldest go.

    python scripts/train/pool.py FOLDER --until 17:30 --limit-gb 2.7 --workers 2
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from train.processes import spread  # noqa: E402
from train.scenes.bank import Bank, make_bank  # noqa: E402
from train.scenes.layouts import LAYOUTS  # noqa: E402
from train.scenes.render import Sample, render  # noqa: E402

SHAPES: dict[str, tuple[int, int, float]] = {
    "4x3": (160, 214, 0.28),
    "3x2": (150, 226, 0.27),
    "16x9": (138, 246, 0.14),
    "1x1": (184, 184, 0.09),
    "3x4": (214, 160, 0.12),
    "2x3": (226, 150, 0.10),
}
"""Rendered size (height, width) and share of every aspect ratio."""

LOG_NEAR, LOG_FAR = np.log(0.02), np.log(5000.0)
SKY_CODE = 65535
SHARDS_PER_BANK = 16


def encode_log_depth(log_depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """16-bit codes of log depth, 0.02 % apart; `SKY_CODE` where it is infinite."""
    share = (np.clip(log_depth, LOG_NEAR, LOG_FAR) - LOG_NEAR) / (LOG_FAR - LOG_NEAR)
    return np.where(np.isfinite(log_depth), np.round(share * (SKY_CODE - 1)), SKY_CODE).astype(np.uint16)


def decode_log_depth(codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The inverse of `encode_log_depth`."""
    values = codes.astype(np.float32) * ((LOG_FAR - LOG_NEAR) / (SKY_CODE - 1)) + LOG_NEAR
    return np.where(codes == SKY_CODE, np.inf, values).astype(np.float32)


@dataclass
class Shard:
    """Images of one size with their truth.

    Attributes:
        image: (n, H, W, 3) uint8; (n, 2H, 2W, 3) of fine ones.
        log_depth: (n, 2H, 2W) uint16 codes.
        labels: (n, 4) float32: focal length in pixels, pitch, roll (radians), layout index.
    """

    image: NDArray[np.uint8]
    log_depth: NDArray[np.uint16]
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    def save(self, folder: Path) -> None:
        """Writes a folder that appears at once."""
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in ("image", "log_depth", "labels"):
            np.save(partial / f"{name}.npy", getattr(self, name))
        partial.replace(folder)

    @classmethod
    def open(cls, folder: Path) -> Shard:
        """Maps a shard into memory; still usable after the folder was deleted."""
        names = ("image", "log_depth", "labels")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def pack(samples: list[Sample]) -> Shard:
    """One shard from samples of equal size."""
    kinds = list(LAYOUTS)
    labels = [[s.camera.fx_px, s.camera.pitch_rad, s.camera.roll_rad, kinds.index(s.kind)] for s in samples]
    return Shard(
        np.stack([s.image.cpu().numpy() for s in samples]),
        np.stack([encode_log_depth(s.log_depth.cpu().numpy()) for s in samples]),
        np.asarray(labels, dtype=np.float32),
    )


def make_shard(
    seed: int,
    number: int,
    count: int,
    bank: Bank,
    shape: tuple[int, int] | None = None,
    scale: float = 1.0,
    kind: str | None = None,
    fine: bool = False,
) -> Shard:
    """Renders shard `number` of a pool; equal arguments give equal shards.

    Args:
        seed, number: Decide the content.
        count: Images.
        bank: What they are painted with.
        shape: Height and width; without it one of `SHAPES`, times `scale`.
        scale: As above.
        kind: The only kind of place; None: all, each with its share.
        fine: Whether the images are as large as the truth, which is twice `shape`.
    """
    rng = np.random.default_rng([seed, number])
    if shape is None:
        names = list(SHAPES)
        shares = np.array([SHAPES[name][2] for name in names])
        height, width, _ = SHAPES[str(rng.choice(names, p=shares / shares.sum()))]
        height, width = round(height * scale / 2) * 2, round(width * scale / 2) * 2
    else:
        height, width = shape
    return pack([render(rng, bank, height, width, kind, fine) for _ in range(count)])


def shard_folders(folder: Path) -> list[Path]:
    """Complete shards, oldest first."""
    return sorted(path for path in folder.glob("shard_*") if path.is_dir())


@dataclass(frozen=True)
class Filling:
    """How a pool is filled.

    Attributes:
        seed: Decides the content.
        stop_time: Seconds since the epoch. shards: Number of shards to add, None for no limit.
        limit_bytes: Size beyond which the oldest shards go.
        count: Images per shard. scale: Their size in multiples of `SHAPES`.
        device: Where they are rendered. workers: Processes; each makes every `workers`-th shard.
        kind: The only kind of place; None: all.
        fine: Whether the images are as large as the truth.
    """

    seed: int
    stop_time: float
    limit_bytes: float
    count: int = 48
    shards: int | None = None
    scale: float = 1.0
    device: str = "cpu"
    workers: int = 1
    kind: str | None = None
    fine: bool = False


def fill(folder: Path, filling: Filling) -> None:
    """Writes shards until a moment or a number is reached."""
    folder.mkdir(parents=True, exist_ok=True)
    if filling.workers == 1:
        fill_share(0, folder, filling)
    else:
        spread(filling.workers, fill_share, (folder, filling))


def fill_share(worker: int, folder: Path, filling: Filling) -> None:
    """The part of one process: shards whose number leaves `worker` when divided by the number of processes."""
    torch.set_num_threads(1)
    workers = filling.workers
    mine = [path for path in shard_folders(folder) if _number(path) % workers == worker]
    number = _number(mine[-1]) + workers if mine else worker
    shards = None if filling.shards is None else len(range(worker, filling.shards, workers))
    made, bank = 0, None
    while time.time() < filling.stop_time and (shards is None or made < shards):
        if bank is None or made % SHARDS_PER_BANK == 0:
            bank = make_bank(np.random.default_rng([filling.seed, number, 1]), 10, filling.device)
        start = time.perf_counter()
        path = folder / f"shard_{number:06d}"
        shard = make_shard(
            filling.seed, number, filling.count, bank, scale=filling.scale, kind=filling.kind, fine=filling.fine
        )
        shard.save(path)
        print(f"shard {number}: {(time.perf_counter() - start) / filling.count:.3f} s per image", flush=True)
        mine.append(path)
        number += workers
        made += 1
        sizes = [sum(file.stat().st_size for file in path.iterdir()) for path in mine]
        while sum(sizes) > filling.limit_bytes / workers:
            sizes.pop(0)
            shutil.rmtree(mine.pop(0))


def _number(path: Path) -> int:
    return int(path.name.split("_")[1])


def clock_time(text: str) -> float:
    """Seconds since the epoch of the next "HH:MM"."""
    now = datetime.datetime.now()
    hour, minute = (int(part) for part in text.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (moment if moment > now else moment + datetime.timedelta(days=1)).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=clock_time, default=float("inf"), help="local time HH:MM")
    parser.add_argument("--minutes", type=float, help="instead: how long")
    parser.add_argument("--shards", type=int, help="stop after this many")
    parser.add_argument("--count", type=int, default=48, help="images per shard")
    parser.add_argument("--limit-gb", type=float, default=2.7)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the images; 1 is about 160 x 214")
    parser.add_argument("--kind", choices=sorted(LAYOUTS), help="only this kind of place")
    parser.add_argument(
        "--fine", action="store_true", help="keep all pixels of the image: it becomes as large as the truth"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes, also on one GPU")
    args = parser.parse_args()
    limit = args.limit_gb * 1e9
    stop_time = args.until if args.minutes is None else time.time() + 60 * args.minutes
    filling = Filling(
        args.seed,
        stop_time,
        limit,
        args.count,
        args.shards,
        args.scale,
        args.device,
        args.workers,
        args.kind,
        args.fine,
    )
    fill(args.folder, filling)


if __name__ == "__main__":
    main()
