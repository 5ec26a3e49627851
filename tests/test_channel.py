"""The Gaussian channel: powers, limits and precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_expit
from torch import Generator

from mmg_nb.denoisers.channel import scales, transmit

LEVELS = np.linspace(-40, 40, 161)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 3e-6), (torch.float64, 1e-13)])
def test_scales_keep_their_relative_precision_at_both_ends(dtype, rtol):
    """√(1 − α²) would be 0 in float32 beyond λ = 17."""
    alpha, sigma = scales(torch.tensor(LEVELS, dtype=dtype))
    assert alpha.shape == (len(LEVELS), 1)
    np.testing.assert_allclose(alpha[:, 0].double(), np.exp(log_expit(LEVELS) / 2), rtol=rtol)
    np.testing.assert_allclose(sigma[:, 0].double(), np.exp(log_expit(-LEVELS) / 2), rtol=rtol)


def test_the_power_ratio_is_the_snr_and_the_sum_is_one():
    levels = torch.linspace(-30, 30, 61, dtype=torch.float64)
    alpha, sigma = scales(levels)
    torch.testing.assert_close(2 * (alpha / sigma).log().squeeze(-1), levels)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(alpha))


@pytest.mark.parametrize("level", [-3.0, 0.0, 2.0])
def test_what_comes_out_has_the_moments_of_the_channel(level):
    generator, n = Generator().manual_seed(0), 200_000
    x, eps = torch.randn(2, n, 1, generator=generator, dtype=torch.float64)
    z = transmit(x, eps, torch.full((n,), level, dtype=torch.float64))
    limit = 5 * math.sqrt(2 / n)
    assert abs(float((z * x).mean()) - math.sqrt(1 / (1 + math.exp(-level)))) < limit
    assert abs(float((z * eps).mean()) - math.sqrt(1 / (1 + math.exp(level)))) < limit
    assert abs(float(z.square().mean()) - 1) < limit


def test_each_row_has_its_own_log_snr():
    x, eps = torch.ones(2, 3, 4), torch.zeros(2, 3, 4)
    levels = torch.tensor([[-5.0, 0.0, 5.0], [1.0, 2.0, 3.0]])
    z = transmit(x, eps, levels)
    torch.testing.assert_close(z, torch.sigmoid(levels).sqrt().unsqueeze(-1).expand(2, 3, 4))
    torch.testing.assert_close(
        transmit(eps, x, levels), torch.sigmoid(-levels).sqrt().unsqueeze(-1).expand(2, 3, 4)
    )
