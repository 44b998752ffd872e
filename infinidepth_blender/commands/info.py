"""`info`: what is in a bundle, in a splat or PLY file or in a model's file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..bundle_record import MAKE_AGAIN, damage_is_told, first_damaged, read_record
from ..engine.registry import megabytes
from ..errors import BundleError
from ..splats import READ_SUFFIXES, SOG_LIST
from .context import Context, expanded

_MODEL_SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints what there is.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
        SplatFileError: the splat or PLY file cannot be read.
        ModelError: the model's file is damaged, or no known model.
        RuntimeMissingError: it is a model, and there is no engine to read it.
    """
    path: Path = expanded(arguments.path)
    if path.is_dir():
        from ..engine.summary import summary_of_bundle

        with damage_is_told(path):
            summary = summary_of_bundle(path)
            damaged = first_damaged(path, read_record(path))
        summary["damaged"] = "" if damaged is None else str(damaged)
        lines = bundle_lines(summary)
    elif path.suffix.lower() in READ_SUFFIXES or path.name == SOG_LIST:
        from ..splats.info import file_info, file_lines

        summary = file_info(path, context.rgba_of)
        lines = file_lines(path, summary)
    elif path.suffix.lower() in _MODEL_SUFFIXES and path.is_file():
        with context.engine() as engine:
            found = engine.finish(engine.call("describe_model", {"file": str(path.absolute())})).summary
        summary = {"file": str(path), "size_bytes": path.stat().st_size} | found
        lines = model_lines(path, summary)
    elif path.exists():
        raise BundleError(
            f"{path} is neither the folder of a result nor a splat or PLY file or a model.", "Name one of these."
        )
    else:
        raise BundleError(f"{path} does not exist.", "Check the spelling.")
    print(json.dumps(summary) if arguments.json else "\n".join(lines))
    return 0


def model_lines(path: Path, summary: dict[str, Any]) -> list[str]:
    """A model's summary for people."""
    what = {
        "bundled": "depth model that was trained with this repository",
        "depth": "published depth model" + (" that takes measured depth" if summary["prompted"] else ""),
        "gaussians": "published predictor of Gaussian splats",
    }[summary["kind"]]
    lines = [f"{path}: {what}"]
    if summary["encoder"]:
        lines.append(f"  encoder  {summary['encoder']}")
    lines.append(f"  weights  {summary['values'] / 1e6:.1f} million, {', '.join(summary['types'])}")
    lines.append(f"  size     {megabytes(summary['size_bytes'])}")
    return lines


def bundle_lines(summary: dict[str, Any]) -> list[str]:
    """A bundle's summary for people."""
    photo, camera = summary["photo"], summary["camera"]
    lines = [
        f"{summary['name']}: {photo['width_px']} x {photo['height_px']} pixels, from {photo['source'] or 'unknown'}",
        f"  camera   {camera['fov_x_deg']:.1f} degrees wide, focal length {camera['fx_px']:.1f} px ({camera['source']}), "
        f"centre {camera['cx_px']:.1f}, {camera['cy_px']:.1f}",
        f"  scale    {summary['scale']['note']}",
        "  depth    {} x {}".format(*summary["depth_size_px"]),
    ]
    if clip := summary.get("clip"):
        fps = f" at {clip['fps']:.4g} a second" if clip["fps"] else ""
        lines.append(f"  clip     {clip['frames']} frames{fps}; what follows is of the first one")
    for part, counts in summary["parts"].items():
        lines.append(f"  {part:<8} " + ", ".join(f"{count:,} {unit}" for unit, count in counts.items()))
    if summary["model"]:
        lines.append(
            f"  model    {summary['model'].get('name', '?')} {summary['model'].get('sha256', '')[:12]}".rstrip()
        )
    lines.append(
        "  time     " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in summary["timings_s"].items())
    )
    if summary["damaged"]:
        lines.append(f"  damaged  {summary['damaged']} is missing or not as it was written. {MAKE_AGAIN}")
    lines += [f"  note     {warning}" for warning in summary["warnings"]]
    return lines
