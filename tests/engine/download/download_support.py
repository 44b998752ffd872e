"""What the tests of downloads fetch, and how."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from infinidepth_blender.engine.download import Patience, download_model
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import ModelEntry

QUICK = Patience(retries=3, first_wait_s=0.01)
CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REPOSITORY, FILE = "studio/model", "model.safetensors"


def quiet(stage: str, fraction: float, message: str = "") -> None:
    """Reports nothing."""


def fetch(entry: ModelEntry, store: ModelStore, patience: Patience = QUICK) -> Path:
    """Downloads a model without waiting long."""
    return download_model(entry, store, quiet, patience)
