"""Depth files that users give: sparse or dense depth along the optical axis, in metres.

| file | what is read |
|---|---|
| .png, .tif | 16-bit grey: millimetres; three 8-bit channels: millimetres as R * 65536 + G * 256 + B |
| .npy | an array, or a pickled dict: `mask` (H, W) bool with `value` (n,), or as .npz |
| .npz, .h5, .hdf5 | the array that is called `depth`, `depth_m`, `data` or so, else the only one of two dimensions |
| .exr | the channel, layer or part that is called depth, else `Z`, `Y`, `V` or an `R` that is no colour, else the only one; a picture all grey |

Floats are metres; whole numbers are millimetres everywhere, as in pictures.

0, below a tenth of a millimetre, not a number, infinite and beyond 60 km (Blender's 1e10, half precision's 65504) mean "no depth here".
"""

from __future__ import annotations

import importlib
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import DepthFileError
from .depth_limits import MAX_PIXELS, MAX_UNPACKED_BYTES, check_array, check_picture, damaged, npy_header, too_large
from .depth_names import channel_of_depth, likely_array, named_array
from .exr_window import on_display, window_beyond
from .restricted_pickle import UnsafePickleError, load_npy

MIN_DEPTH_M, MAX_DEPTH_M = 1e-4, 60_000.0
_ASPECT_TOLERANCE = 0.03
_MOST_STRETCHED = 1.5
"""Ratio of the shapes of a depth map and its photo beyond which it cannot belong to it."""
_PREVIEW_M = 1000.0
"""Median that only a coloured picture has, if it is read as millimetres of 24 bits."""

_Look = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


@dataclass(frozen=True)
class DepthPrompt:
    """Depth that the user gives for a photo.

    Attributes:
        path: The file.
        depth_m: (h, w) float32 metres, 0 where there is no depth.
        warnings: Sentences for the user about how it fits the photo.
    """

    path: Path
    depth_m: NDArray[np.float32]
    warnings: tuple[str, ...] = ()

    @property
    def valid_count(self) -> int:
        """Number of pixels that have a depth."""
        return int(np.count_nonzero(self.depth_m))


def read_prompt(
    path: Path, width_px: int, height_px: int, stored_size_px: tuple[int, int] | None = None
) -> DepthPrompt:
    """Reads a depth file that covers a photo of the given size, at any resolution.

    Args:
        path: The file.
        width_px, height_px: Size of the upright photo.
        stored_size_px: Its size before its pixels were made square; depth may have that shape, too.

    Raises:
        DepthFileError: it cannot be used, or the photo stands the other way round.
    """
    prompt = read_depth_file(path)
    height, width = prompt.depth_m.shape
    difference = abs(np.log(width / height * height_px / width_px))
    if difference <= _ASPECT_TOLERANCE:
        return prompt
    if (
        stored_size_px is not None
        and abs(np.log(width / height * stored_size_px[1] / stored_size_px[0])) <= _ASPECT_TOLERANCE
    ):
        return prompt
    if abs(np.log(width / height * width_px / height_px)) <= _ASPECT_TOLERANCE:
        raise DepthFileError(
            f"{prompt.path.name} is {width} x {height} pixels, but the photo stands the other way round.",
            "Turn the depth map so that it matches the upright photo.",
        )
    if difference > np.log(_MOST_STRETCHED):
        raise DepthFileError(
            f"{prompt.path.name} is {width} x {height} pixels, another shape than the photo's {width_px} x {height_px}.",
            "Give the depth of each pixel of the whole photo, at any resolution.",
        )
    stretched = (
        f"{prompt.path.name} has another shape than the photo ({width} x {height} pixels); "
        "it was stretched over the whole photo."
    )
    return replace(prompt, warnings=(*prompt.warnings, stretched))


def read_depth_file(path: Path) -> DepthPrompt:
    """Reads a depth file of one of the kinds above.

    Raises:
        DepthFileError: it is missing, damaged, of another kind, or holds no depth.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DepthFileError(
            f"{path.name} is not a depth file of a known kind.", f"Use one of {', '.join(sorted(_READERS))}, in metres."
        )
    try:
        if path.stat().st_size == 0:
            raise DepthFileError(f"{path.name} is empty (0 bytes).", "Copy or write the file again.")
        values = reader(path)
    except DepthFileError:
        raise
    except FileNotFoundError as error:
        raise DepthFileError(f"{path} does not exist.", "Check the name and the folder.") from error
    except PermissionError as error:
        raise DepthFileError(f"No permission to read {path}.", "Change the file's permissions.") from error
    except IsADirectoryError as error:
        raise DepthFileError(f"{path} is a folder, not a depth file.") from error
    except UnsafePickleError as error:
        raise DepthFileError(
            f"{path.name} holds more than arrays ({error}), and was not opened because it could run programs.",
            "Save the depth alone, with numpy.save or numpy.savez.",
        ) from error
    except MemoryError as error:
        raise DepthFileError(f"{path.name} does not fit into the memory.", "Save it smaller.") from error
    except ImportError as error:
        raise DepthFileError(
            f"{path.name} needs the package {error.name}, which the engine's Python environment does not have.",
            "Install it there, or save the depth as .npy.",
        ) from error
    except Exception as error:  # each library fails in its own ways on damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DepthFileError(
            f"{path.name} is damaged or no depth file ({reason}).", "Write or copy it again."
        ) from error
    depth_m = _checked(path, values)
    return DepthPrompt(path.absolute(), depth_m, _doubts(path, np.asarray(values).dtype, depth_m))


def _doubts(path: Path, dtype: np.dtype, depth_m: NDArray[np.float32]) -> tuple[str, ...]:
    """What a user should look at, though the file could be read."""
    if dtype.kind in "iu":
        return (
            f"{path.name} holds whole numbers, which were read as millimetres (half of them beyond "
            f"{np.median(depth_m[depth_m > 0]):.3g} m): if they are metres, save them as floating point numbers.",
        )
    return ()


def _checked(path: Path, values: Any) -> NDArray[np.float32]:
    """(h, w) float32 metres, 0 where there is no depth."""
    array = np.asarray(values)
    check_array(path, array.shape, array.dtype)
    array = np.squeeze(array)
    depth_m = array.astype(np.float32)
    if array.dtype.kind in "iu":
        if array.dtype.itemsize == 1 and array.any():
            raise _preview(path)
        depth_m /= 1000
    with np.errstate(invalid="ignore"):
        depth_m[~((depth_m >= MIN_DEPTH_M) & (depth_m < MAX_DEPTH_M))] = 0
    if not depth_m.any():
        raise DepthFileError(
            f"{path.name} holds no depth: no value lies between 0 and {MAX_DEPTH_M:.0f}.",
            "Depth is expected in metres.",
        )
    return depth_m


def _read_image(path: Path) -> NDArray[Any]:
    data = np.fromfile(path, dtype=np.uint8)
    check_picture(path, data.data)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise damaged(path)
    if pixels.dtype.kind == "f":
        return pixels[..., 0] if pixels.ndim == 3 else pixels
    if pixels.ndim == 3:
        blue, green, red = (pixels[..., i] for i in range(3))
        if np.array_equal(blue, green) and np.array_equal(green, red):
            pixels = pixels[..., 0]
        elif pixels.dtype == np.uint8:
            mm = red.astype(np.float32) * 65_536 + green.astype(np.float32) * 256 + blue
            return _unpacked(path, mm / 1000)
        else:
            raise DepthFileError(f"{path.name} is a colour picture, not depth.", "Save 16-bit grey millimetres.")
    if pixels.dtype == np.uint8 and pixels.any():
        raise _preview(path)
    return pixels.astype(np.float32) / 1000


def _preview(path: Path) -> DepthFileError:
    return DepthFileError(
        f"{path.name} has only 8 bits a pixel, too few for depth: it looks like a preview.",
        "Save 16-bit grey millimetres, or metres as .npy or .exr.",
    )


def _unpacked(path: Path, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth out of three 8-bit channels, unless they are colours."""
    if np.median(depth_m[depth_m > 0]) > _PREVIEW_M:
        raise DepthFileError(
            f"{path.name} is a colour picture, not depth: it looks like a preview.",
            "Save 16-bit grey millimetres, or metres as .npy or .exr.",
        )
    return depth_m


def _read_npy(path: Path) -> Any:
    with path.open("rb") as file:
        return _unpack(path, _load(path, file))


def _read_npz(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}

        def look(name: str) -> _Look:
            with archive.open(name) as file:
                return npy_header(file)

        def read(name: str) -> Any:
            size = archive.getinfo(name).file_size
            if size > MAX_UNPACKED_BYTES and look(name)[1].hasobject:
                raise DepthFileError(f"{path.name} is too large: it unpacks to {size / 1e9:.1f} GB.", "Scale it down.")
            with archive.open(name) as file:
                return _load(path, file)

        return _unpack(path, _pick(path, members, read, look))


def _read_h5(path: Path) -> Any:
    h5py: Any = importlib.import_module("h5py")
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {}
        file.visititems(lambda name, item: found.__setitem__(name, item) if isinstance(item, h5py.Dataset) else None)
        return _pick(path, found, lambda dataset: _dataset(path, dataset), _look)


def _read_exr(path: Path) -> Any:
    openexr: Any = importlib.import_module("OpenEXR")
    for part in openexr.File(str(path), header_only=True).parts:
        if (size := window_beyond(part.header, MAX_PIXELS)) is not None:
            raise too_large(path, *size)
    exr = openexr.File(str(path), separate_channels=True)
    channels: dict[str, Any] = {}
    for part in exr.parts:
        for name, item in part.channels.items():
            channels.setdefault(_name_in_file(part, name) if len(exr.parts) > 1 else name, (part, item))
    if (name := channel_of_depth(channels) or _grey_channel(channels)) is not None:
        part, item = channels[name]
        return on_display(item.pixels, part.header)
    if not channels:  # the library only prints that pixels are missing
        raise DepthFileError(f"{path.name} is damaged or incomplete.", "Render or copy the file again.")
    raise DepthFileError(
        f"{path.name} has no depth channel (it has: {', '.join(list(channels)[:8])}).", "Name the channel Z or Y."
    )


def _name_in_file(part: Any, channel: str) -> str:
    """The name of a channel that also tells its part: `Z` of the parts `depth` and `normal` are two things."""
    name = part.name() or ""
    # The `Z` beside a picture is its depth, whatever that part is called.
    of_a_picture = channel == "Z" and {"R", "G", "B"} <= set(part.channels)
    is_told = name.lower() in channel.rpartition(".")[0].lower()
    return channel if of_a_picture or is_told else f"{name}.{channel}"


def _grey_channel(channels: Mapping[str, Any]) -> str | None:
    """One of the three channels of a file that is a picture without colours, as Blender writes depth where RGB is chosen."""
    colors = [name for name in channels if name != "A"]
    if sorted(colors) != ["B", "G", "R"]:
        return None
    blue, green, red = (channels[name][1].pixels for name in sorted(colors))
    return "R" if np.array_equal(blue, green) and np.array_equal(green, red) else None


def _unpack(path: Path, value: Any) -> Any:
    """An array, out of the dictionary that some data sets pack it into."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.shape == ():
        value = value.item()
    if not isinstance(value, Mapping):
        return value
    if "mask" not in value or "value" not in value:
        return _pick(path, value, lambda item: item, _look)
    mask, packed = np.squeeze(np.asarray(value["mask"], dtype=bool)), np.asarray(value["value"])
    if mask.ndim != 2 or packed.size != np.count_nonzero(mask):
        raise DepthFileError(
            f"{path.name} has a mask of {np.count_nonzero(mask)} pixels but {packed.size} values.",
            "Write the file again.",
        )
    depth = np.zeros(mask.shape, dtype=packed.dtype)
    depth[mask] = packed.ravel()
    return depth


def _load(path: Path, file: IO[bytes]) -> Any:
    """The array in an open .npy file, if it can be depth, or what else it holds."""
    shape, dtype = npy_header(file)
    if not dtype.hasobject:
        check_array(path, shape, dtype)
    return load_npy(file)


def _dataset(path: Path, dataset: Any) -> Any:
    check_array(path, *_look(dataset))
    if math.prod(dataset.chunks or ()) > MAX_PIXELS:  # it is unpacked a chunk at a time
        raise too_large(path, dataset.chunks[-1], dataset.chunks[0])
    return dataset[()]


def _look(item: Any) -> _Look:
    array = item if hasattr(item, "dtype") else np.asarray(item)
    return array.shape or (), array.dtype


def _pick(path: Path, choices: Mapping[str, Any], read: Callable[[Any], Any], look: Callable[[Any], _Look]) -> Any:
    """The array that is depth; of the others only shape and type are looked at."""
    if not choices:
        raise DepthFileError(f"{path.name} holds no arrays.", "Save the depth under the name 'depth'.")
    if len(choices) == 1:
        return read(next(iter(choices.values())))
    name = named_array(choices) or likely_array(_maps(choices, look))
    if name is None:
        raise DepthFileError(
            f"{path.name} holds several arrays, and it is not clear which is depth ({', '.join(list(choices)[:8])}).",
            "Save the depth under the name 'depth'.",
        )
    return read(choices[name])


def _maps(choices: Mapping[str, Any], look: Callable[[Any], _Look]) -> list[str]:
    """Names of the arrays that hold one number for each pixel."""
    found = []
    for name, item in choices.items():
        shape, dtype = look(item)
        sides = [side for side in shape if side != 1]
        if len(sides) == 2 and dtype.kind in "fiu" and min(sides) > 4:
            found.append(name)
    return found


_READERS: dict[str, Callable[[Path], Any]] = {
    ".png": _read_image,
    ".tif": _read_image,
    ".tiff": _read_image,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".exr": _read_exr,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
}
