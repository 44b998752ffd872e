"""Two surfaces and the choice between them: sharp where they are apart, smooth where they are one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from field_fixtures import small_network

from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.surfaces import SOFT_GAP, seen_surface, seen_surface_with_slopes


def test_surfaces_that_are_apart_are_never_mixed() -> None:
    choice = torch.linspace(-1, 1, 2001)
    seen = seen_surface(torch.full_like(choice, 0.2), torch.full_like(choice, 0.5), choice)
    between = (seen > 0.21) & (seen < 0.69)
    assert float(between.float().mean()) < 0.02
    assert float(seen[0]) == pytest.approx(0.2)
    assert float(seen[-1]) == pytest.approx(0.7)


def test_surfaces_that_are_nearly_one_have_no_crack_between_them() -> None:
    choice = torch.linspace(-3, 3, 601)
    seen = seen_surface(torch.zeros_like(choice), torch.full_like(choice, SOFT_GAP / 3), choice)
    assert float(seen.diff().abs().max()) < SOFT_GAP / 300
    assert torch.equal(seen_surface(choice, torch.zeros_like(choice), choice), choice)


def test_colours_lead_at_steps_alone() -> None:
    gaps, said = torch.tensor([0.005, 0.6]), torch.ones(2)
    for by_colours in (-said, None):
        small, large = seen_surface(torch.zeros(2), gaps, said, by_colours).tolist()
        assert small == pytest.approx(float(gaps[0] * torch.sigmoid(1 + (gaps[0] / SOFT_GAP) ** 2)), abs=2e-4)
        assert large == pytest.approx(0.6 if by_colours is None else 0.0, abs=1e-6)


@pytest.mark.parametrize("with_colours", [False, True])
def test_the_slopes_are_those_of_the_values(with_colours: bool) -> None:
    torch.manual_seed(0)
    values = torch.randn(4, 500, dtype=torch.float64) * torch.tensor([[0.5], [0.08], [2.0], [2.0]])
    inputs = [value.requires_grad_() for value in values[: 4 if with_colours else 3]]
    directions = torch.randn(2, len(inputs), 500, dtype=torch.float64)
    by_input = torch.stack(torch.autograd.grad(seen_surface(*inputs).sum(), inputs))
    packed = [torch.cat([value.detach()[None], directions[:, k]]) for k, value in enumerate(inputs)]
    answer = seen_surface_with_slopes(*packed)
    torch.testing.assert_close(answer[0], seen_surface(*inputs).detach())
    torch.testing.assert_close(answer[1:], (directions * by_input).sum(dim=1))


def test_a_network_that_never_saw_two_surfaces_can_go_on_with_them() -> None:
    before = small_network(2)
    network = InfiniDepthNetwork(replace(before.config, two_surfaces=True))
    missing = network.load_state_dict(before.state_dict(), strict=False)
    assert set(missing.missing_keys) == {"decoder.head_sides.weight", "decoder.head_sides.bias"}
    image, coords = torch.rand(1, 3, 32, 48), torch.rand(1, 50, 2) * 2 - 1
    old, new = (n.decode(n.encode(image), coords) for n in (before, network))
    assert torch.equal(old.t, new.t)
    assert old.sides is None
    assert new.sides is not None
    assert new.sides.shape == (1, 50, 3)
