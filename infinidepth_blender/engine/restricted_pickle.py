"""Reading .npy files that hold Python objects, without the power that pickles have.

Data sets pack sparse depth as a dictionary, which numpy stores as a pickle. A pickle can
name any function to call, and even numpy's own types are dangerous in its hands: it may set
the flags of a dtype so that numpy takes bytes of the file for addresses. This reader
resolves the few names that rebuild numpy arrays to stand-ins of its own, which check what
they are told, and refuses everything else before it is called.
"""

from __future__ import annotations

import codecs
import io
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

_PLAIN = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,9}")
"""Types whose values are the file's bytes and nothing else: truth, whole numbers, floats and text."""


class UnsafePickleError(pickle.UnpicklingError):
    """A pickle names something other than the parts of numpy arrays."""


def load_npy(file: IO[bytes]) -> Any:
    """The array in an open .npy file, or the one object that it wraps; arrays inside that are what `np.asarray` takes.

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
    content = file.read()
    _check_memo(content)
    found = _ArrayUnpickler(io.BytesIO(content)).load()
    array = np.asarray(found) if isinstance(found, _Array) else found
    return array.item() if shape == () and isinstance(array, np.ndarray) else array


def _check_memo(content: bytes) -> None:
    """Refuses a pickle that numbers an object far beyond what it could hold: memory is taken for all numbers below."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError("an object's number is too large")


class _ArrayUnpickler(pickle.Unpickler):
    """Resolves only what numpy writes for arrays, scalars and dtypes."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name on the list; `_core` is numpy 2's name of `core`."""
        place = module.replace("numpy._core.", "numpy.core.")
        if (place, name) not in _ALLOWED:
            raise UnsafePickleError(f"{module}.{name}")
        return _ALLOWED[place, name]


class _Named:
    """What a pickle gets for a name: it can be called and, unlike a function, not be changed."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError("a change of numpy itself")


class _Dtype:
    """What a pickle says of a dtype: its name and, as its state, the order of bytes."""

    __slots__ = ("name", "order")

    def __init__(self, name: Any, *_layout: Any) -> None:
        if not isinstance(name, str):
            raise UnsafePickleError("a dtype without a name")
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise UnsafePickleError("a dtype of an unusual kind")
        if any(part is not None for part in state[2:5]):
            raise UnsafePickleError("a dtype with fields")
        # Size, alignment and flags follow from the name, whatever else the pickle says.
        self.order = state[1]

    @property
    def is_object(self) -> bool:
        return self.name in ("O", "O4", "O8")

    def plain(self) -> np.dtype[Any]:
        """The dtype, whose values can be any bytes.

        Raises:
            UnsafePickleError: it is another one.
        """
        if _PLAIN.fullmatch(self.name) is None:
            raise UnsafePickleError(f"values of the type {self.name[:40]!r}")
        return np.dtype(self.order + self.name)


class _Array:
    """An array that the pickle fills."""

    __slots__ = ("_values",)

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, data = state
        if not isinstance(dtype, _Dtype):
            raise UnsafePickleError("an array of no dtype")
        order = "F" if by_columns else "C"
        if dtype.is_object:
            flat = np.empty(len(data), dtype=object)
            for index, item in enumerate(data):
                flat[index] = item
            self._values = flat.reshape(shape, order=order)
        else:
            self._values = _from_bytes(data, dtype, shape, order)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._values if dtype is None else self._values.astype(dtype)


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(data, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise UnsafePickleError("an array without bytes")
    plain = dtype.plain()
    # Of nothing numpy makes no array.
    flat = np.frombuffer(data, plain) if data else np.empty(0, plain)
    return flat.reshape(shape, order=order)


def _reconstruct(subtype: Any, shape: Any, dtype: Any) -> Any:
    """An empty array that the pickle then fills; never another class, never a large one."""
    if subtype is not _NDARRAY or tuple(shape) != (0,):
        raise UnsafePickleError("an array of an unusual class")
    return _Array(np.empty(0))


def _frombuffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return _Array(_from_bytes(buffer, dtype, shape, order))


def _scalar(dtype: Any, data: Any = None) -> Any:
    return _from_bytes(data, dtype, (1,), "C")[0]


def _encode(text: Any, encoding: Any) -> bytes:
    """Pickles of protocol 2 and below store bytes as text in latin-1."""
    if encoding != "latin1":
        raise UnsafePickleError(f"text in {encoding!r}")
    return codecs.encode(text, "latin-1")


def _not_called(*_arguments: Any) -> Any:
    raise UnsafePickleError("an array of an unusual class")


_NDARRAY = _Named(_not_called)
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Named(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Named(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Named(_frombuffer),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Named(_Dtype),
    ("_codecs", "encode"): _Named(_encode),
}
