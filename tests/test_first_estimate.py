"""The closed form that a run tells before it trains."""

from __future__ import annotations

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.estimators.gaussian.first_estimate import first_estimate
from mmg_nb.estimators.registry import build
from mmg_nb.runs.events import FirstEstimate, Snapshot, Started
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


def test_half_the_area_between_its_curves_is_the_mutual_information():
    """Of three canonical correlations, in mixed columns; rejects double, and another scale."""
    rhos = np.array([0.95, 0.6, 0.2])
    x, noise, mixing = rng.normal(size=(3, 5000, 3))
    y = (rhos * x + np.sqrt(1 - rhos**2) * noise) @ mixing[:3]
    found = first_estimate(make_pairs(x @ mixing[3:6], y), lambda _: "y")
    area = np.sum(found.mse - found.mse_given_y) * (found.logsnr[1] - found.logsnr[0])
    assert area / 2 == pytest.approx(found.mi, abs=0.005)
    assert found.mi == pytest.approx(-0.5 * np.log1p(-(rhos**2)).sum(), abs=4 * found.stderr)
    assert found.mse[-1] == pytest.approx(3, abs=0.001)


def test_training_on_normal_data_shows_the_same_curves():
    """The networks have learned nothing after two steps, but the first denoiser is exact."""
    z = rng.normal(size=3000)
    x, y = np.stack([X + z, rng.normal(size=3000), X - z], axis=1), np.stack([Y, X + z], axis=1)
    y += rng.normal(size=y.shape)
    events = []
    small = {"steps": 2, "folds": 2, "draws": 4, "width": 8}
    mmg_nb.estimate(x, y, given=z, listen=events.append, **small)
    (first,) = (each for each in events if isinstance(each, FirstEstimate))
    *_, last = (each for each in events if isinstance(each, Snapshot))
    for ideal, seen in ((first.mse, last.mse), (first.mse_given_y, last.mse_given_y)):
        off = seen - np.interp(last.logsnr, first.logsnr, ideal)
        assert abs(off.mean()) < 0.06 < 0.5 < seen.max()
        assert np.abs(off).max() < 0.6


def test_estimators_without_denoisers_have_no_curves():
    pairs = make_pairs(X, Y)
    found = [first_estimate(pairs, build(name, {}).denoises) for name in ("infonce", "mmg")]
    assert [len(each.mse) > 0 for each in found] == [False, True]


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
    progress(FirstEstimate(0.5, 0.02, *[np.empty(0)] * 3))
    progress(Started("mmg", 100, 1, 1, "cpu", 10))
    assert progress.estimate == "first estimate 0.500 ± 0.020 nats, as if x and y were normal"


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
