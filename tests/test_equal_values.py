"""Equal values are spread over their interval, which changes no mutual information."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import multivariate_normal, norm

import mmg_nb
from mmg_nb.data.equal_values import spread_out

LEVEL = 1.96  # standard errors on either side of a 95 % interval


def test_the_interval_tells_the_value():
    column = np.array([3.0, 0.0, 0.0, 1.0, 0.0, 3.0, 0.0])
    spread = spread_out(column[:, None], np.random.default_rng(1))[:, 0]
    scaled = (column - 1.0) / 2  # the middle one of the values at 0, the farthest at 1
    known = np.unique(scaled)
    nearest = known[np.abs(spread[:, None] - known).argmin(axis=1)]
    np.testing.assert_array_equal(nearest, scaled)
    places = np.array([-0.375, -0.125, 0.125, 0.375]) / 2
    np.testing.assert_allclose(np.sort(spread[column == 0]), -0.5 + places)
    assert spread[3] == 0.0, "a single value stays"
    np.testing.assert_allclose(np.sort(spread[column == 3]), [0.75, 1.25])


def test_values_that_differ_or_never_do_stay():
    values = np.c_[np.random.default_rng(2).normal(size=50), np.full(50, 7.0)]
    np.testing.assert_array_equal(spread_out(values, np.random.default_rng(3)), values)


@pytest.mark.parametrize(("unit", "zero"), [(1000.0, 0.0), (2.0, 1e16), (1e307, -4e307), (-1, 3)])
def test_units_do_not_matter(unit, zero):
    values = np.random.default_rng(4).integers(0, 9, (100, 2)).astype(float)
    one, other = (
        spread_out(v, np.random.default_rng(5)) for v in (values, zero + abs(unit) * values)
    )
    np.testing.assert_allclose(other, one, atol=1e-12)


def test_order_within_a_value_is_drawn():
    values = np.repeat([[0.0], [1.0]], 500, axis=0)
    spread = spread_out(values, np.random.default_rng(6))[:500, 0]
    assert abs(np.corrcoef(spread, np.arange(500))[0, 1]) < 0.15


def rounded(width, correlation, n, seed):
    """A normal pair, rounded to multiples of the width, and the truth of the table."""
    rng = np.random.default_rng(seed)
    covariance = [[1, correlation], [correlation, 1]]
    numbers = width * np.round(rng.multivariate_normal([0, 0], covariance, n) / width)
    edges = width * (np.arange(-8, 10) - 0.5)
    corners = np.stack(np.meshgrid(edges, edges, indexing="ij"), axis=-1)
    below = multivariate_normal([0, 0], covariance).cdf(corners)
    cells = np.diff(np.diff(below, axis=0), axis=1).clip(0)
    one = np.diff(norm.cdf(edges))
    truth = xlogy(cells, cells).sum() - 2 * xlogy(one, one).sum()
    return *(numbers.T + 0.25), float(truth)  # not whole, so not read as categories


@pytest.mark.parametrize("seed", [7, 8])
def test_coarsely_rounded_numbers_are_not_estimated_too_high(seed):
    x, y, truth = rounded(1.0, 0.8, 500, seed)
    result = mmg_nb.estimate(x, y, seed=seed, progress=False)
    assert truth == pytest.approx(0.39, abs=0.01)
    assert abs(result.mi - truth) < LEVEL * result.stderr
    assert result.mi < truth + 0.1
