"""The error after a fit, and the fit of many images at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train.fitted import fitted_error, least_deviations

from infinidepth_blender.field.align import fit_affine_lad


def scenes(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(6, 800) log depths, and which of them are no sky."""
    rng = np.random.default_rng(seed)
    log_depth = np.cumsum(rng.exponential(0.004, (6, 800)), axis=1) * rng.uniform(0.3, 1.2, (6, 1))
    return torch.from_numpy(log_depth), torch.from_numpy((rng.random((6, 800)) > 0.2).astype(float))


def test_what_an_affine_disparity_explains_is_no_error():
    truth, weight = scenes()
    shifted = -(0.6 * (-truth).exp() + 0.1).log()
    assert float(fitted_error(shifted, truth, weight).max()) < 1e-6
    assert float(fitted_error(1.5 * truth, truth, weight).max()) > 0.02


def test_the_line_is_that_of_least_deviations_whatever_a_third_says():
    truth, weight = scenes(1)
    rng = np.random.default_rng(2)
    source = (-truth).exp()
    target = 0.7 * source + 0.05 + torch.from_numpy(rng.normal(0, 0.01, source.shape))
    wrong = torch.from_numpy(rng.random(source.shape) < 0.3)
    target = torch.where(wrong, torch.from_numpy(rng.uniform(0, 3, source.shape)), target)
    target[weight == 0] = 99.0
    factor, offset = least_deviations(source, target, weight)
    for k in range(len(source)):
        expected = fit_affine_lad(source[k].numpy(), target[k].numpy(), weight[k].numpy())
        line = float(factor[k]) * source[k] + float(offset[k])
        torch.testing.assert_close(line, expected[0] * source[k] + expected[1], rtol=0, atol=0.02)


def test_errors_count_less_and_less_and_negative_disparities_still_have_a_direction():
    truth, weight = scenes(3)
    log_depth = truth.clone()
    log_depth[:, 10] += np.log(1.25)
    log_depth[:, 20] += 6.0
    error = fitted_error(log_depth, truth, weight)
    assert float(error[:, 10].mean()) == pytest.approx(0.5, abs=0.02)
    assert bool(((error[:, 20] > 0.8) & (error[:, 20] < 1)).all())
    # A picture whose disparity grows where the truth's falls has a fit of factor about 0 or below; nothing is infinite.
    upside_down = (-truth).clone().requires_grad_()
    fitted_error(upside_down, truth, weight).sum().backward()
    assert upside_down.grad is not None and bool(upside_down.grad.isfinite().all())
