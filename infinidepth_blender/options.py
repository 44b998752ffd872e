"""The settings of one reconstruction: the same names in the command line, the panel and Python."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from .clip_files import FrameRange
from .errors import OptionsError
from .known_distance import KnownDistance

Part = Literal["depth", "mesh", "points", "splats", "camera", "glb", "blend"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "exact", "fast"]
Outliers = Literal["keep", "remove"]
MeshKind = Literal["regular", "adaptive"]
MeshFaces = Literal["quads", "triangles"]
Background = Literal["none", "shell"]
Tilt = Literal["auto", "level"]
PathKind = Literal["orbit", "swing", "dolly", "rise", "still"]
"""How a camera moves that renders splats. orbit: round the photo's viewpoint, looking at the middle of the scene; swing: to
either side and forward without turning; dolly: towards the scene; rise: up, looking down at it; still: no move."""

SURFACE_SPLATS = "surface"
"""Splats of a photo without a Gaussian predictor."""

DEFAULT_PARTS: tuple[Part, ...] = ("depth", "mesh", "points", "splats", "camera")
DEFAULT_EDGE_STEP = 0.04
DEFAULT_MESH_ERROR = 0.002
DEFAULT_SOLID = 0.03
DEFAULT_GRAZING_CAP_DEG = 87.0
READ_BY: dict[str, frozenset[Part]] = {
    **dict.fromkeys(("mesh", "mesh_error", "mesh_error_px", "solid"), frozenset[Part]({"mesh", "glb"})),
    # The sky stands behind points and splats, too.
    **dict.fromkeys(("mesh_size", "mesh_faces"), frozenset[Part]({"mesh", "glb", "points", "splats"})),
    "background": frozenset({"mesh", "glb", "splats"}),
    # Predicted splats stand on points.
    **dict.fromkeys(("points", "grazing_cap_deg"), frozenset[Part]({"points", "splats"})),
    **dict.fromkeys(("points_mask", "points_crop", "points_density", "points_outliers"), frozenset[Part]({"points"})),
    "splats_model": frozenset({"splats"}),
}
"""Options that only some parts read; all others count for each."""
MAX_DEPTH_SIDE_PX = 4096
"""`--depth-size photo` stops at this length of the longer side."""


@dataclass(frozen=True)
class ReconstructOptions:
    """What to make of a photo, and how.

    Attributes:
        make: The parts to make.
        model: `bundled`, a registered name or a checkpoint file.
        splats_model: `surface`: splats are flat discs on the surface in the photo's colours. Else a registered
            name or a checkpoint file of a published Gaussian predictor, which says what they are
            like and needs its depth model as `model`.
        depth_size: `photo`, `<W>x<H>` or `<N>x` (a factor on the photo's size).
        points: Number of points, and of splats, spread over the surface.
        points_mask: Picture over the photo, white where points may lie; None: everywhere.
        points_crop: Part of the upright photo that gets points, (x, y, width, height) in pixels; None: all of it.
        points_density: Picture over the photo, the brighter the denser the points, black for none; None: even.
        points_outliers: Whether points that fly far from all others are removed.
        grazing_cap_deg: Angle between ray and surface normal beyond which a surface gets no more
            points per pixel; the same holds for what is further than ten median depths. None:
            exactly even on the surface, however flat and far.
        sky: `auto`, `off`, or a picture over the photo that is white at the sky.
        mesh_size: Vertices along the longer side of a regular mesh, and of the finest grid of an adaptive one.
        mesh: How the mesh is laid out: all vertices, or fewer where the surface is flat.
        mesh_error: Largest relative depth error of an adaptive mesh.
        mesh_error_px: Largest error of an adaptive mesh in pixels of the photo, as seen by a camera that has moved
            aside by 15 % of the median distance; None: any. Both bounds hold.
        mesh_faces: Quads where a regular mesh is whole, or triangles throughout.
        solid: Thickness of the mesh as a share of the depth, closed at the back and the sides; None: a surface.
        background: Whether the surfaces behind foreground edges are continued below them.
        edge_step: Relative step between neighbouring depths that counts as an edge.
        fov_deg: Field of view along the photo's width, degrees; None: unknown.
        focal_px: Focal length in pixels of the upright photo; None: unknown.
        camera: File with the photo's camera (`camera.json`, or intrinsics in text); None: none.
        tilt: Whether the scene stands upright as the picture shows, or its camera looks level.
        depth_prompt: File with sparse or dense depth in metres; None: none.
        known_distance: Distances that give the scale, as `KnownDistance` reads them.
        device: Where the network runs.
        precision: How exactly a large network computes: `exact` in float32, `fast` in 16 bits, `auto` fast
            where the hardware has units for it. The bundled model is always exact.
        seed: Seed of everything random.
        frames: Which frames of a clip are taken, such as `1-100`, counted from 1; None: all.
        every: Every so many of them.
    """

    make: tuple[Part, ...] = DEFAULT_PARTS
    model: str = "bundled"
    splats_model: str = SURFACE_SPLATS
    depth_size: str = "photo"
    points: int = 500_000
    points_mask: str | None = None
    points_crop: tuple[int, int, int, int] | None = None
    points_density: str | None = None
    points_outliers: Outliers = "keep"
    grazing_cap_deg: float | None = DEFAULT_GRAZING_CAP_DEG
    sky: str = "auto"
    mesh_size: int = 1024
    mesh: MeshKind = "regular"
    mesh_error: float = DEFAULT_MESH_ERROR
    mesh_error_px: float | None = None
    mesh_faces: MeshFaces = "quads"
    solid: float | None = None
    background: Background = "shell"
    edge_step: float = DEFAULT_EDGE_STEP
    fov_deg: float | None = None
    focal_px: float | None = None
    camera: str | None = None
    tilt: Tilt = "auto"
    depth_prompt: str | None = None
    known_distance: tuple[str, ...] = ()
    device: Device = "auto"
    precision: Precision = "auto"
    seed: int = 0
    frames: str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        _check(bool(self.make), "Nothing to make.", f"Name some of {', '.join(get_args(Part))}.")
        for part in self.make:
            _check(part in get_args(Part), f"'{part}' cannot be made.", f"Name some of {', '.join(get_args(Part))}.")
        for label, value, known in (
            ("device", self.device, Device),
            ("precision", self.precision, Precision),
            ("kind of mesh", self.mesh, MeshKind),
            ("kind of faces", self.mesh_faces, MeshFaces),
            ("background", self.background, Background),
            ("tilt", self.tilt, Tilt),
            ("way with outliers", self.points_outliers, Outliers),
        ):
            _check(value in get_args(known), f"Unknown {label} '{value}'.", f"Use one of {', '.join(get_args(known))}.")
        _check(
            self.splats_model == SURFACE_SPLATS or self.model != "bundled",
            "A Gaussian predictor does not work with the bundled depth model.",
            "Set --model to the official model that it was made for, or --splats-model to surface.",
        )
        _check(1 <= self.points <= 50_000_000, f"{self.points} points are out of range.", "Ask for 1 to 50,000,000.")
        _check(
            self.points_crop is None
            or (len(self.points_crop) == 4 and min(self.points_crop) >= 0 and min(self.points_crop[2:]) >= 1),
            f"The crop {self.points_crop} is empty or begins outside the photo.",
            "Give x, y, width and height in pixels of the photo, such as 100,50,640,480.",
        )
        _check(
            self.grazing_cap_deg is None or 0 < self.grazing_cap_deg < 90,
            f"A grazing cap of {self.grazing_cap_deg} degrees is out of range.",
            f"Use an angle between 0 and 90, such as {DEFAULT_GRAZING_CAP_DEG:g}, or switch it off.",
        )
        _check(bool(self.sky), "The sky setting is empty.", "Use auto, off or the file of a mask.")
        _check(2 <= self.mesh_size <= 16_384, f"A mesh size of {self.mesh_size} is out of range.", "Use 2 to 16384.")
        _check(
            0 < self.mesh_error <= 1,
            f"A mesh error of {self.mesh_error} is out of range.",
            f"Use a share of the depth above 0 and up to 1; {DEFAULT_MESH_ERROR:g} is usual.",
        )
        _check(
            self.mesh_error_px is None or 0 < self.mesh_error_px < math.inf,
            f"A mesh error of {self.mesh_error_px} pixels is out of range.",
            "Use a number above 0, such as 0.5, or leave it out.",
        )
        _check(
            self.solid is None or 0.0001 <= self.solid <= 10,
            f"A thickness of {self.solid} is out of range.",
            f"Use a share of the depth from 0.0001 to 10; {DEFAULT_SOLID:g} is usual.",
        )
        _check(
            0.001 <= self.edge_step <= 10,
            f"An edge step of {self.edge_step} is out of range.",
            f"Use 0.001 to 10; {DEFAULT_EDGE_STEP:g} is usual.",
        )
        _check(
            sum(given is not None for given in (self.fov_deg, self.focal_px, self.camera)) <= 1,
            "More than one of field of view, focal length and camera file were given.",
            "Give one of them.",
        )
        _check(
            self.fov_deg is None or 1 <= self.fov_deg <= 179,
            f"A field of view of {self.fov_deg} degrees is not possible.",
            "Use 1 to 179.",
        )
        _check(
            self.focal_px is None or 0 < self.focal_px < math.inf,
            f"A focal length of {self.focal_px} pixels is not possible.",
            "Use a positive number.",
        )
        _check(
            not (self.depth_prompt and self.known_distance),
            "A depth file and a known distance were both given.",
            "The depth file tells the scale already: give one of them.",
        )
        for text in self.known_distance:
            KnownDistance.parse(text)
        FrameRange.parse(self.frames, self.every)
        _check(self.seed >= 0, f"The seed {self.seed} is negative.", "Use 0 or more.")
        self.depth_size_px(1, 1)

    @property
    def predicts_splats(self) -> bool:
        """Whether splats are made, and by a Gaussian predictor."""
        return self.splats_model != SURFACE_SPLATS and "splats" in self.make

    def depth_size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height of the depth map for a photo of the given size.

        Raises:
            OptionsError: `depth_size` has none of the known forms, or is out of range.
        """
        if self.depth_size == "photo":
            factor = min(1.0, MAX_DEPTH_SIDE_PX / max(width_px, height_px))
            return max(1, round(width_px * factor)), max(1, round(height_px * factor))
        if match := re.fullmatch(r"(\d{1,9})x(\d{1,9})", self.depth_size):
            width, height = int(match[1]), int(match[2])
        elif match := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)x", self.depth_size):
            width, height = (max(1, round(side * float(match[1]))) for side in (width_px, height_px))
            _check(float(match[1]) > 0, f"The depth size '{self.depth_size}' is empty.", "Use a factor above 0.")
        else:
            raise OptionsError(f"The depth size '{self.depth_size}' is not understood.", "Use photo, 1920x1080 or 2x.")
        _check(
            min(width, height) >= 1 and max(width, height) <= 32_768,
            f"A depth map of {width} x {height} is out of range.",
            "Use 1 to 32768 pixels a side.",
        )
        return width, height

    @property
    def photo_files(self) -> dict[str, str]:
        """The files about the photo that are given, by the name of their option; without measured depth."""
        given = {"camera": self.camera, "points_mask": self.points_mask, "points_density": self.points_density}
        given["sky"] = None if self.sky in ("auto", "off") else self.sky
        return {name: path for name, path in given.items() if path is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        return asdict(self) | {"make": list(self.make)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ReconstructOptions:
        """Rebuilds options; keys that this version does not know are ignored."""
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        if "make" in known:
            known["make"] = tuple(known["make"])
        if "known_distance" in known:
            known["known_distance"] = tuple(known["known_distance"])
        if known.get("points_crop") is not None:
            known["points_crop"] = tuple(known["points_crop"])
        return cls(**known)


def _check(ok: bool, message: str, remedy: str) -> None:
    if not ok:
        raise OptionsError(message, remedy)
