"""Groups and copies of rows, where there is no training that splits could keep them out of."""

from __future__ import annotations

import numpy as np
import pytest

import mmg_nb
from mmg_nb.api import prepare


def patients(seed, count=60, visits=4):
    """Independent x and y of patients, nearly the same at each visit, and the patients."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(np.repeat(np.arange(count), visits))
    x, y = rng.normal(size=(2, count))[:, who] + 0.1 * rng.normal(size=(2, len(who)))
    return x, y, who


@pytest.mark.parametrize("estimator", ["ksg", "gcmi", "cca"])
def test_without_training_one_row_of_each_group_is_used(estimator):
    x, y, who = patients(0)
    first = np.sort(np.unique(who, return_index=True)[1])
    found = mmg_nb.estimate(x, y, estimator, groups=who)
    assert found.mi == mmg_nb.estimate(x[first], y[first], estimator, rows="independent").mi
    assert found.n_samples == 60
    assert (
        "first row of each group (or set of equal rows) was used, 60 of 240 rows"
        in found.notes[-1]
    )


def test_rows_keep_their_numbers():
    x, y, who = patients(1)
    found = mmg_nb.estimate(x, y, "ksg", groups=who)
    first = np.sort(np.unique(who, return_index=True)[1])
    assert found.sample.labels == tuple(map(str, first))


def test_training_uses_all_rows():
    x, y, who = patients(2)
    assert prepare(x, y, "mmg", groups=who).pairs.n_samples == 240


def test_a_test_of_groups_is_not_fooled_by_their_rows():
    alone, together = [], []
    for seed in range(6):
        x, y, who = patients(seed)
        options = {"permutations": 39, "rows": "independent"}
        alone.append(mmg_nb.independence_test(x, y, **options).p_value)
        together.append(mmg_nb.independence_test(x, y, groups=who, **options).p_value)
    assert np.mean(np.array(alone) < 0.05) >= 0.5
    assert np.mean(np.array(together) < 0.05) <= 1 / 6


def test_a_test_by_training_permutes_one_row_of_each_group():
    x, y, who = patients(3)
    found = mmg_nb.independence_test(x, y, "mmg", groups=who, steps=10, folds=2, draws=4, width=16)
    assert found.estimate.n_samples == 60


def test_copies_of_most_rows_are_left_out():
    rng = np.random.default_rng(9)
    x, y = np.repeat(rng.normal(size=(2, 60)), 4, axis=1)
    found = mmg_nb.estimate(x, y, "ksg", rows="independent")
    assert found.n_samples == 60
    assert abs(found.mi) < 3 * found.stderr
    coarse = rng.integers(0, 60, size=(2, 400)).astype(float)  # rows that are equal by chance
    assert mmg_nb.estimate(coarse[0] % 2, coarse[1] + 0.3333, "ksg").n_samples == 400
    twice = np.r_[np.arange(60), np.arange(20)]  # a few equal rows may be equal by chance
    assert mmg_nb.estimate(x[::4][twice], y[::4][twice], "ksg").n_samples == 80


def test_a_column_that_is_constant_in_the_first_rows_is_refused():
    x, y, who = patients(4)
    x[np.sort(np.unique(who, return_index=True)[1])] = 1.0
    with pytest.raises(mmg_nb.MMGError, match="constant in the rows used"):
        mmg_nb.estimate(x, y, "ksg", groups=who)
