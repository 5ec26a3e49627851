"""Tests on rows that no network was trained on: exact denoisers, and whole runs of `mmg`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import DEFAULT, GaussianPair

import mmg_nb
from mmg_nb.data.splits import EvaluationFold
from mmg_nb.mmse.evaluation import EvaluationRows
from mmg_nb.mmse.kernel_scores import kernel_scores
from mmg_nb.mmse.permuted_rows import held_out_test, neighbourhoods
from mmg_nb.questions.independence import HELD_OUT
from mmg_nb.results.held_out_test import HeldOutTest

RNG = np.random.default_rng(0)


def of_rows(x, y, model, seed=0, folds=1):
    rows = np.array_split(np.arange(len(x)), folds)
    data = EvaluationRows(
        torch.tensor(x),
        torch.tensor(y),
        np.arange(len(x)),
        [EvaluationFold(part, (0, 0)) for part in rows],
    )
    return held_out_test(model, data, DEFAULT, 0, seed)


def test_exact_denoisers_find_a_weak_correlation():
    """Of 400 rows with r = 0.2: shuffled rows must not be found, nor the opposite sign."""
    pair = GaussianPair(np.array([[0.2]]))
    x, y = pair.sample(400, 1)
    assert of_rows(x, y, pair.model()).p_value < 0.01
    assert of_rows(x, y[::-1].copy(), pair.model()).p_value > 0.05
    assert of_rows(x, -y, pair.model()).p_value > 0.9


def test_any_fixed_members_keep_the_level():
    """P-values of independent rows are uniform, whatever the members believe."""
    model = GaussianPair(np.array([[0.6]])).model()
    tests = [of_rows(*RNG.normal(size=(2, 80, 1)), model, k, folds=2) for k in range(60)]
    p = np.array([each.folds[k % 2] for k, each in enumerate(tests)])
    assert (p <= 0.05).sum() <= 8
    assert 18 <= (p <= 0.5).sum() <= 42


def parabola(seed, n=150):
    x, noise = np.random.default_rng(seed).normal(size=(2, n, 1))
    return x, x**2 + noise


def test_it_detects_what_the_members_have_not_learned():
    """Members that believe in independence, or in a line, say nothing about a parabola."""
    for believed in (0.0, 0.6):
        model = GaussianPair(np.array([[believed]])).model()
        x, y = parabola(0)
        assert of_rows(x, y, model, folds=5).p_value == 0.005
        assert of_rows(x, y, model).p_value > 0.05  # no other rows, so no second score
        assert of_rows(x, parabola(1)[1], model, folds=5).p_value > 0.05
    assert of_rows(x, y, GaussianPair(np.array([[0.0]])).model()).folds == (1.0,)


def test_the_score_of_rows_is_the_covariance_of_kernels_of_others():
    x, y = RNG.normal(size=(2, 9, 2))
    blocks, others = np.array([[0, 1], [3, 2]]), np.array([4, 5, 6, 7, 8])

    def kernel(values, row):
        apart = np.linalg.norm(values[blocks.ravel()][:, None] - values[others], axis=-1)
        near = np.linalg.norm(values[row] - values[others], axis=-1)
        return np.exp(-0.5 * (near / np.median(apart)) ** 2)

    found = kernel_scores(x, y, blocks, others)
    expected = np.cov(kernel(x, 3), kernel(y, 2), bias=True)[0, 1]
    assert found[1, 0, 1] == pytest.approx(expected, rel=1e-9)
    assert not kernel_scores(x, np.ones((9, 1)), blocks, others).any()


def test_folds_are_combined_whatever_their_dependence():
    assert HeldOutTest((0.3, 0.004, 0.9), 999, 0.0, ()).p_value == pytest.approx(0.012)
    assert HeldOutTest((0.6, 0.9), 999, 0.0, ()).p_value == 1.0
    assert HeldOutTest((0.6, 0.9), 999, 0.0, ()).floor == 0.002
    pair = GaussianPair(np.array([[0.2]]))
    found = of_rows(*pair.sample(400, 1), pair.model(), folds=2)
    assert len(found.folds) == 2
    assert found.p_value == 2 * min(found.folds)


def test_blocks_of_neighbours_are_equal_and_narrow():
    z = RNG.normal(size=(203, 1))
    blocks = neighbourhoods(z)
    assert blocks.shape == (32, 6)
    assert len(np.unique(blocks)) == blocks.size
    assert np.median(np.ptp(z[blocks], axis=1)) < 0.2 * np.std(z)


@pytest.fixture(scope="module")
def linked():
    x, z, noise = np.random.default_rng(2).normal(size=(3, 200))
    return x + z, x + z + noise, z


def test_mmg_trains_once(linked, tmp_path):
    x, y, _ = linked
    found = mmg_nb.independence_test(x, y, "mmg", steps=20, draws=4)
    assert found.how == HELD_OUT
    assert found.p_value == found.estimate.p_value == found.floor == 5 / 1000
    alone = mmg_nb.estimate(x, y, "mmg", steps=20, draws=4)
    assert (alone.mi, alone.p_value) == (found.mi, found.p_value)
    assert mmg_nb.MIResult.load(alone.save(tmp_path / "alone.json")).test == alone.test
    assert "p = 0.005" in found.facts().headline
    said = found.facts().meaning
    assert "999 permutations of rows that no network was trained on" in said
    assert f"The statistic of the test is {found.estimate.test.observed:.1f}. Of 999" in said
    assert found.plot().get_xlabel() == "statistic of the test, standard deviations"


def test_a_condition_that_explains_all_is_respected():
    """Both follow z closely; orders that ignore z would reject at once."""
    z, a, b = np.random.default_rng(3).normal(size=(3, 200))
    found = mmg_nb.estimate(z + 0.3 * a, z + 0.3 * b, "mmg", given=z, steps=20, draws=4)
    assert found.p_value > 0.05
    assert mmg_nb.estimate(z + 0.3 * a, z + 0.3 * b, "mmg", steps=20, draws=4).p_value < 0.05


def test_it_is_silent_where_rows_depend_on_each_other(linked):
    x, y, _ = linked
    in_groups = mmg_nb.estimate(x, y, "mmg", groups=np.arange(200) // 2, steps=20, draws=4)
    assert in_groups.p_value is None
    assert mmg_nb.estimate(x, y, "gcmi").p_value is None
