"""What a finished bundle contains, as plain values for messages and for `info`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..bundle_record import read_record
from ..camera import Camera
from ..errors import BundleError
from ..staging import JSON_NAME


def summary_of_bundle(folder: Path) -> dict[str, Any]:
    """Sizes, counts, camera and scale of a bundle, read from its JSON alone.

    Args:
        folder: The bundle.

    Returns:
        `name`, `photo`, `camera`, `scale`, `depth_size_px`, `parts` (counts by part),
        `model`, `timings_s`, `warnings`; of a clip also `clip`.

    Raises:
        BundleError: there is no finished bundle, or it is damaged.
    """
    data = read_record(folder)
    try:
        return summary_of_json(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(
            f"{folder / JSON_NAME} is damaged: {type(error).__name__} {error}.", "Reconstruct the photo again."
        ) from error


def summary_of_json(data: dict[str, Any]) -> dict[str, Any]:
    """As `summary_of_bundle`, from the content of `reconstruction.json`."""
    camera = Camera.from_json(data["camera"])
    height, width = data["arrays"]["depth"]["shape"]
    return {
        "name": data["name"],
        "photo": data["photo"],
        "camera": {
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "fx_px": camera.fx_px,
            "fy_px": camera.fy_px,
            "cx_px": camera.cx_px,
            "cy_px": camera.cy_px,
            "fov_x_deg": math.degrees(camera.fov_x_rad),
            "source": camera.source,
        },
        "scale": data["scale"],
        "depth_size_px": [width, height],
        "parts": _counts(data["arrays"]),
        "model": {key: data["model"][key] for key in ("name", "sha256") if key in data["model"]},
        "timings_s": data["timings_s"],
        "warnings": data["warnings"],
    } | ({"clip": data["clip"]} if "clip" in data else {})


_COUNTED = {
    "mesh": {"vertices": "mesh_vertices_cam", "quads": "mesh_quads", "triangles": "mesh_triangles"},
    "backdrop": {"vertices": "backdrop_vertices_cam"},
    "beyond": {"vertices": "beyond_vertices_cam"},
    "background": {"vertices": "background_vertices_cam"},
    "points": {"points": "points_positions_cam"},
    "splats": {"Gaussians": "splats_means"},
}


def _counts(arrays: dict[str, Any]) -> dict[str, dict[str, int]]:
    counts = {
        part: {unit: arrays[stem]["shape"][0] for unit, stem in stems.items() if stem in arrays}
        for part, stems in _COUNTED.items()
    }
    return {part: found for part, found in counts.items() if found}
