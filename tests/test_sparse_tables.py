"""Tables of categories with few rows in a cell; truths by sums over all cells."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from scipy.special import expit, xlogy

import mmg_nb
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.neighbours import column_prediction, latent_classes, sparse_tables
from mmg_nb.estimators.neighbours.contingency import closed_form, table_information
from mmg_nb.estimators.neighbours.sparse_tables import Strata, labelled

LEVEL = 1.96  # standard errors on either side of a 95 % interval
CORRELATION = 0.8  # of the hidden numbers of two questionnaires


def names(prefix, codes):
    return np.array([f"{prefix}{code}" for code in codes])


def information(p):
    marginal = xlogy(p.sum(1), p.sum(1)).sum() + xlogy(p.sum(0), p.sum(0)).sum()
    return float(xlogy(p, p).sum() - marginal)


def estimated(x, y, seed=0, z=None):
    """The finding for codes, without the checks of a whole run."""
    x, y = x.reshape(len(x), -1).astype(float), y.reshape(len(y), -1).astype(float)
    columns = {"discrete_x": range(x.shape[1]), "discrete_y": range(y.shape[1])}
    if z is not None:
        columns |= {"given": z.reshape(len(z), -1).astype(float), "discrete_z": (0,)}
    columns = {k: v if k == "given" else tuple(v) for k, v in columns.items()}
    return closed_form(Pairs(x, y, np.arange(len(x)), **columns), seed)


def geometric(levels, ratio):
    """Levels of which the first are the most frequent."""
    weights = ratio ** np.arange(levels)
    return weights / weights.sum()


def cyclic(levels, width):
    """y is one of the `width` levels from x on, in a circle; one row in five is any level."""
    step = (np.arange(levels)[None] - np.arange(levels)[:, None]) % levels
    return (0.8 * (step < width) / width + 0.2 / levels) / levels


def rare_label(levels):
    """A binary y with a share of 2 to 40 % that depends on the level of x."""
    share = 0.02 + 0.38 * np.linspace(0, 1, levels) ** 2
    return np.c_[share, 1 - share] / levels


TABLES = {
    "independent, geometric": np.outer(geometric(200, 0.97), geometric(150, 0.98)),
    "independent, few and many": np.outer(geometric(7, 0.8), np.full(250, 1 / 250)),
    "renamed, geometric": np.diag(geometric(120, 0.98)),
    "three to one": np.repeat(np.eye(60), 3, axis=0) / 180,
    "next level": cyclic(80, 2),
    "next of many levels": cyclic(250, 2),
    "one of six levels": cyclic(40, 6),
    "rare label": rare_label(90),
}


@pytest.mark.accuracy
@pytest.mark.parametrize("name", TABLES)
def test_intervals_of_sparse_tables_hold_the_truth(name):
    p, n, seeds = TABLES[name], 1200, 5
    truth = information(p)
    found, before = [], []
    for seed in range(seeds):
        cell = np.random.default_rng(5000 + seed).choice(p.size, n, p=p.ravel() / p.sum())
        x, y = np.unravel_index(cell, p.shape)
        found.append(estimated(x, y, seed))
        empty = np.zeros((n, 0))
        before.append(table_information(x[:, None], y[:, None], empty).mean() - truth)
    off = np.array([each.mi for each in found]) - truth
    error = np.array([each.stderr for each in found])
    assert np.sum(np.abs(off) < LEVEL * error) >= seeds - 1
    assert abs(off.mean()) < 0.03 + 0.1 * truth
    assert abs(off.mean()) < abs(np.mean(before)) + 0.06 * truth  # no worse than the jackknife
    if truth > 0.2:
        for wrong in (0, truth / 2, 2 * truth, truth / np.log(2)):
            assert np.mean(np.abs(truth + off - wrong) > LEVEL * error) >= 0.8
    else:
        assert LEVEL * error.mean() < 0.1


def test_independent_texts_are_near_zero_with_a_useful_interval():
    rng = np.random.default_rng(31)
    x, y = rng.integers(0, 300, (2, 1000))
    found = mmg_nb.estimate(names("x", x), names("y", y))
    assert abs(found.mi) < 0.1
    assert LEVEL * found.stderr < 0.1
    assert abs(found.mi) < LEVEL * found.stderr
    assert "sparse" in found.notes[-1]


def test_renamed_codes_are_recognised():
    codes = np.random.default_rng(32).integers(0, 300, 1000)
    found = mmg_nb.estimate(names("x", codes), names("y", (7 * codes + 3) % 300))
    assert found.mi == pytest.approx(math.log(300), rel=0.05)
    assert abs(found.mi - math.log(300)) < LEVEL * found.stderr < 0.25


def test_the_order_of_rows_and_variables_changes_little():
    rng = np.random.default_rng(33)
    x, y = rng.integers(0, 60, (2, 800))
    y = np.where(rng.random(800) < 0.5, x, y)
    row = rng.permutation(800)
    found = estimated(x, y)
    for other in (estimated(y, x), estimated(x[row], y[row]), estimated(59 - x, 2 * y)):
        assert abs(other.mi - found.mi) < found.stderr


def test_a_level_that_replaces_others_is_the_same_in_both_directions():
    """As many levels in x as in y, but y is 0 in a fifth of the rows."""
    rng = np.random.default_rng(34)
    x = rng.integers(0, 80, 600)
    y = np.where(rng.random(600) < 0.8, x, 0)
    p = np.diag(np.full(80, 0.8 / 80))
    p[:, 0] += 0.2 / 80
    found = estimated(x, y)
    assert abs(found.mi - information(p)) < LEVEL * found.stderr
    assert abs(estimated(y, x).mi - found.mi) < 0.5 * found.stderr


@pytest.mark.parametrize("levels", [(5, 12), (2, 90)])
def test_dense_tables_keep_the_jackknife(levels):
    rng = np.random.default_rng(34)
    x, y = (rng.integers(0, k, 1000) for k in levels)
    found = estimated(x, y)
    assert found.mi == pytest.approx(
        table_information(x[:, None], y[:, None], np.zeros((1000, 0))).mean(), abs=1e-12
    )
    assert set(found.error_parts) == {"sampling", "detection"}


@pytest.mark.parametrize(("kind", "given"), [("apart", False), ("apart", True), ("same", True)])
def test_a_condition_explains_a_sparse_table(kind, given):
    """x and y are codes of z and of noise: dependent only as long as z is unknown."""
    rng = np.random.default_rng(35)
    z, u, v = rng.integers(0, [[4], [25], [25]], (3, 1500))
    y = 25 * z + (u if kind == "same" else v)
    found = estimated(25 * z + u, y, z=z if given else None)
    truth = {"apart": 0.0 if given else math.log(4), "same": math.log(25)}[kind]
    # Blocks without structure inside are the hardest kind: the interval is wide, but holds.
    assert abs(found.mi - truth) < LEVEL * found.stderr
    if given:
        assert abs(found.mi - truth) < 0.1
        assert LEVEL * found.stderr < 0.15


@pytest.mark.accuracy
def test_many_levels_cost_seconds():
    rng = np.random.default_rng(36)
    x, y = rng.integers(0, 3000, (2, 10_000))
    begun = time.process_time()
    found = estimated(x, y)
    assert time.process_time() - begun < 10
    assert abs(found.mi) < 0.1


# --- several columns ---------------------------------------------------------------------------


def items(n, seed, slope):
    """Five answers of 1 to 5 about a hidden number, and a yes or no with that slope on it."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=n)
    answers = 1 + rng.binomial(4, expit(hidden)[:, None], (n, 5))
    return answers, (rng.random(n) < expit(slope * hidden)).astype(int)


def items_truth(slope):
    """Sum over the 3 125 patterns of answers, which matter only by their sum."""
    hidden = np.linspace(-8, 8, 801)
    weight = np.exp(-(hidden**2) / 2)
    weight /= weight.sum()
    total = np.arange(21)
    ways = np.array([math.comb(20, k) for k in total])
    p = weight * ways[:, None] * expit(hidden) ** total[:, None]
    p = p * expit(-hidden) ** (20 - total[:, None])
    yes = expit(slope * hidden)
    return information(np.c_[p @ yes, p @ (1 - yes)])


def test_independent_items_are_near_zero():
    rng = np.random.default_rng(41)
    for y in (rng.integers(0, 2, 500), rng.random(500) < 0.05):
        found = estimated(rng.integers(0, 5, (500, 5)), y)
        assert abs(found.mi) < 0.05
        assert abs(found.mi) < LEVEL * found.stderr < 0.1


def test_what_items_share_is_found():
    truth = items_truth(2.0)
    found = [estimated(*items(600, seed, 2.0)) for seed in (42, 43)]
    for each in found:
        assert abs(each.mi - truth) < 3 * each.stderr
        assert each.mi > 3 * each.stderr  # not 0
        assert LEVEL * each.stderr < 0.1
    assert np.mean([each.mi for each in found]) == pytest.approx(truth, abs=0.05)


def scales(n, seed):
    """Four items and two items, with answers of 1 to 5, about two hidden numbers."""
    rng = np.random.default_rng(seed)
    hidden = rng.multivariate_normal([0, 0], [[1, CORRELATION], [CORRELATION, 1]], n)
    return tuple(
        1 + rng.binomial(4, expit(2 * hidden[:, [k]]), (n, count)) for k, count in ((0, 4), (1, 2))
    )


def scales_truth():
    """Only the sums of the items matter: 17 and 9 values."""
    grid, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    # Hidden numbers are u and ρ·u + √(1 − ρ²)·v.
    second = CORRELATION * grid[:, None] + math.sqrt(1 - CORRELATION**2) * grid
    tables = [
        np.stack(
            [math.comb(m, k) * expit(2 * h) ** k * expit(-2 * h) ** (m - k) for k in range(m + 1)]
        )
        for h, m in ((grid, 16), (second, 8))
    ]
    return information(np.einsum("iu,juv,u,v->ij", *tables, weight, weight))


@pytest.mark.parametrize("n", [300, 900])
def test_answers_on_a_scale_share_what_their_order_shows(n):
    x, y = scales(n, 46)
    found = estimated(x, y)
    assert abs(found.mi - scales_truth()) < LEVEL * found.stderr
    assert found.mi > 2 * LEVEL * found.stderr


def test_weights_of_useless_predictions_gain_nothing():
    rng = np.random.default_rng(47)
    shares = np.full(400, 0.25)
    useless = [rng.dirichlet(np.ones(4) * 20, 400)[:, 0] for _ in range(3)]
    folds = [(np.flatnonzero(np.arange(400) % 5 != k), np.arange(k, 400, 5)) for k in range(5)]
    mixed = column_prediction.pooled([shares, *useless], folds)
    assert -0.03 < np.log(mixed / shares).mean() < 0.003


def test_weights_of_other_folds_follow_what_predicts():
    given = np.array([np.full(200, 0.2), np.r_[np.full(100, 0.9), np.full(100, 0.01)]])
    halves = [(np.arange(100, 200), np.arange(100)), (np.arange(100), np.arange(100, 200))]
    mixed = column_prediction.pooled(list(given), halves)
    np.testing.assert_allclose(mixed[:100], 0.2, atol=1e-3)
    np.testing.assert_allclose(mixed[100:], 0.01, atol=2e-3)


@pytest.mark.parametrize("order", [("city", "region"), ("region", "city")])
def test_a_column_that_is_a_function_of_another_one_can_come_first(order):
    rng = np.random.default_rng(48)
    city = rng.integers(0, 12, 400)
    y = {"city": city, "region": city // 3}
    x = np.stack([(city + rng.integers(0, k, 400)) // 3 for k in (4, 5)], axis=1)
    found = estimated(x, np.stack([y[name] for name in order], axis=1))
    assert found.mi == pytest.approx(1.2, abs=0.2)
    assert LEVEL * found.stderr < 0.25


@pytest.mark.filterwarnings("error")
def test_a_level_of_one_row_gives_no_warning():
    x, y = scales(200, 49)
    x[0, 0], y[1, 1] = 9, 9
    assert np.isfinite(estimated(x, y).mi)


def test_columns_that_matter_only_together_are_found():
    rng = np.random.default_rng(44)
    x = rng.integers(0, 4, (800, 6))
    y = (x[:, 1] + x[:, 4]) % 2
    found = estimated(x, y)
    assert found.mi > 0.6 * math.log(2)
    assert abs(found.mi - math.log(2)) < 3 * LEVEL * found.stderr


def test_classes_of_all_folds_are_fitted_at_once_as_one_by_one():
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 9, 300), rng.integers(0, 6, 300)
    y = np.where(rng.random(300) < 0.5, x % 3, y)
    trains = [np.flatnonzero(np.arange(300) % 4 != fold) for fold in range(4)]
    trains[0] = trains[0][x[trains[0]] != 5]
    found = latent_classes._predicted(x, y, trains, 3)
    for train, of_fold in zip(trains, found, strict=True):
        np.testing.assert_array_equal(of_fold, latent_classes._predicted(x, y, [train], 3)[0])
        counts = np.zeros((9, 6))
        np.add.at(counts, (x[train], y[train]), 1)
        draws = np.random.default_rng(3)
        of_x, of_y = 0.5 + draws.random((9, 3)), 0.5 + draws.random((6, 3))
        for _ in range(latent_classes.STEPS):
            of_x *= counts / np.maximum(of_x @ of_y.T, 1e-300) @ of_y / of_y.sum(axis=0)
            of_y *= (counts / np.maximum(of_x @ of_y.T, 1e-300)).T @ of_x / of_x.sum(axis=0)
        table = np.maximum(of_x @ of_y.T, 1e-300)
        expected = (table / table.sum(axis=1, keepdims=True))[x, y]
        known = np.isin(x, x[train])
        np.testing.assert_allclose(of_fold[known], expected[known], rtol=1e-9)
        assert not of_fold[~known].any()
    assert not np.isin(x, x[trains[0]]).all()


def test_a_test_of_two_small_counts_takes_seconds():
    rng = np.random.default_rng(3)
    k = np.where(rng.random(200) < 0.8, 0, rng.poisson(5, 200))
    events = np.where(k > 0, rng.poisson(2, 200), 0)
    mmg_nb.estimate(k, events, "ksg", progress=False)  # loads what is needed
    started = time.process_time()
    found = mmg_nb.independence_test(k, events, permutations=19, progress=False)
    assert time.process_time() - started < 2
    assert found.p_value == 0.05


@pytest.mark.accuracy
def test_items_on_both_sides_follow_the_chain_rule():
    """Two variables of three items that share one hidden class of two."""
    rng = np.random.default_rng(45)
    share = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    hidden = rng.integers(0, 2, 700)
    x, y = (
        np.stack([np.array([rng.choice(4, p=share[h]) for h in hidden]) for _ in range(3)], 1)
        for _ in range(2)
    )
    patterns = list(itertools.product(range(4), repeat=3))
    like = np.array([[np.prod(row[list(p)]) for p in patterns] for row in share])
    truth = information(like.T @ like / 2)
    found = estimated(x, y)
    assert abs(found.mi - truth) < LEVEL * found.stderr + 0.05
    assert found.mi > 0.5 * truth


def test_independent_tables_are_permutations(monkeypatch):
    """Their truth is 0, so the table need not be built, which takes most of the time of a test."""
    rng = np.random.default_rng(5)
    x, y, z = rng.integers(0, 80, 400), rng.integers(0, 12, 400), rng.integers(0, 2, 400)
    strata = Strata(labelled(z, x), labelled(z, y), z)
    shares = rng.beta(1, 1, (len(strata.counts[0]), 8))
    build = sparse_tables._drawn_table
    table = build(strata, (0.0, 1.0, 0.0), shares, rng.random(shares.size))
    assert abs(sparse_tables._information(strata, *table)) < 1e-12
    built = []

    def counted(*arguments):
        built.append(1)
        return build(*arguments)

    monkeypatch.setattr(sparse_tables, "_drawn_table", counted)
    found = mmg_nb.independence_test(names("x", x), names("y", y), permutations=19)
    assert found.p_value > 0.05
    assert len(built) < 0.2 * 20 * sparse_tables.DRAWS
