"""A test of independence: exact, conditional, for series, and what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

import mmg_nb
from mmg_nb.api import prepare
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.questions.kept_estimates import KeptEstimates
from mmg_nb.questions.permutations import null_estimates, orders, scheme
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

RNG = np.random.default_rng(0)
X, NOISE = RNG.normal(size=(2, 150))
Y = np.abs(X) + 0.3 * NOISE


def null_values(make, count, **options):
    found = []
    for seed in range(count):
        x, y, *given = make(np.random.default_rng(seed))
        known = {"given": given[0]} if given else {}
        test = mmg_nb.independence_test(
            x, y, "gcmi", permutations=19, seed=seed, **known, **options
        )
        found.append(test.p_value)
    return np.array(found)


@pytest.fixture(scope="module")
def found():
    return mmg_nb.independence_test(X, Y, permutations=39)


def test_it_finds_a_dependence_without_correlation(found):
    assert found.p_value == found.floor == 1 / 40
    assert found.mi == mmg_nb.estimate(X, Y, "ksg").mi
    assert max(found.null) < found.mi
    linear = mmg_nb.independence_test(X, Y, "gcmi", permutations=39)
    assert linear.p_value > 0.05


def test_the_p_value_counts_the_data_among_the_permutations():
    alone = mmg_nb.estimate(X, Y, "gcmi")
    null = mmg_nb.IndependenceTest(alone, (-1.0, alone.mi, 9.0), "permutations")
    assert null.p_value == 3 / 4  # not 2 / 3: equal estimates count, and so do the data
    assert null.floor == 1 / 4


def test_independent_heavy_tails_keep_the_level():
    """Of 40 data sets about 2 are rejected at 5 %, and half have p ≤ ½."""
    p = null_values(lambda rng: rng.standard_t(1, size=(2, 60)), 40)
    assert (p <= 0.05).sum() <= 6
    assert 10 <= (p <= 0.5).sum() <= 30


def test_a_condition_that_explains_all_keeps_the_level():
    """Permutations that ignore z would reject nearly all of these."""

    def common(rng):
        z = rng.normal(size=200)
        return z + 0.5 * rng.normal(size=200), z + 0.5 * rng.normal(size=200), z

    assert (null_values(common, 12) <= 0.05).sum() <= 3
    z = X
    direct = mmg_nb.independence_test(
        z + NOISE, z + NOISE + 0.3 * Y, "gcmi", given=z, permutations=19
    )
    assert direct.p_value == 0.05
    assert direct.how == "permutations among neighbours in z"


def seasons(rng):
    """Two independent series with the same period, 240 rows."""
    start, noise = rng.uniform(size=2), lfilter([1], [1, -0.5], rng.normal(size=(2, 240)))
    return 3 * np.sin(2 * np.pi * (np.arange(240) / 13 + start[:, None])) + noise


def test_series_are_shifted_and_keep_the_level():
    """Permuted rows would reject most of these; shifts in a circle, 12 of 30."""
    assert (null_values(seasons, 30) <= 0.05).sum() <= 5
    x, y = seasons(np.random.default_rng(5))
    assert scheme(make_pairs(x, y)) == "shifts in time"
    assert scheme(make_pairs(x, y, rows="independent")) == "permutations"


def test_shifts_are_parts_of_both_series_without_joined_ends():
    pairs = make_pairs(*seasons(RNG))
    parts = list(orders(pairs, 120, np.random.default_rng(0)))
    assert sorted(rows_x[0] - rows[0] for rows_x, rows in parts) == [*range(-60, 0), *range(1, 61)]
    for rows_x, rows in parts:
        assert (np.diff(rows_x) == 1).all()
        assert (np.diff(rows) == 1).all()
        assert len(rows_x) == len(rows) == 240 - abs(rows_x[0] - rows[0])
    x, y = seasons(np.random.default_rng(3))
    many = mmg_nb.independence_test(x, np.roll(x, 1) + 0.3 * y, "gcmi", permutations=999)
    assert many.status is Status.CONVERGED
    assert many.floor == 1 / 121  # not 1 / 1000: there are 120 distances


@pytest.mark.parametrize("estimator", ["ksg", "gcmi"])
def test_parts_of_a_series_may_be_constant(estimator):
    """The first column rests for 150 of 200 rows, so it is constant in one of the parts."""
    x = np.random.default_rng(1).normal(size=(3, 200))
    x[0, :150] = 0
    for columns, constant in (([0], 1), ([0, 1], 0)):
        job = prepare(x[columns].T, x[2], estimator, rows="independent")
        job = replace(job, pairs=replace(job.pairs, inflation=5.0))
        null = null_estimates(
            job, orders(job.pairs, 100, RNG), 100, lambda event: False, KeptEstimates()
        )
        assert np.isfinite(null).all()
        assert null.count(0.0) == constant


def test_categories_of_a_condition_are_never_mixed():
    z = np.repeat([0, 1, 2], 50)
    pairs = make_pairs(X, Y, given=z)
    for order, rows in orders(pairs, 3, np.random.default_rng(0)):
        assert rows.tolist() == list(range(150))
        assert sorted(order) == list(range(150))
        assert (z[order] == z).all()
        assert (order != np.arange(150)).sum() > 100
    both = np.column_stack([z, Y])
    ((order, _),) = orders(make_pairs(X, NOISE, given=both), 1, np.random.default_rng(0))
    assert (z[order] == z).all()
    assert np.abs(Y[order] - Y).mean() < 0.2 < np.abs(Y[RNG.permutation(150)] - Y).mean()


def test_what_it_shows_and_saves(found, tmp_path):
    text = found.bundle()[0]["text/plain"].replace("\n", " ")
    assert text.startswith("x and y depend on each other: p = 0.025  [")
    assert "nats. Of 39 permutations, 95 % give at most 0." in text
    assert " nats. With 39, p cannot be smaller." in text
    assert repr(found).startswith("IndependenceTest(p = 0.025 by 39 permutations; 0.")
    (row,) = found.to_frame().itertuples()
    assert (row.mi, row.p_value, row.permutations) == (found.mi, found.p_value, 39)
    assert mmg_nb.IndependenceTest.load(found.save(tmp_path / "test.json")) == found


def test_a_stop_leaves_out_permutations():
    early = mmg_nb.independence_test(
        X, Y, "gcmi", listen=lambda e: isinstance(e, Step) and e.step == 25
    )
    assert early.status is Status.INTERRUPTED
    assert len(early.null) == 25
    assert early.stopped_after == "25 of 199 permutations"


def test_the_magic_tests_and_refuses(shell):
    shell.user_ns.update(a=X, b=Y)
    found = shell.run_cell("r = %mmg test a b --estimator gcmi --permutations 19\nr")
    assert found.estimate.called[:2] == ("a", "b")
    with pytest.raises(MMGError, match="permutations must be a whole number of at least 19"):
        shell.run_cell("%mmg test a b --permutations 3")
