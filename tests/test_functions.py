"""Columns that are functions of each other are recognised; noise of any size is."""

from __future__ import annotations

import numpy as np
import pytest

import mmg_nb
from mmg_nb.data.functions import function_in, is_function
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
