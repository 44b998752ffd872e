"""The model that comes with the extension: what it is called and where it lies."""

from __future__ import annotations

from pathlib import Path

BUNDLED = "bundled"
BUNDLED_WEIGHTS = Path(__file__).resolve().parent / "weights" / "bundled.safetensors"
