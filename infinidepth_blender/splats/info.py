"""What is in a splat file or any PLY, as plain values and as lines for people; numpy and plyfile alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from plyfile import PlyData

from . import SOG_LIST
from .files import read_splats
from .packed_ply import is_packed
from .ply import is_splat_layout, open_ply
from .sh import dc_to_rgb, sh_degree
from .sog import RgbaOf, unpacked_bytes
from .splat_file import SplatFile
from .splat_glb import counts_without_splats


def file_info(path: Path, rgba_of: RgbaOf | None = None) -> dict[str, Any]:
    """Describes a splat file of any kind, or a PLY or GLB with a point cloud, a mesh or anything else.

    Args:
        path: The file.
        rgba_of: As in `read_splats`.

    Returns:
        `kind` (`splats`, `points`, `mesh` or `other`), `elements` (rows by name),
        `properties` (names of the vertices' properties), `bounds_m` (two corners, None
        without positions and of a GLB without splats); for splats also `sh_degree`, `dropped`, `color_space`, `camera`,
        `median_scale_m`, `mean_opacity` and `mean_color_srgb`.

    Raises:
        SplatFileError: the file is missing, of no kind that is known, or damaged.
    """
    if path.suffix.lower() == ".glb" and (counts := counts_without_splats(path)) is not None:
        kind = "mesh" if counts["face"] else "points" if counts["vertex"] else "other"
        return {"kind": kind, "bytes": path.stat().st_size, "elements": counts, "properties": [], "bounds_m": None}
    if path.suffix.lower() != ".ply":
        file = read_splats(path, rgba_of)
        size = unpacked_bytes(path) if path.name == SOG_LIST else path.stat().st_size
        about = {"bytes": size, "elements": {"vertex": len(file.gaussians)}, "properties": []}
        return about | _splat_values(file)
    data = open_ply(path)
    info: dict[str, Any] = {
        "kind": "other",
        "bytes": path.stat().st_size,
        "elements": {element.name: element.count for element in data.elements},
        "properties": [p.name for p in data["vertex"].properties] if "vertex" in data else [],
        "bounds_m": None,
    }
    if is_packed(data):
        return info | _splat_values(read_splats(path))
    if "vertex" not in data or not {"x", "y", "z"} <= set(info["properties"]):
        return info
    if is_splat_layout(info["properties"]):
        return info | _splat_values(read_splats(path))
    has_faces = any(e.name in ("face", "tristrips") and e.count > 0 for e in data.elements)
    return info | {"kind": "mesh" if has_faces else "points", "bounds_m": _bounds(_positions(data))}


def file_lines(path: Path, info: dict[str, Any]) -> list[str]:
    """The result of `file_info` for people."""
    what = {"splats": "Gaussian splats", "points": "a point cloud", "mesh": "a mesh", "other": "no points"}[
        info["kind"]
    ]
    lines = [f"{path.name}: {what}, {info['bytes'] / 1e6:,.1f} MB"]
    lines += [f"  {name:<11} {count:,}" for name, count in info["elements"].items() if name in ("vertex", "face")]
    if info["bounds_m"] is not None:
        lines.append(
            "  extent      "
            + ", ".join(
                f"{axis} {low:.3f} to {high:.3f}" for axis, low, high in zip("xyz", *info["bounds_m"], strict=True)
            )
        )
    if info["kind"] == "splats":
        lines += [
            f"  colour      spherical harmonics of degree {info['sh_degree']}, {info['color_space']}",
            f"  size        median standard deviation {info['median_scale_m']:.4g}, mean opacity {info['mean_opacity']:.2f}",
        ]
        if info["dropped"]:
            lines.append(f"  left out    {info['dropped']:,} splats with values that are not numbers")
        camera = info["camera"]
        lines.append(
            "  camera      none"
            if camera is None
            else f"  camera      {camera['width_px']} x {camera['height_px']}, focal length {camera['fx_px']:.1f} px"
        )
    elif info["properties"]:
        lines.append(f"  properties  {' '.join(info['properties'])}")
    return lines


def _splat_values(file: SplatFile) -> dict[str, Any]:
    g = file.gaussians
    return {
        "kind": "splats",
        "bounds_m": _bounds(g.means),
        "sh_degree": sh_degree(g.sh.shape[1]),
        "dropped": file.dropped,
        "color_space": file.color_space,
        "camera": None if file.camera is None else file.camera.to_json(),
        "median_scale_m": float(np.median(g.scales.max(axis=1))),
        "mean_opacity": float(g.opacities.mean()),
        "mean_color_srgb": [float(v) for v in dc_to_rgb(g.sh[:, 0]).mean(axis=0)],
    }


def _positions(data: PlyData) -> np.ndarray[Any, Any]:
    vertices = data["vertex"].data
    return np.stack([np.asarray(vertices[axis], dtype=np.float64) for axis in "xyz"], axis=-1)


def _bounds(positions: np.ndarray[Any, Any]) -> list[list[float]] | None:
    """The two corners of the box around all finite positions."""
    finite = positions[np.isfinite(positions).all(axis=1)]
    if not len(finite):
        return None
    return [[float(v) for v in finite.min(axis=0)], [float(v) for v in finite.max(axis=0)]]
