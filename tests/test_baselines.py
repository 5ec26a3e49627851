"""Closed forms and nearest neighbours: exact identities, and right where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import PAIRS
from scipy.spatial.distance import cdist
from scipy.special import psi

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.estimators.neighbours.search import Dense, Trees
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

NAMES = tuple(name for name in names() if not estimator_class(name).trains)
PAIR = PAIRS["sparse_3x3"]
X, Y = PAIR.sample(1500, 0)


@pytest.mark.parametrize(("name", "pair"), [("gcmi", PAIR), ("cca", PAIR), ("ksg", PAIRS["1x1"])])
def test_a_gaussian_pair_is_found_and_nothing_else(name, pair):
    result = mmg_nb.estimate(*pair.sample(1500, 0), name)
    assert abs(result.mi - pair.mi) < 4 * result.stderr
    for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / np.log(2)):
        assert abs(result.mi - wrong) > 4 * result.stderr


@pytest.mark.parametrize("name", ["gcmi", "cca"])
def test_a_function_comes_out_very_large_and_a_copied_column_changes_nothing(name):
    same = mmg_nb.estimate(X, X, name)
    assert same.mi > 12 * X.shape[1]
    assert "may be infinite" in same.notes[-1]
    plain = mmg_nb.estimate(X, Y, name, correct_bias=False)
    copied = mmg_nb.estimate(np.c_[X, X[:, 0]], Y, name, correct_bias=False)
    assert copied.mi == pytest.approx(plain.mi, abs=1e-6)
    assert not any("may be infinite" in note for note in plain.notes)


@pytest.mark.parametrize("name", NAMES)
def test_shuffled_rows_tell_nothing(name):
    result = mmg_nb.estimate(X, np.random.default_rng(1).permutation(Y), name)
    assert abs(result.mi) < 4 * result.stderr + 0.02


@pytest.mark.parametrize("name", NAMES)
def test_the_same_again_and_in_any_order_of_rows(name):
    first = mmg_nb.estimate(X, Y, name)
    again = mmg_nb.estimate(X, Y, name)
    assert (first.mi, first.stderr) == (again.mi, again.stderr)
    order = np.random.default_rng(2).permutation(len(X))
    assert mmg_nb.estimate(X[order], Y[order], name).mi == pytest.approx(first.mi, abs=1e-10)
    assert MIResult.from_json(first.to_json()) == first


@pytest.mark.parametrize("name", NAMES)
def test_units_do_not_matter(name):
    scaled = mmg_nb.estimate(X * [1e-6, 1, 1e6] + 3, Y * 7, name)
    assert scaled.mi == pytest.approx(mmg_nb.estimate(X, Y, name).mi, abs=1e-6)


def test_cca_is_minus_half_the_log_of_one_minus_the_squared_correlations():
    x, y = X - X.mean(0), Y - Y.mean(0)
    left, right = np.linalg.qr(x)[0], np.linalg.qr(y)[0]
    rho = np.linalg.svd(left.T @ right, compute_uv=False)
    expected = -0.5 * np.log1p(-(rho**2)).sum()
    found = mmg_nb.estimate(X, Y, "cca", correct_bias=False).mi
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("variant", [1, 2])
@pytest.mark.parametrize("metric", ["euclidean", "chebyshev"])
def test_ksg_is_its_published_formula(variant, metric):
    """Equations 8 and 9 of Kraskov et al. 2004, written out over all pairs."""
    x, y, k = X[:120], Y[:120], 4
    n = len(x)
    dx, dy = cdist(x, x, metric), cdist(y, y, metric)
    terms = []
    for i in range(n):
        others = np.delete(np.arange(n), i)
        a, b = dx[i, others], dy[i, others]
        near = np.argsort(np.maximum(a, b))[:k]
        if variant == 1:
            radius = np.maximum(a, b)[near].max()
            terms.append(-psi((a < radius).sum() + 1) - psi((b < radius).sum() + 1))
        else:
            n_x, n_y = (a <= a[near].max()).sum(), (b <= b[near].max()).sum()
            terms.append(-psi(n_x) - psi(n_y) - 1 / k)
    fields = {"k": k, "variant": variant, "metric": metric, "transform": "none"}
    found = mmg_nb.estimate(x, y, "ksg", **fields)
    assert found.mi == pytest.approx(psi(k) + psi(n) + np.mean(terms), abs=1e-9)


@pytest.mark.parametrize("which", ["first", "second"])
def test_trees_and_all_distances_count_alike_in_one_dimension(which):
    x, y = X[:300, :1], Y[:300, :1]
    rows = np.arange(300)
    for a, b in zip(
        getattr(Trees(x, y, x[:, :0]), which)(rows, 5),
        getattr(Dense(x, y, x[:, :0]), which)(rows, 5),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_ties_are_told_apart_and_said():
    rounded = mmg_nb.estimate(X[:, 0].round(1), Y[:, 0].round(1), "ksg")
    fine = mmg_nb.estimate(X[:, 0], Y[:, 0], "ksg")
    assert any("jitter" in note for note in rounded.notes)
    assert abs(rounded.mi - fine.mi) < 0.1
    assert not any("jitter" in note for note in fine.notes)


def test_ksg_stops_when_asked_and_says_so():
    result = mmg_nb.estimate(
        X, Y, "ksg", listen=lambda event: isinstance(event, Step) and event.step >= 500
    )
    assert result.status is Status.INTERRUPTED
    assert 0 < len(result.pointwise.mi) < len(X)
    assert abs(result.mi - PAIR.mi) < 4 * result.stderr + 0.2


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [("ksg", {"k": 60}, "needs at least 62 rows"), ("cca", {}, "needs more rows than columns")],
)
def test_too_few_rows_are_refused(name, fields, said):
    x = np.random.default_rng(0).normal(size=(55, 30))
    with pytest.raises(MMGError, match=said):
        mmg_nb.estimate(x, x[:, ::-1] + 1e-3 * x**2, name, **fields)
