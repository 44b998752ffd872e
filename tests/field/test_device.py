"""Which device is taken, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.worker import _free_card
from infinidepth_blender.field import device
from infinidepth_blender.field.device import choose_device


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What is known of this computer's card is asked again."""
    device._problem.cache_clear()
    yield
    device._problem.cache_clear()


@pytest.fixture(params=["cuda", "mps"])
def card(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A computer that says that it has a card of this kind."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: request.param == "mps")
    return request.param


def pretend(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[str]:
    """What a card answers, and a list of the times that it was asked."""
    asked: list[str] = []
    ones = torch.ones

    def answer(*size: int, device: str) -> torch.Tensor:
        asked.append(device)
        if error is not None:
            raise error
        return ones(*size)

    monkeypatch.setattr(device, "torch", SimpleNamespace(**vars(torch) | {"ones": answer}))
    return asked


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with X"),
        AssertionError("Torch not compiled with CUDA enabled"),
    ],
)
def test_a_card_that_does_not_compute_is_left(card: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch leaves out kernels for older cards, and says nevertheless that CUDA is there."""
    asked = pretend(monkeypatch, error)
    told: list[str] = []
    for _ in range(2):
        assert choose_device("auto", told.append) == torch.device("cpu")
    assert choose_device("auto") == torch.device("cpu")
    assert asked == [card]
    reason = str(error).splitlines()[0]
    assert (
        told
        == [f"The graphics card does not work with the engine's PyTorch ({reason}): the processor is used instead."] * 2
    )


def test_a_card_that_computes_or_is_full_is_taken(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (None, torch.OutOfMemoryError("CUDA out of memory.")):
        device._problem.cache_clear()
        pretend(monkeypatch, error)
        assert choose_device("auto") == torch.device(card)


def test_the_user_hears_of_a_card_that_does_not_compute(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, RuntimeError("no kernel image"))
    models = ModelCache()
    models.bundled("auto")
    (notice,) = models.take_notices()
    assert "(no kernel image): the processor is used instead" in notice


def test_memory_of_every_kind_of_card_goes_back_after_a_job(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("cuda"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    _free_card()
    assert emptied == [card]
