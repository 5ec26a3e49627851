"""Mutual information as a score and a selector of scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.sklearn import MutualInfoSelector, mutual_info

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 300))
X = np.column_stack([RNG.normal(size=300), A, np.ones(300), B, RNG.normal(size=300)])
Y = A**2 + B + 0.3 * RNG.normal(size=300)


@parametrize_with_checks([MutualInfoSelector()])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def test_a_score_is_the_estimate_of_the_column():
    scores = mutual_info(X, Y)
    assert scores[1] == mmg_nb.estimate(X[:, 1], Y, "ksg").mi
    assert scores[2] == 0  # constant
    other = mutual_info(X, Y, estimator="gcmi", correct_bias=False)
    assert other[3] == mmg_nb.estimate(X[:, 3], Y, "gcmi", correct_bias=False).mi
    assert other[1] < 0.05 < scores[1]  # a square: only the neighbours see it


def test_select_k_best_takes_the_score():
    kept = SelectKBest(mutual_info, k=2).fit(X, Y).get_support(indices=True)
    assert kept.tolist() == [1, 3]


def test_without_a_number_it_keeps_what_is_distinguishable():
    found = MutualInfoSelector().fit(X, Y)
    assert found.get_support(indices=True).tolist() == [1, 3]  # rejects none, all, and the linear
    noise = MutualInfoSelector().fit(X[:, [0, 4]], Y)
    assert noise.get_support().sum() >= 1  # what follows in a pipeline needs a column


def test_it_works_in_a_pipeline_with_names_and_classes():
    table = pd.DataFrame(X, columns=list("abcde"))
    model = make_pipeline(MutualInfoSelector(2), LinearRegression()).set_output(transform="pandas")
    assert model.fit(table, Y).score(table, Y) > 0
    assert list(model[:-1].transform(table).columns) == ["b", "d"]
    classes = np.where(A > 0, "high", "low")
    found = clone(model[0]).set_params(n_features=1).fit(table, classes)
    assert found.get_feature_names_out().tolist() == ["b"]


@pytest.mark.parametrize("count", [0, 1.5, "all", True])
def test_a_wrong_number_is_refused(count):
    with pytest.raises(MMGError, match="n_features must be None or at least 1"):
        MutualInfoSelector(count).fit(X, Y)


def test_an_interrupt_does_not_leave_preliminary_scores(fake, monkeypatch):
    """An array or a selector cannot say that it is preliminary."""
    found = mmg_nb.estimate(A, B, fake, steps=9, listen=lambda event: True)
    monkeypatch.setattr("mmg_nb.sklearn.estimate", lambda *_, **__: found)
    with pytest.raises(KeyboardInterrupt):
        mutual_info(X, Y, estimator=fake)
    with pytest.raises(KeyboardInterrupt):
        MutualInfoSelector(estimator=fake).fit(X, Y)


@pytest.mark.parametrize("rows", [300, 40])
def test_a_table_with_categories_is_taken(rows):
    high = np.where(A > 0, "high", "low")
    table = pd.DataFrame({"city": RNG.choice(["u", "v", "w"], 300), "a": A, "sign": high})
    table["kind"] = table.sign.astype("category")
    table["flag"] = B > 0
    table, y = table[:rows], (A > 0)[:rows] + 0.2 * RNG.normal(size=rows)
    found = MutualInfoSelector(3).fit(table, y)
    assert found.get_feature_names_out().tolist() == ["a", "sign", "kind"]
    assert found.transform(table).shape == (rows, 3)
    np.testing.assert_array_equal(found.scores_, mutual_info(table, y))
    kept = found.set_output(transform="pandas").transform(table)
    assert kept.kind.dtype == "category"
    texts = MutualInfoSelector(1).fit(table[["city", "sign"]].to_numpy(str), y)
    assert texts.get_support().tolist() == [False, True]


def test_columns_of_a_table_are_named_as_categories():
    """Codes in no order: as a quantity the colour says less."""
    order = np.array([3, 0, 2, 1])
    colour = order[np.digitize(A, [-0.7, 0.0, 0.7])]
    table = pd.DataFrame({"b": B, "colour": colour})
    y = pd.Series(RNG.integers(0, 3, 300) + 3 * (A > 0), name="class")
    as_numbers, named, both = (
        mutual_info(table, y, discrete=each) for each in ("none", "colour", ["colour", "class"])
    )
    one = mmg_nb.estimate(colour, y.to_numpy(), "ksg", discrete="x", rows="independent")
    assert named[0] == as_numbers[0]
    assert named[1] == one.mi != as_numbers[1]
    assert both[0] != as_numbers[0]
    for same in ("x[1],y", ["x[1]", "class"]):
        np.testing.assert_array_equal(mutual_info(table, y, discrete=same), both)
    np.testing.assert_array_equal(mutual_info(table.to_numpy(), y, discrete="x[1],y"), both)
    chosen = MutualInfoSelector(1, discrete=["colour", "class"]).fit(table, y)
    np.testing.assert_array_equal(chosen.scores_, both)


def test_a_column_that_does_not_exist_is_refused():
    table = pd.DataFrame({"b": B, "colour": A > 0})
    with pytest.raises(MMGError, match="discrete names 'color', but no such column") as caught:
        mutual_info(table, Y, discrete="color")
    assert caught.value.remedy == (
        "Did you mean 'colour'? Valid names: auto, none, x, y, b, colour. "
        "Write x[0] for the first column."
    )
    with pytest.raises(MMGError, match="auto, none, or names of columns; got 2"):
        mutual_info(X, Y, discrete=2)
