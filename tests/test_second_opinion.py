"""What nearest neighbours say: heard where networks miss something, silent where there is none."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import mmg_nb
from mmg_nb.benchmark import task
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.estimators.mmg import second_look as second_opinion
from mmg_nb.estimators.mmg.second_look import (
    by_columns,
    by_directions,
    by_neighbours,
    by_predictions,
    second_looks,
)
from mmg_nb.estimators.mmg.weak_dependence import WEAK, by_correlations
from mmg_nb.mmse.gap import FORMS, PointValues
from mmg_nb.mmse.standard_error import TrainingErrors, all_parts, undetected_information
from mmg_nb.results.finding import Estimate
from mmg_nb.results.result import NEIGHBOURS
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

NOISE = 0.02
FEW_STEPS = {"steps": 300, "width": 16, "draws": 6, "folds": 2}


def rarely_equal(n, seed):
    """Two normal variables, the same but for `NOISE` in one row of ten, else independent."""
    rng = np.random.default_rng(seed)
    x, y, noise = rng.standard_normal((3, n))
    return x, np.where(rng.random(n) < 0.1, x + NOISE * noise, y)


def truth():
    """Nats of that channel: the mean log-ratio of its density to a standard normal one."""
    x, y = rarely_equal(200_000, seed=1)
    near = np.exp(-((y - x) ** 2) / (2 * NOISE**2) + y**2 / 2) / NOISE
    return float(np.log(0.9 + 0.1 * near).mean())


def test_the_estimate_is_that_of_neighbours_where_networks_do_not_begin_to_learn():
    mi = truth()
    assert 0.1 < mi < 0.15
    result = mmg_nb.estimate(*rarely_equal(2000, seed=0), **FEW_STEPS)
    assert mi / 3 < result.mi < 1.1 * mi
    assert result.mi == pytest.approx(result.forms["inner"].mi + result.error_parts[NEIGHBOURS])
    assert result.forms["inner"].mi < mi / 4
    low, high = result.interval()
    assert low < mi < high
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)
    assert "The estimate is that of nearest neighbours" in result.notes[0]
    assert result.distinguishable
    assert "not distinguishable" not in repr(result)


def test_nothing_is_added_where_there_is_nothing():
    rng = np.random.default_rng(0)
    opinions = [by_neighbours(make_pairs(*rng.standard_normal((2, 500)))) for _ in range(60)]
    added = [undetected_information(opinion, 0.0) for opinion in opinions]
    assert sum(bool(nats) for nats in added) <= 2
    result = mmg_nb.estimate(*rng.standard_normal((2, 500)), **FEW_STEPS)
    assert NEIGHBOURS not in result.error_parts
    assert not any("earest neighbours" in note for note in result.notes)


@pytest.mark.parametrize(("mi", "nats"), [(0.1, 0.4), (0.19, 0.31), (0.21, 0.0), (0.6, 0.0)])
def test_what_may_be_chance_is_not_added(mi, nats):
    assert undetected_information(Estimate(0.5, 0.1), mi) == pytest.approx(nats)
    assert undetected_information(None, mi) == 0.0
    assert undetected_information(Estimate(0.25, 0.1), -mi) == 0.0


def test_a_hint_widens_what_cannot_be_detected():
    points = PointValues(
        *np.zeros((3, 10), dtype=np.int64), np.full((len(FORMS), 10), 0.1), np.zeros((2, 10))
    )

    def parts(knn):
        return all_parts(points, "inner", TrainingErrors(knn=knn), 0.01)

    assert parts(Estimate(0.14, 0.05))["detection"] == 0.01
    hinted = parts(Estimate(0.2, 0.05))
    assert hinted["detection"] == pytest.approx(0.1)
    assert NEIGHBOURS not in hinted
    seen = parts(Estimate(0.3, 0.05))
    assert seen["detection"] == 0.01
    assert seen[NEIGHBOURS] == pytest.approx(0.2)


X = np.random.default_rng(1).standard_normal((60, 4))


@pytest.mark.parametrize(
    "data",
    [
        {"x": X, "y": X[:, :3]},
        {"x": np.arange(60) % 3, "y": np.arange(60) % 2, "discrete": ["x", "y"]},
        {"x": X[:, 0], "y": X[:, 1], "given": X[:, 2]},
        {"x": X[:, 0], "y": X[:, 1], "groups": np.arange(60) // 2},
    ],
    ids=["columns", "categories", "condition", "few groups"],
)
def test_there_is_none_where_neighbours_tell_little_or_too_much(data):
    assert by_neighbours(make_pairs(**data)) is None
    assert by_neighbours(make_pairs(X[:, :3], X[:, 1:4])) is not None


def test_of_many_rows_some_are_enough(monkeypatch):
    x, y = np.random.default_rng(2).standard_normal((2, 400))
    whole = by_neighbours(make_pairs(x[::2], y[::2]))
    monkeypatch.setattr(second_opinion, "MOST_ROWS", 200)
    assert by_neighbours(make_pairs(x, y)) == whole


def test_of_rows_that_depend_on_each_other_one_is_asked():
    """Of copies, and of groups; else the others would be the neighbours of each."""
    x, y = np.random.default_rng(2).standard_normal((2, 100))
    once = by_neighbours(make_pairs(x, y))
    assert by_neighbours(make_pairs(x.repeat(20), y.repeat(20))) == once
    nearly = x.repeat(20) + np.tile(1e-6 * np.arange(20), 100), y.repeat(20)
    assert by_neighbours(make_pairs(*nearly, groups=np.arange(2000) // 20)) == once
    assert by_neighbours(make_pairs(*nearly)).mi > once.mi + 1


def test_a_column_that_hardly_varies_does_no_harm(monkeypatch):
    x, y = np.random.default_rng(2).standard_normal((2, 400))
    monkeypatch.setattr(second_opinion, "MOST_ROWS", 200)
    rare = np.where(np.arange(400) == 1, 0.5, 0.0)
    pairs = make_pairs(np.stack([x, rare], axis=1), y, discrete="none")
    assert by_neighbours(pairs) is None
    assert by_neighbours(make_pairs(x, y)) is not None


def test_whoever_stops_a_run_does_not_wait_for_it(monkeypatch):
    def too_late(pairs):
        raise AssertionError

    monkeypatch.setattr(second_opinion, "by_neighbours", too_late)
    x, y = rarely_equal(500, seed=0)
    result = mmg_nb.estimate(x, y, listen=lambda event: isinstance(event, Step), **FEW_STEPS)
    assert result.status is Status.INTERRUPTED


# --- predictions -------------------------------------------------------------------------------


def striped(n, seed):
    """A label that changes ten times along x, and is wrong in one row of 25."""
    x, other = np.random.default_rng(seed).random((2, n))
    return x, (np.sin(10 * np.pi * x) > 0) ^ (other < 0.04)


def test_a_prediction_takes_the_place_of_a_variable_that_networks_do_not_understand():
    x, y = striped(2000, 0)
    result = mmg_nb.estimate(x, y, steps=300, folds=2, draws=10)
    truth = math.log(2) + 0.04 * math.log(0.04) + 0.96 * math.log(0.96)
    assert 0.4 < result.mi < 0.65
    low, high = result.interval()
    assert low < truth < high
    assert any("replaced by a prediction of y from it" in note for note in result.notes)
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


@pytest.mark.parametrize("labels", [False, True])
def test_predictions_depend_on_nothing_but_the_data(labels):
    from mmg_nb.estimators.mmg.predictions import predicted

    x, noise = np.random.default_rng(4).normal(size=(2, 80, 1))
    y = (x + noise > 0).astype(float) if labels else x + noise
    found = []
    for seed in range(2):
        np.random.seed(seed)  # noqa: NPY002
        found.append(predicted(x, y, np.arange(80) % 2, labels=labels))
    np.testing.assert_array_equal(*found)


def test_predictions_find_nothing_where_there_is_nothing():
    rng = np.random.default_rng(5)
    for n, columns in ((100, 1), (400, 10)):
        for labels in (False, True):
            y = rng.integers(3, size=n) if labels else rng.normal(size=n)
            look = by_predictions(make_pairs(rng.normal(size=(n, columns)), y))
            assert look is None or not look.exceeds(0.03)


def test_a_prediction_is_made_by_models_that_did_not_see_the_row():
    """Of noise, a model that saw the row would predict its label."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(300, 3)), rng.integers(2, size=300)
    look = by_predictions(make_pairs(x, y))
    if look is not None:
        assert abs(np.corrcoef(look.pairs.x[:, 0], y)[0, 1]) < 0.2


def test_more_columns_than_rows_are_left_to_predictions():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 300))
    y = x[:, 0] + 0.5 * rng.normal(size=200)
    fields = {"steps": 100, "folds": 2, "draws": 10}
    result = mmg_nb.estimate(x, y, **fields)
    assert result.mi == pytest.approx(0.5 * math.log(5), abs=2 * result.stderr)
    assert result.stderr < 0.25
    assert "x has 300 columns but only 200 rows" in "".join(result.notes)
    nothing = mmg_nb.estimate(x, rng.normal(size=200), **fields)
    low, high = nothing.interval()
    assert low <= 0 <= high
    assert abs(nothing.mi) < 0.05
    assert "301 columns can hide dependence that 200 rows do not show" in "".join(nothing.notes)
    assert nothing.stderr > math.log(300) / 200


@pytest.mark.parametrize("labels", [False, True])
def test_few_columns_are_found_among_more_than_there_are_rows(labels):
    """Correlation with the best function of x: without a model of few columns 0.90 and 0.77."""
    from mmg_nb.estimators.mmg.predictions import predicted

    rng = np.random.Generator(np.random.SFC64(21))
    x, y = rng.normal(size=(180, 420)), rng.integers(0, 2, 180)
    if labels:
        x[:, 5] += 2.4 * y
        best = x[:, 5]
    else:
        best = x[:, 5] + x[:, 77]
        y = best + 0.5 * rng.normal(size=180)
    found = predicted(x, y[:, None].astype(float), np.arange(180) % 2, labels=labels)
    assert np.corrcoef(found[:, 0], best)[0, 1] > 0.97


def test_a_label_with_one_row_among_many_columns_is_no_error():
    rng = np.random.Generator(np.random.SFC64(22))
    rare = np.arange(160) < 1
    assert by_predictions(make_pairs(rng.normal(size=(160, 170)), rare)) is None


# --- single columns ----------------------------------------------------------------------------


def wave_among_noise(n, seed, columns=5):
    """A fine wave from one column to another one, each among columns of noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, columns))
    where = rng.uniform(size=n)
    x[:, 3], y[:, 1] = where**3, np.exp(np.sin(10 * np.pi * where) + 0.3 * rng.normal(size=n))
    return x, y


def test_two_columns_among_many_are_found_and_others_are_in_the_error():
    x, y = wave_among_noise(1000, 0)
    of_two = mmg_nb.estimate(x[:, 3], y[:, 1], "ksg").mi
    assert of_two > 0.4
    result = mmg_nb.estimate(x, y, steps=200, folds=2, draws=10)
    assert result.mi > 0.5 * of_two
    assert any("single columns: number 4 of x and 2 of y" in note for note in result.notes)
    assert result.error_parts["other columns"] > 0.05
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


def test_the_best_of_many_independent_columns_is_no_find():
    rng = np.random.default_rng(7)
    looks = [by_columns(make_pairs(*rng.normal(size=(2, 300, 8)))) for _ in range(30)]
    assert not any(look.exceeds(0.0) for look in looks)
    assert by_columns(make_pairs(*rng.normal(size=(2, 300, 1)))) is None


# --- directions of many columns ----------------------------------------------------------------


def wave_in_a_direction(n, seed, columns=5):
    """A wave of one column of x in one direction of y, which all columns of y share."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, columns))
    y[:, 0] = np.sin(4 * x[:, 2]) + 0.3 * rng.normal(size=n)
    turn, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    return x, y @ turn


def test_directions_that_are_predicted_are_found_among_many_columns():
    x, y = wave_in_a_direction(700, 0)
    pairs = make_pairs(x, y)
    look, single = by_directions(pairs), by_columns(pairs)
    assert look.estimate.mi > 0.3
    assert look.estimate.mi > 2 * single.estimate.mi
    assert look.pairs.dim_x == 5
    assert look.pairs.dim_y < 3
    assert "y was replaced by its" in look.replacement
    swapped = by_directions(make_pairs(y, x))
    assert swapped.estimate.mi == pytest.approx(look.estimate.mi, abs=1e-9)
    assert "x was replaced by its" in swapped.replacement


def test_networks_are_trained_on_these_directions():
    x, y = wave_in_a_direction(700, 1)
    truth = mmg_nb.estimate(x[:, 2], by_directions(make_pairs(x, y)).pairs.y, "ksg").mi
    result = mmg_nb.estimate(x, y, steps=300, folds=2, draws=8)
    assert result.mi > 0.6 * truth
    assert result.distinguishable
    assert any("direction(s) that are predicted best" in note for note in result.notes)
    assert result.error_parts["other columns"] > 0.05
    assert "nothing found" not in result.error_parts
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


def test_directions_of_independent_columns_are_no_find():
    rng = np.random.default_rng(8)
    for n, columns in ((160, 3), (160, 15), (400, 8), (400, 30)):
        for tail in (1, 3):
            x, y = rng.normal(size=(2, n, columns)) ** tail
            look = by_directions(make_pairs(x, y))
            assert not look.exceeds(0.0), (n, columns, tail)


def test_directions_are_asked_of_many_columns_of_numbers():
    x, y = np.random.default_rng(9).normal(size=(2, 200, 4))
    assert by_directions(make_pairs(x[:, :2], y[:, :2])) is None
    assert by_directions(make_pairs(x, y[:, 0] > 0)) is None
    assert by_directions(make_pairs(x[:120], y[:120])) is None
    assert by_directions(make_pairs(x, y[:, :1])).pairs.dim_x < 3
    repeated = make_pairs(np.repeat(x, 2, 0), np.repeat(y, 2, 0), groups=np.repeat(range(200), 2))
    assert by_directions(repeated).pairs.n_samples == 400


# --- correlations ------------------------------------------------------------------------------


def spread(n, columns, mi, seed):
    """Normal x and y whose dependence is the same in all directions; y is turned at random."""
    rng = np.random.default_rng(seed)
    rho = math.sqrt(-math.expm1(-2 * mi / columns))
    x, noise = rng.normal(size=(2, n, columns))
    turn, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    return x, (rho * x + math.sqrt(1 - rho**2) * noise) @ turn


def test_weak_dependence_that_many_columns_share_is_in_the_error():
    x, y = spread(2000, 30, 0.15, 0)  # least squares would scatter in so many columns
    result = mmg_nb.estimate(x, y, steps=50, folds=2, draws=4, width=16)
    assert result.mi < 0.1
    low, high = result.interval()
    assert low < 0.15 < high
    assert result.error_parts["correlations"] > 0.02
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


def test_correlations_are_asked_for_weak_dependence():
    x, y = spread(400, 4, 0.1, 1)
    assert by_correlations(make_pairs(x, y)).mi < WEAK
    assert by_correlations(make_pairs(x, x + 0.1 * y)) is None
    assert by_correlations(make_pairs(x[:60], y[:60])) is None
    assert by_correlations(replace(make_pairs(x, y), x=np.ones_like(x))) is None


def test_no_correlations_are_asked_for_labels():
    x, y = spread(400, 4, 0.1, 1)
    assert second_looks(make_pairs(x, y), 0.0, None).correlations is not None
    labels = make_pairs(x, y[:, 0] > 0)
    assert second_looks(labels, 0.0, None).correlations is None


@pytest.mark.parametrize("seed", range(3))
def test_normal_columns_share_nothing_beyond_a_linear_map(seed):
    x, y = spread(5000, 3, 0.4, seed)
    found = by_correlations(make_pairs(x, y))
    assert found.mi == pytest.approx(0.4, abs=0.05)  # magnitudes as they are would add 0.1


def test_magnitudes_see_tails_that_columns_share_among_noise():
    rng = np.random.default_rng(11)
    truth = task("student-identity-2-2-1").mi_true
    shared = task("student-identity-2-2-1").sample(4000, seed=3)
    x, y = (np.hstack([each, rng.normal(size=(4000, 4))]) for each in shared)
    found = by_correlations(make_pairs(x, y))
    assert 0.3 * truth < found.mi < truth


def test_a_column_of_one_magnitude_has_no_scores_of_it():
    rng = np.random.default_rng(4)
    sign = np.where(rng.normal(size=400) > 0, 1.0, -1.0)
    x = np.column_stack([sign, rng.normal(size=400)])
    y = sign + 3 * rng.normal(size=400)
    found = by_correlations(make_pairs(x, y, discrete="none"))
    assert 0.0 < found.mi < 0.15


def test_the_plot_names_the_area_of_the_networks_beside_the_estimate_of_neighbours():
    result = mmg_nb.estimate(*rarely_equal(2000, seed=0), **FEW_STEPS)
    axes = result.plot()
    texts = [each.get_text() for part in (axes, *axes.child_axes) for each in part.texts]
    texts += [part.get_title(side) for part in axes.child_axes for side in ("left", "right")]
    (named,) = (text for text in texts if "area" in text)
    assert "2·MI" not in named
    assert "nearest neighbours find more" in named
    area = float(re.search(r"area = (-?[\d.]+)", named)[1])
    assert area == pytest.approx(2 * result.forms["inner"].mi, abs=0.001)


def wave(n, seed, periods=8.0, noise=0.5):
    """A wave of many periods, with noise, and the mutual information by integration."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    y = np.sin(2 * np.pi * periods * x) + noise * rng.standard_normal(n)
    grid, phase = np.linspace(-4, 4, 2001), np.linspace(0, 2 * np.pi, 2001)
    density = np.exp(-((grid[:, None] - np.sin(phase)) ** 2) / (2 * noise**2)).mean(1)
    density /= noise * math.sqrt(2 * math.pi)
    entropy = -float(np.sum(density * np.log(density))) * (grid[1] - grid[0])
    return x, y, entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)


@pytest.mark.parametrize(("n", "periods"), [(500, 8), (5000, 80)])
def test_predictions_show_a_wave_of_which_neighbours_see_nothing(n, periods):
    x, y, truth = wave(n, 3, periods)
    pairs = make_pairs(x, y)
    assert by_neighbours(pairs).mi < truth / 10
    looks = second_looks(pairs, 0.0, None)
    assert looks.look.exceeds(0.0)
    assert truth - 0.15 < looks.best.mi < truth + 0.05


@pytest.mark.accuracy
@pytest.mark.parametrize("seed", range(3))
def test_few_rows_of_a_wave_of_many_periods_are_enough(seed):
    x, y, truth = wave(500, seed)
    result = mmg_nb.estimate(x, y, seed=seed)
    low, high = result.interval()
    assert low < truth < high
    assert result.mi == pytest.approx(truth, abs=0.15)
