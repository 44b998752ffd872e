"""The training scripts are imported as the package `train`, as they import one another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))


@pytest.fixture(scope="session")
def bank():
    """A small bank of textures."""
    import numpy as np
    from train.scenes.bank import make_bank

    return make_bank(np.random.default_rng(0), each=1)


@pytest.fixture(scope="session")
def pool(tmp_path_factory, bank):
    """A pool of two shards of small images, whatever the shares of places are."""
    from train.pool import make_shard

    folder = tmp_path_factory.mktemp("pool")
    for number, kind in enumerate(("frontage", "room")):
        make_shard(5, number, 3, bank, shape=(60, 84), kind=kind).save(folder / f"shard_{number:06d}")
    return folder
