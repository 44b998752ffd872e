"""What one photo consists of in a scene."""

from __future__ import annotations

from dataclasses import dataclass

import bpy


@dataclass
class SceneObjects:
    """What was built for one photo; parts that the bundle does not hold, or that the user deleted, are None.

    Attributes:
        collection: Where the photo's objects are, or at least their root.
        root: Empty that carries the camera's pitch and roll and the scene's unit scale.
        camera: The photo's camera.
        mesh, backdrop, background, points, splats: Children of `root`, beside the camera.
        photo_size_px: Width and height of the photo.
        pixel_aspect: Pixel aspect (x, y) that the camera's intrinsics ask for.
    """

    collection: bpy.types.Collection
    root: bpy.types.Object | None
    camera: bpy.types.Object | None
    mesh: bpy.types.Object | None
    backdrop: bpy.types.Object | None
    background: bpy.types.Object | None
    points: bpy.types.Object | None
    splats: bpy.types.Object | None
    photo_size_px: tuple[int, int]
    pixel_aspect: tuple[float, float]

    def parts(self) -> dict[str, bpy.types.Object]:
        """The objects that exist, by the last word of their names."""
        parts = {
            "Root": self.root,
            "Camera": self.camera,
            "Mesh": self.mesh,
            "Sky": self.backdrop,
            "Background": self.background,
            "Points": self.points,
            "Splats": self.splats,
        }
        return {part: obj for part, obj in parts.items() if obj is not None}
