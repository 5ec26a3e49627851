"""Skewed columns: nearest neighbours give nearly the same, however a column is measured."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.data.marginals import Standardize
from mmg_nb.data.yeo_johnson import YeoJohnson, skewed

N = 500
CORRELATIONS = np.full((4, 4), 0.6) + 0.4 * np.eye(4)
TRUTH = 0.338  # nats that three of these columns share with the fourth


def normal_columns(n=N, seed=3):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(4), CORRELATIONS, n)


def by_neighbours(columns, **fields):
    return mmg_nb.estimate(columns[:, :3], columns[:, 3], "ksg", **fields).mi


SKEWED = {
    "exp": np.exp,
    "mirrored": lambda z: -np.exp(z),
    "exp of 1.5": lambda z: np.exp(1.5 * z),
    "some heavy": lambda z: np.exp(z * [1, 1.5, 2, 0.1]),
    "rectified": lambda z: np.logaddexp(0, 3 * z),
}


@pytest.mark.parametrize("kind", SKEWED)
def test_a_monotone_map_of_columns_hardly_changes_the_estimate(kind):
    """Rejected: what standard deviations as units give, 0.06 to 0.15 nats less."""
    normal = normal_columns()
    assert by_neighbours(SKEWED[kind](normal)) == pytest.approx(by_neighbours(normal), abs=0.035)


@pytest.mark.parametrize("kind", ["exp", "mirrored", "exp of 1.5"])
def test_standard_deviations_as_units_lose_dependence(kind):
    columns = SKEWED[kind](normal_columns())
    assert by_neighbours(columns, transform="standardize") < by_neighbours(columns) - 0.04


def test_total_correlation_of_skewed_columns():
    """Rejected: 0.65 nats, which it was with standardized columns."""
    table = pd.DataFrame(np.exp(normal_columns(1000)), columns=list("abcd"))
    total = mmg_nb.total_correlation(table, progress=False).total
    truth = -0.5 * math.log(np.linalg.det(CORRELATIONS))
    assert total.mi == pytest.approx(truth, abs=0.1)


def test_a_skewed_condition_explains_what_it_should():
    """x and y depend on each other through the two columns of z only."""
    rng = np.random.default_rng(11)
    z = rng.normal(size=(N, 2))
    x, y = (z.sum(axis=1) + 0.8 * noise for noise in rng.normal(size=(2, N)))
    plain, found = (mmg_nb.estimate(x, y, "ksg", given=each).mi for each in (z, np.exp(z)))
    assert found == pytest.approx(plain, abs=0.05)


def far_apart(rng, shares, centres):
    centre = rng.choice(centres, p=shares, size=N)
    return centre + rng.normal(size=N), centre + rng.normal(size=N)


@pytest.mark.parametrize(
    ("shares", "centres"),
    [([0.8, 0.2], [0.0, 8]), ([0.6, 0.3, 0.1], [0.0, 8, 24]), ([0.3, 0.7], [0.0, 8])],
)
def test_skewed_clusters_keep_their_gaps(shares, centres):
    """Normal scores would close the gaps: at least 0.05 nats are lost then."""
    x, y = far_apart(np.random.default_rng(5), shares, centres)
    assert skewed(np.c_[x, y]).all()
    usual, plain, scores = (
        mmg_nb.estimate(x, y, "ksg", **fields).mi
        for fields in ({}, {"transform": "standardize"}, {"transform": "normal_scores"})
    )
    assert usual == pytest.approx(plain, abs=0.02)
    assert scores < plain - 0.05


@pytest.mark.parametrize("unit", [1e-30, 1e-3, 1e3, 1e30])
@pytest.mark.parametrize("shift", [0.0, -7.0, 1e5])
def test_units_and_shifts_do_not_matter(unit, shift):
    columns = np.exp(normal_columns(200))
    plain = by_neighbours(columns)
    assert by_neighbours(unit * (columns + shift)) == pytest.approx(plain, abs=0.005)
    assert by_neighbours(-unit * (columns + shift)) == pytest.approx(plain, abs=0.005)


def test_which_columns_are_skewed():
    rng = np.random.default_rng(7)
    normal = rng.normal(size=2000)
    even = [normal, rng.uniform(size=2000), rng.standard_t(2, 2000), np.sin(7 * normal)]
    with_outliers = np.where(rng.random(2000) < 0.03, 50.0, normal)
    assert not skewed(np.stack([*even, with_outliers, np.ones(2000)], axis=1)).any()
    odd = np.c_[np.exp(normal), -np.exp(normal), rng.gamma(2, 1, 2000), rng.poisson(1.5, 2000)]
    assert skewed(odd).all()
    assert skewed(1e-6 * odd + 1e-3).all()


@pytest.mark.parametrize("n", [12, 30, 2000])
def test_the_map_keeps_the_order_and_takes_skewness_away(n):
    values = np.exp(np.random.default_rng(2).normal(size=(n, 2))) * [1, -1]
    mapped = YeoJohnson.fit(values)(values)
    assert (np.argsort(mapped, axis=0) == np.argsort(values, axis=0)).all()
    assert np.allclose(mapped.mean(axis=0), 0)
    assert np.allclose(mapped.std(axis=0), 1)
    before, after = (abs((v**3).mean(axis=0)) for v in (Standardize.fit(values)(values), mapped))
    assert (after < 0.6 * before).all()


def test_the_order_of_rows_does_not_matter():
    values = np.exp(normal_columns())
    order = np.random.default_rng(0).permutation(N)
    assert np.array_equal(YeoJohnson.fit(values).powers, YeoJohnson.fit(values[order]).powers)
