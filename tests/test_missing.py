"""Missing values: what their rows tell, and rows that are kept because missing is a category."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_readings import normals, shops

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError


def with_gaps(kind, n, seed):
    """x with gaps that depend on y, and y."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    high = {"high": y > 1, "far": np.abs(y) > 1.5, "band": np.abs(y - 0.5) < 0.2}
    rare = rng.random(n) < 0.1
    gap = high.get(kind, rare) & (rng.random(n) < 0.8)
    return np.where(gap, np.nan, rng.normal(size=n)), y


@pytest.mark.parametrize("kind", ["high", "far", "band"])
def test_a_note_says_whether_missing_depends_on_the_other_variable(kind):
    x, y = with_gaps(kind, 800, 0)
    said = "Whether x is missing depends on y, so the remaining rows are not like all rows. "
    assert (
        said + "To keep all rows, use missing='category'."
        in make_pairs(x, y, missing="drop").notes
    )
    texts = np.where(y > 0, "a", "b")
    assert (said[:36] in str(make_pairs(x, texts, missing="drop").notes)) == (kind != "far")
    assert said[:36].replace("x", "y").replace("y,", "x,") not in str(
        make_pairs(np.where(np.isnan(x), 0.5, y), normals(9, 800), missing="drop").notes
    )


def test_random_gaps_are_not_remarked_on():
    for seed in range(60):
        x, y = with_gaps("none", 400, seed)
        assert "Whether" not in str(make_pairs(x, y, missing="drop").notes)


def test_groups_count_once_in_that_note():
    rng = np.random.default_rng(1)
    person = np.arange(1000) // 25
    y = rng.normal(size=40)[person] + 0.01 * rng.normal(size=1000)
    x = np.where(person < 20, np.nan, rng.normal(size=1000))
    assert "Whether x" in str(make_pairs(x, y, missing="drop").notes)
    assert "Whether x" not in str(make_pairs(x, y, person, missing="drop").notes)


def test_missing_as_a_category_keeps_all_rows_and_what_they_tell():
    x, y = with_gaps("high", 2000, 3)
    pairs = make_pairs(
        pd.DataFrame({"a": x, "b": x + 1, "c": normals(5, 2000)}), y, missing="category"
    )
    assert (pairs.n_samples, pairs.dim_x, pairs.discrete_x) == (2000, 4, (3,))
    np.testing.assert_array_equal(pairs.x[:, 3], np.isnan(x))
    known = ~np.isnan(x)
    np.testing.assert_array_equal(pairs.x[known, 0], x[known])
    assert pairs.notes[0] == (
        f"x: {2 * (~known).sum()} missing values are kept (columns a, b). Among categories, "
        "missing is one more category; for numbers, one more column marks missing values. "
        "To leave out these rows, use missing='drop'."
    )
    flag = mmg_nb.estimate(np.isnan(x), y, "ksg")
    found = mmg_nb.estimate(x, y, "ksg", missing="category")
    assert found.n_samples == 2000
    assert found.mi == pytest.approx(flag.mi, abs=0.05)  # x itself tells nothing
    assert flag.mi > 0.2
    assert abs(mmg_nb.estimate(x, y, "ksg", missing="drop").mi) < 0.05


def test_missing_is_one_more_category():
    texts = np.array(["a", None, "b", "a"], dtype=object)[np.arange(400) % 4]
    x, y = [*texts], np.arange(400) % 4 == 1
    pairs = make_pairs(x, y, missing="category")
    np.testing.assert_array_equal(pairs.x[:4, 0], [0, 2, 1, 0])
    assert (pairs.dim_x, pairs.discrete_x) == (1, (0,))
    code, sales = shops(40, 1200, 4)
    gap = sales > 1.5
    pairs = make_pairs(pd.Series(code, dtype="Int64").mask(gap), sales, missing="category")
    assert (pairs.dim_x, pairs.discrete_x, pairs.n_samples) == (1, (0,), 1200)
    assert np.unique(pairs.x[gap]).tolist() == [pairs.x[~gap].max() + 1]


def gaps_in_the_same_rows(rho, share, n, seed):
    """Normal x and y that are missing together, and their mutual information."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    y = rho * x + np.sqrt(1 - rho**2) * noise
    gap = rng.random(n) < share
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    truth = entropy - (1 - share) * 0.5 * np.log(1 - rho**2)
    return np.where(gap, np.nan, x), np.where(gap, np.nan, y), truth


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("name", ["ksg", "mmg"])
def test_gaps_in_the_same_rows_tell_only_that_they_are_the_same(rho, name):
    x, y, truth = gaps_in_the_same_rows(rho, 0.35, 800, 11)
    fields = {"effort": "quick"} if name == "mmg" else {}
    found = mmg_nb.estimate(x, y, name, missing="category", **fields)
    assert abs(found.mi - truth) < 3 * found.stderr + 0.02
    assert found.stderr < 0.1


def test_each_column_is_filled_with_draws_of_its_own():
    x, y, _ = gaps_in_the_same_rows(0.0, 0.5, 1000, 12)
    gap = np.isnan(x)
    z = np.where(gap, np.nan, normals(3, 1000))
    pairs = make_pairs(np.c_[x, z], y, given=x, missing="category")
    fills = np.c_[pairs.x[:, :2], pairs.y[:, :1]][gap]
    assert np.abs(np.corrcoef(fills.T) - np.eye(3)).max() < 0.2
    np.testing.assert_array_equal(pairs.z[:, 0], pairs.x[:, 0])  # a column is filled once
    other = make_pairs(y, 1000 * x - 3, missing="category")  # another role and another unit
    np.testing.assert_allclose(other.y[:, 0], 1000 * pairs.x[:, 0] - 3)


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_the_unit_of_a_column_does_not_change_its_fills(digits):
    x, y, _ = gaps_in_the_same_rows(0.0, 0.5, 1000, 15)
    x = (10 * x).round(digits)
    in_cm, in_m = (make_pairs(v, y, missing="category").x[:, 0] for v in (x, 0.01 * x))
    np.testing.assert_allclose(in_m, 0.01 * in_cm, rtol=1e-12)
    rounded = np.isin(in_m, 0.01 * x).all()
    assert rounded == (digits < 2)  # a rounded column stays rounded in any unit


def test_marks_of_missing_values_are_no_names():
    x, y, _ = gaps_in_the_same_rows(0.5, 0.2, 400, 14)
    assert make_pairs(x, y, missing="category").names == ("", "")
    wind, power = pd.Series(x, name="wind"), pd.Series(y, name="power")
    assert make_pairs(wind, power, missing="category").names == ("wind", "power")
    assert make_pairs(x, y, missing="category").texts["y"] == ("0", "y[0] is missing")
    found = mmg_nb.lagged(wind, y, lags=range(2), missing="category")
    assert found.names == ("wind", "y")


def test_a_wrong_name_lists_each_name_once():
    table = pd.DataFrame({"x": normals(1, 60), "s": normals(2, 60)})
    with pytest.raises(MMGError, match=r"from this list: x, y, s\. "):
        make_pairs(table, pd.Series(normals(3, 60), name="y"), discrete="z9")
