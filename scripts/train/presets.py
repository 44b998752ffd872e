"""How a run is trained on a processor, on a graphics card, and in tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infinidepth_blender.field.network import NetworkConfig
from infinidepth_blender.field.vit import VitConfig


@dataclass(frozen=True)
class Preset:
    """Settings of a run.

    Attributes:
        batch: Images per step. queries: Coordinates per image, a multiple of three.
        stages: Parts of the schedule: where each ends, as a share of the whole, and its patches per image. Small images
            teach the layout of places at half the cost, full ones the detail.
        peak_rate, weight_decay, warmup_steps, clip, ema: Of the optimisation.
        mixed: Mixed precision also on a CPU that has units for bfloat16; a GPU has it wherever it has such units.
        processes: Trainers of one network, each with batches of its own (`together`).
        prompted_share: Share of the images that get measured points.
        save_s, validate_s: Seconds between states and between validations.
        threads: Of torch.
        resident: Whether images stay in the memory of the device, and batches are made there (`resident`).
    """

    batch: int
    queries: int
    stages: tuple[tuple[float, int], ...]
    peak_rate: float
    warmup_steps: int
    ema: float
    weight_decay: float = 0.02
    clip: float = 1.0
    save_s: float = 120.0
    validate_s: float = 600.0
    threads: int = 1
    resident: bool = False
    mixed: bool = False
    processes: int = 1
    prompted_share: float = 0.4
    seed: int = 42
    network: NetworkConfig = NetworkConfig(prompt_channels=32, perspective=True, two_surfaces=True)  # noqa: RUF009 - frozen

    def tokens(self, progress: float) -> int:
        """Patches per image at a share of the schedule."""
        return next((tokens for end, tokens in self.stages if progress < end), self.stages[-1][1])


WIDE = NetworkConfig(
    vit=VitConfig(width=384, blocks=6, heads=6, in_channels=5, ratio=3.0),
    prompt_channels=32,
    perspective=True,
    two_surfaces=True,
    detail_channels=16,
)
"""10 million parameters; `widen.py` and new layers make it of the network of 3.5 million that there was first."""

PRESETS = {
    "cpu": Preset(
        batch=8, queries=1536, stages=((0.3, 72), (0.7, 120), (1.0, 144)), peak_rate=3e-4, warmup_steps=250, ema=0.999,
        prompted_share=0.25, mixed=True, network=replace(WIDE, tokens=132),
    ),
    # For weights that are nearly done.
    "cpu-finish": Preset(
        batch=8, queries=1536, stages=((1.0, 132),), peak_rate=1.5e-4, warmup_steps=250, ema=0.999, prompted_share=0.25,
        mixed=True, network=replace(WIDE, tokens=132),
    ),
    "gpu": Preset(
        batch=128, queries=3072, stages=((0.3, 72), (0.7, 120), (1.0, 160)), peak_rate=1e-3, warmup_steps=200, ema=0.999,
        prompted_share=0.25, threads=2, resident=True, network=replace(WIDE, tokens=132),
    ),
    "tiny": Preset(
        batch=2, queries=258, stages=((1.0, 12),), peak_rate=2e-3, warmup_steps=3, ema=0.9, save_s=1e9, validate_s=1e9,
        network=NetworkConfig(vit=VitConfig(width=32, blocks=4, heads=2, in_channels=5), blocks=(0, 1, 2, 3), channels=(8, 8, 16, 16), head_hidden=16, globals_hidden=16, prompt_channels=8, perspective=True, two_surfaces=True, detail_channels=8),
    ),
}  # fmt: skip
