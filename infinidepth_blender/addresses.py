"""Every address on the internet that InfiniDepth knows; used only after the user asked for a download."""

from __future__ import annotations

TORCH_WHEELS = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cu126": "https://download.pytorch.org/whl/cu126",
    "cu130": "https://download.pytorch.org/whl/cu130",
}
"""Indexes of PyTorch's own builds by kind; other packages come from pip's configured index."""

MODEL_HUB = "https://huggingface.co"
"""Where models are downloaded, unless the variable HF_ENDPOINT names a mirror."""

LICENCES = {
    "gpl3": "https://www.gnu.org/licenses/gpl-3.0.html",
    "apache2": "https://www.apache.org/licenses/LICENSE-2.0",
    "dinov3": "https://github.com/facebookresearch/dinov3/blob/main/LICENSE.md",
    "mit_skyseg": "https://github.com/xiongzhu666/Sky-Segmentation-and-Post-processing/blob/main/LICENSE",
}
"""The full texts of the models' licences."""

VISUAL_CPP = "https://aka.ms/vs/17/release/vc_redist.x64.exe"
"""Microsoft's libraries that PyTorch needs on Windows; the user installs them."""
