"""Trains the bundled network on a pool of procedural images.

    python scripts/train/train.py RUN --pool POOL --preset cpu --until 17:30
    python scripts/train/train.py RUN --pool POOL --preset gpu --minutes 25 --pause-after 9
    python scripts/train/train.py RUN --export infinidepth_blender/weights/bundled.safetensors

RUN is a folder: log.csv, validation.csv, state.pt to go on from after an interruption, and
average-*.safetensors, the averaged weights in pieces of at most 16 MiB. With --supervise a
trainer that the system ended is started again from the last state.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from infinidepth_blender.field.network import Features, InfiniDepthNetwork, NetworkConfig  # noqa: E402
from infinidepth_blender.field.precision import has_bfloat16_units  # noqa: E402
from infinidepth_blender.field.weights_files import load_weights, save_weights  # noqa: E402
from train.data import Batch, BatchStream  # noqa: E402
from train.logs import Log  # noqa: E402
from train.losses import compute_losses, total  # noqa: E402
from train.pieces import load_pieces, save_pieces  # noqa: E402
from train.pool import clock_time  # noqa: E402
from train.presets import PRESETS, Preset  # noqa: E402
from train.processes import start_again  # noqa: E402
from train.resident import ResidentStream  # noqa: E402
from train.schedule import begin_time, end_after, end_time, is_finished, note_end, note_finished  # noqa: E402
from train.together import STEPS_APART, apart, meet, rank, together  # noqa: E402
from train.validate import validate  # noqa: E402


class Trainer:
    """One run: network, average, optimiser and where it stands."""

    def __init__(
        self, run: Path, preset: Preset, device: str = "cpu", kind: type[InfiniDepthNetwork] = InfiniDepthNetwork
    ) -> None:
        torch.manual_seed(preset.seed)
        self.run, self.preset, self.device = run, preset, device
        self.network = kind(preset.network).to(device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        decayed = [p for p in self.network.parameters() if p.ndim > 1 and p.requires_grad]
        plain = [p for p in self.network.parameters() if p.ndim <= 1 and p.requires_grad]
        groups = [{"params": decayed, "weight_decay": preset.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=preset.peak_rate, betas=(0.9, 0.98), fused=True)
        self.step = self.images = 0
        self.warm_since = 0
        self.trained_s = 0.0

    def learn(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """One step of the optimiser; `progress` in [0, 1] places it on the cosine.

        Returns:
            Scalars for the log, on the device: the loss, the norm of its gradient, and its terms.
        """
        p = self.preset
        warm = min(1.0, (self.step - self.warm_since + 1) / p.warmup_steps)
        rate = p.peak_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = batch.to(self.device)
        self.network.train()
        mixed = _bfloat16(self.device) if self.device.startswith("cuda") else p.mixed and _fast_bfloat16()
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=mixed):
            features = self.network.encode(batch.image, batch.prompt if p.prompted_share else None)
        # Neighbouring queries differ by less than half precision tells apart.
        features = _float(features)
        decoded, estimates = self.network.decode(features, batch.coords_yx), self.network.globals(features)
        losses = compute_losses(decoded, estimates, features, batch)
        loss = total(losses)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), p.clip)
        # A step without a direction is left out where it is computed: a graphics card need not be waited for.
        self.optimiser.found_inf = (~torch.isfinite(norm)).float()  # pyright: ignore[reportAttributeAccessIssue]
        self.optimiser.step()
        self._average_in()
        self.step += 1
        self.images += p.batch * p.processes
        told = {"loss": loss, "norm": norm, **losses}
        return {name: value.detach() for name, value in told.items()}

    @torch.no_grad()
    def _average_in(self) -> None:
        keep = min(self.preset.ema, (1 + self.step) / (10 + self.step))
        mine: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = list(self.network.parameters())
        get_ema_multi_avg_fn(keep)(mine, theirs, self.step)

    # -- on disk ---------------------------------------------------------------------

    def save(self) -> None:
        """State to go on from, and the averaged weights in pieces."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "warm_since": self.warm_since,
            **self._progress(),
        }
        partial = self.run / "state.pt.partial"
        torch.save(state, partial)
        partial.replace(self.run / "state.pt")
        save_pieces(self.average.state_dict(), self.run, self._progress())

    def _progress(self) -> dict[str, float]:
        return {"step": self.step, "images": self.images, "trained_s": self.trained_s}

    def resume(self) -> bool:
        """Goes on from state.pt, or from the averaged weights alone; False if there is neither."""
        path = self.run / "state.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self._go_on_from(state)
            self.warm_since = int(state.get("warm_since", 0))
            return True
        loaded = load_pieces(self.run)
        if loaded is None:
            return False
        tensors, info = loaded
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)
        self._go_on_from(info)
        return True

    def _go_on_from(self, told: dict) -> None:
        self.step, self.trained_s = int(told["step"]), float(told["trained_s"])
        self.images = int(told.get("images", self.step * self.preset.batch))
        # An optimiser that knows nothing of the weights yet begins gently, whatever they have learnt.
        self.warm_since = self.step

    def begin_with(self, weights: Path) -> None:
        """Takes the weights of an exported file; layers that it lacks stay as they are.

        Raises:
            ModelError: it cannot be read.
            ValueError: its network has other shapes.
        """
        known = load_weights(weights)
        mine, theirs = self.network.state_dict(), known.network.state_dict()
        odd = [name for name, value in theirs.items() if name not in mine or mine[name].shape != value.shape]
        if odd:
            raise ValueError(f"{weights} is of another network than the preset's: {odd[0]} differs")
        for network in (self.network, self.average):
            network.load_state_dict(mine | theirs)
        self.step = int(known.training.get("steps", 0))
        self.images = int(known.training.get("images_seen", 0))
        self.trained_s = 3600 * float(known.training.get("hours", 0))
        self.warm_since = self.step


def _bfloat16(device: str) -> bool:
    return device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)


def _fast_bfloat16() -> bool:
    """Whether this processor gains by half precision; without oneDNN its units lie idle."""
    return torch.backends.mkldnn.enabled and has_bfloat16_units()  # pyright: ignore[reportAttributeAccessIssue]


def _float(features: Features) -> Features:
    told = features.perspective
    return replace(
        features,
        levels=tuple(level.float() for level in features.levels),
        summary=features.summary.float(),
        perspective=None if told is None else told.float(),
    )


def train(
    run: Path,
    pool: Path | Sequence[Path],
    preset: Preset,
    device: str,
    steps: int | None,
    until: float | None,
    validation: Path | None,
    pause: float = math.inf,
    weights: Path | None = None,
) -> Trainer:
    """Trains until a number of steps or a moment; goes on where the run stopped before, and not at all after that moment.

    Args:
        run, pool, validation: Folders: of the run, of the shards to learn from, of held-out ones.
        preset, device: How and where.
        steps: End of the schedule (processes that train together end at a multiple of `STEPS_APART`), or
        until: its end as a moment (seconds since the epoch).
        pause: Moment at which to save and stop within the schedule, to be called again later.
        weights: What a new run begins with; None: random weights.

    Raises:
        ValueError: the run was begun with another network, or its end is not after its beginning.
    """
    torch.set_num_threads(preset.threads)
    run.mkdir(parents=True, exist_ok=True)
    _check_network(run, preset)
    trainer = Trainer(run, preset, device)
    resumed = trainer.resume()
    leads = rank() == 0
    if until is not None and is_finished(run):
        if leads:
            print(f"{run} has finished, after {trainer.step} steps; give a new folder to train on.", file=sys.stderr)
        return trainer
    if weights is not None and not resumed:
        trainer.begin_with(weights)
    # Another stream of batches after a restart than before it, and in every process.
    seed = preset.seed + trainer.step + 1_000_003 * rank()
    what = preset.batch, preset.queries, preset.network.input_patch_px, preset.prompted_share
    if preset.resident:
        stream = ResidentStream(pool, device, seed, *what, limit_bytes=_room(device))
    else:
        stream = BatchStream(pool, seed, *what)
    if leads:
        (run / "preset.json").write_text(json.dumps(asdict(preset), indent=1))
    log, scores = Log(run / "log.csv"), Log(run / "validation.csv")
    saved = validated = time.time()
    sums: dict[str, Tensor] = {}
    counted, since = 0, time.time()
    progress, met = 0.0, False
    with contextlib.closing(stream):
        begin = begin_time(run, resumed) if leads else 0.0
        if leads and until is not None:
            if until <= begin:
                raise ValueError(f"{run} would end before it begins; give a later --until or more --minutes.")
            note_end(run, until)
        while True:
            now = time.time()
            # All processes begin at the same step, which may lie between two meetings.
            if not met or trainer.step % STEPS_APART == 0 or preset.processes == 1:
                met = True
                progress = trainer.step / steps if steps else (now - begin) / ((until or now + 1) - begin)
                progress, paused = meet((progress, float(now >= pause)), trainer.network.parameters())
                if progress >= 1 or paused:
                    break
                # Right after a meeting, so that all go on from what all had in common.
                if leads and now - saved > preset.save_s:
                    trainer.save()
                    saved = now
            values = trainer.learn(stream.next(preset.tokens(progress)), progress)
            trainer.trained_s += time.time() - now
            counted += 1
            for name, value in values.items():
                sums[name] = sums[name] + value if name in sums else value
            if not leads:
                continue
            if counted >= 50 or (steps and trainer.step >= steps):
                row = {
                    "step": trainer.step,
                    "progress": progress,
                    "rate": trainer.optimiser.param_groups[0]["lr"],
                    **{name: float(value) / counted for name, value in sums.items()},
                }
                log.add({**row, "images_per_s": preset.processes * counted * preset.batch / (time.time() - since)})
                sums, counted, since = {}, 0, time.time()
            if validation and time.time() - validated > preset.validate_s:
                scores.add(
                    {"step": trainer.step, "progress": progress, **validate(trainer.average, validation, device)}
                )
                validated = time.time()
    if not leads:
        return trainer
    trainer.save()
    if progress < 1:
        return trainer
    if validation:
        scores.add({"step": trainer.step, "progress": 1.0, **validate(trainer.average, validation, device)})
    note_finished(run, trainer.step)
    return trainer


def _check_network(run: Path, preset: Preset) -> None:
    told = run / "preset.json"
    if not told.exists():
        return
    begun_with = NetworkConfig.from_json(json.loads(told.read_text())["network"])
    if begun_with != preset.network:
        raise ValueError(
            f"{run} was begun with another network; export its weights and begin a new run with --weights."
        )


def _room(device: str) -> float:
    """Bytes of a device that images may take; the rest is for the network's work on a batch, and for a pool that grows."""
    return 0.4 * torch.cuda.mem_get_info(device)[1] if device.startswith("cuda") else 4e9


def export(run: Path, path: Path, notes: dict, tokens: int | None = None) -> None:
    """Writes the averaged weights as the package reads them, with the number of patches that photos get; None: the preset's."""
    loaded = load_pieces(run)
    if loaded is None:
        raise SystemExit(f"{run} has no averaged weights yet.")
    tensors, info = loaded
    preset = json.loads((run / "preset.json").read_text())
    config = NetworkConfig.from_json(preset["network"])
    network = InfiniDepthNetwork(config if tokens is None else replace(config, tokens=tokens))
    network.load_state_dict(tensors)
    images = int(info.get("images", int(info["step"]) * int(preset["batch"])))
    save_weights(
        network.eval(),
        path,
        {"steps": info["step"], "images_seen": images, "hours": round(info["trained_s"] / 3600, 2), **notes},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pool", type=Path, nargs="+", help="one or several pools")
    parser.add_argument("--validation", type=Path, help="pool of held-out images")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="cpu")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--until", type=clock_time, help="local time HH:MM; the schedule ends there")
    parser.add_argument("--minutes", type=float, help="instead: length of the schedule, from the run's beginning")
    parser.add_argument("--pause-after", type=float, default=math.inf, help="minutes until this call saves and stops")
    parser.add_argument("--weights", type=Path, help="exported weights that a new run begins with")
    parser.add_argument(
        "--processes", type=int, choices=range(1, 65), metavar="N", help="trainers of one network; cores of a processor"
    )
    parser.add_argument("--supervise", action="store_true")
    parser.add_argument(
        "--no-mkldnn",
        action="store_true",
        help="without oneDNN and in float32: where it fails, or an old processor is faster so",
    )
    parser.add_argument("--export", type=Path)
    parser.add_argument(
        "--tokens", type=int, help="with --export: patches of a photo, where others than the preset's are better"
    )
    args = parser.parse_args()
    if args.export:
        export(
            args.run,
            args.export,
            {"data": "procedural scenes, scripts/train/scenes", "preset": args.preset},
            args.tokens,
        )
        return
    if args.pool is None or sum(value is not None for value in (args.steps, args.until, args.minutes)) != 1:
        parser.error("--pool and one of --steps, --until and --minutes are needed")
    for pool in args.pool:
        if not pool.is_dir():
            parser.error(f"there is no pool {pool}; pool.py makes one")
    preset = PRESETS[args.preset]
    if args.processes is not None:
        preset = replace(preset, processes=args.processes)
    until = None if args.until is None else end_time(args.run, args.until)
    if args.minutes is not None:
        until = end_after(args.run, args.minutes)
    pause = time.time() + 60 * args.pause_after
    where = args.run, args.pool, preset, args.device, args.steps, until, args.validation, pause, args.weights
    if args.supervise:
        start_again(lambda: apart(preset.processes, _train, (args.no_mkldnn, where)))
    else:
        together(preset.processes, _train, (args.no_mkldnn, where))


def _train(no_mkldnn: bool, arguments: tuple) -> None:
    if no_mkldnn:
        torch.backends.mkldnn.enabled = False  # pyright: ignore[reportAttributeAccessIssue]
    train(*arguments)


if __name__ == "__main__":
    main()
