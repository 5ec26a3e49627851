"""The same data in another guise: names, units, order of columns, container, constants."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import mmg_nb

N = 500
RNG = np.random.Generator(np.random.SFC64(11))
X = RNG.laplace(size=(N, 3))
Y = X[:, 0] - X[:, 2] + RNG.normal(size=N)
SHOP = RNG.integers(0, 30, N)
SALES = RNG.normal(size=30)[SHOP] + 0.5 * RNG.normal(size=N)
GRADE = RNG.integers(0, 4, N)
SCHOOL = (GRADE + RNG.integers(0, 3, N)) % 4
TOWN = RNG.integers(0, 30, N)
POST = np.where(RNG.random(N) < 0.8, TOWN, 0)
OTHER = RNG.permutation(1000)

NUMBERS = {
    "order of columns": lambda x: x[:, [2, 0, 1]],
    "binary units": lambda x: x * [2.0**40, 2.0**-30, 4],
    "units": lambda x: x * [1e9, 3e-7, 7] + [5, 0, -100],
    "constant": lambda x: np.c_[np.full(N, 3.0), x],
    "frame": lambda x: pd.DataFrame(x, columns=list("abc")),
    "tensor": torch.tensor,
    "lists": lambda x: x.tolist(),
    "columns first": np.asfortranarray,
}
SAME_BITS = {"binary units", "frame", "tensor", "lists", "columns first"}
CODES = {
    "float": lambda v: v.astype(float),
    "small": lambda v: v.astype(np.int16),
    "nullable": lambda v: pd.Series(v, dtype="Int64"),
    "list": lambda v: v.tolist(),
    "constant": lambda v: pd.DataFrame({"year": 2020, "code": v}),
    "text": lambda v: v.astype(str),
    "categorical": lambda v: pd.Series(v.astype(str)).astype("category"),
    "other numbers": lambda v: OTHER[v],
    "other names": lambda v: np.array([f"no. {OTHER[k]}" for k in v]),
}
TABLES = {
    "codes and numbers": ("ksg", SHOP, SALES),
    "few levels": ("mmg", GRADE, SCHOOL),
    "many levels": ("mmg", TOWN, POST),
}


def alike(found, expected, room):
    assert found.mi == pytest.approx(expected.mi, abs=room)
    assert found.stderr == pytest.approx(expected.stderr, abs=room)


@pytest.mark.parametrize("estimator", ["gcmi", "cca", "ksg"])
def test_numbers_in_another_guise(estimator):
    expected = mmg_nb.estimate(X, Y, estimator)
    for name, changed in NUMBERS.items():
        found = mmg_nb.estimate(changed(X), Y, estimator)
        alike(found, expected, 0 if name in SAME_BITS else 1e-9)


@pytest.mark.parametrize(
    ("kind", "swapped"), [*((k, False) for k in TABLES), ("few levels", True)]
)
def test_codes_in_another_guise(kind, swapped):
    estimator, codes, other = TABLES[kind]
    if kind == "many levels":
        other = [f"post {k}" for k in other]

    def answer(values):
        both = (other, values) if swapped else (values, other)
        return mmg_nb.estimate(*both, estimator)

    expected = answer(codes)
    if kind == "many levels":  # random tables are drawn, level by level
        alike(answer(CODES["float"](codes)), expected, 0)
        alike(answer(CODES["other names"](codes)), expected, expected.stderr / 3)
        return
    for changed in CODES.values():
        alike(answer(changed(codes)), expected, 0)


@pytest.mark.accuracy
def test_networks_see_the_same_in_another_guise():
    expected = mmg_nb.estimate(X, Y)
    for name in ("order of columns", "units", "frame"):
        found = mmg_nb.estimate(NUMBERS[name](X), Y)
        assert abs(found.mi - expected.mi) < math.hypot(found.stderr, expected.stderr)
        assert found.mi == expected.mi or name not in SAME_BITS
    expected = mmg_nb.estimate(SHOP, SALES)
    found = mmg_nb.estimate(CODES["other numbers"](SHOP), -2.5e6 * SALES + 3)
    assert abs(found.mi - expected.mi) < math.hypot(found.stderr, expected.stderr)
