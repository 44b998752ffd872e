"""Pickles in .npy files: what numpy writes is read, and nothing that is written by hand has numpy's powers."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender.engine.depth_files import read_depth_file
from infinidepth_blender.engine.restricted_pickle import UnsafePickleError, load_npy
from infinidepth_blender.errors import DepthFileError


def npy_of(payload: bytes) -> io.BytesIO:
    """An .npy file that says it wraps one object, with this pickle."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    file.write(payload)
    file.seek(0)
    return file


def wrapped(value: object, protocol: int) -> io.BytesIO:
    box = np.empty((), dtype=object)
    box[()] = value
    return npy_of(pickle.dumps(box, protocol=protocol))


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_plain_kind(protocol: int) -> None:
    values = np.arange(1, 7).reshape(2, 3)
    arrays = {
        str(dtype): values.astype(dtype) for dtype in ("?", "i1", "<u2", ">i4", "u8", "f2", ">f4", "<f8", "U3", "S2")
    } | {"columns": np.asfortranarray(values), "part": values[:, ::2]}
    found = load_npy(wrapped(arrays | {"scale": np.float32(2), "list": [values], "text": "x"}, protocol))
    for name, array in arrays.items():
        read = np.asarray(found[name])
        assert read.dtype == array.dtype and np.array_equal(read, array), name
    assert found["scale"] == 2 and found["text"] == "x" and np.array_equal(np.asarray(found["list"]), [values])


def test_arrays_of_objects_keep_what_they_hold() -> None:
    box = np.empty(2, dtype=object)
    box[0], box[1] = [1, 2], np.empty((0, 3), np.float32)
    file = io.BytesIO()
    np.save(file, box, allow_pickle=True)
    file.seek(0)
    found = load_npy(file)
    assert found.shape == (2,) and found[0] == [1, 2] and np.asarray(found[1]).shape == (0, 3)


DTYPE_OF_OBJECTS = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR"
    # Its state without the flags that tell numpy that it holds addresses.
    b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
FIELDS = b"(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00a}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x04cnumpy.core.multiarray\nscalar\n(" + DTYPE_OF_OBJECTS + b"C\x08AAAAAAAAtR.",
        b"\x80\x04cnumpy.core.numeric\n_frombuffer\n(C\x08AAAAAAAA"
        + DTYPE_OF_OBJECTS
        + b"K\x01\x85X\x01\x00\x00\x00CtR.",
        b"\x80\x04cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR" + FIELDS + b".",
        b"\x80\x04cnumpy\nndarray\n(K\x05\x85tR.",
        # Sets an attribute of the function that reads scalars.
        b"\x80\x04cnumpy.core.multiarray\nscalar\nN}X\x0c\x00\x00\x00__defaults__)s\x86b.",
    ],
    ids=["scalar", "buffer", "fields", "class", "function"],
)
def test_pickles_do_not_make_numpy_read_addresses(payload: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnsafePickleError):
        load_npy(npy_of(payload))
    path = tmp_path / "evil.npy"
    path.write_bytes(npy_of(payload).getvalue())
    with pytest.raises(DepthFileError, match="could run programs"):
        read_depth_file(path)


def test_numbers_of_objects_take_no_memory() -> None:
    with pytest.raises(pickle.UnpicklingError, match="number"):
        load_npy(npy_of(b"\x80\x04Nr\xff\xff\xff\x0f."))
