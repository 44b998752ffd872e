"""Reading .npy files that hold Python objects, without the power that pickles have.

Data sets pack sparse depth as a dictionary, which numpy stores as a pickle. A pickle can
name any function to call; this reader resolves the few names that rebuild numpy arrays
and refuses everything else before it is called.
"""

from __future__ import annotations

import codecs
import pickle
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format


class UnsafePickleError(pickle.UnpicklingError):
    """A pickle names something other than the parts of numpy arrays."""


def load_npy(file: IO[bytes]) -> Any:
    """The array in an open .npy file, or the one object that it wraps.

    Raises:
        UnsafePickleError: it holds objects other than numpy arrays, numbers, strings and containers of them.
        ValueError, EOFError, pickle.UnpicklingError: it is damaged.
    """
    start = file.tell()
    version = npy_format.read_magic(file)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if not dtype.hasobject:
        file.seek(start)
        return npy_format.read_array(file, allow_pickle=False)
    array = _ArrayUnpickler(file).load()
    return array.item() if shape == () and isinstance(array, np.ndarray) else array


class _ArrayUnpickler(pickle.Unpickler):
    """Resolves only what numpy writes for arrays, scalars and dtypes."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of a name on the list; `_core` is numpy 2's name of `core`."""
        place = module.replace("numpy._core.", "numpy.core.")
        if (place, name) not in _ALLOWED:
            raise UnsafePickleError(f"{module}.{name}")
        return _ALLOWED[place, name]


def _reconstruct(subtype: Any, shape: Any, dtype: Any) -> Any:
    """An empty array that the pickle then fills; never another class, never a large one."""
    if subtype is not np.ndarray or tuple(shape) != (0,):
        raise UnsafePickleError("an array of an unusual class")
    return np.ndarray(tuple(shape), dtype)


def _frombuffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _scalar(dtype: Any, data: Any = None) -> Any:
    if dtype.hasobject or not isinstance(data, bytes):
        raise UnsafePickleError("a scalar that is no number")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _encode(text: Any, encoding: Any) -> bytes:
    """Pickles of protocol 2 and below store bytes as text in latin-1."""
    if encoding != "latin1":
        raise UnsafePickleError(f"text in {encoding!r}")
    return codecs.encode(text, "latin-1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}
