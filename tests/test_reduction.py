"""Directions of many columns that add nothing are left out; what matters is kept."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.estimators.mmg.reduction import SMOOTHNESS, _smooth_guesses, reduced

RHO = 0.8
TRUTH = -np.log(1 - RHO**2)  # of two pairs with this correlation


def embedded(n, columns, seed, noise=0.0):
    """Two correlated pairs, each behind bounded functions of random combinations."""
    rng = np.random.default_rng(seed)
    u, e = rng.normal(size=(2, n, 2))
    v = RHO * u + np.sqrt(1 - RHO**2) * e
    maps = rng.normal(size=(2, 2, columns))
    return tuple(
        np.tanh(latent @ mix) + noise * rng.normal(size=(n, columns))
        for latent, mix in zip((u, v), maps, strict=True)
    )


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_two_variables_behind_many_columns_are_found(noise):
    found = reduced(make_pairs(*embedded(1000, 30, 0, noise)))
    assert all(2 <= dim <= 6 for dim in (found.pairs.dim_x, found.pairs.dim_y))
    assert [note[:14] for note in found.notes] == ["x: 30 columns ", "y: 30 columns "]
    assert found.lost < 0.05


def test_an_estimate_behind_many_columns_is_right():
    x, y = embedded(1000, 30, 1)
    result = mmg_nb.estimate(x, y, steps=200, folds=2, draws=10)
    assert result.mi == pytest.approx(TRUTH, abs=3 * result.stderr)
    assert result.stderr < 0.1
    assert (result.dim_x, result.dim_y) == (30, 30)
    assert any("30 columns were replaced" in note for note in result.notes)


def test_a_small_direction_that_matters_is_kept():
    """All but a ten-thousandth of the variance of x says nothing about y."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 1000))
    x = np.outer(a, rng.normal(size=10)) + 0.01 * np.outer(b, rng.normal(size=10))
    found = reduced(make_pairs(x, b + 0.5 * rng.normal(size=1000)))
    assert found.pairs.dim_x == 2


def test_a_direction_that_sets_the_scale_of_the_other_variable_is_kept():
    """No mean depends on x, and the step of the spectrum is before the direction that matters."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 1000))
    x = np.outer(a, rng.normal(size=10)) + 0.1 * np.outer(b, rng.normal(size=10))
    found = reduced(make_pairs(x, np.exp(1.5 * b) * rng.normal(size=1000)))
    assert found.pairs.dim_x == 2


X = np.random.default_rng(4).normal(size=(300, 8))
LOW = np.outer(X[:, 0], np.arange(1, 9)) + 1e-3 * X


@pytest.mark.parametrize(
    "data",
    [
        {"x": X, "y": X[:, :1]},
        {"x": LOW[:, :6], "y": X[:, :1]},
        {"x": LOW, "y": X[:, :1], "given": X[:, 1]},
        {"x": LOW.reshape(300, 1, 2, 4), "y": X[:, :1]},
    ],
    ids=["no small directions", "few columns", "condition", "images"],
)
def test_nothing_is_left_out_of(data):
    pairs = make_pairs(**data)
    assert reduced(pairs).pairs is pairs


def test_labels_say_which_directions_matter():
    label = np.arange(300) % 3
    wide = LOW + np.outer(label == 1, np.r_[1, -1, np.zeros(6)])
    found = reduced(make_pairs(wide, label, discrete="y"))
    assert 2 <= found.pairs.dim_x < 6
    assert found.pairs.discrete_y == (0,)


def test_smooth_guesses_are_those_of_kernel_ridge_regression():
    rng = np.random.default_rng(0)
    inputs, known = rng.normal(size=(60, 3)), rng.normal(size=(40, 2))
    found = _smooth_guesses(inputs, known, gamma=0.4)
    for alpha, guess in zip(SMOOTHNESS, found, strict=True):
        model = KernelRidge(alpha=alpha, kernel="rbf", gamma=0.4).fit(inputs[:40], known)
        np.testing.assert_allclose(guess, model.predict(inputs[40:]), atol=1e-10)
