"""What all kinds of splat files have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import SplatFileError
from ..reconstruction import ColorSpace, Gaussians
from ..staging import STAGING_SUFFIX, output_error

FEW = 4_000_000
"""Splats that any file may hold, however well it is packed."""

_LEAST_BYTES = 0.25
"""Of a splat in larger files: a wall of one colour, laid out row by row, takes 1.7 as SPZ and 0.6 for its places as SOG."""


@dataclass(frozen=True)
class SplatFile:
    """What a splat file holds.

    Attributes:
        gaussians: The Gaussians, in the file's own axes (OpenCV camera axes in ours).
        camera: The camera that the file brings, if it does.
        cam_to_world: (4, 4) float64 pose of that camera; identity if the file names none.
        color_space: Encoding of the colours.
        dropped: Number of Gaussians left out because a value was not a number.
        extra: Other elements of the file and their values or their number of rows.
    """

    gaussians: Gaussians
    camera: Camera | None = None
    cam_to_world: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    color_space: ColorSpace = "srgb"
    dropped: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block ends without an error.

    Raises:
        OutputError: the file cannot be written; nothing is left behind.
    """
    partial = path.with_name(path.name + STAGING_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                yield stream
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise output_error(error, path) from error


@contextlib.contextmanager
def opening(path: Path, kind: str) -> Iterator[None]:
    """Says of a file that cannot be opened what is wrong with it.

    Args:
        path: The file that is opened inside.
        kind: What it should be, with its article.

    Raises:
        SplatFileError: there is no such file, or it cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise SplatFileError(f"{path} does not exist.", "Check the path.") from None
    except IsADirectoryError:
        raise SplatFileError(f"{path} is a folder, not {kind}.", "Choose the file inside it.") from None
    except OSError as error:
        raise SplatFileError(f"{path} cannot be read: {error.strerror or error}.", "Check the permissions.") from error


def check_count(path: Path, count: int, length: int) -> None:
    """Refuses more splats than a file can hold, before memory is taken for them.

    Args:
        path: The file.
        count: What it says.
        length: Bytes in which it keeps them, packed.

    Raises:
        SplatFileError: it says too much.
    """
    if count > max(FEW, length / _LEAST_BYTES):
        raise damaged(path, f"{length:,} bytes cannot hold {count:,} splats")


def damaged(path: Path, reason: str) -> SplatFileError:
    """The error of a file that is not what it says."""
    return SplatFileError(f"{path} is damaged: {reason}.", "Export or download the file again.")


def usable(path: Path, gaussians: Gaussians) -> tuple[Gaussians, int]:
    """The Gaussians whose values are all numbers, and how many were left out.

    Raises:
        SplatFileError: none is left.
    """
    good = _finite_rows(gaussians)
    dropped = 0
    if good is not None:
        dropped = len(gaussians) - int(good.sum())
        gaussians = Gaussians(*(getattr(gaussians, name)[good] for name in Gaussians.__dataclass_fields__))
    if len(gaussians) == 0:
        raise SplatFileError(f"{path} holds no usable splats: every one has values that are not numbers.")
    return gaussians, dropped


OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""The components of a quaternion other than the largest one, by its number."""


def completed_quaternions(three: NDArray[np.float32], largest: NDArray[np.intp]) -> NDArray[np.float32]:
    """Unit quaternions of which a file leaves out the largest component, which is taken to be positive.

    Args:
        three: (N, 3) the other components, in their order.
        largest: (N,) the number of the largest one, 0 to 3.

    Returns:
        (N, 4), in the order of the components that the file counts by.
    """
    rows = np.arange(len(three))
    q = np.zeros((len(three), 4), np.float32)
    q[rows[:, None], OTHERS[largest]] = three
    q[rows, largest] = np.sqrt(np.maximum(0, 1 - np.einsum("ni,ni->n", q, q)))
    return q


def unit_quaternions(q: NDArray[Any]) -> NDArray[np.float32]:
    """(N, 4) normalised; zero becomes no rotation."""
    q = np.asarray(q, dtype=np.float32)
    length = np.sqrt(np.einsum("ni,ni->n", q, q))
    unit = q / np.where(length == 0, 1, length)[:, None]
    unit[length == 0] = (1, 0, 0, 0)
    return unit.astype(np.float32, copy=False)


def _finite_rows(gaussians: Gaussians) -> NDArray[np.bool_] | None:
    """(N,) rows in which every value is finite; None if all are."""
    arrays = [np.asarray(getattr(gaussians, name)) for name in Gaussians.__dataclass_fields__]
    with np.errstate(over="ignore", invalid="ignore"):
        # One sum a table tells in one pass whether there is anything to look for.
        if all(np.isfinite(array.sum(dtype=np.float32)) for array in arrays):
            return None
    good = np.ones(len(gaussians), dtype=bool)
    for array in arrays:
        good &= np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return None if good.all() else good
