"""Columns with heavy tails or outliers: nearest neighbours find what the other rows share."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.marginals import heavy_tailed

RHO = 0.75
TRUTH = -0.5 * math.log(1 - RHO**2)  # 0.413 nats
N = 500


def normal_pair(seed=3):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, N))
    return x, RHO * x + math.sqrt(1 - RHO**2) * noise, rng


def with_outliers(y, rng):
    return np.where(rng.random(N) < 0.03, 1e5 * rng.normal(size=N), y)


def with_codes(y, rng):
    return np.where(rng.random(N) < 0.03, -99999.0, y)


def with_many_codes(y, rng):
    return np.where(rng.random(N) < 0.2, 1e6, y)


HEAVY = {
    "outliers": (with_outliers, 0.97),
    "codes": (with_codes, 0.97),
    "many codes": (with_many_codes, 0.8),
    "lognormal": (lambda y, rng: np.exp(2.5 * y), 1.0),
    "fifth power": (lambda y, rng: y**5, 1.0),
}


@pytest.mark.parametrize("kind", HEAVY)
@pytest.mark.parametrize("turned", [False, True])
def test_dependence_is_not_lost(kind, turned):
    """Rejected: 0, half of the truth, and what the standard deviation as the unit gives."""
    change, share = HEAVY[kind]
    x, y, rng = normal_pair()
    x, y = (change(y, rng), x) if turned else (x, change(y, rng))
    found = mmg_nb.estimate(x, y, "ksg", discrete="none").mi
    assert abs(found - share * TRUTH) < 0.12
    assert mmg_nb.estimate(x, y, "ksg", discrete="none", transform="standardize").mi < found - 0.1


def test_the_test_of_independence_rejects_despite_outliers():
    x, y, rng = normal_pair()
    y = with_outliers(y, rng)
    assert mmg_nb.independence_test(x, y, permutations=19, progress=False).p_value == 0.05


@pytest.mark.parametrize("change", [lambda z: np.exp(2.5 * z), lambda z: z**5])
def test_a_condition_with_heavy_tails_explains_what_it_should(change):
    """x and y depend on each other through z only. Rejected: half of what they share."""
    rng = np.random.default_rng(11)
    z, *noise = rng.normal(size=(3, N))
    x, y = (z + 0.6 * each for each in noise)
    assert mmg_nb.estimate(x, y, "ksg").mi > 0.25
    heavy = change(z)
    assert abs(mmg_nb.estimate(x, y, "ksg", given=heavy).mi) < 0.06
    assert mmg_nb.estimate(x, y, "ksg", given=heavy, transform="standardize").mi > 0.1


def test_each_column_is_judged_by_itself():
    x, y, rng = normal_pair()
    noise = rng.normal(size=N)
    plain = mmg_nb.estimate(np.c_[x, noise], y, "ksg").mi
    found = mmg_nb.estimate(np.c_[x, 1e3 * noise**7], y, "ksg").mi
    assert found == pytest.approx(plain, abs=0.08)


def clusters(rng):
    centre = 8.0 * rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=N)
    return centre + rng.normal(size=N), centre + rng.normal(size=N)


def turns(rng):
    angle = rng.uniform(0, 2 * np.pi, N)
    return np.c_[np.cos(angle), np.sin(angle)], np.sin(angle) + 0.2 * rng.normal(size=N)


@pytest.mark.parametrize("draw", [clusters, turns, lambda rng: normal_pair()[:2]])
def test_light_tails_and_clusters_are_standardized(draw):
    """Normal scores would pull clusters together, and lose a part of what they share."""
    x, y = draw(np.random.default_rng(5))
    usual, plain = (
        mmg_nb.estimate(x, y, "ksg", **fields) for fields in ({}, {"transform": "standardize"})
    )
    assert usual.mi == plain.mi
    assert usual.stderr == plain.stderr


def test_which_tails_are_heavy():
    rng = np.random.default_rng(7)
    normal = rng.normal(size=(2000, 1))
    light = np.c_[normal, rng.uniform(size=2000), rng.laplace(size=2000), np.ones(2000)]
    heavy = np.c_[np.exp(2 * normal), normal**5, rng.standard_cauchy(2000)]
    heavy /= abs(heavy).max(axis=0)
    assert not heavy_tailed(light).any()
    assert heavy_tailed(heavy).all()
    assert heavy_tailed(1e-6 * heavy + 1e-3).all()
    assert heavy_tailed(np.repeat([0.0, 1.0], [90, 10])[:, None]).all()
