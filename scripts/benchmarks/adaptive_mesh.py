"""How many triangles an adaptive mesh needs, as a share of the regular mesh's.

Meshes of 1024 vertices along the longer side, at a relative depth error of 0.2 %, of each photo in
the folder of samples, by the bundled model alone and with the measured depth that lies beside it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image

from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.options import MeshKind, ReconstructOptions
from infinidepth_blender.reconstruction import MeshArrays, load

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
"""Where it is missing, a photo that scikit-image brings."""
MEASURED = (".npz", ".npy")
TARGET = 0.2


def run() -> dict[str, dict[str, Any]]:
    """`adaptive_mesh_<photo>` and `adaptive_mesh_<photo>_measured`."""
    models = ModelCache()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for photo in _photos(Path(folder)):
            for depth in (None, *(path for path in map(photo.with_suffix, MEASURED) if path.is_file())):
                name = f"adaptive_mesh_{photo.stem}" + ("_measured" if depth else "")
                results[name] = _share(photo, depth, Path(folder) / name, models)
    return results


def _photos(folder: Path) -> list[Path]:
    found = sorted(path for path in SAMPLES.glob("*") if path.suffix in (".jpg", ".png"))
    if not found:
        found = [folder / "chelsea.png"]
        Image.fromarray(skimage.data.chelsea()).save(found[0])
    return found


def _share(photo: Path, depth: Path | None, folder: Path, models: ModelCache) -> dict[str, Any]:
    counts: dict[MeshKind, int] = {}
    seconds: dict[MeshKind, float] = {}
    kinds: tuple[MeshKind, ...] = ("regular", "adaptive")
    for kind in kinds:
        options = ReconstructOptions(
            make=("mesh",), mesh=kind, background="none", depth_prompt=None if depth is None else str(depth)
        )
        reconstruct_photo(photo, folder / kind, options, models=models)
        made = load(folder / kind)
        assert made.mesh is not None
        counts[kind] = _triangles(made.mesh)
        seconds[kind] = made.timings_s["mesh"]
    return {
        "value": counts["adaptive"] / counts["regular"],
        "unit": "of the regular mesh's triangles",
        "target": TARGET,
        "better": "lower",
        "note": f"{counts['adaptive']:,} of {counts['regular']:,}; mesh stage {seconds['adaptive']:.1f} s, "
        f"regular {seconds['regular']:.1f} s",
    }


def _triangles(mesh: MeshArrays) -> int:
    return 2 * len(mesh.quads) + len(mesh.triangles)
