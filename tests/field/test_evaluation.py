"""Encoders that do not fit onto a graphics card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from field_fixtures import make_photo, small_network
from official_golden import official_network

from infinidepth_blender.field.evaluation import OUT_OF_MEMORY, or_on_processor
from infinidepth_blender.field.network_field import FieldModel
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.model import OfficialModel

CARD = torch.device("meta")


def without_room(network: Any) -> list[torch.device]:
    """Has a network find no memory anywhere but on the processor; the list tells where it was run."""
    encode, asked = network.encode, []

    def encode_there(image: torch.Tensor, *others: Any) -> Any:
        asked.append(image.device)
        if image.device == CARD:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(image, *others)

    network.encode = encode_there
    return asked


@pytest.mark.parametrize("kind", ["bundled", "official"])
def test_where_the_encoder_does_not_fit_onto_the_card_the_processor_encodes(kind: str) -> None:
    notices: list[str] = []
    cpu, photo = torch.device("cpu"), make_photo(48, 64)
    if kind == "bundled":
        network = small_network()
        model, expected = (FieldModel(network, cpu, {"device": "cuda"}, notices.append) for _ in range(2))
    else:
        network = official_network(OfficialConfig("vits16"))
        model, expected = (
            OfficialModel(network, cpu, {"device": "cuda"}, precision="exact", notify=notices.append) for _ in range(2)
        )
        model.tokens = expected.tokens = 24
    answer = expected.encode(photo).disparity_grid(9, 12)
    asked = without_room(network)
    model._device = CARD
    for _ in range(2):
        np.testing.assert_array_equal(model.encode(photo).disparity_grid(9, 12), answer)
    # The bundled network looks at the mirrored photo, too.
    assert asked == [CARD] + [cpu] * (4 if kind == "bundled" else 2)
    assert len(notices) == 1
    assert model.info["device"] == "cpu"


@pytest.mark.parametrize("kind", ["bundled", "official"])
def test_a_network_whose_weights_do_not_fit_onto_the_card_stays_on_the_processor(
    kind: str, full_card: torch.device
) -> None:
    notices: list[str] = []
    photo = make_photo(48, 64)
    if kind == "bundled":
        model = FieldModel(small_network(), full_card, {}, notices.append)
    else:
        network = official_network(OfficialConfig("vits16"))
        model = OfficialModel(network, full_card, {}, precision="exact", notify=notices.append)
        model.tokens = 24
    assert model.info["device"] == "cpu"
    assert notices == [OUT_OF_MEMORY]
    assert np.isfinite(model.encode(photo).disparity_grid(9, 12)).all()
    assert len(notices) == 1


@pytest.mark.parametrize(
    ("device", "error"), [("cpu", torch.OutOfMemoryError("CPU")), ("meta", RuntimeError("shape mismatch"))]
)
def test_other_errors_come_through(device: str, error: RuntimeError) -> None:
    notices: list[str] = []

    def work() -> None:
        raise error

    with pytest.raises(RuntimeError) as caught:
        or_on_processor(work, torch.device(device), lambda: notices.append("moved"), notices.append)
    assert caught.value is error
    assert notices == []
