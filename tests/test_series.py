"""Rows in series: when they are recognised, and what the error then holds."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.jupyter.background import start
from mmg_nb.questions.compare import compare
from mmg_nb.results.facts import IN_SERIES

N = 1000


def series(phi, columns=2, seed=0, n=N):
    """Stationary autoregressive columns of variance 1, independent of each other."""
    noise = np.random.default_rng(seed).normal(size=(n + 1000, columns))
    return lfilter([math.sqrt(1 - phi**2)], [1, -phi], noise, axis=0)[1000:]


def walks(seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(N, 2)), axis=0)


def inflation(x, y, **asked):
    return make_pairs(x, y, **asked).inflation


def tables_of_independent_rows(seed):
    r = np.random.default_rng(seed)
    e, u, t, c = r.normal(size=N), np.sort(r.uniform(size=N)), np.arange(N), r.integers(0, 3, N)
    wide = r.normal(size=(N, 30))
    return {
        "equal": (e, e),
        "columns": (wide, wide + 0.5),
        "heavy tails": (r.standard_cauchy(N), r.standard_cauchy(N)),
        "one series": (series(0.99, 1, seed), e),
        "sorted by x": (u, u + 0.5 * e),
        "sorted, strong": (u, u + 1e-3 * e),
        "sorted, wave": (u, np.sin(20 * u) + 0.3 * e),
        "sorted, exact": (u, u**2),
        "sorted, step": (u, (u > 0.5) + 0.01 * e),
        "sorted, wider": (u, 10 * u * e),
        "sorted by y": (u + 0.3 * e, -u),
        "sorted by a column": (np.c_[e, u], u + e),
        "grid": (t, (r.uniform(size=N) < t / N).astype(int)),
        "in classes": (np.sort(c) + e, np.array(list("bca"))[np.sort(c)]),
        "design": (t % 3, t % 3 + e),
        "repeated in place": (e.repeat(2), np.repeat(e + r.normal(size=N), 2)),
    }


def test_independent_rows_are_no_series_however_they_are_sorted():
    found = [
        {kind: inflation(*table) for kind, table in tables_of_independent_rows(seed).items()}
        for seed in range(3)
    ]
    alarms = [(seed, kind) for seed, each in enumerate(found) for kind in each if each[kind] > 1]
    assert not alarms


@pytest.mark.parametrize("phi", [0.5, 0.9, 0.95])
def test_the_effective_number_of_rows_is_bartletts(phi):
    true = (1 + phi**2) / (1 - phi**2)
    found = [inflation(*series(phi, seed=seed).T) for seed in range(10)]
    assert np.mean(found) == pytest.approx(true, rel=0.25)
    z = series(phi)
    equal = inflation(z[:, 0], z[:, 0])
    assert equal == pytest.approx(true, rel=0.4)
    swapped = np.random.default_rng(0).permutation(z)
    assert inflation(*swapped.T) == 1.0


def test_a_series_over_sorted_time_is_a_series():
    t, z = np.arange(N), series(0.9, 1)
    for x in (t, -np.sort(np.random.default_rng(0).uniform(size=N)), (t > N / 2).astype(int)):
        assert inflation(x, z) > 1


def test_a_condition_that_explains_the_series_leaves_independent_rows():
    z, r = 3 * series(0.95, 1)[:, 0], np.random.default_rng(0)
    x, y = z + r.normal(size=N), z + r.normal(size=N)
    assert inflation(x, y) > 2
    assert inflation(x, y, given=z) == 1.0


def test_blocks_stay_together_and_a_note_says_so():
    x, y = series(0.9).T
    pairs = make_pairs(x, y)
    counts = np.bincount(pairs.clusters)
    assert (np.diff(pairs.clusters) >= 0).all()
    assert len(counts) >= 20
    assert counts[0] == min(math.ceil(5 * pairs.inflation), N // 20)
    (note,) = pairs.notes
    assert f"worth about {round(N / pairs.inflation)} independent" in note
    assert "rows='independent'" in note
    copies = make_pairs(np.r_[x, x], np.r_[y, y])
    np.testing.assert_array_equal(copies.clusters, np.r_[pairs.clusters, pairs.clusters])
    walk = make_pairs(*walks().T)
    assert "np.diff(x, axis=0)" in walk.notes[-1]
    assert make_pairs(*np.diff(walks(), axis=0).T).notes == ()


def test_options_overrule():
    x, y = series(0.9).T
    groups = np.arange(N) // 10
    alone = make_pairs(x, y, rows="independent")
    assert (alone.inflation, alone.notes) == (1.0, ())
    assert len(set(alone.clusters)) == N
    grouped = make_pairs(x, y, groups)
    assert grouped.inflation == 1.0
    np.testing.assert_array_equal(grouped.clusters, groups)
    with pytest.raises(MMGError, match="rows must be one of auto, independent; got 'shuffled'"):
        make_pairs(x, y, rows="shuffled")
    plain = mmg_nb.estimate(x, y, "gcmi", rows="independent")
    assert IN_SERIES not in plain.error_parts
    for ask in (mmg_nb.estimate, start):
        found = ask(x, y, "gcmi", rows="independent")
        found = found.wait() if ask is start else found
        assert found.stderr == plain.stderr
    assert compare(x, y, "gcmi", rows="independent")["gcmi"].stderr == plain.stderr
    assert mmg_nb.estimate(x, y, "gcmi").error_parts[IN_SERIES] > 0


@pytest.mark.parametrize(("estimator", "phis"), [("gcmi", (0.5, 0.99)), ("ksg", (0.99,))])
def test_independent_series_are_not_taken_for_dependent_ones(estimator, phis):
    for phi in phis:
        found = [
            mmg_nb.estimate(*series(phi, seed=seed).T, estimator)
            for seed in range(20 if estimator == "gcmi" else 8)
        ]
        assert np.mean([low <= 0 <= high for low, high in (r.interval() for r in found)]) >= 0.9
        parts = [math.hypot(*each.error_parts.values()) for each in found]
        assert parts == pytest.approx([each.stderr for each in found])


@pytest.mark.parametrize(("phi", "most"), [(0.5, 0.06), (0.9, 0.16), (0.99, 0.6)])
def test_dependent_series_keep_their_information(phi, most):
    z, truth = [series(phi, seed=seed) for seed in range(10)], 0.5 * math.log(2)
    found = [mmg_nb.estimate(v[:, 0], v.sum(axis=1), "gcmi") for v in z]
    assert np.mean([low <= truth <= high for low, high in (r.interval() for r in found)]) >= 0.9
    assert np.mean([each.stderr for each in found]) < most


@pytest.mark.accuracy
def test_mmg_takes_blocks_and_effective_rows_into_its_error():
    x, y = series(0.9, n=200).T
    result = mmg_nb.estimate(x, y, steps=20, folds=1)
    pairs = make_pairs(x, y)
    rows = 200 / pairs.inflation
    assert result.error_parts["detection"] == pytest.approx(math.sqrt(2) / (2 * rows))
    by_chance = 3.8415 / (2 * rows * 1.95996) * (1 + math.sqrt(20 / rows))
    assert result.error_parts[IN_SERIES] == pytest.approx(by_chance, rel=1e-4)
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)
    assert result.forms[result.gap].stderr == pytest.approx(result.stderr)


@pytest.mark.accuracy
@pytest.mark.parametrize("phi", [0.9, 0.99])
def test_mmg_does_not_find_dependence_of_independent_series(phi):
    found = [mmg_nb.estimate(*series(phi, seed=seed).T, effort="quick") for seed in range(20)]
    assert np.mean([r.interval()[0] <= 0 <= r.interval()[1] for r in found]) >= 0.9
