"""The closed form that a run tells before it trains."""

from __future__ import annotations

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.pairs import make_pairs
from mmg_nb.estimators.gaussian.first_estimate import first_estimate
from mmg_nb.runs.events import FirstEstimate, Started
from mmg_nb.runs.progress import Progress

RHO = 0.8
TRUTH = -0.5 * np.log1p(-(RHO**2))
rng = np.random.default_rng(0)
X = rng.normal(size=3000)
Y = RHO * X + np.sqrt(1 - RHO**2) * rng.normal(size=3000)


@pytest.mark.parametrize("change", [np.exp, np.cbrt, lambda v: 1e9 * v - 5])
def test_it_is_right_for_a_gaussian_copula_in_any_units(change):
    """Rejects 0, half, double and bits."""
    found = first_estimate(make_pairs(change(X), Y))
    assert abs(found.mi - TRUTH) < 4 * found.stderr < TRUTH / 4


@pytest.mark.parametrize(
    ("x", "y", "options"),
    [
        (X, Y > 0, {}),
        (X[:100], rng.normal(size=(100, 90)), {}),
        (rng.normal(size=(400, 101)), Y[:400], {}),
        (rng.normal(size=(50, 8, 8)), Y[:50], {}),
    ],
    ids=["categories", "few rows", "many columns", "images"],
)
def test_there_is_none_where_it_would_be_wrong_or_slow(x, y, options):
    assert first_estimate(make_pairs(x, y, **options)) is None


def test_a_condition_is_taken_into_account():
    z = rng.normal(size=(3000, 2))
    x, y = z[:, 0] + X, z[:, 0] + rng.normal(size=3000)
    assert first_estimate(make_pairs(x, y)).mi > 0.1
    assert abs(first_estimate(make_pairs(x, y, given=z)).mi) < 0.02


def test_a_run_that_trains_tells_it_first_and_once():
    events = []
    mmg_nb.estimate(X, Y, "mmg", steps=2, folds=2, draws=4, width=8, listen=events.append)
    assert [type(each) for each in events[:2]] == [FirstEstimate, Started]
    assert sum(isinstance(each, FirstEstimate) for each in events) == 1
    closed = []
    mmg_nb.estimate(X, Y, "gcmi", listen=closed.append)
    assert not any(isinstance(each, FirstEstimate) for each in closed)


def test_progress_shows_it_until_the_first_validation():
    progress = Progress()
    progress(FirstEstimate(0.5, 0.02))
    progress(Started("mmg", 100, 1, 1, "cpu", 10))
    assert progress.estimate == "first look 0.500 ± 0.020 nats, as if normal"


def test_it_is_told_before_pytorch_is_loaded(fresh_python):
    code = """
import sys, numpy as np, mmg_nb
x = np.random.default_rng(0).normal(size=(2, 500))
def listen(event):
    if type(event).__name__ == "FirstEstimate":
        print("torch" in sys.modules)
        raise SystemExit
mmg_nb.estimate(*x, listen=listen)
"""
    assert fresh_python(code).strip() == "False"
