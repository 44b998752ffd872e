"""What `--precision` does to the settings of torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from official_golden import official_network

from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.precision import has_bfloat16_units, without_tf32
from infinidepth_blender.options import Precision


def tf32_allowed() -> tuple[bool, bool]:
    """In convolutions and in matrix products."""
    return torch.backends.cudnn.allow_tf32, bool(torch.backends.cuda.matmul.allow_tf32)


@pytest.fixture(params=[(True, False), (True, True), (False, False)])
def setting(request: pytest.FixtureRequest) -> Iterator[tuple[bool, bool]]:
    before = tf32_allowed()
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = request.param
    yield request.param
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_settings_come_back_after_success_and_failure(setting: tuple[bool, bool]) -> None:
    with without_tf32():
        assert tf32_allowed() == (False, False)
    assert tf32_allowed() == setting
    with pytest.raises(ZeroDivisionError), without_tf32():
        _ = 1 / 0
    assert tf32_allowed() == setting


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_the_whole_encoder_runs_without_tf32_where_it_shall_be_exact(
    precision: Precision, setting: tuple[bool, bool]
) -> None:
    network = official_network(OfficialConfig("vits16"))
    model = OfficialModel(network, torch.device("cpu"), {}, precision=precision)
    model.tokens = 12
    seen: list[tuple[bool, bool]] = []
    parts = [network.pretrained.blocks[0], network.basic_encoder.conv1]
    handles = [part.register_forward_pre_hook(lambda _module, _inputs: seen.append(tf32_allowed())) for part in parts]
    try:
        model.encode(np.zeros((48, 64, 3), np.uint8))
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [(False, False) if precision == "exact" else setting] * 2
    assert tf32_allowed() == setting


def test_a_torch_that_does_not_tell_of_units_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no public names for that, and may call it something else."""
    for name, there in (("_is_amx_tile_supported", False), ("_is_avx512_bf16_supported", True)):
        monkeypatch.setattr(torch.cpu, name, lambda there=there: there, raising=False)
    assert has_bfloat16_units()
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert has_bfloat16_units()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not has_bfloat16_units()
