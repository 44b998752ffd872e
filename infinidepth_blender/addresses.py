"""Every address on the internet that InfiniDepth knows; used only after the user asked for a download."""

from __future__ import annotations

TORCH_WHEELS = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cu126": "https://download.pytorch.org/whl/cu126",
    "cu130": "https://download.pytorch.org/whl/cu130",
}
"""Indexes of PyTorch's own builds by kind; other packages come from pip's configured index."""
