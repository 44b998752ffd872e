"""Options that would change nothing, which is never what was meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields

from ..errors import OptionsError
from ..options import DEFAULT_PARTS, READ_BY, Part, ReconstructOptions


def made_by_engine(parts: Sequence[Part]) -> tuple[Part, ...]:
    """What the engine makes: a scene alone is made of everything."""
    return tuple(part for part in parts if part != "blend") or DEFAULT_PARTS


def refuse_without_effect(arguments: argparse.Namespace, parts: Sequence[Part]) -> None:
    """Stops at an option whose part or way is missing.

    Raises:
        OptionsError: there is one.
    """
    if arguments.mesh != "adaptive":
        for name, given in (
            ("--mesh-error-px", arguments.mesh_error_px is not None),
            ("--mesh-error", arguments.mesh_error != ReconstructOptions.mesh_error),
        ):
            if given:
                raise OptionsError(f"{name} has no effect on a regular mesh.", "Add --mesh adaptive.")
    made = made_by_engine(parts)
    if arguments.solid is not None and not {"mesh", "glb"} & set(made):
        raise OptionsError("--solid has no effect without a mesh.", "Add mesh to --make.")
    if "points" not in made:
        for name, given in (
            ("--points-mask", arguments.points_mask),
            ("--points-crop", arguments.points_crop),
            ("--points-density", arguments.points_density),
        ):
            if given:
                raise OptionsError(f"{name} has no effect without points.", "Add points to --make.")


def notes_without_effect(options: ReconstructOptions) -> list[str]:
    """A sentence for each setting that is not the usual one and that no part reads which is made.

    They may stand in a line that serves several runs, and do no harm: unlike a missing mask's part they stop nothing.
    """
    made = set(made_by_engine(options.make))
    usual = {entry.name: entry.default for entry in fields(ReconstructOptions)}
    return [
        f"--{name.removesuffix('_deg').replace('_', '-')} has no effect here: only {_listed(parts)} read it."
        for name, parts in READ_BY.items()
        if not parts & made and getattr(options, name) != usual[name]
    ]


def _listed(parts: frozenset[Part]) -> str:
    *first, last = (part for part in ("mesh", "points", "splats", "glb") if part in parts)
    return f"{', '.join(first)} and {last}" if first else last
