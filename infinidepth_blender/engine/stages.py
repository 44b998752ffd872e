"""The stages of a reconstruction: what each is called, and its usual share of the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STAGES: dict[str, tuple[str, float]] = {
    "load": ("Reading the photo", 0.03),
    "encode": ("Looking at the photo", 0.30),
    "depth": ("Computing depth", 0.22),
    "mesh": ("Building the mesh", 0.10),
    "points": ("Spreading points", 0.13),
    "splats": ("Placing splats", 0.07),
    "write": ("Writing files", 0.15),
}
CLIP_STAGES: dict[str, tuple[str, float]] = {
    "frames": ("Looking at the frames", 0.7),
    "steady": ("Comparing the frames", 0.05),
    "depth": ("Writing depth maps", 0.12),
    "mesh": ("Building the mesh", 0.03),
    "points": ("Spreading points", 0.03),
    "splats": ("Placing splats", 0.02),
    "write": ("Writing files", 0.05),
}
"""Those of a clip, whose first frame has the parts of a photo."""
_SERVES: dict[str, set[str]] = {
    "mesh": {"mesh", "glb", "points", "splats"},  # with the sky that stands behind them all
    "points": {"points"},
    "splats": {"splats"},
}
"""Parts that a stage is run for; the other stages always run."""


def stage_label(stage: str) -> str:
    """A stage in words; an unknown one by its own name."""
    known = STAGES.get(stage) or CLIP_STAGES.get(stage)
    return known[0] if known else stage.capitalize()


def overall_fraction(
    stage: str, fraction: float, make: Iterable[str], stages: Mapping[str, tuple[str, float]] = STAGES
) -> float:
    """Progress of one photo or clip in [0, 1].

    Args:
        stage: The current stage.
        fraction: How far that stage is, in [0, 1].
        make: The parts that are made; stages of others do not count.
        stages: Those of a photo or of a clip.
    """
    parts = set(make)
    shares = {name: share for name, (_, share) in stages.items() if _SERVES.get(name, parts) & parts}
    if stage not in shares:
        return 0.0
    names = list(shares)
    before = sum(shares[name] for name in names[: names.index(stage)])
    return (before + shares[stage] * min(max(fraction, 0.0), 1.0)) / sum(shares.values())
