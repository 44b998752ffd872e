"""All samples of a surface at once, where the product takes them part by part."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.protocol import DepthField
from infinidepth_blender.query.sampling import SurfaceSamples, sample_in_chunks


def sample_surface(field: DepthField, camera: Camera, n: int, **options: Any) -> SurfaceSamples:
    """The parts of `sample_in_chunks` put together; they follow each other without a gap."""
    parts: list[SurfaceSamples] = []
    for start, part in sample_in_chunks(field, camera, n, **options):
        assert start == sum(map(len, parts))
        parts.append(part)
    if not parts:
        nothing = np.empty(0, np.float32)
        return SurfaceSamples(nothing.reshape(0, 2), nothing, nothing.reshape(0, 3), nothing, nothing)
    return SurfaceSamples(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(SurfaceSamples)))
