"""The default estimator from arrays to result, at small budgets."""

from __future__ import annotations

import _thread
import json
import math
import signal
import threading
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracle import PAIRS, GaussianPair, mixed

import mmg_nb
from mmg_nb.benchmark import task
from mmg_nb.estimators.mmg import (
    anchor_stage,
    canonical_pairs,
    pipeline,
    sizes,
    training_stages,
)
from mmg_nb.estimators.mmg.canonical_pairs import CanonicalPairs
from mmg_nb.estimators.mmg.fields import EFFORT_STEPS, MMG
from mmg_nb.estimators.mmg.fit import concatenated
from mmg_nb.estimators.mmg.pair_fit import PairsDiverged
from mmg_nb.estimators.mmg.pipeline import STAGES
from mmg_nb.estimators.mmg.second_look import SecondLooks
from mmg_nb.estimators.mmg.sizes import (
    batch_for,
    draws_for,
    share_without_y,
    steps_for,
    validation_draws,
    width_for,
)
from mmg_nb.estimators.mmg.training_stages import RadialGain, TrainingStage
from mmg_nb.mmse import gap
from mmg_nb.mmse.diagnosis import diagnose
from mmg_nb.mmse.evaluation import Measurement
from mmg_nb.mmse.gap import PointValues
from mmg_nb.mmse.standard_error import TrainingErrors, all_parts, null_standard_error
from mmg_nb.nets.mlp import ResidualMLP
from mmg_nb.polling import Stopped
from mmg_nb.results.curves import MMSECurve, TrainingHistory
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Finished, Phase, Snapshot, Started, Step, Working
from mmg_nb.training.loop import TrainingOutcome
from mmg_nb.training.stopping import FEW_STEPS, Ended
from mmg_nb.training.validation import Validation

pytestmark = pytest.mark.usefixtures("predicted_once")
LIMIT = 4.0  # reported standard errors
SMALL = {"steps": 60, "width": 16, "blocks": 1, "batch": 64, "draws": 6, "folds": 3}
FORMS = ("inner", "cross", "orthogonal", "difference")
PAIR = PAIRS["1x1"]
X, Y = PAIR.sample(200, 0)
TRACE = 1e-3 * np.random.default_rng(5).normal(size=X.shape)  # of noise: else it is a function


def estimate(x=X, y=Y, **fields):
    return mmg_nb.estimate(x, y, **(SMALL | fields))


def content(result):
    """Everything but the wall time."""
    data = result.to_dict()
    del data["provenance"]["seconds"]
    return json.dumps(data)


def assert_usable(result):
    assert math.isfinite(result.mi)
    assert result.stderr > 0
    assert all(math.isfinite(f.mi) and math.isfinite(f.stderr) for f in result.forms.values())
    assert np.isfinite(result.curve.mse).all()
    assert np.isfinite(result.pointwise.mi).all()
    assert MIResult.from_json(result.to_json()) == result
    assert repr(result)


# --- seeds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"gap": "cross"}, {"folds": 1}])
def test_equal_seeds_give_equal_results_to_the_last_bit(fields):
    torch.manual_seed(1)
    first = estimate(seed=5, **fields)
    torch.manual_seed(2)  # nothing global is read
    np.random.seed(2)  # noqa: NPY002
    assert content(estimate(seed=5, **fields)) == content(first)


def test_other_seeds_give_other_results():
    assert len({estimate(seed=seed).mi for seed in range(3)}) == 3


@cache
def plain():
    """The estimate that others are compared with."""
    return estimate()


def test_watching_changes_nothing():
    seen = []
    watched = estimate(listen=seen.append)
    assert content(watched) == content(plain())
    assert seen


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    estimate(folds=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_global_settings_are_left_alone():
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    estimate(steps=0)
    after = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    assert after == before


# --- events and the result ---------------------------------------------------------------------


def kinds(events):
    """Names of events, repetitions told once, without signs of life: these follow the clock."""
    names = [
        f"{type(e).__name__}:{e.name}" if isinstance(e, Phase) else type(e).__name__
        for e in events
        if not isinstance(e, Working)
    ]
    return [a for a, b in zip(names, [None, *names], strict=False) if a != b]


def planned(events):
    """The steps that the start of the run announces."""
    return next(e.total_steps for e in events if isinstance(e, Started))


def test_events_come_in_order():
    events = []
    result = estimate(listen=events.append)
    assert kinds(events) == [
        "FirstEstimate",
        "Started",
        "Phase:anchor",
        "Phase:training",
        "Snapshot",
        "Step",
        "Snapshot",
        "Phase:evaluation",
        "Step",
        "Finished",
    ]
    assert events[1] == Started("mmg", 200, 1, 1, "cpu", 60)
    assert events[-1] == Finished(result)
    at = events.index(Phase("evaluation"))
    steps = [e for e in events[:at] if isinstance(e, Step)]
    assert [e.step for e in steps] == list(range(1, 61))
    assert {e.total_steps for e in steps} == {60}
    measured = [e for e in events[at:] if isinstance(e, Step)]
    assert measured[-1].step == measured[-1].total_steps == len(measured)


def heavy_tailed(n, seed):
    """Two columns each, of one common scale: uncorrelated, but far from independent."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=(n, 1)))
    return scale * rng.normal(size=(n, 2)), scale * rng.normal(size=(n, 2))


@cache
def of_heavy_tails():
    """Events and result of two trainings, for lengths and for everything else."""
    events = []
    return events, estimate(*heavy_tailed(400, 0), steps=200, listen=events.append)


def test_both_trainings_are_counted_as_one():
    events, result = of_heavy_tails()
    assert planned(events) == 200 + 100
    at = events.index(Phase("evaluation"))
    steps = [e for e in events[:at] if isinstance(e, Step)]
    snapshots = [e.step for e in events[:at] if isinstance(e, Snapshot)]
    assert [e.step for e in steps] == list(range(1, len(steps) + 1))
    assert all(e.step <= e.total_steps <= 300 for e in steps)
    assert snapshots == sorted(snapshots)
    assert result.history.step.tolist() == snapshots


def stages(n, dim_x, dim_y):
    """The stages that train data of such a size."""
    return [s for s in STAGES if isinstance(s, TrainingStage) and s.suits(n, dim_x, dim_y)]


@pytest.mark.parametrize(
    ("n", "dim", "wide", "shares"),
    [
        (2500, 2, 2, [0.5, 1]),
        (2501, 2, 2, [1]),
        (100, 1, 1, [1]),
        (100, 6, 6, [0.5, 1]),
        (174, 7, 7, [0.5, 1]),
        (175, 7, 7, [0.5, 1, 1]),
        (2501, 24, 256, [1, 1]),
        (2501, 24, 257, [1]),
    ],
)
def test_what_is_simpler_comes_first(n, dim, wide, shares):
    """Lengths where rows are few, and of many columns what the anchor has found."""
    assert [stage.share_of_steps for stage in stages(n, dim, wide)] == shares


def test_many_columns_are_learnt_gently_and_validated_often():
    assert stages(10_000, 24, 24)[0].rate_for(24) == 0.5
    assert [validation_draws(dim) for dim in (6, 24, 256)] == [2048, 4 * 2048, 2048]


@pytest.mark.parametrize(("rows_per_column", "draws", "steps"), [(22, 2048, 6), (18, 2731, 10)])
def test_validation_and_planned_steps_follow_the_line_of_a_stage(
    monkeypatch, rows_per_column, draws, steps
):
    """Of 150 rows there are 22 a column neither for eight columns nor for seven."""
    with_stages(monkeypatch, rows_per_column=rows_per_column)
    seen, prepare = [], Validation.prepare

    def spy(rows, grid, draws, *rest):
        seen.append(draws)
        return prepare(rows, grid, draws, *rest)

    monkeypatch.setattr(Validation, "prepare", spy)
    x, y = np.random.default_rng(0).normal(size=(2, 150, 8))
    events = []
    mmg_nb.estimate(x, y, **(SMALL | {"steps": 4}), listen=events.append)
    assert seen == [draws]
    assert planned(events) == steps


def test_the_pipeline_is_the_table_of_contents_of_the_method():
    names = [type(stage).__name__ for stage in STAGES]
    assert names == [
        "RegressionAnchor",
        "RadialGain",
        "InformativeDirections",
        "FullNetwork",
        "CanonicalPairs",
    ]
    assert all(stage.phase for stage in STAGES)


def test_a_stage_is_left_out_by_a_line(monkeypatch):
    _, whole = of_heavy_tails()
    without = tuple(stage for stage in STAGES if not isinstance(stage, RadialGain))
    monkeypatch.setattr(pipeline, "STAGES", without)
    events = []
    less = estimate(*heavy_tailed(400, 0), steps=200, listen=events.append)
    assert planned(events) == 200
    assert whole.history.step[-1] > 200 >= less.history.step[-1]


def test_the_steps_told_at_first_suffice_whatever_columns_are_dropped():
    """Eight of nine columns differ: of 200 rows nine are too many for a stage of their own."""
    x, y = np.random.default_rng(0).normal(size=(2, 200, 8))
    events = []
    mmg_nb.estimate(x[:, [*range(8), 0]], np.c_[y, y[:, 0]], steps=4, listen=events.append)
    at = events.index(Phase("evaluation"))
    done = [e for e in events[:at] if isinstance(e, Step)]
    assert planned(events) == done[-1].step == 2 + 4 + 4


@pytest.mark.accuracy
def test_of_many_columns_both_what_the_anchor_finds_and_what_it_does_not_is_learnt():
    """The linear pair tells 0.51 nats, and an even one, which no linear map sees, more.

    1.5 to 1.6 nats in all, whatever the seed; with half the steps 0.6 to 1.6.
    """
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4000, 8))
    y[:, 0] = 0.8 * x[:, 0] + 0.6 * y[:, 0]
    y[:, 3] = x[:, 3] ** 2 + 0.3 * y[:, 3]
    events = []
    fields = {"steps": 1600, "width": 32, "folds": 1, "draws": 10, "seed": 0}
    result = mmg_nb.estimate(x, y, **fields, listen=events.append)
    assert planned(events) == 1600 + 1600
    anchor_alone = mmg_nb.estimate(x, y, **(fields | {"steps": 0})).mi
    assert anchor_alone < 0.6
    assert result.mi > anchor_alone + 0.3


def test_what_lengths_tell_is_learnt_first_and_kept():
    """Student's t, 5 + 5 columns: a linear map, the wrong answer, tells nothing at all."""
    dense = task("student-identity-5-5-2")
    x, y = dense.sample(1000, 0)
    fields = {"steps": 300, "width": 32, "folds": 3, "draws": 10, "seed": 0}
    result = mmg_nb.estimate(x, y, **fields)
    history = result.history
    begun = int(np.flatnonzero(np.diff(history.step) == 0)[0]) + 1
    assert history.step[begun] == 150
    assert abs(history.mi[0]) < 0.15 * dense.mi_true
    assert history.mi[begun] > 0.5 * dense.mi_true
    assert result.mi == pytest.approx(dense.mi_true, abs=LIMIT * result.stderr)
    linear = mmg_nb.estimate(x, y, **(fields | {"steps": 0})).forms["inner"].mi
    assert abs(linear) < 0.15 * dense.mi_true


@pytest.mark.parametrize(("kept_at", "late"), [(0, 0.3), (40, 0.1)])
def test_a_late_gain_of_lengths_counts_unless_more_is_learnt_after_it(kept_at, late):
    def outcome(kept_at, late_gain):
        history = TrainingHistory(np.array([0, 50]), np.zeros(2), np.zeros(2))
        return TrainingOutcome(
            None, None, Ended.CONVERGED, history, 50, kept_at, late_gain, not kept_at
        )

    found = concatenated(outcome(50, 0.3), outcome(kept_at, 0.1))
    assert found.late_gain == late
    assert found.steps == 100
    assert not found.too_few_steps
    assert concatenated(outcome(0, 0), outcome(0, 0)).too_few_steps
    assert found.history.step.tolist() == [0, 50, 50, 100]


def test_live_values_do_not_look_at_evaluation_points():
    """Other pairings among the evaluation rows: the result changes, no snapshot does."""

    def run(y):
        seen = []
        result = estimate(X, y, folds=1, listen=seen.append)
        return result, [e for e in seen if isinstance(e, Snapshot)]

    result, snapshots = run(Y)
    rows = np.sort(result.pointwise.index)
    other = Y.copy()
    other[rows] = Y[rows[::-1]]
    changed, again = run(other)
    assert changed.mi != result.mi
    assert len(snapshots) == len(again) == 2
    for a, b in zip(snapshots, again, strict=True):
        assert (a.mi, a.loss) == (b.mi, b.loss)
        np.testing.assert_array_equal(a.gap, b.gap)


def test_fewer_rows_get_fewer_steps():
    normal, quick = EFFORT_STEPS["normal"], EFFORT_STEPS["quick"]
    assert steps_for(MMG(), 10_000) == steps_for(MMG(), 1_000_000) == normal
    assert steps_for(MMG(), 2500) == normal / 2
    assert quick < steps_for(MMG(), 1000) < steps_for(MMG(), 5000) < normal
    assert steps_for(MMG(effort="quick"), 100) == quick
    assert steps_for(MMG(steps=7), 100) == 7
    high, most = (steps_for(MMG(effort="high"), n) for n in (500, 10_000))
    assert high < 1.5 * steps_for(MMG(), 500), "many more steps overfit 500 rows"
    assert most > 5 * steps_for(MMG(), 10_000)


@pytest.mark.parametrize(
    ("n", "dim", "enough"),
    [(1000, 3, True), (1000, 8, False), (10_000, 24, True), (900, 3, True), (899, 3, False)],
)
def test_only_the_full_network_yields_and_only_to_pairs_that_can_be_fitted(n, dim, enough):
    *first, last = stages(n, dim, dim)

    def above(stage, **fields):
        return stage.yields_above(SimpleNamespace(config=MMG(**fields), n_samples=n), dim)

    assert above(last) == above(last, effort="high") == (0.2 if enough else None)
    assert above(last, effort="quick") is above(last, steps=7) is None
    assert all(above(stage) is None for stage in first)


def with_stages(monkeypatch, **changes):
    """Other thresholds of the stages, each for those that have it."""
    changed = tuple(
        replace(each, **{k: v for k, v in changes.items() if hasattr(each, k)}) for each in STAGES
    )
    monkeypatch.setattr(pipeline, "STAGES", changed)


def test_a_stop_while_pairs_are_learnt_keeps_what_was_learnt_before(monkeypatch):
    with_stages(monkeypatch, still_improving=-1.0, rows_for_pairs=0)
    monkeypatch.setattr(sizes, "EFFORT_STEPS", {"quick": 300, "normal": 300, "high": 300})
    phases = []

    def listen(event):
        phases.extend([event.name] if isinstance(event, Phase) else [])
        return isinstance(event, Step) and phases[-1] == "canonical pairs"

    result = mmg_nb.estimate(X, X**3 + TRACE, listen=listen, **(SMALL | {"steps": None}))
    assert phases == ["anchor", "training", "canonical pairs", "evaluation"]
    assert result.status is Status.INTERRUPTED
    assert result.history.step[-1] == 100
    assert not any("features of x and of y" in note for note in result.notes)
    assert_usable(result)


def test_pairs_are_sought_by_those_who_have_the_time():
    assert MMG().seeks_pairs
    assert MMG(effort="high").seeks_pairs
    assert not MMG(effort="quick").seeks_pairs
    assert not MMG(steps=5000).seeks_pairs


def precise(monkeypatch, columns=3, **fields):
    """An estimate of 14.5 nats from 3 000 rows: pairs of columns that are turned in x and in y."""
    monkeypatch.setattr(sizes, "EFFORT_STEPS", dict.fromkeys(EFFORT_STEPS, 900))
    x, y = task(f"high_mi-spiral-{columns}-2000").sample(3000, seed=1)
    return mmg_nb.estimate(x, y, seed=1, folds=1, draws=6, **fields)


@pytest.mark.accuracy
def test_what_is_told_precisely_is_learnt_first(monkeypatch):
    """10.8 nats in so few steps; 7.2 from scores of ranks, 5.8 without pairs."""
    result = precise(monkeypatch)
    assert any("features of x and of y" in note for note in result.notes)
    assert 9.5 < result.mi < 14.5
    assert result.error_parts["canonical pairs"] > 0.1
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


@pytest.mark.accuracy
def test_less_is_found_from_scores_of_ranks_and_without_pairs(monkeypatch):
    assert precise(monkeypatch, transform="normal_scores").mi < 8.5
    monkeypatch.setattr(MMG, "seeks_pairs", False)
    plain = precise(monkeypatch)
    assert plain.mi < 7
    assert "canonical pairs" not in plain.error_parts


@pytest.mark.accuracy
def test_of_many_columns_it_is_learnt_after_what_is_simpler(monkeypatch):
    """9.9 nats; 6.0 of a training that does not give way, for it has learnt most in its stages."""
    result = precise(monkeypatch, columns=8)
    assert 8.5 < result.mi < 14.5
    monkeypatch.setattr(MMG, "seeks_pairs", False)
    plain = precise(monkeypatch, columns=8)
    assert plain.mi < 7
    assert plain.error_parts["late learning"] > 0.5
    assert 0.1 < result.error_parts["canonical pairs"] < result.mi - plain.mi + 0.5


@pytest.mark.parametrize(
    ("config", "ended", "late", "mi", "rows", "wanted"),
    [
        (MMG(), Ended.CONVERGED, 0.6, 4.0, 400, True),
        (MMG(), Ended.STEP_LIMIT, 0.6, 4.0, 400, True),
        (MMG(), Ended.CONVERGED, 0.6, 4.0, 200, False),
        (MMG(), Ended.CONVERGED, 0.4, 4.0, 400, False),
        (MMG(), Ended.CONVERGED, 0.6, 2.0, 400, False),
        (MMG(), Ended.CONVERGED, None, 4.0, 400, False),
        (MMG(), Ended.INTERRUPTED, 0.6, 4.0, 400, False),
        (MMG(effort="quick"), Ended.CONVERGED, 0.6, 4.0, 400, False),
        (MMG(steps=5000), Ended.CONVERGED, 0.6, 4.0, 400, False),
    ],
)
def test_pairs_are_wanted_where_much_is_learnt_late(config, ended, late, mi, rows, wanted):
    history = TrainingHistory(np.array([0, 50]), np.zeros(2), np.array([0.0, mi]))
    training = TrainingOutcome(None, None, ended, history, 50, 50, late, False)
    problem = SimpleNamespace(config=config, n_samples=rows * 2, stages=STAGES)
    fit = SimpleNamespace(training=training, dims=(2, 2))
    pairs = CanonicalPairs()
    assert pairs.applies(problem, fit) is wanted
    fit.training = replace(training, ended=Ended.STILL_IMPROVING)
    assert pairs.applies(problem, fit)
    assert not pairs.applies(problem, None)


@pytest.mark.parametrize("yields", [True, False])
def test_pairs_that_come_to_less_leave_what_was_learnt_before(monkeypatch, yields):
    """As it is; or another training corrects one that ended early for them."""
    worth = -1.0 if yields else math.inf
    with_stages(
        monkeypatch, still_improving=worth, min_mi=-1.0, min_late_gain=-1.0, rows_for_pairs=0
    )
    monkeypatch.setattr(sizes, "EFFORT_STEPS", {"quick": 150, "normal": 150, "high": 150})
    train, statuses = training_stages.train, []

    def worse(*arguments, **fields):
        outcome = train(*arguments, **fields)
        statuses.append(outcome.status)
        history = replace(outcome.history, mi=outcome.history.mi - 10 * (len(statuses) == 2))
        return replace(outcome, history=history)

    for module in (training_stages, canonical_pairs):
        monkeypatch.setattr(module, "train", worse)
    events = []
    fields = SMALL | {"steps": None, "listen": lambda event: events.append(event)}
    result = mmg_nb.estimate(X, X**3 + TRACE, **fields)
    steps = [event.step for event in events if isinstance(event, Snapshot)]
    assert steps == sorted(steps)
    phases = [event.name for event in events if isinstance(event, Phase)]
    assert phases[:2] == ["anchor", "training"]
    assert phases[2:] == ["canonical pairs", *["training"] * (2 if yields else 1), "evaluation"]
    assert result.history.mi.min() > -9
    assert len(statuses) == (3 if yields else 2)
    assert result.status is statuses[2 if yields else 0]
    assert result.history.step[-1] == (100 + 150 if yields else 150)
    assert "canonical pairs" not in result.error_parts


@pytest.mark.parametrize(
    ("n", "columns", "width", "features"),
    [(900, 1, None, 32), (11_000, 1, None, 64), (900, 1, 24, 24), (900, 2, None, 64)],
)
def test_features_of_one_column_are_small(monkeypatch, n, columns, width, features):
    seen = []

    def fit_pairs(*arguments, width, **fields):
        seen.append(width)
        raise PairsDiverged

    monkeypatch.setattr(canonical_pairs, "fit_pairs", fit_pairs)
    values = torch.zeros(1, 80, columns)
    rows = SimpleNamespace(samples=SimpleNamespace(x=values, y=values), count=torch.tensor([80]))
    run = SimpleNamespace(random=None, listen=None)
    problem = SimpleNamespace(config=MMG(width=width), n_samples=n, run=run)
    with pytest.raises(PairsDiverged):
        CanonicalPairs().fitted(problem, SimpleNamespace(rows=rows, held=None))
    assert seen == [features]


def test_steps_asked_for_are_done_whatever_they_gain(monkeypatch):
    with_stages(monkeypatch, still_improving=-1.0, rows_for_pairs=0)
    result = estimate(X, X**2 + TRACE, steps=120)
    assert result.history.step[-1] == 120


def test_many_rows_get_larger_batches_and_fewer_of_them_without_y():
    sizes = (40, 10_000, 20_000, 100_000, 10_000_000)
    assert [batch_for(MMG(), n) for n in sizes] == [256, 256, 388, 1020, 1024]
    assert batch_for(MMG(batch=100), 100_000) == 100
    shares = [share_without_y(n, 1, conditional=False) for n in (9999, 10_000)]
    assert shares == [0.5, 0.25]
    assert share_without_y(10_000, 1, conditional=True) == 0.5
    assert share_without_y(10_000, 2, conditional=False) == 0.5


def test_fewer_rows_get_a_narrower_network():
    found = [width_for(MMG(), n) for n in (40, 200, 1000, 5000, 10_000, 1_000_000)]
    assert found == [32, 32, 32, 48, 64, 64]
    assert width_for(MMG(width=48), 100) == 48


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"denoiser": 32, "anchor": (64, 2500), "condition": (64, 2500)}),
        ({"effort": "quick"}, {"denoiser": 32, "anchor": (64, 500), "condition": (64, 500)}),
        ({"width": 16, "steps": 9}, {"denoiser": 16, "anchor": (16, 4), "condition": (16, 4)}),
    ],
)
def test_regressions_are_as_wide_and_as_long_for_few_rows(fields, expected, monkeypatch):
    """They learn functions that no number of rows makes simpler."""
    asked = {}

    def spied(module, name, part, build):
        def spy(*args, **kwargs):
            asked[part] = (kwargs["width"], kwargs["steps"]) if build else kwargs["width"]
            return original(*args, **(kwargs | {"steps": 0} if build else kwargs))

        original = getattr(module, name)
        monkeypatch.setattr(module, name, spy)

    spied(anchor_stage, "fit_anchor", "anchor", True)
    spied(anchor_stage, "without_condition", "condition", True)
    spied(training_stages, "ResidualDenoiser", "denoiser", False)

    def stop(event):
        return isinstance(event, Step)

    mmg_nb.estimate(X, Y, given=X + Y, listen=stop, **fields)
    assert asked == expected


def test_few_points_are_measured_at_more_levels():
    found = [draws_for(MMG(), n) for n in (100, 1000, 2000, 3000, 1_000_000)]
    assert found == [60, 60, 30, 20, 20]
    assert draws_for(MMG(draws=7), 100) == 7


def test_the_result_tells_what_its_error_is_made_of():
    result = plain()
    assert list(result.error_parts) == ["sampling", "members", "late learning", "detection"]
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)
    assert result.error_parts["detection"] == null_standard_error(200, 1, 1)


def test_where_nothing_is_found_every_column_may_hide_something():
    other = np.random.default_rng(5).normal(size=(200, 2))
    result = estimate(other, Y)
    assert abs(result.mi) < 0.05
    assert result.error_parts["nothing found"] == 2 * 3 / 200
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


def test_what_was_learnt_late_is_part_of_the_error(monkeypatch):
    monkeypatch.setattr(pipeline, "second_looks", lambda *_: SecondLooks())  # no second run
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)
    result = estimate(np.abs(y) + 0.3 * rng.normal(size=1000), y, steps=200, width=32)
    step, mi = result.history.step, result.history.mi
    gain = float(mi[-1] - np.interp(step[-1] / 2, step, mi))
    assert 0.02 < gain < result.mi
    assert result.error_parts["late learning"] == pytest.approx(gain)
    assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)


def test_the_forms_lag_by_different_powers():
    """A branch that lags by a share k of the gap biases the forms by −k, −2k and −k²."""
    values = np.full((len(FORMS), 10), 2.0)
    none = np.zeros(10, dtype=int)
    points = PointValues(np.arange(10), np.arange(10), none, values, np.zeros((2, 10)))
    late = {
        form: all_parts(points, form, TrainingErrors(late_gain=0.4), 0.0)["late learning"]
        for form in FORMS
    }
    assert late == pytest.approx(
        {"inner": 0.4, "orthogonal": 0.8, "difference": 0.08, "cross": 0.08}
    )
    assert "late learning" not in all_parts(points, "inner", TrainingErrors(), 0.0)


@pytest.mark.parametrize("shape", [(), (4, 4)])
def test_the_clusters_of_the_validation_rows_reach_the_validation(monkeypatch, shape):
    seen = []
    prepare = Validation.prepare

    def spy(rows, grid, draws, generator, clusters=None):
        seen.append((rows.count.tolist(), clusters))
        return prepare(rows, grid, draws, generator, clusters)

    monkeypatch.setattr(Validation, "prepare", spy)
    x = np.random.default_rng(0).normal(size=(200, *shape))
    y = x + 0.1 * np.random.default_rng(1).normal(size=x.shape)
    mmg_nb.estimate(x, y, steps=2, folds=2, groups=np.arange(200) // 4)
    ((count, clusters),) = seen
    assert [len(labels) for labels in clusters] == count
    assert all((np.unique(labels, return_counts=True)[1] == 4).all() for labels in clusters)


def test_the_result_tells_what_was_run():
    result = estimate(np.c_[X, -X[::-1]], Y, seed=3, learning_rate=1e-3, noised="x")
    assert (result.estimator, result.n_samples, result.dim_x, result.dim_y) == ("mmg", 200, 2, 1)
    assert {k: result.fields[k] for k in SMALL} == SMALL
    assert (result.fields["learning_rate"], result.fields["effort"]) == (1e-3, "normal")
    assert result.provenance["seed"] == 3
    assert result.provenance["device"] == "cpu"
    assert result.provenance["seconds"] > 0
    assert result.provenance["versions"]["torch"] == torch.__version__.split("+")[0] or (
        result.provenance["versions"]["torch"] == torch.__version__
    )
    assert result.bits == pytest.approx(result.mi / math.log(2))
    assert result.history.step.tolist() == [0, 30, 30, 90]  # lengths first, then everything


@pytest.mark.parametrize("gap", FORMS)
@pytest.mark.parametrize("folds", [1, 3])
def test_every_form_is_reported_with_its_error(gap, folds):
    result = estimate(gap=gap, folds=folds)
    assert result.gap == gap
    assert result.mi == result.forms[gap].mi
    assert result.stderr == pytest.approx(result.forms[gap].stderr, rel=1e-12)
    assert set(result.forms) == set(result.curve.gaps) == set(result.curve.stderrs)
    assert set(result.forms) == (set(FORMS) if gap == "cross" else set(FORMS) - {"cross"})
    mi = {form: f.mi for form, f in result.forms.items()}
    assert mi["difference"] == pytest.approx(2 * mi["inner"] - mi["orthogonal"], abs=1e-6)
    width = result.curve.width.sum()
    assert width == pytest.approx(np.ptp(result.curve.logsnr) + result.curve.width[0])
    assert_usable(result)


@pytest.mark.parametrize(("folds", "share"), [(1, 0.25), (3, 1.0), (5, 1.0)])
def test_every_row_that_is_read_is_told_once(folds, share):
    result = estimate(folds=folds)
    assert len(result.pointwise.index) == len(set(result.pointwise.index)) == 200 * share
    assert (result.pointwise.stderr > 0).all()
    form = "cross" if "cross" in result.forms else "difference"
    assert result.pointwise.mi.mean() == pytest.approx(result.forms[form].mi)


def test_results_survive_json_and_files(tmp_path):
    result = estimate(groups=np.arange(200) // 4)
    assert MIResult.from_json(result.to_json()) == result
    assert MIResult.load(result.save(tmp_path / "r.json")) == result
    assert content(MIResult.from_json(result.to_json())) == content(result)


# --- stops -------------------------------------------------------------------------------------

MOMENTS = {
    "training": lambda e: e == Phase("training"),
    "first_snapshot": lambda e: isinstance(e, Snapshot),
    "first_step": lambda e: isinstance(e, Step),
    "later_step": lambda e: isinstance(e, Step) and e.step == 17,
}
EARLY = {
    "started": lambda e: isinstance(e, Started),
    "anchor": lambda e: e == Phase("anchor"),
    "always": lambda e: True,
}


@pytest.mark.parametrize("moment", EARLY)
def test_a_stop_before_anything_is_known_says_so(moment):
    with pytest.raises(Stopped, match="stopped before anything was estimated") as caught:
        estimate(listen=EARLY[moment])
    assert caught.value.remedy


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_true_answer_to_any_event_stops_the_run(moment):
    events = []

    def listen(event):
        events.append(event)
        return MOMENTS[moment](event)

    result = estimate(listen=listen)
    trained = sum(isinstance(e, Step) for e in events[: events.index(Phase("evaluation"))])
    assert trained == {"later_step": 17, "first_step": 1}.get(moment, trained) <= 17
    assert result.status is Status.INTERRUPTED
    assert events[-1] == Finished(result)
    assert_usable(result)


def test_a_stop_during_evaluation_keeps_the_rows_measured_by_then():
    evaluating = []

    def listen(event):
        evaluating.extend([event] if evaluating or event == Phase("evaluation") else [])
        return sum(isinstance(each, Step) for each in evaluating) >= 2

    stopped, whole = estimate(listen=listen), estimate()
    assert stopped.status is Status.INTERRUPTED
    known = len(stopped.pointwise.mi)
    assert 0 < known < len(whole.pointwise.mi)
    assert np.array_equal(stopped.pointwise.mi, whole.pointwise.mi[:known])
    assert_usable(stopped)


def test_a_stop_at_the_beginning_of_evaluation_measures_few_rows():
    evaluating = []

    def listen(event):
        evaluating.extend([event] if event == Phase("evaluation") else [])
        return bool(evaluating)

    stopped = estimate(listen=listen)
    assert stopped.status is Status.INTERRUPTED
    assert_usable(stopped)


def test_a_stop_in_the_anchor_gives_the_estimate_of_the_anchor():
    shares = []

    def listen(event):
        shares.extend([event.share] if isinstance(event, Working) and event.share else [])
        return len(shares) == 2

    x, y = mixed(2, 2).sample(3000, 0)
    stopped = mmg_nb.estimate(x, y, listen=listen)
    assert 0 < shares[0] < shares[1] < 1
    assert stopped.status is Status.INTERRUPTED
    assert "more steps" not in " ".join(stopped.notes)  # the status says to run it to the end
    assert_usable(stopped)
    assert abs(stopped.mi - mixed(2, 2).mi) < 0.3 * mixed(2, 2).mi


@pytest.fixture
def handler():
    """The handler of interrupts before and, checked here, after."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_inside_a_listener_stops_the_run(moment):
    raised = []

    def listen(event):
        if not raised and MOMENTS[moment](event):
            raised.append(event)
            signal.raise_signal(signal.SIGINT)

    result = estimate(listen=listen)
    assert raised
    assert result.status is Status.INTERRUPTED
    assert_usable(result)


@pytest.mark.usefixtures("handler")
def test_interrupts_at_random_moments_leave_a_usable_result():
    rng = np.random.default_rng(0)
    took = estimate().provenance["seconds"]
    statuses = []
    for delay in rng.uniform(0, 1.1 * took, 20):
        timer = threading.Timer(delay, _thread.interrupt_main)

        def listen(event, timer=timer):
            if isinstance(event, Started):
                timer.start()
            elif isinstance(event, Finished):
                timer.cancel()
                timer.join()

        try:
            result = estimate(listen=listen)
        except Stopped:  # before anything was estimated
            continue
        assert_usable(result)
        statuses.append(result.status)
    assert statuses.count(Status.INTERRUPTED) >= 5
    assert Status.DIVERGED not in statuses


@pytest.mark.usefixtures("handler")
def test_a_second_interrupt_gives_up():
    def listen(event):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        estimate(listen=listen)


@pytest.mark.parametrize("answer", ["own", signal.SIG_IGN, signal.SIG_DFL])
def test_what_the_user_does_with_interrupts_is_kept(answer):
    calls, during = [], set()
    wanted = (lambda *_: calls.append(1)) if answer == "own" else answer

    def listen(event):
        during.add(signal.getsignal(signal.SIGINT))
        if isinstance(event, Step) and event.step < 3 and answer is not signal.SIG_DFL:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, wanted)
    try:
        result = estimate(listen=listen)
        assert signal.getsignal(signal.SIGINT) is wanted
    finally:
        signal.signal(signal.SIGINT, before)
    stopped = answer == "own"
    assert (result.status is Status.INTERRUPTED) is stopped
    assert (len(calls) >= 2) is stopped
    assert stopped or during == {answer}


def test_a_worker_thread_can_estimate():
    found = []
    thread = threading.Thread(target=lambda: found.append(estimate()))
    thread.start()
    thread.join()
    assert content(found[0]) == content(plain())


# --- trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("at", [1, 150])
def test_a_non_finite_loss_keeps_the_last_good_state(monkeypatch, value, at):
    calls = []
    forward = ResidualMLP.forward

    def poisoned(self, x, features):
        calls.extend([None] * torch.is_grad_enabled())
        return forward(self, x, features) * (value if len(calls) == at else 1.0)

    monkeypatch.setattr(ResidualMLP, "forward", poisoned)
    result = estimate(steps=450)
    assert result.status is Status.DIVERGED
    assert "learning rate" in result.status.remedy
    assert result.history.step.tolist() == ([0] if at == 1 else [0, 100])
    assert np.isfinite(result.history.loss).all()
    assert_usable(result)
    assert abs(result.mi - PAIR.mi) < LIMIT * result.stderr


def test_no_steps_are_a_step_limit():
    result = estimate(steps=0)
    assert result.status is Status.STEP_LIMIT
    assert "steps" in result.status.remedy
    assert_usable(result)


def test_x_hardly_more_than_a_function_of_y_is_said_to_be_infinite():
    result = estimate(X, 2 * X - 1 + 1e-9 * Y)
    assert any("may be infinite" in note for note in result.notes)
    assert result.mi > 5
    assert not any("infinite" in note for note in plain().notes)


@pytest.mark.accuracy
def test_a_gap_that_networks_close_in_a_wider_range_is_told():
    """No regression of x = y² is exact."""
    y, noise = np.random.default_rng(0).normal(size=(2, 2000, 1))
    result = estimate(y**2 + 1e-9 * noise, y, steps=1500, width=32, batch=256, learning_rate=0.01)
    assert result.curve.logsnr[-1] > 12
    assert any("may be infinite" in note for note in result.notes)
    whole = float((result.curve.integrand("inner") * result.curve.width).sum())
    assert abs(result.mi - whole) < 0.2  # of the same draws, weighted in another way


@pytest.mark.parametrize(
    ("planned", "open_from", "said"),
    [
        (12.0, 8.0, ""),  # closed in time
        (12.0, 14.0, "so log-SNRs up to 16 were added"),
        (12.0, 24.0, "Even with the least noise (highest log-SNR)"),
        (16.0, 8.0, ""),  # as wide as planned
        (16.0, 24.0, "Even with the least noise (highest log-SNR)"),
    ],
)
def test_where_the_gap_closes_is_told(planned, open_from, said):
    logsnr = np.arange(-7.75, 16, 0.5)
    gap = (logsnr < open_from).astype(float)
    curve = MMSECurve(logsnr, np.full(48, 0.5), gap, gap, {"inner": gap}, {"inner": 0 * gap})
    points = PointValues(*(np.arange(9),) * 3, np.ones((4, 9)), np.ones((2, 9)))
    history = TrainingHistory(*np.zeros((3, 1)))
    found = diagnose(Measurement(points, curve, planned), "inner", history)
    assert len(found) == bool(said)
    assert said in "".join(found)


@pytest.mark.parametrize(("rows", "advice"), [(999, "rows."), (1000, "rows, or effort='high'.")])
def test_more_effort_is_advised_only_where_it_helps(rows, advice):
    logsnr, zero = np.arange(-7.75, 16, 0.5), np.zeros(48)
    curve = MMSECurve(logsnr, np.full(48, 0.5), zero, zero, {"inner": zero}, {"inner": zero})
    values = np.zeros((4, rows))
    values[gap.FORMS.index("inner")] = 0.5
    points = PointValues(*(np.arange(rows),) * 3, values, np.ones((2, rows)))
    (note,) = diagnose(
        Measurement(points, curve, 12.0), "inner", TrainingHistory(*np.zeros((3, 1)))
    )
    assert note.endswith(f"Use more {advice}")


def test_auto_picks_a_device_that_is_there():
    result = estimate(steps=0, device="auto")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert result.provenance["device"] == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": 4},
        {"batch": 5},
        {"batch": 1_000_000},
        {"width": 9, "blocks": 2},
        {"learning_rate": 0.0},
        {"draws": 4},
        {"learning_rate": 1.0},
        {"weight_decay": 10.0},
        {"folds": 10},
        {"noised": "y"},
    ],
    ids=str,
)
def test_extreme_fields_still_give_a_result(fields):
    assert_usable(estimate(steps=5, **{k: v for k, v in fields.items()}))


def test_the_fewest_rows_still_give_a_result():
    x, y = mixed(3, 2).sample(50, 0)
    for folds in (1, 3, 10):
        assert_usable(estimate(x, y, folds=folds, steps=5))


def test_one_huge_group_still_gives_a_result():
    groups = np.r_[np.zeros(181), np.arange(1, 20)]
    for folds in (1, 3):
        assert_usable(estimate(groups=groups, folds=folds, steps=5))


# --- accuracy ----------------------------------------------------------------------------------

EASY = {"1x1": PAIRS["1x1"], "sparse_3x3": PAIRS["sparse_3x3"], "mixed_3x2": mixed(3, 2)}


def z_score(result, truth):
    return (result.mi - truth) / result.stderr


@pytest.mark.parametrize("name", EASY)
@pytest.mark.parametrize(
    "fields",
    [{}, {"gap": "cross"}, {"noised": "y"}, {"folds": 1}],
    ids=str,
)
def test_gaussian_pairs_agree_with_the_truth_and_with_nothing_else(name, fields):
    pair = EASY[name]
    n = 4000 if fields.get("folds") == 1 else 1500  # one split reads a quarter of the rows
    result = estimate(*pair.sample(n, 1), **fields)
    assert abs(z_score(result, pair.mi)) < LIMIT
    for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / math.log(2)):
        assert abs(z_score(result, wrong)) > LIMIT
    low, high = result.interval(0.9999)
    assert low < pair.mi < high


@pytest.mark.parametrize("gap", FORMS)
def test_every_form_finds_a_gaussian_pair(gap):
    result = estimate(*PAIR.sample(1500, 2), gap=gap)
    assert abs(z_score(result, PAIR.mi)) < LIMIT
    assert abs(z_score(result, 0.0)) > LIMIT
    assert abs(z_score(result, 2 * PAIR.mi)) > LIMIT


def test_shuffled_rows_tell_nothing():
    """The counterpart of the tests above: the same data, no longer paired."""
    x, y = mixed(3, 2).sample(1500, 1)
    result = estimate(x, np.random.default_rng(0).permutation(y), steps=FEW_STEPS)
    assert abs(result.mi) < LIMIT * result.stderr + 0.005
    assert not result.distinguishable
    assert "not distinguishable from 0" in repr(result)
    assert result.interval(0.9999)[1] < mixed(3, 2).mi / 4


@pytest.mark.parametrize("stopped", [False, True])
def test_too_few_steps_claim_nothing(stopped):
    x = np.random.default_rng(0).normal(size=300)

    def listen(event):
        return stopped and isinstance(event, Step)

    y = x**2 + 1e-3 * np.random.default_rng(1).normal(size=300)
    result = estimate(x, y, steps=400 if stopped else 2, listen=listen)
    assert result.status is (Status.INTERRUPTED if stopped else Status.STEP_LIMIT)
    assert "distinguishable" not in repr(result)
    assert any("Nothing was learned in" in note for note in result.notes) == (not stopped)


@pytest.mark.parametrize("dim", [1, 5])
def test_independent_data_tell_nothing(dim):
    x, y = np.random.default_rng(dim).normal(size=(2, 1000, dim))
    result = estimate(x, y)
    assert abs(result.mi) < 0.01


def test_a_bent_dependence_is_learnt():
    """No Gaussian copula sees it, so it is the network that does."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)
    x = np.abs(y) + 0.3 * rng.normal(size=1000)
    linear = mmg_nb.estimate(x, y, "gcmi")
    result = estimate(x, y, steps=400, width=32)
    assert abs(linear.mi) < 0.05
    assert 0.4 < result.mi < 1.2


def test_what_lengths_alone_tell_is_found_where_columns_are_large_together():
    """No Gaussian copula sees it; the t copulas of x and y are undone, and only there."""
    student = task("student-identity-5-5-2")
    x, y = student.sample(1000, 1)
    result = estimate(x, y, steps=800, width=32, batch=256)
    assert abs(z_score(result, student.mi_true)) < LIMIT
    assert abs(z_score(result, 0.0)) > LIMIT
    assert abs(z_score(result, 2 * student.mi_true)) > LIMIT
    assert sum("t copula" in note for note in result.notes) == 2


@pytest.mark.parametrize(("name", "chosen"), [("t", "elliptical"), ("normal", "normal_scores")])
def test_the_transform_is_chosen_by_the_data(name, chosen):
    x, y = np.random.default_rng(0).normal(size=(2, 300, 2))
    if name == "t":
        scale = np.random.default_rng(1).chisquare(1, size=(300, 1))
        x, y = x / scale, y / scale
    fields = {"steps": 0, "draws": 4}
    auto, given = (estimate(x, y, transform=t, **fields) for t in ("auto", chosen))
    for form, exact in given.forms.items():  # auto takes smooth maps of the columns
        assert auto.forms[form].mi == pytest.approx(exact.mi, abs=0.01)
    assert [note[:17] for note in auto.notes] == [note[:17] for note in given.notes]
    assert any("t copula" in note for note in auto.notes) == (name == "t")
    conditional = estimate(x, y, given=np.random.default_rng(2).normal(size=(300, 1)), **fields)
    assert not any("t copula" in note for note in conditional.notes)


def test_stages_get_the_batches_that_are_meant(monkeypatch):
    asked = []

    class EnoughError(Exception):
        pass

    def trained(task, listen, keep):
        asked.append((task.schedule.batch, task.draw.keywords["without"]))
        raise EnoughError

    monkeypatch.setattr(training_stages, "train", trained)
    x, y = np.random.default_rng(0).normal(size=(2, 20_000, 1))
    for rows in (9000, 20_000):
        with pytest.raises(EnoughError):
            mmg_nb.estimate(x[:rows], y[:rows], steps=1, draws=4)
    assert asked == [(128, 0.5), (194, 0.25)]


@pytest.mark.parametrize("left", [1e-4, 1e-6])
def test_high_information_is_not_cut_off(left):
    pair = GaussianPair(np.array([[math.sqrt(1 - left)]]))
    x, y = pair.sample(1000, 0)
    result = estimate(x, y, transform="none")
    assert abs(z_score(result, pair.mi)) < LIMIT
    scored = estimate(x, y)  # scores fitted on few rows are rougher than the noise that is left
    assert 0.8 * pair.mi < scored.mi < pair.mi + LIMIT * scored.stderr
    for found in (result, scored):
        for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / math.log(2)):
            assert abs(z_score(found, wrong)) > LIMIT


# --- identities --------------------------------------------------------------------------------


@cache
def plain_mixed():
    """Data of several columns, and their estimate."""
    x, y = mixed(3, 2).sample(600, 3)
    return x, y, estimate(x, y)


def apart(a, b):
    """Difference in combined standard errors; the data are the same, so this is generous."""
    return abs(a.mi - b.mi) / math.hypot(a.stderr, b.stderr)


def test_the_order_of_rows_does_not_matter():
    x, y, plain = plain_mixed()
    order = np.random.default_rng(0).permutation(600)
    assert apart(plain, estimate(x[order], y[order])) < 2


def test_units_and_origins_do_not_matter():
    """The scores of every row are the same up to rounding, so the runs are, too."""
    x, y, plain = plain_mixed()
    other = estimate(x * [1e-6, 3.0, 1e6] + [0, 5, 1e3], y * [7.0, 1e-3] - 2)
    assert other.mi == pytest.approx(plain.mi, abs=0.01)
    assert other.stderr == pytest.approx(plain.stderr, rel=0.1)


@pytest.mark.parametrize("transform", ["standardize", "none"])
def test_invertible_linear_maps_do_not_matter(transform):
    x, y = mixed(3, 2).sample(600, 3)
    a = np.array([[2.0, 1, 0], [0, 1, -1], [1, 0, 3]])
    b = np.array([[1.0, 2.0], [-1.0, 1.0]])
    plain = estimate(x, y, transform=transform)
    assert apart(plain, estimate(x @ a + 4, y @ b - 1, transform=transform)) < 1.5


def test_monotone_maps_of_coordinates_do_not_matter():
    x, y, plain = plain_mixed()
    assert apart(plain, estimate(np.exp(3 * x), np.sinh(2 * y))) < 1
    assert abs(plain.mi) > 4 * plain.stderr


@pytest.mark.accuracy
def test_swapping_x_and_y_does_not_matter():
    x, y = mixed(3, 2).sample(600, 3)
    assert apart(estimate(x, y), estimate(y, x)) < 2
    assert content(estimate(x, y, noised="y"))  # either direction is allowed


def test_independent_columns_add_nothing():
    rng = np.random.default_rng(1)
    x, y = PAIR.sample(1500, 3)
    wide = estimate(np.c_[x, rng.normal(size=(1500, 2))], np.c_[rng.normal(size=(1500, 2)), y])
    assert apart(estimate(x, y), wide) < 3
    assert abs(z_score(wide, PAIR.mi)) < LIMIT
    assert abs(z_score(wide, 0.0)) > LIMIT


# --- resources ---------------------------------------------------------------------------------


def peak(n):
    """Highest resident memory of a short run above the memory before it, bytes."""
    status = "/proc/self/status"

    def read(name):
        with open(status) as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

    x, y = np.random.default_rng(0).normal(size=(2, n, 4))
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = read("VmRSS")
    estimate(x, y, steps=2, draws=4)
    return read("VmHWM") - before


def test_memory_is_linear_in_the_rows():
    try:
        peak(1000)
    except OSError:
        pytest.skip("the peak of resident memory cannot be read here")
    small, large = peak(10_000), peak(40_000)
    row = 8 * 8  # bytes of a row of x and y
    assert large < 100 * row * 40_000
    assert large < 6 * max(small, 50 * row * 10_000)


@pytest.mark.accuracy
@pytest.mark.parametrize(
    "name",
    [
        "1v1-normal-0.75",
        "student-identity-2-2-1",
        "half_cube-multinormal-sparse-3-3-2-2.0",
        "spiral-multinormal-sparse-25-25-2-2.0",
    ],
)
def test_defaults_come_close_on_the_benchmark(name):
    chosen = task(name)
    result = mmg_nb.estimate(*chosen.sample(10_000, seed=0))
    assert abs(result.mi - chosen.mi_true) < max(0.05, 0.05 * chosen.mi_true)  # solved
    assert chosen.mi_true > 0.3
