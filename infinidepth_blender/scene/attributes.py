"""The one layer that moves arrays in and out of Blender's data.

Blender copies flat float32 and int32 arrays at memory speed; any other type or shape
takes a path that is a hundred times slower or raises. All colours go through here, so
that photo colours (sRGB) are turned into the scene's linear working space exactly once.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from mathutils import Color
from numpy.typing import NDArray

from ..srgb import decode_srgb

AttributeType = Literal["FLOAT", "INT", "FLOAT_VECTOR", "FLOAT_COLOR", "BYTE_COLOR", "QUATERNION", "FLOAT2"]
Domain = Literal["POINT", "EDGE", "FACE", "CORNER"]

_ITEM_PROPERTY: dict[str, tuple[str, int]] = {
    "FLOAT": ("value", 1),
    "INT": ("value", 1),
    "FLOAT_VECTOR": ("vector", 3),
    "FLOAT_COLOR": ("color", 4),
    "BYTE_COLOR": ("color_srgb", 4),
    "QUATERNION": ("value", 4),
    "FLOAT2": ("vector", 2),
}
"""Name and number of components of an attribute's items."""


def flat_float(array: NDArray[Any]) -> NDArray[np.float32]:
    """The array as flat, contiguous float32, as `foreach_set` wants it."""
    return np.ascontiguousarray(array, dtype=np.float32).reshape(-1)


def flat_int(array: NDArray[Any]) -> NDArray[np.int32]:
    """The array as flat, contiguous int32, as `foreach_set` wants it."""
    return np.ascontiguousarray(array, dtype=np.int32).reshape(-1)


def set_attribute(data: Any, name: str, kind: AttributeType, array: NDArray[Any], domain: Domain = "POINT") -> Any:
    """Stores an array as a named attribute, replacing one of the same name.

    Args:
        data: A mesh or a point cloud.
        name: Name of the attribute.
        kind: Blender's attribute type.
        array: (N,) or (N, components) values; `BYTE_COLOR` takes sRGB-encoded values in [0, 1].
        domain: What the values belong to.

    Returns:
        The Blender attribute.

    Raises:
        ValueError: the array does not have one row per element of the domain.
    """
    old = data.attributes.get(name)
    if old is not None and (old.data_type, old.domain) != (kind, domain):
        data.attributes.remove(old)
        old = None
    attribute = old if old is not None else data.attributes.new(name, kind, domain)
    key, components = _ITEM_PROPERTY[kind]
    expected = len(attribute.data) * components
    if array.size != expected:
        raise ValueError(f"Attribute '{name}' of {data.name} takes {expected} numbers, got an array {array.shape}.")
    values = flat_int(array) if kind == "INT" else flat_float(array)
    attribute.data.foreach_set(key, values)
    return attribute


def get_attribute(data: Any, name: str) -> NDArray[Any]:
    """Reads an attribute as (N,) or (N, components), float32 or int32.

    Raises:
        KeyError: there is no attribute of this name.
    """
    attribute = data.attributes[name]
    key, components = _ITEM_PROPERTY[attribute.data_type]
    out = np.empty(len(attribute.data) * components, dtype=np.int32 if attribute.data_type == "INT" else np.float32)
    attribute.data.foreach_get(key, out)
    return out.reshape(-1, components) if components > 1 else out


# -- colour -----------------------------------------------------------------------


def working_space_matrix() -> NDArray[np.float32]:
    """(3, 3) matrix from linear Rec.709 to the linear working space of the open file.

    It is the identity in almost all files; from Blender 5.0 a file may work in Rec.2020
    or ACEScg. The images of the three primaries are the matrix's columns.
    """
    primaries = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    columns = [Color(primary).from_srgb_to_scene_linear() for primary in primaries]
    return np.array([list(column) for column in columns], dtype=np.float32).T


def srgb_to_scene_linear(encoded: NDArray[Any]) -> NDArray[np.float32]:
    """SRGB colours in the linear working space of the open file.

    Args:
        encoded: (N, 3) float values, 1 is white.

    Returns:
        (N, 3) float32.
    """
    linear = decode_srgb(encoded)
    matrix = working_space_matrix()
    if np.allclose(matrix, np.eye(3), atol=1e-5):
        return linear
    return linear @ matrix.T
