"""What all tests of fields share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Networks with random weights are the same ones whichever tests ran before."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
