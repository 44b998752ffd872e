"""Holes where a photo is transparent: in its depth field and in the backdrop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..camera import Camera
from ..field.protocol import DepthField, FieldScale, Rows
from ..field.resample import nearest
from ..reconstruction import MeshArrays


def opaque_at(opaque: NDArray[np.bool_], coords_yx: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) bool: the value of an (H, W) mask at (N, 2) coordinates (y, x) in [-1, 1]."""
    size = np.array(opaque.shape)
    place = np.clip(((coords_yx.astype(np.float64) + 1) / 2 * size).astype(np.intp), 0, size - 1)
    return opaque[place[:, 0], place[:, 1]]


def without_transparent(mesh: MeshArrays, camera: Camera, opaque: NDArray[np.bool_]) -> MeshArrays:
    """The faces of a mesh that lie on opaque pixels with all their corners.

    Args:
        mesh: The mesh; its vertices stay as they are.
        camera: Camera of the photo.
        opaque: (H, W) bool.
    """
    px = camera.project(mesh.vertices_cam)
    coords_yx = px[:, ::-1] / (camera.height_px, camera.width_px) * 2 - 1
    keep = opaque_at(opaque, coords_yx)
    quads, triangles = (faces[keep[faces].all(axis=1)] for faces in (mesh.quads, mesh.triangles))
    return replace(mesh, quads=quads, triangles=triangles)


class MaskedField:
    """Another field, without depth (disparity NaN) and without sky at masked pixels.

    Implements `DepthField`.

    Attributes:
        scale, fov_x_rad: As the inner field says.
    """

    def __init__(self, inner: DepthField, opaque: NDArray[np.bool_]) -> None:
        """Takes the field and the (H, W) mask of the pixels to keep."""
        self.scale: FieldScale = inner.scale
        self.fov_x_rad = inner.fov_x_rad
        self._inner = inner
        self._opaque = opaque

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._cut(self._inner.disparity(coords_yx), self._kept(coords_yx))

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        disparity, gradient = self._inner.disparity_and_gradient(coords_yx)
        return self._cut(disparity, self._kept(coords_yx)), gradient

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self._cut(self._inner.disparity_grid(height, width, rows), self._kept_grid(height, width, rows))

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky at the pixel centres; 0 where masked."""
        sky = self._inner.sky_grid(height, width, rows)
        return torch.where(self._kept_grid(height, width, rows).to(sky.device), sky, torch.zeros_like(sky))

    def _kept(self, coords_yx: Tensor) -> Tensor:
        return torch.from_numpy(opaque_at(self._opaque, coords_yx.detach().cpu().numpy()))

    def _kept_grid(self, height: int, width: int, rows: Rows | None) -> Tensor:
        return torch.from_numpy(nearest(self._opaque, height, width, rows))

    @staticmethod
    def _cut(disparity: Tensor, keep: Tensor) -> Tensor:
        return torch.where(keep.to(disparity.device), disparity, torch.full_like(disparity, torch.nan))
