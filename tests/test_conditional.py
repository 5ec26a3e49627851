"""Conditional information: exact on linear-Gaussian chains, forks and colliders."""

from __future__ import annotations

import numpy as np
import pytest
from chains import MODELS, tangled
from scipy.spatial.distance import cdist
from scipy.special import psi

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.neighbours.search import Dense, Trees
from mmg_nb.results.result import MIResult

N = 2000
closed = pytest.mark.parametrize("name", ["gcmi", "cca"])
models = pytest.mark.parametrize("model", MODELS)
LIMIT = 4.0  # reported standard errors


def test_the_models_are_what_their_names_say():
    assert MODELS["chain"].given == pytest.approx(0, abs=1e-12)
    assert MODELS["fork"].given == pytest.approx(0, abs=1e-12)
    assert MODELS["collider"].alone == pytest.approx(0, abs=1e-12)
    by_hand = 0.5 * np.log((3 / 2) ** 2 / (5 / 4))
    assert MODELS["collider"].given == pytest.approx(by_hand)
    for model in MODELS.values():
        assert abs(model.given - model.alone) > 0.2


@models
@closed
def test_closed_forms_are_right_and_nothing_else(model, name):
    model = MODELS[model]
    x, y, z = model.sample(N, 1)
    found = mmg_nb.estimate(x, y, name, given=z)
    error = found.stderr + 1e-3  # where there is nothing, the pointwise spread vanishes
    assert abs(found.mi - model.given) < LIMIT * error
    for wrong in (model.alone, 2 * model.given + 0.2, model.given / np.log(2) + 0.2):
        assert abs(found.mi - wrong) > LIMIT * error


def test_the_bias_of_few_rows_is_removed():
    model = tangled((3, 3, 4))
    samples = [model.sample(60, seed) for seed in range(60)]
    for correct_bias in (True, False):
        found = [
            mmg_nb.estimate(x, y, "cca", given=z, correct_bias=correct_bias).mi
            for x, y, z in samples
        ]
        off = abs(np.mean(found) - model.given) / (np.std(found) / np.sqrt(60))
        assert bool(off < LIMIT) is correct_bias


@pytest.mark.parametrize("model", ["chain", "fork", "collider"])
@pytest.mark.parametrize("metric", ["euclidean", "chebyshev"])
def test_neighbours_are_right_where_there_are_few_columns(model, metric):
    model = MODELS[model]
    x, y, z = model.sample(N, 2)
    found = mmg_nb.estimate(x, y, "ksg", given=z, metric=metric)
    assert abs(found.mi - model.given) < LIMIT * found.stderr + 0.02
    assert abs(found.mi - model.alone) > LIMIT * found.stderr + 0.02


@pytest.mark.parametrize("metric", ["euclidean", "chebyshev"])
def test_neighbours_follow_the_published_formula(metric):
    """Frenzel & Pompe 2007, written out over all pairs."""
    x, y, z = (v[:120] for v in MODELS["tangled"].sample(N, 0))
    k = 4
    dx, dy, dz = (cdist(v, v, metric) for v in (x, y, z))
    terms = []
    for i in range(120):
        others = np.delete(np.arange(120), i)
        a, b, c = dx[i, others], dy[i, others], dz[i, others]
        radius = np.sort(np.maximum(np.maximum(a, b), c))[k - 1]
        n_z, n_xz, n_yz = ((v < radius).sum() + 1 for v in (c, np.maximum(a, c), np.maximum(b, c)))
        terms.append(psi(k) + psi(n_z) - psi(n_xz) - psi(n_yz))
    fields = {"k": k, "metric": metric, "transform": "none"}
    found = mmg_nb.estimate(x, y, "ksg", given=z, **fields)
    assert found.mi == pytest.approx(np.mean(terms), abs=1e-9)


def test_trees_and_all_distances_count_alike():
    x, y, z = MODELS["collider"].sample(300, 0)
    rows = np.arange(300)
    counts = (kind(x, y, z).given(rows, 5) for kind in (Trees, Dense))
    for a, b in zip(*counts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_result_says_what_it_is_conditioned_on():
    x, y, z = MODELS["tangled"].sample(100, 0)
    result = mmg_nb.estimate(x, y, "gcmi", given=z)
    assert (result.dim_x, result.dim_y, result.dim_z) == (3, 2, 4)
    assert "100 rows, 3×2 given 4" in repr(result)
    assert "about y, given z" in result._repr_mimebundle_()[0]["text/html"]
    assert MIResult.from_json(result.to_json()) == result
    plain = mmg_nb.estimate(x, y, "gcmi")
    assert "given" not in plain._repr_mimebundle_()[0]["text/html"]
    assert "given" not in repr(plain)


def test_a_condition_is_checked_like_x_and_y():
    x, y, z = MODELS["chain"].sample(100, 0)
    for bad, said in (
        (z[:99], "x, y and given must have equal numbers of rows; got 100, 100 and 99."),
        (np.full(100, np.nan), "given must be finite; it has 100 missing"),
        (np.ones(100), "given must vary; every column is constant."),
    ):
        with pytest.raises(MMGError, match=said.replace(".", r"\.")):
            make_pairs(x, y, given=bad)
    pairs = make_pairs(x, y, given=np.c_[z, np.ones(100)])
    assert pairs.notes == (
        "given: 1 constant column(s) were dropped (1). Mutual information is unchanged.",
    )
    np.testing.assert_array_equal(pairs.z, z)


def test_rows_that_differ_in_the_condition_are_no_copies():
    x, y, z = MODELS["chain"].sample(100, 0)
    x, y = np.tile(x[:50], (2, 1)), np.tile(y[:50], (2, 1))
    assert len(set(make_pairs(x, y, given=z).clusters)) == 100
    assert len(set(make_pairs(x, y).clusters)) == 50


def test_estimators_without_a_conditional_form_say_who_has_one():
    x, y, z = MODELS["chain"].sample(100, 0)
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(x, y, "published", given=z)
    assert caught.value.what.startswith("published estimates I(x; y) only, not I(x; y | z)")
    assert "gcmi, cca, ksg" in caught.value.remedy
    with pytest.raises(MMGError, match="variant 1 only"):
        mmg_nb.estimate(x, y, "ksg", given=z, variant=2)


# --- mmg: the networks add what is not Gaussian, and must not add what is not there ------------

SMALL = {"steps": 60, "width": 16, "blocks": 1, "batch": 64, "draws": 8, "folds": 3}
GENERALISING = SMALL | {"steps": 1000, "width": 32}


@models
@pytest.mark.parametrize("gap", ["inner", "cross"])
def test_mmg_is_right_on_gaussian_models_before_it_has_learnt_anything(model, gap):
    model = MODELS[model]
    x, y, z = model.sample(1500, 4)
    found = mmg_nb.estimate(x, y, given=z, gap=gap, **SMALL)
    assert abs(found.mi - model.given) < LIMIT * found.stderr
    assert abs(found.mi - model.alone) > LIMIT * found.stderr
    assert found.dim_z == z.shape[1]
    assert set(found.forms) >= {"inner", "orthogonal", "difference"}


def test_the_plot_says_what_both_branches_know():
    x, y, z = MODELS["collider"].sample(200, 0)
    result = mmg_nb.estimate(x, y, given=z, noised="x", **SMALL)
    labels = [line.get_label() for line in result.plot().get_lines()]
    assert labels[:2] == ["without y given z", "with y given z"]


@pytest.mark.parametrize("noised", ["x", "y"])
def test_either_variable_may_be_noised(noised):
    model = MODELS["tangled"]
    x, y, z = model.sample(1500, 4)
    found = mmg_nb.estimate(x, y, given=z, noised=noised, **SMALL)
    assert abs(found.mi - model.given) < LIMIT * found.stderr


def curved(n, seed, link=0.0):
    """x and y are both curved functions of z, and share `link` of their noise."""
    rng = np.random.default_rng(seed)
    z, common, a, b = rng.normal(size=(4, n))
    rest = np.sqrt(1 - link**2)
    x = np.sin(2 * z) + 0.3 * (link * common + rest * a)
    y = z**2 + 0.3 * (link * common + rest * b)
    return x, y, z, -0.5 * np.log1p(-(link**4))


def test_nothing_is_left_where_the_condition_explains_everything():
    x, y, z, truth = curved(2000, 0)
    assert truth == 0
    found = mmg_nb.estimate(x, y, given=z, **(GENERALISING | {"steps": 600}))
    assert abs(found.mi) < LIMIT * found.stderr + 0.03
    assert mmg_nb.estimate(x, y, "ksg").mi > 0.1


def test_what_the_condition_leaves_is_found():
    x, y, z, truth = curved(2000, 0, link=0.9)
    found = mmg_nb.estimate(x, y, given=z, transform="standardize", **GENERALISING)
    assert 0.55 * truth < found.mi < 1.2 * truth  # hardly trained


def test_a_variable_that_the_condition_determines_is_refused():
    x, y, z = MODELS["tangled"].sample(200, 0)
    with pytest.raises(MMGError, match="x is a function of the condition"):
        mmg_nb.estimate(z[:, :2] @ [[1.0, 2.0], [3.0, 4.0]], y, given=z, transform="standardize")
    kept = mmg_nb.estimate(np.c_[x, z[:, :1]], y, given=z, transform="standardize", **SMALL)
    assert np.isfinite(kept.mi)
