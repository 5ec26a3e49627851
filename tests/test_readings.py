"""What a column is read as: alone, beside another variable, and in one table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmg_nb
from mmg_nb.data.codes import LEVEL, codes_in
from mmg_nb.data.columns import Variable
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError

N = 1200


def normals(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def shops(levels, n, seed, noise=0.5):
    """Codes and what they explain; the numbers of the codes have no meaning."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, levels, n)
    return code + 100, rng.normal(size=levels)[code] + noise * rng.normal(size=n)


# --- the table of readings -----------------------------------------------------------------------

CODE, SALES = shops(40, N, 1)
TABLE = pd.DataFrame(
    {
        "shop": CODE,
        "sales": SALES,
        "age": np.random.default_rng(2).integers(18, 90, N),
        "children": np.random.default_rng(3).poisson(30, N) * (np.arange(N) % 3 > 0),
        "rating": np.random.default_rng(4).integers(1, 6, N),
        "day": pd.date_range("2021-01-01", periods=N, freq="h"),
        "sex": np.where(normals(5, N) > 0, "f", "m"),
        "smokes": normals(6, N) > 1,
        "zip": [f"0{k}" for k in np.random.default_rng(7).integers(2000, 2030, N)],
        "grade": pd.Categorical(np.array(list("abc"))[np.arange(N) % 3], ordered=True),
        "gaps": np.where(np.arange(N) % 10 == 0, np.nan, normals(8, N)),
        "text": [f"{v:.2f}" for v in normals(9, N)],
        "same": 1.5,
        "none": np.nan,
        "lists": [[0]] * N,
        "name": [f"patient {i}" for i in range(N)],
        "limit": np.r_[np.inf, normals(10, N - 1)],
    }
)
EXPECTED = {
    "shop": ("codes", 40, 0, "of sales as codes", "discrete='none'"),
    "sales": ("numbers", N, 0, "1200 different values", ""),
    "age": ("whole numbers", 72, 0, "whole numbers from 18 to 89", "discrete='auto,age'"),
    "children": ("counts", 33, 0, "whole numbers from 0 to", "discrete='auto,children'"),
    "rating": ("levels", 5, 0, "5 whole numbers, 240 rows each on average", "discrete='none'"),
    "day": ("times", N, 0, "dates, times or time spans", "mmg_nb.cyclic"),
    "sex": ("categories", 2, 0, "texts", ""),
    "smokes": ("truth values", 2, 0, "true or false", "discrete='none'"),
    "zip": ("codes", 30, 0, "texts that are whole numbers", "astype(float)"),
    "grade": ("ordered levels", 3, 0, "a pandas categorical with an order", "cat.codes"),
    "gaps": ("numbers", 1080, 120, "1080 different values", ""),
    "text": ("numbers", None, 0, "written as text", "discrete='auto,text'"),
    "same": ("constant", 1, 0, "one value only", ""),
    "none": ("empty", 0, N, "no values", ""),
    "lists": ("not usable", 0, 0, "Python objects (list)", ""),
    "name": ("not usable", N, 0, "like an identifier", ""),
    "limit": ("not usable", N, 0, "infinite values", ""),
}


@pytest.fixture(scope="module")
def described():
    return mmg_nb.describe(TABLE)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_column_is_read_with_its_evidence(described, name):
    kind, levels, missing, evidence, change = EXPECTED[name]
    found = described[name]
    assert (found.kind, found.missing) == (kind, missing)
    assert levels in (None, found.levels)
    assert evidence in found.evidence
    assert change in found.change
    usable = kind not in ("constant", "empty", "not usable")
    assert found.usable == usable


def test_the_readings_are_one_table(described):
    frame = described.to_frame()
    assert list(frame.index) == list(TABLE.columns)
    assert list(frame.columns) == ["reading", "levels", "missing", "evidence", "to change it"]
    lines = str(described).splitlines()
    assert len(lines) == 1 + len(described) == 1 + len(TABLE.columns)
    assert lines[0].split()[:2] == ["name", "reading"]
    shown = described._repr_html_()
    assert shown.count("<tr>") == 1 + len(TABLE.columns)
    assert "discrete=&#x27;none&#x27;" in shown
    with pytest.raises(MMGError, match=r"no column 'shops'.\nDid you mean 'shop'"):
        described["shops"]


def test_a_reading_is_what_an_estimate_uses(described):
    usable = [name for name in TABLE if described[name].usable and name != "sales"]
    pairs = make_pairs(TABLE[usable], TABLE[["sales"]], missing="drop")
    discrete = {usable[i] for i in pairs.discrete_x}
    few = {name for name in usable if described[name].kind == "levels"}
    assert few
    assert discrete == {name for name in usable if described[name].discrete} - few
    for name in few:  # numbers only beside other numbers
        assert make_pairs(TABLE[[name]], TABLE[["sales"]], missing="drop").discrete_x == (0,)
    assert mmg_nb.describe(TABLE, discrete="none")["shop"].kind == "whole numbers"
    assert mmg_nb.describe(TABLE, discrete="auto,age")["age"].kind == "categories"
    assert (
        mmg_nb.describe(TABLE[["age", "sales"]].to_numpy())["0"].change == "discrete='auto,x[0]'"
    )
    with pytest.raises(MMGError, match="table is empty"):
        mmg_nb.describe(TABLE.iloc[:0])


# --- codes or quantities -------------------------------------------------------------------------


def parity(n, seed):
    x = np.random.default_rng(seed).integers(0, 100, n)
    return x, x % 2


def renamed(n, seed):
    x = np.random.default_rng(seed).integers(0, 300, n)
    return x, np.random.default_rng(seed + 1).permutation(300)[x]


def noise_of_a_machine(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 50, n)
    return x, np.exp(rng.normal(size=50))[x] * rng.normal(size=n)


def classes(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 60, n)
    return x, np.array(["a", "b", "c"])[(rng.integers(0, 3, 60)[x] + (rng.random(n) < 0.3)) % 3]


def sorted_by_shops(n, seed):
    code, sales = shops(50, n, seed)
    order = np.argsort(code, kind="stable")
    return code[order], sales[order]


CODES = {
    "shops": lambda seed: shops(60, 3000, seed),
    "few shops": lambda seed: shops(30, 600, seed),
    "weak shops": lambda seed: shops(60, 3000, seed, noise=2.5),
    "rare shops": lambda seed: shops(200, 700, seed),
    "sorted by shops": lambda seed: sorted_by_shops(700, seed),
    "parity": lambda seed: parity(2000, seed),
    "renamed": lambda seed: renamed(1000, seed),
    "noise of a machine": lambda seed: noise_of_a_machine(2000, seed),
    "classes": lambda seed: classes(1500, seed),
}


@pytest.mark.parametrize("kind", CODES)
def test_codes_are_found_and_a_note_says_what_to_pass(kind):
    for seed in range(3):
        x, y = CODES[kind](seed)
        pairs = make_pairs(x, y)
        assert pairs.discrete_x == (0,)
        said = [note for note in pairs.notes if "treated as codes of categories" in note]
        assert said[0].startswith("x: 1 column(s) of whole numbers are treated as codes")
        assert said[0].endswith("To treat them as numbers, use discrete='none'.")
        numbers = make_pairs(x, y, discrete="none")
        assert numbers.discrete_x == ()
        np.testing.assert_array_equal(numbers.x[:, 0], x)


def steps(rng, n):
    x = rng.integers(18, 90, n)
    return x, np.searchsorted([25, 35, 50, 65], x).astype(str)


def zeros(rng, n):
    x = rng.poisson(20, n) * (rng.random(n) > 0.3)
    return x, np.where(x == 0, 3.0, x / 20) + rng.normal(size=n)


def marks(rng, n):
    x = np.where(rng.random(n) < 0.05, 999, rng.integers(20, 80, n))
    return x, np.where(x == 999, 3.0, 0.0) + rng.normal(size=n)


def counts(rng, n):
    rate = np.exp(rng.normal(size=n))
    return rng.poisson(6 * rate), rng.poisson(15 * rate)


def with_copies(rng, n):
    k = max(n // 4, 60)
    x, y = rng.poisson(40, k), rng.normal(size=k)
    rows = rng.permutation(np.repeat(np.arange(k), 4))
    return x[rows], y[rows]


QUANTITIES = {
    "independent": lambda rng, n: (rng.integers(0, 60, n), rng.normal(size=n)),
    "age": lambda rng, n: ((x := rng.integers(18, 90, n)), x / 20 + rng.normal(size=n)),
    "valley": lambda rng, n: (
        (x := rng.integers(0, 100, n)),
        (x / 50 - 1) ** 2 + 0.1 * rng.normal(size=n),
    ),
    "year": lambda rng, n: ((x := rng.integers(1980, 2025, n)), x / 9 + rng.standard_t(2, n)),
    "series of quarters": lambda rng, n: (2030 - np.arange(n) // 4, rng.normal(size=n).cumsum()),
    "rounded": lambda rng, n: (np.round(20 * (z := rng.normal(size=n))), z + rng.normal(size=n)),
    "pounds": lambda rng, n: ((x := np.round(rng.normal(150, 25, n))), np.round(0.4536 * x)),
    "day of the year": lambda rng, n: (
        (x := rng.integers(1, 366, n)),
        np.sin(x / 58) + 0.5 * rng.normal(size=n),
    ),
    "growing spread": lambda rng, n: ((x := rng.integers(1, 60, n)), x * rng.normal(size=n)),
    "steps": steps,
    "zeros": zeros,
    "marks": marks,
    "counts": counts,
    "copies": with_copies,
}


@pytest.mark.parametrize("kind", QUANTITIES)
def test_quantities_stay_numbers_without_a_word(kind):
    for seed, n in enumerate((150, 600, 2000, 2000)):
        x, y = QUANTITIES[kind](np.random.default_rng(seed), n)
        pairs, numbers = make_pairs(x, y), make_pairs(x, y, discrete="none")
        assert pairs.discrete_x == ()
        np.testing.assert_array_equal(pairs.x, numbers.x)
        assert not any("codes of categories" in note for note in pairs.notes)


def test_chance_is_kept_in_a_wide_table():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 25, (300, 600)).astype(float)
    names, every = tuple(map(str, range(600))), tuple(range(600))
    variables = {
        "x": Variable(x, names, undecided=every),
        "y": Variable(rng.normal(size=(300, 1)), ("0",)),
    }
    assert codes_in(variables, None) == {}
    assert LEVEL < 1e-3


def test_rows_of_one_group_are_no_evidence():
    rng = np.random.default_rng(0)
    person = np.arange(1000) // 10
    age, trait = rng.integers(20, 80, 100)[person], (rng.random(100) > 0.5)[person]
    assert make_pairs(age, trait).discrete_x == (0,)
    assert make_pairs(age, trait, person).discrete_x == ()


def test_the_answer_is_that_of_the_named_codes():
    x, y = shops(60, 1500, 3)
    found = mmg_nb.estimate(x, y, "ksg")
    assert found.mi == mmg_nb.estimate(x, y, "ksg", discrete="x").mi
    assert found.mi > 0.6
    assert mmg_nb.estimate(x, y, "ksg", discrete="none").mi < 0.3
    assert mmg_nb.estimate(*parity(1000, 0), "ksg").mi == pytest.approx(np.log(2), abs=0.05)


# --- the same column in other clothes ----------------------------------------------------------


X, Y = shops(45, 600, 8)
AGE = np.random.default_rng(3).integers(18, 90, 600)
CLOTHES = {
    "float": lambda v: v.astype(float),
    "list": lambda v: v.tolist(),
    "objects": lambda v: v.astype(object),
    "series": pd.Series,
    "nullable": lambda v: pd.Series(v, dtype="Int64"),
    "frame": lambda v: pd.DataFrame({"shop": v}),
    "tensor": torch.tensor,
    "large": lambda v: v * 10**12 + 10**17,
    "negative": lambda v: 7 - 3 * v,
}
RENAMED = {
    "text": lambda v: v.astype(str),
    "categorical": lambda v: pd.Series(v).astype("category"),
    "other numbers": lambda v: np.random.default_rng(0).permutation(5000)[v],
    "other texts": lambda v: [f"shop {k * 7919 % 10007}" for k in v],
}


@pytest.mark.parametrize("kind", CLOTHES | RENAMED)
def test_codes_are_the_same_in_any_clothes(kind):
    pairs = make_pairs((CLOTHES | RENAMED)[kind](X), Y)
    assert pairs.discrete_x == (0,)
    code = np.unique(X, return_inverse=True)[1]
    assert len(set(zip(code, pairs.x[:, 0], strict=True))) == code.max() + 1 == len(set(code))


@pytest.mark.parametrize("kind", ["float", "text", "other numbers", "other texts"])
def test_so_is_the_answer(kind):
    expected = mmg_nb.estimate(X, Y, "ksg")
    found = mmg_nb.estimate((CLOTHES | RENAMED)[kind](X), -2.5e6 * Y + 3, "ksg")
    assert found.mi == pytest.approx(expected.mi, abs=1e-6)
    assert found.stderr == pytest.approx(expected.stderr, abs=1e-6)


@pytest.mark.parametrize("kind", CLOTHES)
def test_quantities_are_the_same_in_any_clothes(kind):
    y = AGE / 20 + normals(4, 600)
    x = make_pairs(CLOTHES[kind](AGE), y).x[:, 0]
    assert make_pairs(CLOTHES[kind](AGE), y).discrete_x == ()
    unit = np.polyfit(AGE, x, 1)
    np.testing.assert_allclose(np.polyval(unit, AGE), x, atol=1e-9 * np.ptp(x))
    for scale in (12, 0.25, 1e-9):
        assert make_pairs(AGE * scale, scale * y).discrete_x == ()


# --- cycles --------------------------------------------------------------------------------------


def test_a_cycle_has_no_beginning():
    times = pd.date_range("2023-12-31", "2024-12-31", freq="30min")
    for cycle in ("hour", "weekday", "month"):
        place = mmg_nb.cyclic(times, cycle)
        assert list(place.columns) == [f"{cycle} cos", f"{cycle} sin"]
        np.testing.assert_allclose(np.hypot(*place.to_numpy().T), 1)
        jumps = np.linalg.norm(np.diff(place.to_numpy(), axis=0), axis=1)
        assert jumps.max() < 2 * np.pi / 48 * 1.01
    sundays = mmg_nb.cyclic(["2024-01-07 23:59", "2024-01-08", None], "weekday").to_numpy()
    np.testing.assert_allclose(sundays[0], sundays[1], atol=1e-3)
    assert np.isnan(sundays[2]).all()
    degrees = mmg_nb.cyclic(pd.Series([0, 90, 450], name="wind"), 360)
    assert list(degrees.columns) == ["wind cos", "wind sin"]
    np.testing.assert_allclose(degrees, [[1, 0], [0, 1], [0, 1]], atol=1e-12)


def test_a_cycle_is_found_only_where_it_is_asked_for():
    times = pd.Series(pd.date_range("2024-01-01", periods=1200, freq="D"))
    y = (times.dt.day_of_week > 4) * 4 + normals(0, 1200)
    assert abs(mmg_nb.estimate(times, y, "ksg").mi) < 0.1
    assert mmg_nb.estimate(mmg_nb.cyclic(times, "weekday"), y, "ksg").mi > 0.4


@pytest.mark.parametrize(
    ("values", "cycle", "said"),
    [
        (["2024-01-01"], "week", "cycle must be hour, weekday, month or a positive period"),
        ([1.0, 2.0], -1, "got -1"),
        ([1, 2], "hour", "needs dates or times; got numbers"),
        (["red", "blue"], "hour", "needs dates or times; got 'red'"),
    ],
)
def test_what_is_no_cycle_is_refused(values, cycle, said):
    with pytest.raises(MMGError, match=said) as caught:
        mmg_nb.cyclic(values, cycle)
    assert caught.value.remedy


# --- many columns, some of them odd ------------------------------------------------------------


def test_compare_leaves_odd_columns_out_with_a_line_each():
    table = TABLE[["gaps", "lists", "none", "age", "name", "shop"]]
    found = mmg_nb.compare(table.drop(columns="gaps"), SALES, "ksg,gcmi")
    assert len(found) == 2
    for name, why in {"lists": "Python objects", "none": "no values"}.items():
        for result in found:
            assert any(why in n and "The column was left out." in n for n in result.notes), name
    assert any("column name holds 1200 different" in note for note in found["ksg"].notes)
    assert found["ksg"].dim_x == 2
    codes = [note for note in found["ksg"].notes if "codes of categories" in note]
    assert "shop: 40 levels" in codes[0]
    with pytest.raises(MMGError, match="Python objects"):
        mmg_nb.compare(table[["lists"]], SALES, "ksg")
    with pytest.raises(MMGError, match="Python objects"):
        mmg_nb.estimate(table[["lists", "age"]], SALES, "ksg")


@pytest.mark.parametrize("n", [500, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_counts_of_one_cause_are_no_codes(n, seed):
    """High counts have few rows each, and the spread of other counts grows with them."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.uniform(-1, 2, 16) + 0.8 * rng.normal(size=(n, 1)))
    counts = rng.poisson(mean * rng.gamma(3, 1 / 3, (n, 16)))
    pairs = make_pairs(counts[:, :8], counts[:, 8:])
    assert pairs.discrete_x == pairs.discrete_y == ()


@pytest.mark.parametrize("levels", [6, 9, 12])
def test_codes_of_few_levels_are_found_beside_numbers(levels):
    codes, quantities = 0, 0
    for seed in range(10):
        rng = np.random.default_rng(1000 * levels + seed)
        code, effect = rng.integers(0, levels, 600), 1.5 * rng.normal(size=levels)
        y = effect[code] + rng.normal(size=600)
        beside = np.c_[code, rng.normal(size=600)]
        codes += make_pairs(beside, y).discrete_x == (0,)
        quantities += make_pairs(beside, code + rng.normal(size=600)).discrete_x == ()
    assert codes >= 6  # effects may happen to be in order
    assert quantities == 10
