"""Integers beyond 2⁵³ keep their digits, whatever holds them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs

N = 300
RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(size=N)
SMALL = np.round(60 * SIGNAL).astype(np.int64)
Y = SIGNAL + RNG.normal(size=N)
START = 17 * 10**17
BIG = START + SMALL
KEYS = 2**63 - 1000 + (SMALL - SMALL.min()).astype(np.uint64)


def arrow(values):
    return pytest.importorskip("pyarrow").array(values)


def polars(values):
    return pytest.importorskip("polars").Series("a", values)


HOLDERS = {
    "int64": np.array,
    "big endian": lambda v: np.array(v).astype(">i8"),
    "column of a matrix": lambda v: np.c_[np.array(v), np.zeros(N, int)],
    "objects": lambda v: np.array(v, dtype=object),
    "list": list,
    "rows": lambda v: [[k] for k in v],
    "Int64": lambda v: pd.Series(v, dtype="Int64"),
    "pandas int64": pd.Series,
    "pandas objects": lambda v: pd.Series(v, dtype=object),
    "torch": torch.tensor,
    "datetime64": lambda v: np.array(v).astype("datetime64[ns]"),
    "timedelta64": lambda v: np.array(v).astype("timedelta64[ns]"),
    "pandas times": lambda v: pd.Series(np.array(v).astype("datetime64[ns]")),
    "masked": lambda v: np.ma.array(v, mask=False),
    "pyarrow": arrow,
    "polars": polars,
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_large_integers_keep_their_digits(kind):
    pairs = make_pairs(HOLDERS[kind](BIG.tolist()), Y, discrete="none")
    np.testing.assert_array_equal(pairs.x[:, 0], SMALL - SMALL.min())
    pairs = make_pairs(HOLDERS[kind](SMALL.tolist()), Y, discrete="none")
    if "time" not in kind:  # integers that float64 holds are not shifted
        np.testing.assert_array_equal(pairs.x[:, 0], SMALL)


GAPS = {
    "list": list,
    "NaN in a list": lambda v: [float("nan") if k is None else k for k in v],
    "objects": lambda v: np.array(v, dtype=object),
    "Int64": lambda v: pd.Series(v, dtype="Int64"),
    "UInt64": lambda v: pd.Series(v, dtype="UInt64"),
    "masked": lambda v: np.ma.array([k or 0 for k in v], mask=[k is None for k in v]),
    "pyarrow": arrow,
    "polars": polars,
}


@pytest.mark.parametrize("kind", GAPS)
def test_beside_missing_values_too(kind):
    pairs = make_pairs(GAPS[kind]([None, *BIG[1:].tolist()]), Y, missing="drop", discrete="none")
    np.testing.assert_array_equal(pairs.x[:, 0], SMALL[1:] - SMALL[1:].min())


@pytest.mark.parametrize(
    "hold", [np.array, pd.Series, lambda v: pd.Series(v, dtype="UInt64"), lambda v: v.tolist()]
)
def test_unsigned_keys_are_no_constant(hold):
    np.testing.assert_array_equal(
        make_pairs(hold(KEYS), Y, discrete="none").x[:, 0], SMALL - SMALL.min()
    )


def test_the_whole_range_of_64_bits():
    ends = np.where(SIGNAL > 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min) - SMALL % 7
    spread = make_pairs(ends % 2**62 + ends // 2, Y).x[:, 0]
    assert np.isfinite(spread).all()
    x = make_pairs(np.array([2**200 + int(k) for k in SMALL], dtype=object), Y).x[:, 0]
    np.testing.assert_array_equal(x - x.min(), SMALL - SMALL.min())


def test_keys_as_categories_are_told_apart_by_every_digit():
    near = np.array([-(2**62), 2**62, 2**62 + 1])[np.arange(N) % 3]
    for keys in (near, near.tolist(), pd.Series(near, dtype="Int64")):
        pairs = make_pairs(keys, Y, discrete="x")
        np.testing.assert_array_equal(pairs.x[:, 0], np.arange(N) % 3)


def test_the_estimate_is_that_of_the_small_numbers():
    small = mmg_nb.estimate(SMALL, Y, "ksg")
    for large in (BIG, KEYS, BIG.astype("datetime64[ns]")):
        assert mmg_nb.estimate(large, Y, "ksg").mi == pytest.approx(small.mi, abs=1e-9)
    assert small.mi == pytest.approx(0.5 * np.log(2), abs=0.12)  # and not 0.05, as of 3 values
