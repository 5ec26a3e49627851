"""Columns that are functions of each other are told from those that hardly have any noise."""

from __future__ import annotations

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.functions import confirmations, function_in, is_function
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.estimators.mmg.exact_function import of_function
from mmg_nb.results.facts import Badge, badge

FUNCTIONS = {
    "line": lambda x: 32 + 1.8 * x,
    "rectified": lambda x: np.maximum(x, 0),
    "leaky": lambda x: np.where(x > 0, x, 0.01 * x),
    "clipped": lambda x: np.clip(x, -0.5, 0.7),
    "magnitude": np.abs,
    "square": lambda x: x**2,
    "wave": lambda x: np.sin(5 * x),
    "saw": lambda x: x % 0.9,
    "exponential": np.exp,
    "root": lambda x: np.sqrt(np.abs(x)),
    "pieces": lambda x: np.where(x < -0.3, x**2, np.where(x < 0.4, 0.3 - x, np.sin(3 * x))),
}


def sources(n, seed=3):
    rng = np.random.Generator(np.random.Philox(seed))
    return {
        "uniform": rng.uniform(-1, 2, n),
        "normal": rng.normal(size=n),
        "heavy tails": rng.standard_t(3, n),
        "grid": np.linspace(-3, 2, n),
        "float32": rng.normal(size=n).astype(np.float32).astype(float),
    }


@pytest.mark.parametrize("n", [400, 1700])
def test_functions_are_recognised_and_noise_is(n):
    rng = np.random.Generator(np.random.Philox(4))
    for name, x in sources(n).items():
        for kind, function in FUNCTIONS.items():
            y = function(x)
            if name == "float32":
                y = y.astype(np.float32).astype(float)
            assert is_function(x, y), (name, kind)
            assert function_in(x[:, None], y[:, None])[0] == "y"
            for noise in (1e-4, 1e-3, 1e-2):
                noisy = y + noise * y.std() * rng.normal(size=n)
                assert function_in(x[:, None], noisy[:, None]) is None, (name, kind, noise)


def test_what_only_resembles_a_function_is_none():
    rng = np.random.Generator(np.random.Philox(5))
    n = 900
    x, y = rng.normal(size=(2, n))
    time = np.arange(n, dtype=float)
    pairs = {
        "independent": (x, y),
        "sorted apart": (np.sort(x), np.sort(y)),
        "ranks": (x, np.argsort(np.argsort(x)).astype(float)),
        "random walk": (time, np.cumsum(y)),
        "rounded": (x, np.round(x, 2)),
        "conversion of rounded numbers": (np.round(10 * x, 1), 32 + 1.8 * np.round(10 * x, 1)),
        "whole numbers": (np.round(20 * x), np.exp(np.round(20 * x) / 20)),
        "few values": (np.sign(x), 3 * np.sign(x)),
        "zeros and noise": (x, np.where(x > 1, y, 0)),
        "half of it noise": (x, np.where(x > 0, x, y)),
        "circle": (np.cos(time), np.sin(time)),
        "copies of noisy rows": (np.tile(x[:300], 3), np.tile(x[:300] + 1e-3 * y[:300], 3)),
    }
    for name, (a, b) in pairs.items():
        assert function_in(a[:, None], b[:, None]) is None, name


@pytest.mark.parametrize("swapped", [False, True])
def test_a_function_is_said_at_once(swapped):
    rng = np.random.Generator(np.random.Philox(6))
    x = rng.gumbel(size=(700, 3))
    y = np.maximum(x[:, 1], 0.5)
    result = mmg_nb.estimate(y, x) if swapped else mmg_nb.estimate(x, y)
    name, other = ("x", "y") if swapped else ("y", "x")
    (note,) = [each for each in result.notes if "infinite" in each]
    assert note.startswith(f"{name} is a function of one column of {other} without any noise, so ")
    assert badge(result) is Badge.INFINITE
    assert result.distinguishable
    assert result.history is None


def test_the_search_for_functions_is_bounded():
    x = np.random.Generator(np.random.Philox(7)).normal(size=(6000, 20))
    assert function_in(x[:1000], x[:1000]) == ("y", 0, 0)
    assert function_in(x, x) is None


# --- few values --------------------------------------------------------------------------------


def entropy(values):
    shares = np.unique(values, return_counts=True)[1] / len(values)
    return float(-np.sum(shares * np.log(shares)))


def stepped(n, seed):
    """Pairs of a column and a function of it that takes few values."""
    rng = np.random.Generator(np.random.Philox(seed))
    x, whole, code = rng.uniform(-1, 2, n), rng.integers(0, 90, n), rng.integers(0, 25, n)
    price = np.round(rng.uniform(1, 50, 25), 2)
    celsius = np.round(15 + 4 * rng.normal(size=n))
    return {
        "stripes": (x, np.floor(8 * x) % 2 == 0),
        "classes": (x, np.digitize(x, [-0.5, 0.4, 1.2]).astype(str)),
        "rounded": (x, np.round(x, 1)),
        "remainder": (whole, np.array(list("abc"))[whole % 3]),
        "prices": ([f"item {k}" for k in code], price[code]),
        "conversion": (celsius, 32 + 1.8 * celsius),
    }


@pytest.mark.parametrize("kind", stepped(60, 0))
def test_a_function_of_few_values_has_the_entropy_of_these(kind):
    x, y = stepped(1100, 8)[kind]
    for both in ((x, y), (y, x)):
        result = mmg_nb.estimate(*both, steps=0)
        assert result.history is None
        assert abs(result.mi - entropy(y)) < 0.02 + 0.05 * (kind == "rounded")
        assert 0.003 < result.stderr < 0.06
        assert badge(result) is Badge.RELIABLE
        if kind != "remainder":  # both are categories
            assert any("is a function of" in note for note in result.notes)


def test_exceptions_and_chance_are_no_function():
    rng = np.random.Generator(np.random.Philox(9))
    for n in (100, 900):
        x, noise = rng.normal(size=(2, n))
        rare = np.arange(n) < 0.02 * n
        code = rng.integers(0, n // 5, n)
        pairs = {
            "one exception": (x, (x > 0) ^ (np.arange(n) == np.argsort(x)[n // 4])),
            "fuzzy edge": (x, x + 0.05 * noise > 0),
            "independent": (x, noise > 0),
            "rare label": (x, rare),
            "rounded noise": (x, np.round(x + 0.2 * noise, 1)),
            "zeros, then noise": (x, np.where(x > 1, noise, 0)),
            "numbers": (x, noise),
            "rare label of codes": (code, rare),
            "label of codes": (code, noise > 0),
            "identifiers": (rng.permutation(n), np.round(noise)),
        }
        for name, (a, b) in pairs.items():
            for first, second in ((a, b), (b, a)):
                assert not confirmations(first * 1.0, second * 1.0, ordered=True), (name, n)


def test_copies_of_rows_confirm_nothing():
    rng = np.random.Generator(np.random.Philox(10))
    x, y = np.tile(rng.normal(size=(2, 80)), 4)
    assert confirmations(x, y, ordered=True)
    assert of_function(make_pairs(x, y), seed=0) is None


def test_a_number_for_each_category_is_no_copy():
    code = np.random.Generator(np.random.Philox(11)).integers(0, 30, 450)
    for y in (np.sqrt(code + 2.0), np.sqrt(code + 2.0)[:, None] * [1, 1]):
        pairs = make_pairs(code.astype(str), y)
        assert len(np.unique(pairs.clusters)) == 450


def shop(n, seed):
    """Amounts that are mostly 0, and what depends on whether they are."""
    rng = np.random.Generator(np.random.Philox(seed))
    bought = rng.random(n) < 0.45
    amount = np.where(bought, rng.gamma(2.0, 10.0, n), 0.0)
    tax = np.where(bought, amount**0.5 * rng.gamma(5.0, 1.0, n), 0.0)
    return amount, bought & (rng.random(n) < 0.4), np.where(bought, rng.integers(1, 7, n), 0), tax


@pytest.mark.parametrize("n", [150, 600, 2500])
def test_one_common_value_says_nothing_about_the_others(n):
    amount, returned, stars, tax = shop(n, 8)
    for target in (returned, stars, tax):
        assert confirmations(amount, target.astype(float), ordered=True) == 0
        assert confirmations(target.astype(float), amount, ordered=True) == 0
    code = np.where(amount > 0, np.arange(n) % (n // 5), 0)  # repeated values do say something
    assert confirmations(code, code % 3, ordered=False) > 20
    assert confirmations(np.zeros(9), np.arange(9) % 2, ordered=True) == 0


def test_amounts_that_are_mostly_0_are_estimated():
    amount, returned, _, _ = shop(600, 9)
    share = np.array([0.55 + 0.45 * 0.6, 0.45 * 0.4])
    truth = -share @ np.log(share) + 0.45 * (0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    result = mmg_nb.estimate(amount, returned.astype(int), steps=200, folds=2, draws=6)
    low, high = result.interval()
    assert low < truth < high
    assert result.mi < 1.5 * truth
    assert not any("function" in note for note in result.notes)
