"""Units and offsets of the data change no decision."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.dependent_rows import is_coarse
from mmg_nb.data.make_pairs import make_pairs

RNG = np.random.default_rng(0)
N = 240
X, Y = RNG.normal(size=(2, N))
COPIES = RNG.normal(size=(N // 4, 2)).repeat(4, axis=0)[RNG.permutation(N)]
DATA = {
    "continuous": (X, X + Y),
    "copies": (COPIES[:, 0], COPIES[:, 1]),
    "rounded": (X.round(1), Y.round(1)),
    "heavy": (np.exp(3 * X).round(3), np.exp(3 * X + Y)),
    "zeros": (np.maximum(X, 0), np.maximum(X + Y, 0)),
    "two columns": (np.c_[X, X.round(1)], Y),
}
UNITS = [(10.0**k, offset) for k in range(-12, 13, 3) for offset in (0.0, 1.0, -300.0)]


def moved(values, unit, offset):
    """Values in other units, from another origin, which is given in standard deviations."""
    return unit * values + offset * unit * values.std(axis=0)


def decisions(pairs):
    """What was decided about the data; the arrays of x and y themselves are left out."""
    parts = {field.name: getattr(pairs, field.name) for field in dataclasses.fields(pairs)}
    parts = {k: v for k, v in parts.items() if k not in "xy"}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in parts.items()}


@pytest.mark.parametrize("kind", DATA)
def test_decisions_do_not_depend_on_units_and_offsets(kind):
    x, y = DATA[kind]
    expected = decisions(make_pairs(x, y, discrete="none"))
    for unit, offset in UNITS:
        pairs = make_pairs(moved(x, unit, offset), moved(y, 1 / unit, -offset), discrete="none")
        assert decisions(pairs) == expected, (unit, offset)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("estimator", ["gcmi", "cca", "ksg"])
def test_estimates_do_not_depend_on_units_and_offsets(kind, estimator):
    x, y = DATA[kind]
    expected = mmg_nb.estimate(x, y, estimator, discrete="none").mi
    exact = mmg_nb.estimate(x * 2.0**-40, y * 2.0**40, estimator, discrete="none").mi
    assert exact == expected  # powers of two round nothing
    on_a_grid = estimator == "ksg" and kind not in ("continuous", "copies")
    room = 0.01 if on_a_grid else 1e-6  # rounding decides between neighbours at equal distances
    for unit, offset in UNITS[::4]:
        found = mmg_nb.estimate(
            moved(x, unit, offset), moved(y, 1 / unit, -offset), estimator, discrete="none"
        )
        assert found.mi == pytest.approx(expected, abs=room), (unit, offset)


@pytest.mark.parametrize("kind", ["continuous", "copies"])
def test_an_untrained_estimate_does_not_depend_on_units(kind):
    x, y = DATA[kind]
    expected = mmg_nb.estimate(x, y, steps=0, draws=4)
    for unit in (1e-12, 1e9):
        found = mmg_nb.estimate(x * unit, y / unit, steps=0, draws=4)
        assert found.mi == pytest.approx(expected.mi, abs=1e-3)
        assert found.notes == expected.notes


@pytest.mark.parametrize("scale", [1e60, 1e80, 1e160, 1e300, 1e-160, 1e-300])
def test_extreme_units_overflow_nowhere(scale):
    images = X[:200].reshape(50, 1, 2, 2).repeat(4, 2).repeat(4, 3)
    pairs = make_pairs(images * scale, Y[:50])
    assert pairs.freedom_x == make_pairs(images, Y[:50]).freedom_x
    for estimator in ("gcmi", "cca", "ksg"):
        found = mmg_nb.estimate(X * scale, X + Y, estimator)
        assert found.mi == pytest.approx(mmg_nb.estimate(X, X + Y, estimator).mi, abs=1e-6)


def test_columns_that_span_all_of_float64():
    wide = np.sign(X) * 1e308 * np.exp(-np.abs(Y))
    exact = np.ldexp(wide, -900)  # the same in moderate units
    for estimator, fields in (("ksg", {}), ("gcmi", {}), ("mmg", {"steps": 0, "draws": 4})):
        found = mmg_nb.estimate(wide, X, estimator, **fields)
        assert found.mi == mmg_nb.estimate(exact, X, estimator, **fields).mi


def test_ties_are_separated_by_little_in_each_column():
    """One column in small units beside one in large units, both with ties."""
    x = np.c_[X.round(2), 1e9 + 1e6 * RNG.normal(size=N).round(2)]
    near = mmg_nb.estimate(x[:, :1], x[:, 0] + 0.1 * Y, "ksg", transform="none")
    y = np.c_[x[:, 0] + 0.1 * Y, 1e9 + 1e6 * RNG.normal(size=N)]
    assert near.mi > 1
    found = mmg_nb.estimate(y[:, :1], np.c_[x[:, :1]], "ksg", transform="none")
    assert found.mi == pytest.approx(near.mi, abs=0.1)


@pytest.mark.parametrize(
    ("values", "coarse"),
    [
        (X, False),
        (X.round(1), True),
        (X.round(5), False),
        (X.round(1).astype(np.float32), True),
        (np.exp(10 + X).round(-3), True),
        (2.54 * X.round(1), True),
        (X.round(1) * 0.1 * 3 / 0.3, True),  # equal values that differ by rounding
        (COPIES[:, 0], False),
        (np.where(X > 0, 1e-9, -1e-9), True),
    ],
)
def test_a_grid_is_found_at_any_step_and_origin(values, coarse):
    for unit, offset in UNITS:
        assert is_coarse(moved(np.asarray(values, float), unit, offset)) is coarse
