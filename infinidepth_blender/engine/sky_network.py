"""The sky by a segmentation network in an ONNX file, and its answer brought to the photo's size.

The network (U-2-Net, https://github.com/xiongzhu666/Sky-Segmentation-and-Post-processing) takes a
picture of 320 x 320 pixels. OpenCV runs it: it is there anyway, where an ONNX runtime would be
one more library. Needs OpenCV: the engine imports this module.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..field.guided import guided

SIDE_PX = 320
_MEAN_RGB = np.array([0.485, 0.456, 0.406], np.float32)
_STD_RGB = np.array([0.229, 0.224, 0.225], np.float32)
_DECIDED = 0.5
_GUIDE_RADIUS = 4
"""Radius in pixels of the network's answer in which colours explain the sky."""
_GUIDE_NOISE = 1e-3
"""Variance of colour that counts as none."""


def segment_sky(model: Path, photo_srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Asks the network.

    Args:
        model: The ONNX file; input (1, 3, 320, 320) RGB normalised as for ImageNet, first output
            (1, 1, 320, 320), high at the sky.
        photo_srgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32 in [0, 1], above 0.5 at the sky.

    Raises:
        ModelError: the file is no such network.
    """
    small = cv2.resize(photo_srgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    try:
        network = cv2.dnn.readNetFromONNX(np.fromfile(model, np.uint8))
        network.setInput(((small - _MEAN_RGB) / _STD_RGB).transpose(2, 0, 1)[None])
        # The first output is the fused map; those of the single scales follow.
        answer = network.forward(network.getUnconnectedOutLayersNames()[:1])[0]
    except (OSError, cv2.error) as error:
        raise ModelError(f"{model.name} cannot be run.", "Download it again.") from error
    answer = np.asarray(answer, np.float32)
    if answer.size != SIDE_PX * SIDE_PX or not np.isfinite(answer).all():
        raise ModelError(f"{model.name} is not a network that finds the sky.", "Download it again.")
    return upsample_along_edges(_stretched(answer.reshape(SIDE_PX, SIDE_PX)), photo_srgb)


def upsample_along_edges(sky: NDArray[np.float32], photo_srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w) in [0, 1] -> (H, W), with borders that follow those of the (H, W, 3) photo."""
    return guided(sky, photo_srgb, _GUIDE_RADIUS, _GUIDE_NOISE).clip(0, 1)


def _stretched(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    """The network's answer from 0 to 1, unless it says that there is no sky, or nothing else."""
    low, high = float(answer.min()), float(answer.max())
    if low >= 0 and high <= 1 and (high < _DECIDED or low > _DECIDED):
        return np.full(answer.shape, float(low > _DECIDED), np.float32)
    return (answer - low) / max(high - low, 1e-6)
