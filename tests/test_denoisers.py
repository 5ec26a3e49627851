"""The learned denoiser: where it starts, and what its network can add."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from mmg_nb.denoisers.channel import scales
from mmg_nb.denoisers.gaussian import GaussianDenoiser, Samples
from mmg_nb.denoisers.residual import FOCUS_FLOOR, AnchorSummary, RadialDenoiser, ResidualDenoiser

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
    return ResidualDenoiser(
        AnchorSummary(VARIANCE, DIM_Y), width=16, blocks=1, generator=generator
    )


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


@pytest.mark.parametrize("condition", [0, 1])
def test_without_y_there_is_the_null_in_its_place_but_for_the_condition(condition, drawn):
    """As if y were the null and the anchor said 0; the network must not look at the flag."""
    generator = Generator().manual_seed(1)
    denoiser = ResidualDenoiser(
        AnchorSummary(torch.ones(MEMBERS, 1, DIM_X), DIM_Y, condition),
        width=16,
        blocks=1,
        generator=generator,
    )
    samples, eps, logsnr = drawn
    with torch.no_grad():
        denoiser.net.leave.weight.normal_(generator=generator)
        denoiser.null.normal_(generator=generator)
        denoiser.net.enter.weight[:, -1] = 0
    kept = torch.arange(DIM_Y) >= DIM_Y - condition
    instead = torch.where(kept, samples.y, denoiser.null)
    found = denoiser(samples, eps, logsnr, torch.zeros(1, 1, 1, dtype=torch.bool))
    same = Samples(samples.x, samples.x, instead)
    expected = denoiser(same, eps, logsnr, torch.ones(1, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(found, expected)
    other = Samples(samples.x, samples.x, instead + 1)
    different = denoiser(other, eps, logsnr, torch.ones(1, 1, 1, dtype=torch.bool))
    assert not torch.allclose(found, different, atol=1e-3)


# --- a gain from lengths alone -------------------------------------------------------------------


@pytest.fixture
def radial():
    """One whose network says something."""
    generator = Generator().manual_seed(1)
    denoiser = RadialDenoiser(AnchorSummary(VARIANCE, DIM_Y), generator=generator)
    torch.nn.init.normal_(denoiser.net.leave.weight, generator=generator)
    return denoiser


@pytest.mark.parametrize("with_y", [False, True])
def test_without_training_the_gain_is_zero(drawn, with_y):
    denoiser = RadialDenoiser(AnchorSummary(VARIANCE, DIM_Y), generator=Generator().manual_seed(1))
    given = torch.full((1, 1, 1), with_y)
    assert torch.equal(denoiser(*drawn, given), GaussianDenoiser(VARIANCE)(*drawn, given))


@pytest.mark.parametrize("with_y", [False, True])
def test_only_lengths_decide_on_the_gain(drawn, with_y):
    """Turning x and y turns the prediction; a network of the columns would not know."""
    samples, eps, logsnr = drawn
    generator = Generator().manual_seed(1)
    denoiser = RadialDenoiser(
        AnchorSummary(torch.full((MEMBERS, 1, DIM_X), 0.4), DIM_Y), generator=generator
    )
    torch.nn.init.normal_(denoiser.net.leave.weight, generator=generator)
    turn_x, turn_y = (
        torch.linalg.qr(torch.randn(d, d, generator=generator))[0] for d in (DIM_X, DIM_Y)
    )
    turned = Samples(samples.x @ turn_x, samples.residual @ turn_x, samples.y @ turn_y)
    given = torch.full((1, 1, 1), with_y)
    found, expected = (
        denoiser(turned, eps @ turn_x, logsnr, given),
        denoiser(*drawn, given) @ turn_x,
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(
        expected, GaussianDenoiser(denoiser.variance)(*drawn, given) @ turn_x
    )


def test_without_y_the_gain_does_not_know_its_length(radial, drawn):
    samples, eps, logsnr = drawn
    longer = Samples(samples.x, samples.residual, 2 * samples.y)
    for with_y in (False, True):
        given = torch.full((1, 1, 1), with_y)
        same = torch.equal(radial(longer, eps, logsnr, given), radial(samples, eps, logsnr, given))
        assert same != with_y


@pytest.mark.parametrize("with_y", [False, True])
def test_what_lengths_tell_is_where_the_whole_network_starts(radial, drawn, with_y):
    whole = ResidualDenoiser(
        AnchorSummary(VARIANCE, DIM_Y),
        width=16,
        blocks=1,
        generator=Generator().manual_seed(2),
        start=radial,
    )
    given = torch.full((1, 1, 1), with_y)
    torch.testing.assert_close(whole(*drawn, given), radial(*drawn, given))


# --- the scale of inputs -------------------------------------------------------------------------


def built(variance, sensitivity, condition=0):
    return ResidualDenoiser(
        AnchorSummary(variance, sensitivity.shape[-1], condition, sensitivity),
        width=16,
        blocks=1,
        generator=Generator().manual_seed(0),
    )


def test_where_the_anchor_explains_nothing_all_inputs_keep_their_scale():
    denoiser = built(torch.ones(1, 1, 3), torch.zeros(1, 4, 4))
    torch.testing.assert_close(denoiser.focus_x, torch.ones(1, 1, 3))
    torch.testing.assert_close(denoiser.focus_y, torch.eye(4).unsqueeze(0))


def test_inputs_are_scaled_by_what_the_anchor_explains():
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=Generator().manual_seed(0)).double())
    share = torch.tensor([0.6, 0.3, 0.0, 0.0]).double()
    denoiser = built(torch.tensor([[[0.4, 0.7, 1.0]]]), ((turn * share) @ turn.mT).unsqueeze(0))
    scale = ((share + FOCUS_FLOOR) / (0.6 + FOCUS_FLOOR)).sqrt()
    torch.testing.assert_close(denoiser.focus_x, scale[:3].float().view(1, 1, 3))
    expected = ((turn * scale) @ turn.mT).float().unsqueeze(0)
    torch.testing.assert_close(denoiser.focus_y, expected)


def test_a_focused_network_looks_at_little_but_what_the_anchor_has_found():
    """But for their length."""
    generator = Generator().manual_seed(5)
    share = torch.tensor([0.6, 0.3, 0.3] + 21 * [0.0]).view(1, 1, 24)
    denoiser = ResidualDenoiser(
        AnchorSummary(1 - share, 2), width=16, blocks=1, generator=generator, focused=True
    )
    nn.init.normal_(denoiser.net.leave.weight, generator=generator)
    oracle = GaussianDenoiser(denoiser.variance)
    x = torch.randn(1, BATCH, 24, generator=generator)
    y, silence = torch.randn(1, BATCH, 2, generator=generator), torch.zeros_like(x)
    given, level = torch.ones(1, 1, 1, dtype=torch.bool), torch.zeros(1, BATCH)

    @torch.no_grad()
    def learnt(x):
        rows = Samples(x, 0.8 * x, y)
        return denoiser(rows, silence, level, given) - oracle(rows, silence, level, given)

    found = learnt(x)
    assert found[..., 3:].std() < 0.1 * found[..., :3].std()
    scattered = torch.cat([x[..., :3], x[..., 3:].flip(-1)], dim=-1)
    longer = torch.cat([x[..., :3], 2 * x[..., 3:]], dim=-1)
    by_scatter, by_length = (
        (learnt(v) - found)[..., :3].std() / found[..., :3].std() for v in (scattered, longer)
    )
    assert by_scatter < 0.2 < 0.5 < by_length


def test_a_condition_keeps_its_scale_and_leaves_that_of_y_alone():
    """Though the anchor uses it most, and together with y."""
    sensitivity = torch.tensor([[[0.5, 0.0, 0.4], [0.0, 0.0, 0.0], [0.4, 0.0, 0.9]]])
    focus = built(torch.full((1, 1, 2), 0.5), sensitivity, condition=1).focus_y[0]
    expected = torch.tensor([1.0, math.sqrt(FOCUS_FLOOR / (0.5 + FOCUS_FLOOR)), 1.0]).diag()
    torch.testing.assert_close(focus, expected)
