"""Proposals over log-SNR: densities, sampling, adaptation and its guards."""

from __future__ import annotations

import math

import pytest
import torch
from oracle import CPU, sparse
from torch import Generator

from mmg_nb.denoisers.logsnr import (
    HIGHEST,
    BinnedProposal,
    LogisticProposal,
    adapted_logistic,
    uniform_bins,
)

UNEVEN = BinnedProposal(
    torch.tensor([-4.0, -3.0, 0.0, 0.25, 6.0], dtype=torch.float64),
    torch.tensor([0.1, 0.2, 0.4, 0.3], dtype=torch.float64),
)
BUMP = uniform_bins(-10, 14, 0.5, CPU)
PROPOSALS = {
    "default": LogisticProposal(),
    "narrow": LogisticProposal(-3.0, 0.1, 10.0),
    "nearly_flat": LogisticProposal(5.0, 10.0, 1.0),
    "uniform": uniform_bins(-8.0, 12.0, 0.5, CPU),
    "one_bin": uniform_bins(0.0, 1.0, 5.0, CPU),
    "uneven": UNEVEN,
    "adapted": BUMP.adapted(torch.exp(-0.5 * (BUMP.centres - 2) ** 2)),
}
proposals = pytest.mark.parametrize("name", PROPOSALS)


def grid(proposal, k=200_000):
    """Midpoints of equal cells over the interval, and their width."""
    width = (proposal.high - proposal.low) / k
    return proposal.low + width * (torch.arange(k, dtype=torch.float64) + 0.5), width


# --- densities ---------------------------------------------------------------------------------


@proposals
def test_densities_integrate_to_one(name):
    points, width = grid(PROPOSALS[name])
    density = PROPOSALS[name].density(points)
    assert density.dtype == torch.float64
    assert float(density.min()) > 0
    assert float(density.sum() * width) == pytest.approx(1.0, abs=1e-4)


@proposals
def test_quantiles_invert_the_distribution_function(name):
    proposal = PROPOSALS[name]
    u = torch.linspace(1e-4, 1 - 1e-4, 999, dtype=torch.float64)
    levels = proposal.quantile(u)
    assert levels.dtype == torch.float64
    assert (levels.diff() > 0).all()
    points, width = grid(proposal)
    cumulative = (proposal.density(points) * width).cumsum(0)
    cell = ((levels - proposal.low) / width).long().clamp(0, len(points) - 1)
    torch.testing.assert_close(cumulative[cell], u, atol=1e-4, rtol=0)


@proposals
def test_quantiles_end_where_the_interval_ends(name):
    proposal = PROPOSALS[name]
    ends = proposal.quantile(torch.tensor([0.0, 1.0]))
    span = proposal.high - proposal.low
    expected = torch.tensor([proposal.low, proposal.high], dtype=torch.float64)
    torch.testing.assert_close(ends, expected, atol=1e-9 * span, rtol=0)
    # The very ends still have a density, or a weight 1/q would be infinite.
    assert (proposal.density(ends) > 0).all()


@proposals
def test_samples_follow_the_density(name):
    proposal, n = PROPOSALS[name], 200_000
    draws = proposal.quantile(torch.rand(n, generator=Generator().manual_seed(0)))
    k = 20
    counts = torch.histc(draws, k, proposal.low, proposal.high)
    points, width = grid(proposal, 1000 * k)
    expected = n * width * proposal.density(points).view(k, 1000).sum(1)
    z = (counts - expected) / (expected + 0.002 * n).sqrt()
    assert float(z.abs().max()) < 5


@proposals
def test_weighted_draws_integrate_any_function(name):
    """E[f(λ)/q(λ)] = ∫ f, whatever the proposal."""
    proposal, n = PROPOSALS[name], 100_000
    levels = proposal.quantile(torch.rand(n, generator=Generator().manual_seed(1)))
    middle = (proposal.low + proposal.high) / 2
    values = torch.sigmoid(levels - middle) / proposal.density(levels)
    exact = (proposal.high - proposal.low) / 2
    assert abs(float(values.mean()) - exact) < 5 * float(values.std()) / math.sqrt(n)


@pytest.mark.parametrize("name", ["default", "narrow", "nearly_flat"])
def test_the_logistic_has_no_mass_outside(name):
    proposal = PROPOSALS[name]
    beyond = torch.tensor([proposal.low - 1e-6, proposal.high + 1e-6], dtype=torch.float64)
    assert (proposal.density(beyond) == 0).all()


def test_the_default_is_the_published_one():
    proposal = LogisticProposal()
    assert (proposal.loc, proposal.scale, proposal.low, proposal.high) == (2.0, 3.0, -10.0, 14.0)
    ratio = proposal.density(torch.tensor([2.0, 5.0]))
    assert float(ratio[0] / ratio[1]) == pytest.approx((1 + math.e) ** 2 / (4 * math.e))


@proposals
def test_float32_levels_are_taken_in_float64(name):
    proposal = PROPOSALS[name]
    levels = proposal.quantile(torch.tensor([0.3]))
    close = proposal.density(levels.float())
    assert close.dtype == torch.float64
    torch.testing.assert_close(close, proposal.density(levels), rtol=1e-3, atol=0)


# --- bins --------------------------------------------------------------------------------------


def test_every_level_lies_in_its_bin():
    levels = UNEVEN.quantile(torch.rand(5000, generator=Generator().manual_seed(2)))
    bins = UNEVEN.bins(levels)
    assert (levels >= UNEVEN.edges[bins]).all()
    assert (levels <= UNEVEN.edges[bins + 1]).all()
    assert set(bins.tolist()) == {0, 1, 2, 3}


def test_levels_at_and_beyond_the_ends_have_a_bin():
    levels = torch.tensor([-99.0, -4.0, 6.0, 99.0], dtype=torch.float64)
    assert UNEVEN.bins(levels).tolist() == [0, 0, 3, 3]


def test_bins_have_the_wanted_width_and_cover_the_range():
    bins = uniform_bins(-8.3, 12.9, 0.5, CPU)
    assert (bins.low, bins.high) == (pytest.approx(-8.3), pytest.approx(12.9))
    assert len(bins.centres) == len(bins.widths) == len(bins.mass) == 42
    torch.testing.assert_close(bins.widths, torch.full_like(bins.widths, 21.2 / 42))
    torch.testing.assert_close(bins.widths.sum(), torch.tensor(21.2, dtype=torch.float64))
    torch.testing.assert_close(bins.mass.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_narrow_ranges_still_have_a_bin():
    assert len(uniform_bins(0.0, 0.01, 0.5, CPU).mass) == 1


# --- adaptation --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, -1.0, 3.0])
def test_nothing_to_adapt_to_leaves_the_density_uniform(value):
    adapted = UNEVEN.adapted(torch.full((4,), value, dtype=torch.float64))
    torch.testing.assert_close(adapted.mass, UNEVEN.widths / UNEVEN.widths.sum())


def closing(grid, high):
    """The gap of a Gaussian whose noise is as small as that at a log-SNR `high`."""
    return torch.sigmoid(high - grid.centres)


@pytest.mark.parametrize("high", [-5.0, 6.0, 7.0])
def test_a_gap_that_closes_asks_for_no_more_bins(high):
    grid = uniform_bins(-8.0, 12.0, 0.5, CPU)
    gap = closing(grid, high)
    reaching = grid.reaching(gap)
    torch.testing.assert_close(reaching.edges, grid.edges)
    torch.testing.assert_close(reaching.mass, grid.adapted(gap).mass)


@pytest.mark.parametrize("width", [0.5, 1.0, 3.0])
def test_a_gap_that_is_open_is_followed_to_where_it_closes(width):
    grid = uniform_bins(-8.0, 12.0, width, CPU)
    reaching = grid.reaching(closing(grid, 11.0))
    k = len(grid.mass)
    torch.testing.assert_close(reaching.edges[: k + 1], grid.edges)
    torch.testing.assert_close(reaching.widths, grid.widths[:1].expand(len(reaching.mass)))
    assert reaching.mass.min() > 0
    assert reaching.mass.sum() == pytest.approx(1.0)
    beyond = closing(reaching, 11.0)[k:]
    assert beyond[-1] < 0.02 < beyond[0]
    assert reaching.high <= 12.0 + 6.0 + width


def test_the_range_has_an_end_even_for_a_gap_that_never_closes():
    """As where x is a function of y."""
    for high in (22.0, 23.3, 23.9, HIGHEST):
        grid = uniform_bins(-8.0, high, 0.5, CPU)
        reaching = grid.reaching(torch.full_like(grid.mass, 1.0))
        assert HIGHEST - 0.6 < reaching.high < HIGHEST + 1e-6


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12])
def test_half_the_mass_stays_uniform_and_half_follows_the_root(scale):
    gap = scale * torch.tensor([0.0, -5.0, 1.0, 4.0], dtype=torch.float64)
    adapted = UNEVEN.adapted(gap)
    uniform = UNEVEN.widths / UNEVEN.widths.sum()
    share = torch.tensor([0.0, 0.0, 1.0, 2.0], dtype=torch.float64) * UNEVEN.widths
    torch.testing.assert_close(adapted.mass, (uniform + share / share.sum()) / 2)
    assert (adapted.mass >= uniform / 2).all()
    assert adapted.edges is UNEVEN.edges


def test_adapting_lowers_the_variance_of_the_integral():
    gap = torch.exp(-0.5 * (BUMP.centres - 6) ** 2)
    adapted = BUMP.adapted(gap)
    u = torch.rand(100_000, generator=Generator().manual_seed(3))

    def spread(proposal):
        levels = proposal.quantile(u)
        return float((gap[BUMP.bins(levels)] / proposal.density(levels)).std())

    assert spread(adapted) < 0.6 * spread(BUMP)


def curve(strength, low=-25.0, high=45.0):
    """Exact conditional error of the sparse 3×3 pair."""
    levels = torch.linspace(low, high, 4001, dtype=torch.float64)
    return levels, 3 * torch.sigmoid(levels) - sparse(3, strength).gap(levels)


def unguarded(levels, mse, dim_x):
    """The published rule, by plain interpolation."""
    half = levels[(mse >= dim_x / 2).nonzero()[0, 0]]
    quarter = levels[(mse >= dim_x / 4).nonzero()[0, 0]]
    return float(half), float(half - quarter) / math.log(3)


@pytest.mark.parametrize(("strength", "low", "high"), [(200, -19, 37), (2, -3.5, 4.9)])
def test_the_unguarded_rule_goes_wrong_as_stated(strength, low, high):
    loc, scale = unguarded(*curve(strength), 3)
    assert loc - 4 * scale == pytest.approx(low, abs=0.5)
    assert loc + 4 * scale == pytest.approx(high, abs=0.5)


@pytest.mark.parametrize("strength", [0.01, 0.5, 2, 200, 1550, 2000, 1e5])
def test_guards_keep_the_range_wide_enough_and_no_wider(strength):
    pair = sparse(3, strength)
    proposal = adapted_logistic(*curve(strength), 3)
    assert 2.5 <= proposal.scale <= 5
    assert -4 <= proposal.loc <= 12
    levels, width = grid(proposal)
    kept = 0.5 * float(pair.gap(levels).sum()) * width
    assert abs(pair.mi - kept) < 2e-3
    assert proposal.high - proposal.low <= 40


def test_within_the_guards_the_rule_is_the_published_one():
    levels = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    for loc, scale in ((0.0, 3.0), (5.0, 4.0), (-3.0, 2.6)):
        mse = 2 * torch.sigmoid((levels - loc) / scale)
        proposal = adapted_logistic(levels, mse, 2, clip=3.0)
        assert proposal.loc == pytest.approx(loc, abs=0.02)
        assert proposal.scale == pytest.approx(scale, abs=0.02)
        assert proposal.clip == 3.0


@pytest.mark.parametrize(
    ("values", "loc"),
    [(0.0, 12.0), (5.0, -4.0), ([0, 0.4, 0.1, 0.6, 0.3, 2.0] * 2, None)],
    ids=["never_rises", "never_low", "noisy"],
)
def test_odd_curves_are_survived(values, loc):
    levels = torch.linspace(-20, 20, 12, dtype=torch.float64)
    mse = torch.full((12,), values) if isinstance(values, float) else torch.tensor(values)
    proposal = adapted_logistic(levels, mse.double(), 1)
    assert 2.5 <= proposal.scale <= 5
    assert -4 <= proposal.loc <= 12
    if loc is not None:
        assert proposal.loc == loc
    assert math.isfinite(proposal.low)


def test_the_first_crossing_of_a_noisy_curve_counts():
    levels = torch.linspace(-9, 9, 19, dtype=torch.float64)
    mse = torch.sigmoid(levels / 3)
    mse[6] = 0.6  # a spike at −3, before the crossing at 0
    assert -4 < adapted_logistic(levels, mse, 1).loc < -3
