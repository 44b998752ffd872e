"""Writes a real ONNX file of one 1x1 convolution and a sigmoid, byte by byte (ONNX IR version 8, opset 11)."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _tensor(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(_number(1, side) for side in values.shape)
    return dims + _number(2, 1) + _bytes(8, name) + _bytes(9, values.astype("<f4").tobytes())


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, side)) for side in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, dims)))


def write_pixelwise_network(
    path: Path, weights_rgb: tuple[float, float, float], bias: float, *, sigmoid: bool = True
) -> None:
    """A network whose answer at a pixel is the (sigmoid of the) weighted sum of its three channels."""
    kernel = _bytes(1, "kernel_shape") + _number(8, 1) + _number(8, 1) + _number(20, 7)
    conv = b"".join(_bytes(1, name) for name in ("image", "weight", "bias"))
    conv += _bytes(2, "sum" if sigmoid else "sky") + _bytes(3, "conv") + _bytes(4, "Conv") + _bytes(5, kernel)
    nodes = _bytes(1, conv)
    if sigmoid:
        nodes += _bytes(1, _bytes(1, "sum") + _bytes(2, "sky") + _bytes(3, "squash") + _bytes(4, "Sigmoid"))
    weight = np.array(weights_rgb, np.float32).reshape(1, 3, 1, 1)
    graph = nodes + _bytes(2, "tiny")
    graph += _bytes(5, _tensor("weight", weight)) + _bytes(5, _tensor("bias", np.array([bias], np.float32)))
    graph += _bytes(11, _value("image", (1, 3, 320, 320))) + _bytes(12, _value("sky", (1, 1, 320, 320)))
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, 11)))
