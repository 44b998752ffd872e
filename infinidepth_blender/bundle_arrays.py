"""The arrays of a bundle, mapped into memory. Numpy is all that this module needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle_record import MAKE_AGAIN, array_path
from .errors import BundleError
from .staging import JSON_NAME


def map_array(folder: Path, stem: str, index: dict[str, Any]) -> NDArray[Any]:
    """An array of a bundle, read-only, read from its file where it is used.

    Args:
        folder: The bundle.
        stem: The file's name in `arrays/` without its ending.
        index: Shape and type by stem, from the bundle's record.

    Raises:
        BundleError: it cannot be read, or is another one than the record says.
        KeyError, TypeError: the record does not know it.
    """
    path, told = array_path(folder, stem), index[stem]
    # A file without elements cannot be mapped.
    empty = 0 in told["shape"]
    try:
        array = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except Exception as error:  # a damaged header is Python to numpy, which fails in as many ways as there are
        raise BundleError(f"{path} cannot be read: {error or type(error).__name__}.", MAKE_AGAIN) from error
    if list(array.shape) != told["shape"] or str(array.dtype) != told["dtype"]:
        raise BundleError(
            f"{path} is {array.dtype} {array.shape}, but {JSON_NAME} says {told['dtype']} {told['shape']}.", MAKE_AGAIN
        )
    return array
