"""What one photo becomes, and the folder (bundle) that carries it between processes.

A bundle holds plain arrays in `arrays/*.npy`, which the other side maps into memory,
and `reconstruction.json`, which is written last: a folder with that file is complete.
Numpy is all that this module needs.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .bundle_arrays import map_array
from .bundle_record import FORMAT, FORMAT_VERSION, array_path, clip_frame, damage_is_told, read_record
from .camera import Camera
from .errors import BundleError
from .staging import ARRAYS_DIR, JSON_NAME, LOCK_NAME, staged_folder

NO_DEPTH_M = np.float32(1e10)
"""Depth of sky and of pixels without depth, as in Blender's own depth pass."""

FLAG_VALID = 1
"""The pixel has a surface and a depth."""
FLAG_SKY = 2
"""The pixel shows the sky."""
FLAG_EDGE = 4
"""The pixel touches a depth discontinuity."""

ColorSpace = Literal["srgb", "linear"]


@dataclass(frozen=True)
class MeshArrays:
    """A polygon mesh in camera space: quads where the surface is whole, triangles at cuts.

    Attributes:
        vertices_cam: (V, 3) float32, OpenCV axes, metres.
        uv: (V, 2) float32, s to the right, t up, 0 at the bottom left of the photo.
        normals_cam: (V, 3) float32 unit vectors that face the camera.
        quads: (Q, 4) int32, counter-clockwise as seen from the camera.
        triangles: (T, 3) int32, likewise.
    """

    vertices_cam: NDArray[np.float32]
    uv: NDArray[np.float32]
    normals_cam: NDArray[np.float32]
    quads: NDArray[np.int32]
    triangles: NDArray[np.int32]


@dataclass(frozen=True)
class PointArrays:
    """Points spread over the surface, in camera space.

    Attributes:
        positions_cam: (N, 3) float32, OpenCV axes, metres.
        normals_cam: (N, 3) float32 unit vectors that face the camera.
        colors_srgb: (N, 3) uint8, the photo's colour at the point, sRGB-encoded.
        radius_m: (N,) float32, half the local spacing of the points on the surface.
        confidence: (N,) float32 in [0, 1].
        source_px: (N, 2) float32 (x_px, y_px) in the photo, pixel centres at +0.5.
    """

    positions_cam: NDArray[np.float32]
    normals_cam: NDArray[np.float32]
    colors_srgb: NDArray[np.uint8]
    radius_m: NDArray[np.float32]
    confidence: NDArray[np.float32]
    source_px: NDArray[np.float32]


@dataclass(frozen=True)
class Gaussians:
    """3D Gaussians with activated parameters; file forms exist only in the readers and writers.

    Attributes:
        means: (N, 3) float32, OpenCV camera axes, metres.
        scales: (N, 3) float32, linear standard deviations, metres.
        rotations: (N, 4) float32 unit quaternions w, x, y, z.
        opacities: (N,) float32 in [0, 1].
        sh: (N, K, 3) float32 raw spherical harmonics, K in {1, 4, 9, 16}; the view
            independent colour is `sh[:, 0] * SH_C0 + 0.5`.
    """

    means: NDArray[np.float32]
    scales: NDArray[np.float32]
    rotations: NDArray[np.float32]
    opacities: NDArray[np.float32]
    sh: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True)
class PhotoInfo:
    """Where the pixels came from.

    Attributes:
        source: The file that the user gave, as an absolute path; empty if there was none.
        file: Name of the upright copy inside the bundle (the texture): sRGB of 8 or 16 bits, or
            linear light of Rec.709 primaries if it is an OpenEXR file.
        width_px, height_px: Size after the EXIF orientation was applied.
        sha256: Of the source file, hexadecimal; empty if unknown.
    """

    source: str
    file: str
    width_px: int
    height_px: int
    sha256: str = ""


@dataclass(frozen=True)
class ClipInfo:
    """The frames of a clip whose first one the photo is; they lie in the bundle's folder `sequence`.

    Attributes:
        frames: Number of frames, `frames/0001.jpg` and `depth/0001.exr` and so on.
        first_frame: What the clip calls the first one.
        fps: Frames per second; None: unknown.
        cuts: Frames, counted from 1, that begin another shot.
        range_m: Nearest and farthest depth of all frames, metres.
        linear: Whether the frames are in linear light: `frames/0001.exr`, with the JPEG beside it for what has 8 bits.
    """

    frames: int
    first_frame: int = 1
    fps: float | None = None
    cuts: tuple[int, ...] = ()
    range_m: tuple[float, float] = (5.0, 5.0)
    linear: bool = False


@dataclass
class Reconstruction:
    """One photo's depth and the geometry made from it.

    Attributes:
        name: Stem of the photo's file name, used for names in the scene.
        photo: The photo.
        camera: Intrinsics at the photo's size.
        depth_m: (h, w) float32 distance along the optical axis, metres; `NO_DEPTH_M`
            where there is none. Its size may differ from the photo's.
        flags: (h, w) uint8, bits `FLAG_VALID`, `FLAG_SKY`, `FLAG_EDGE`.
        normals_cam: (h, w, 3) float32 unit normals that face the camera, 0 where invalid.
        confidence: (h, w) float32 in [0, 1].
        mesh, backdrop, beyond, background, points, splats: Present when they were asked for. The backdrop is
            the sky: a far surface behind everything else. `beyond` is where the sky goes on behind the
            foreground and beyond the frame. The background continues the far surfaces below the foreground.
        sky_file: Name of the texture of `beyond` inside the bundle; empty if there is none.
        background_file: Likewise of the background's.
        scale_known: False when the median depth was set to 5 m for want of a scale.
        model: Name, hash and the like of what made the depth.
        options: The settings of the run.
        timings_s: Seconds by stage.
        warnings: Sentences for the user.
        clip: Of a clip: the frames, of which `photo` is the first one; what else is here is of that frame.
    """

    name: str
    photo: PhotoInfo
    camera: Camera
    depth_m: NDArray[np.float32]
    flags: NDArray[np.uint8]
    normals_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]
    mesh: MeshArrays | None = None
    backdrop: MeshArrays | None = None
    beyond: MeshArrays | None = None
    sky_file: str = ""
    background: MeshArrays | None = None
    background_file: str = ""
    points: PointArrays | None = None
    splats: Gaussians | None = None
    scale_known: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    clip: ClipInfo | None = None
    folder: Path | None = None
    """The bundle that this was loaded from or written to."""

    @property
    def photo_path(self) -> Path | None:
        """The texture inside the bundle, if this reconstruction has a folder."""
        return self.folder / self.photo.file if self.folder else None

    def clip_frame(self, number: int) -> tuple[Path, Path] | None:
        """Picture and depth of a frame, counted from 1, if this is a clip with a folder."""
        return clip_frame(self.folder, number) if self.folder and self.clip else None

    @property
    def sky_path(self) -> Path | None:
        """The texture of the sky beyond the photo inside the bundle, if it has one."""
        return self.folder / self.sky_file if self.folder and self.sky_file else None

    @property
    def background_path(self) -> Path | None:
        """The background's texture inside the bundle, if it has one."""
        return self.folder / self.background_file if self.folder and self.background_file else None


def eight_bit_picture(path: Path) -> Path:
    """A picture of a bundle for programs that read no OpenEXR files: the one of 8 bits beside it, else itself."""
    if path.suffix != ".exr":
        return path
    beside = (path.with_suffix(suffix) for suffix in (".png", ".jpg"))
    return next((picture for picture in beside if picture.is_file()), path)


GRID_FILES = {"depth": "depth_m", "flags": "flags", "normal": "normals_cam", "confidence": "confidence"}
"""Attributes of the depth map by their file stem in `arrays/`."""
_PARTS: dict[str, type[Any]] = {
    "mesh": MeshArrays,
    "backdrop": MeshArrays,
    "beyond": MeshArrays,
    "background": MeshArrays,
    "points": PointArrays,
    "splats": Gaussians,
}


def arrays_of(reconstruction: Reconstruction) -> dict[str, NDArray[Any]]:
    """All arrays by their file stem in `arrays/`, such as `depth` or `mesh_quads`."""
    arrays = {stem: getattr(reconstruction, attribute) for stem, attribute in GRID_FILES.items()}
    for part, cls in _PARTS.items():
        value = getattr(reconstruction, part)
        if value is not None:
            arrays |= {f"{part}_{f.name}": getattr(value, f.name) for f in fields(cls)}
    return arrays


class ArrayFile:
    """An `.npy` file that is written row by row, for arrays that memory need not hold.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        """Creates the file, and the folder around it, for an array of a shape.

        Raises:
            OSError: it cannot be written.
        """
        self.path = path
        self._dtype = np.dtype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: NDArray[Any]) -> None:
        """Writes the next rows.

        Raises:
            OSError: the disk is full, or the like.
        """
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)

    def close(self) -> None:
        """Ends the file; it is whole when as many rows were appended as its shape has."""
        self._file.close()


def write_arrays(reconstruction: Reconstruction, folder: Path) -> None:
    """Writes `arrays/` and, last, `reconstruction.json` into an existing folder.

    Arrays that are mapped from their place in the folder are there already.
    Use it inside `staged_folder`; the other files of a bundle are written before it.
    """
    arrays_dir = folder / ARRAYS_DIR
    files = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != LOCK_NAME)
    arrays_dir.mkdir(exist_ok=True)
    index: dict[str, Any] = {}
    for stem, array in arrays_of(reconstruction).items():
        path = array_path(folder, stem)
        if not (
            isinstance(array, np.memmap) and array.filename is not None and Path(array.filename) == path.absolute()
        ):
            np.save(path, np.ascontiguousarray(array), allow_pickle=False)
        index[stem] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    text = json.dumps(_to_json(reconstruction, index) | {"files": files}, indent=2, allow_nan=False)
    (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")


def save(reconstruction: Reconstruction, folder: Path) -> None:
    """Writes a bundle of arrays alone, all or nothing; the photo is copied if it is known.

    Raises:
        OutputError: the folder cannot be written.
    """
    photo = reconstruction.photo_path
    with staged_folder(folder) as staging:
        for picture in (photo, reconstruction.sky_path, reconstruction.background_path):
            if picture is not None and picture.is_file():
                for file in {picture, eight_bit_picture(picture)}:
                    shutil.copyfile(file, staging / file.name)
        write_arrays(reconstruction, staging)
    reconstruction.folder = folder


def load(folder: Path) -> Reconstruction:
    """Opens a bundle; its arrays are mapped into memory, read-only.

    Raises:
        BundleError: there is no finished bundle, or an array is missing or damaged.
    """
    data = read_record(folder)
    with damage_is_told(folder):
        index = data["arrays"]
        grids = {attr: map_array(folder, stem, index) for stem, attr in GRID_FILES.items()}
        parts = {name: _load_part(folder, name, cls, index) for name, cls in _PARTS.items()}
        photo = PhotoInfo(**{f.name: data["photo"][f.name] for f in fields(PhotoInfo) if f.name in data["photo"]})
        sky_file, background_file = (str(data.get(key, "")) for key in ("sky_file", "background_file"))
        for file in (photo.file, sky_file or photo.file, background_file or photo.file):
            if Path(file).name != file or file in ("", ".."):
                raise BundleError(f"{folder / JSON_NAME} names a picture outside its own folder: {file!r}.")
        return Reconstruction(
            name=str(data["name"]),
            photo=photo,
            camera=Camera.from_json(data["camera"]),
            sky_file=sky_file,
            background_file=background_file,
            scale_known=bool(data["scale"]["known"]),
            model=data["model"],
            options=data["options"],
            timings_s=data["timings_s"],
            warnings=data["warnings"],
            clip=_clip(data.get("clip")),
            folder=folder,
            **grids,
            **parts,
        )


def _clip(told: dict[str, Any] | None) -> ClipInfo | None:
    if told is None:
        return None
    near_m, far_m = (float(end) for end in told["range_m"])
    fps = told["fps"]
    return ClipInfo(
        frames=int(told["frames"]),
        first_frame=int(told["first_frame"]),
        fps=None if fps is None else float(fps),
        cuts=tuple(int(frame) for frame in told["cuts"]),
        range_m=(near_m, far_m),
        linear=bool(told["linear"]),
    )


def _load_part(folder: Path, part: str, cls: type[Any], index: dict[str, Any]) -> Any:
    if not any(stem.startswith(f"{part}_") for stem in index):
        return None
    return cls(**{f.name: map_array(folder, f"{part}_{f.name}", index) for f in fields(cls)})


def _to_json(reconstruction: Reconstruction, index: dict[str, Any]) -> dict[str, Any]:
    photo = reconstruction.photo
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": reconstruction.name,
        "photo": {f.name: getattr(photo, f.name) for f in fields(PhotoInfo)},
        "camera": reconstruction.camera.to_json(),
        "scale": {
            "known": reconstruction.scale_known,
            "note": "metres" if reconstruction.scale_known else "unknown scale: the median depth was set to 5 m",
        },
        "sky_file": reconstruction.sky_file,
        "background_file": reconstruction.background_file,
        "model": reconstruction.model,
        "options": reconstruction.options,
        "timings_s": reconstruction.timings_s,
        "warnings": reconstruction.warnings,
        "arrays": index,
    } | ({} if reconstruction.clip is None else {"clip": asdict(reconstruction.clip)})
