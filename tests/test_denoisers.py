"""The learned denoiser: where it starts, and what its network can add."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from mmg_nb.channel import scales
from mmg_nb.denoisers import GaussianDenoiser, ResidualDenoiser, Samples

MEMBERS, BATCH, DIM_X, DIM_Y = 2, 64, 3, 2
VARIANCE = torch.tensor([0.5, 0.1, 0.9]).expand(MEMBERS, 1, DIM_X)
SPREAD = 2.0  # of x: twice what the Gaussian posterior is told


@pytest.fixture
def drawn():
    generator = Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(MEMBERS, BATCH, *shape, generator=generator)

    samples = Samples(SPREAD * normal(DIM_X), normal(DIM_X), normal(DIM_Y))
    return samples, normal(DIM_X), 3 * torch.randn(MEMBERS, BATCH, generator=generator)


@pytest.fixture
def denoiser():
    generator = Generator().manual_seed(1)
    return ResidualDenoiser(VARIANCE, DIM_Y, width=16, blocks=1, generator=generator)


@pytest.mark.parametrize("with_y", [False, True])
def test_it_starts_as_the_gaussian_posterior(denoiser, drawn, with_y):
    given = torch.full((1, 1, 1), with_y)
    torch.testing.assert_close(
        denoiser(*drawn, given), GaussianDenoiser(VARIANCE)(*drawn, given), rtol=1e-5, atol=1e-6
    )


def test_the_gain_alone_turns_it_into_the_posterior_of_another_variance(denoiser, drawn):
    """A constant gain at one log-SNR: the posterior mean of N(0, s²) where N(0, 1) was assumed."""
    samples, eps, logsnr = drawn
    logsnr = torch.full_like(logsnr, 0.7)
    alpha, sigma = (v[0, 0, 0] for v in scales(logsnr))
    exact = sigma / (alpha**2 * SPREAD**2 + sigma**2)  # of z, with α² + σ² = 1
    with torch.no_grad():
        denoiser.net.leave.bias[..., DIM_X:] = (exact - sigma) / alpha
    found = denoiser(samples, eps, logsnr, torch.zeros(1, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(found, exact * (alpha * samples.x + sigma * eps))


def test_the_network_is_told_the_powers(denoiser, drawn):
    """Turning y leaves its power: with y itself hidden, the prediction must not change."""
    samples, eps, logsnr = drawn
    given = torch.ones(1, 1, 1, dtype=torch.bool)
    with torch.no_grad():
        denoiser.net.leave.weight.normal_(generator=Generator().manual_seed(2))
        denoiser.net.enter.weight[:, 3 * DIM_X : 3 * DIM_X + DIM_Y] = 0
        before = denoiser(samples, eps, logsnr, given)
        turned = Samples(samples.x, samples.residual, samples.y.flip(-1))
        longer = Samples(samples.x, samples.residual, 2 * samples.y)
        torch.testing.assert_close(denoiser(turned, eps, logsnr, given), before)
        assert not torch.allclose(denoiser(longer, eps, logsnr, given), before, atol=1e-3)
