"""The training loop: what it reads, when it stops, what it keeps."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracle import CPU, PAIRS, sparse
from torch import Generator

from mmg_nb.denoisers.gaussian import Denoiser, GaussianDenoiser, Samples
from mmg_nb.denoisers.logsnr import uniform_bins
from mmg_nb.denoisers.members import Rows
from mmg_nb.denoisers.residual import AnchorSummary, ResidualDenoiser
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Phase, Snapshot, Step, silent
from mmg_nb.runs.keeper import NoCheckpoint
from mmg_nb.training import validation
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.loop import TrainingTask, train
from mmg_nb.training.optimisers import Adam
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import (
    HINTS,
    MIN_LEARNED_FRACTION,
    SIGNIFICANT,
    Ended,
    KeepWeights,
    Record,
    evidence_of,
    learned_fraction,
)
from mmg_nb.training.validation import Validation

GRID = uniform_bins(-8.0, 12.0, 0.5, CPU)


def rows_of(pair, n, seed, members=2, padding=0):
    """Samples as exact members see them; the padding is poison."""
    x, y = (torch.tensor(v) for v in pair.sample(n, seed))
    samples = pair.model(members).samples(x, y)

    def padded(values):
        poison = torch.full((members, padding, values.shape[2]), math.nan)
        return torch.cat([values, poison], dim=1)

    parts = (padded(v) for v in (samples.x, samples.residual, samples.y))
    return Rows(Samples(*parts), torch.full((members,), n))


def validation_of(pair, n=300, seed=1, draws=4000, padding=0, members=2):
    rows = rows_of(pair, n, seed, members, padding)
    return Validation.prepare(rows, GRID, draws, Generator().manual_seed(seed))


def network(pair, members=2, width=16):
    variance = pair.model(members).denoiser.variance
    return ResidualDenoiser(
        AnchorSummary(variance, pair.k.shape[1]),
        width=width,
        blocks=1,
        generator=Generator().manual_seed(0),
    )


class Descent(Adam):
    """Adam, and a record of the factors it was given."""

    def __init__(self, denoiser, rate=1e-2):
        super().__init__(denoiser.parameters(), learning_rate=rate, weight_decay=0.0)
        self.factors = []

    def step(self, scale):
        self.factors.append(scale)
        super().step(scale)


def epsilon_error(denoiser, samples, generator, proposal):
    """Both branches, λ from the proposal."""
    members, batch, _ = samples.x.shape
    logsnr = proposal.quantile(torch.rand(members, batch, generator=generator)).float()
    eps = torch.randn(samples.x.shape, generator=generator)
    given = (torch.arange(batch) % 2 == 0).view(1, batch, 1)
    return (eps - denoiser(samples, eps, logsnr, given)).square().sum(-1).mean(-1).sum()


def drawn(rows, batch, generator):
    return rows.samples.take(rows.pick(batch, generator))


def one_by_one(loss):
    """A single lesson at a time: the loss of some rows, which draws its own noise."""

    def draw(denoiser, rows, batch, proposal, generator, most):
        value = loss(denoiser, drawn(rows, batch, generator), generator, proposal)
        return [PreparedBatch(lambda inputs: value, {})]

    return draw


DRAW = one_by_one(epsilon_error)
PLAN = {
    "steps": 60,
    "batch": 32,
    "check_every": 20,
    "grace": None,
    "weights": KeepWeights.BEST,
    "rate": lambda fraction: 1.0,
}


def run(
    pair=PAIRS["1x1"],
    *,
    listen=silent,
    draw=DRAW,
    speed=1e-2,
    padding=0,
    **schedule,
):
    """Train small members; `schedule` overrides `PLAN`."""
    adapt, keep = schedule.pop("adapt", None), schedule.pop("keep", NoCheckpoint())
    model = network(pair)
    descent = Descent(model, speed)
    task = TrainingTask(
        denoiser=model,
        optimiser=descent,
        rows=rows_of(pair, 200, 0, padding=padding),
        validation=validation_of(pair, padding=padding),
        proposal=GRID,
        schedule=Schedule(**(PLAN | schedule)),
        draw=draw,
        adapt=adapt,
        generator=Generator().manual_seed(3),
    )
    return train(task, listen, keep), descent


def test_lessons_are_drawn_up_to_the_next_check_with_the_proposal_of_the_last():
    """So that none that is drawn ahead is of a proposal that has been replaced."""
    asked = []

    def draw(denoiser, rows, batch, proposal, generator, most):
        asked.append((most, proposal))
        samples = [drawn(rows, batch, generator) for _ in range(min(most, 15))]
        return [partial(epsilon_error, denoiser, each, generator, proposal) for each in samples]

    def adapt(integrand):
        made.append(uniform_bins(-8.0, 12.0, 0.5, CPU))
        return made[-1]

    made = []
    run(draw=draw, adapt=adapt, steps=50, weights=KeepWeights.LAST)
    assert [most for most, _ in asked] == [20, 5, 20, 5, 10]
    assert [p for _, p in asked] == [GRID, GRID, made[0], made[0], made[1]]


LEARNABLE = sparse(1, 3.0, pairs=1)


def learning(n=100, speed=3e-2, **schedule):
    """A run with something to learn: the members start from "y tells nothing"."""
    model = ResidualDenoiser(
        AnchorSummary(torch.ones(2, 1, 1), 1),
        width=16,
        blocks=1,
        generator=Generator().manual_seed(0),
    )
    descent = Descent(model, speed)
    task = TrainingTask(
        denoiser=model,
        optimiser=descent,
        rows=rows_of(LEARNABLE, n, 0),
        validation=validation_of(LEARNABLE),
        proposal=GRID,
        schedule=Schedule(**(PLAN | schedule)),
        draw=DRAW,
        generator=Generator().manual_seed(3),
    )
    return train(task, silent, NoCheckpoint()), descent


def weights(denoiser):
    return torch.cat([p.detach().flatten() for p in denoiser.parameters()])


# --- validation --------------------------------------------------------------------------------


def test_what_validation_keeps_changes_nothing(monkeypatch):
    """Neither where it is too much to keep, nor while the weights change."""
    model = network(LEARNABLE)
    kept = validation_of(LEARNABLE).prepared_for(model)
    monkeypatch.setattr(validation, "NUMBERS_KEPT", 0)
    unkept = validation_of(LEARNABLE).prepared_for(model)
    assert kept.prepared
    assert not unkept.prepared
    torch.nn.init.normal_(model.null, generator=Generator().manual_seed(1))
    torch.nn.init.normal_(model.net.leave.weight, generator=Generator().manual_seed(2))
    found, expected = kept.measure(model), unkept.measure(model)
    torch.testing.assert_close(found.error, expected.error)
    torch.testing.assert_close(found.curves, expected.curves)
    assert found.error.mean() > validation_of(LEARNABLE).measure(network(LEARNABLE)).error.mean()


@pytest.mark.parametrize("name", ["1x1", "sparse_3x3", "mixed_4x2"])
def test_exact_denoisers_validate_to_the_truth(name):
    pair = PAIRS[name]
    validation = validation_of(pair, n=4000, draws=40_000)
    found = validation.measure(pair.model(2).denoiser)
    loss, curves = found.error, found.curves
    mi = 0.5 * float((curves[2] * GRID.widths).sum())
    assert mi == pytest.approx(pair.mi, abs=0.08)
    for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / math.log(2)):
        assert abs(mi - wrong) > 0.08
    dim_x = len(pair.k)
    ceiling = dim_x * torch.sigmoid(GRID.centres)
    assert (curves[0] - ceiling).abs().max() < 0.25 * math.sqrt(dim_x)
    both = float(((curves[0] + curves[1]) * GRID.widths).sum()) / 20
    assert float(loss.mean()) == pytest.approx(both, rel=0.02)
    assert loss.shape == (2,)


def test_validation_noise_is_the_same_at_every_check():
    validation, model = validation_of(PAIRS["1x1"]), network(PAIRS["1x1"])
    first, second = validation.measure(model), validation.measure(model)
    assert torch.equal(first.error, second.error)
    assert all(map(torch.equal, first.curves, second.curves))


class Blend(Denoiser):
    """On the way from one denoiser to another, or beyond it, and with noise on top."""

    def __init__(self, start, end, share, noise=0.0):
        super().__init__()
        self.start, self.end, self.share, self.noise = start, end, share, noise

    def forward(self, samples, eps, logsnr, given):
        start = self.start(samples, eps, logsnr, given)
        way = self.end(samples, eps, logsnr, given) - start
        noise = torch.randn(start.shape, generator=Generator().manual_seed(7))
        return start + self.share * way + self.noise * noise


@pytest.mark.parametrize(
    ("share", "noise", "gained"),
    [(1.0, 0.0, 1.0), (4.0, 0.0, 1.0), (0.5, 0.0, 0.75), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)],
)
def test_the_calibrated_error_is_that_of_the_best_multiple_up_to_one(share, noise, gained):
    start, end = GaussianDenoiser(torch.ones(2, 1, 1)), LEARNABLE.model(2).denoiser
    validation = validation_of(LEARNABLE, n=2000, draws=8000).starting_from(start)
    worst, best = (validation.measure(each).progress_loss for each in (start, end))
    found = validation.measure(Blend(start, end, share, noise))
    assert (worst - found.progress_loss) / (worst - best) == pytest.approx(gained, abs=0.03)
    learnt = min(1.0, 1 / share) if share > 0 else 0.0
    assert found.learned_fraction == pytest.approx(learnt, abs=0.05)


def test_the_calibrated_error_forgives_noise_that_the_raw_error_does_not():
    start, end = GaussianDenoiser(torch.ones(2, 1, 1)), LEARNABLE.model(2).denoiser
    validation = validation_of(LEARNABLE, n=2000, draws=8000).starting_from(start)
    clean, noisy = (validation.measure(Blend(start, end, 1.0, noise)) for noise in (0.0, 1.0))
    nothing = validation.measure(start)
    assert noisy.error.mean() > nothing.error.mean() + 0.5
    assert clean.progress_loss < noisy.progress_loss < nothing.progress_loss


def test_an_improvement_counts_from_two_standard_errors_on():
    ones = torch.ones(1, 48)
    assert learned_fraction(ones, 2 * ones, 1.9) == (0.0, 0.0)
    assert learned_fraction(ones, 2 * ones, 2.1) == (0.5, 0.5)
    assert max(HINTS.values()) <= SIGNIFICANT
    start, end = GaussianDenoiser(torch.ones(2, 1, 1)), LEARNABLE.model(2).denoiser
    validation = validation_of(LEARNABLE, n=300).starting_from(start)
    for share, at_least, below in ((0.0, -2, 2), (0.15, -2, 2), (0.45, 2, 4), (1.0, 4, 20)):
        measured = validation.measure(Blend(start, end, share, 1.0))
        assert at_least < measured.evidence < below
        assert (measured.learned_fraction > 0) is (at_least >= 2)


def test_what_is_learnt_of_rows_that_repeat_each_other_is_judged_by_clusters():
    """Sixteen rows that say the same are no more evidence than one."""
    copies = torch.arange(16 * 12).repeat(2, 1) % 12
    rows = Rows(rows_of(LEARNABLE, 12, 3).samples.take(copies), torch.full((2,), 16 * 12))
    product = 0.3 + torch.randn(2, 12, generator=Generator().manual_seed(0)).double()
    said = product.gather(1, copies)

    def share(clusters):
        validation = Validation.prepare(rows, GRID, 16 * 12, Generator(), clusters)
        evidence = evidence_of(said, validation.cluster, validation.n_clusters)
        return learned_fraction(said, torch.ones_like(said), evidence)[1]

    assert share([row.numpy() + 5 for row in copies]) == 0
    assert (
        share(None)
        == share([np.arange(16 * 12)[::-1]] * 2)
        == pytest.approx(float(product.mean()))
    )


def test_one_cluster_is_no_evidence():
    rows = rows_of(LEARNABLE, 12, 3, members=1)
    clusters = [np.zeros(12, dtype=int)]
    validation = Validation.prepare(rows, GRID, 48, Generator(), clusters)
    ones = torch.ones(1, 48).double()
    cluster, count = validation.cluster, validation.n_clusters
    assert evidence_of(ones, cluster, count) == 0.0


def test_rows_that_are_never_drawn_count_for_no_cluster():
    rows = rows_of(LEARNABLE, 300, 3)
    for clusters in (None, [np.arange(300)] * 2):
        validation = Validation.prepare(rows, GRID, 100, Generator(), clusters)
        assert validation.n_clusters == 200
        assert validation.cluster.max() == 99
        validation.starting_from(network(LEARNABLE)).measure(network(LEARNABLE))


def test_validation_levels_are_stratified_over_the_range():
    validation = validation_of(PAIRS["1x1"], draws=4000)
    counts = torch.stack([b.bincount(minlength=len(GRID.mass)) for b in validation.bins])
    assert (counts - 100).abs().max() <= 2
    assert float(validation.logsnr.min()) >= GRID.low
    assert float(validation.logsnr.max()) <= GRID.high
    # A row's draws are spread over the range: its levels do not go with its number.
    ranks = np.corrcoef(np.arange(4000), validation.logsnr[0].numpy())[0, 1]
    assert abs(ranks) < 0.1


def test_every_validation_row_is_used_equally_often_and_no_padding():
    validation = validation_of(PAIRS["1x1"], n=30, draws=120, padding=11)
    for member in validation.samples.x[:, :, 0]:
        _, counts = member.unique(return_counts=True)
        assert counts.tolist() == [4] * 30


# --- what is trained ---------------------------------------------------------------------------


def test_padding_is_never_trained_on():
    outcome, _ = run(padding=50)
    assert bool(weights(outcome.denoiser).isfinite().all())
    assert np.isfinite(outcome.history.loss).all()
    assert outcome.steps == 60


def test_training_lowers_the_error_where_the_start_is_wrong():
    outcome, _ = learning(n=1000, speed=1e-2, steps=300, batch=128, rate=trapezoid, ema=0.98)
    ideal = float(validation_of(LEARNABLE).measure(LEARNABLE.model(2).denoiser).error.mean())
    first, last = outcome.history.loss[0], outcome.history.loss.min()
    assert ideal < last < first - 0.5 * (first - ideal)


def test_the_kept_weights_are_those_of_the_best_validation():
    """Training improves for 60 steps; then steps go uphill and spoil the weights."""
    plan = {"n": 1000, "speed": 1e-2, "steps": 100, "batch": 128, "ema": 0.9}
    outcome, _ = learning(**plan, rate=lambda fraction: 1.0 if fraction < 0.6 else -1.0)
    found = float(validation_of(LEARNABLE).measure(outcome.denoiser).error.mean())
    loss = outcome.history.loss
    assert found == pytest.approx(loss.min(), rel=1e-6)
    assert loss.argmin() == 3
    assert loss[-1] > 2 * loss.min()


def test_what_is_learnt_beside_much_overfitting_is_kept():
    """From twelve rows: the raw error only rises, the inner gap comes near the truth, 0.83."""
    plan = {"n": 12, "steps": 400, "speed": 1e-2}
    raw, calibrated = learning(**plan)[0], learning(**plan, weights=KeepWeights.GENERALISING)[0]
    validation = validation_of(LEARNABLE, n=5000, draws=20_000, seed=5)
    found = [validation.measure(each.denoiser) for each in (raw, calibrated)]
    mi = [0.5 * float((each.curves[2] * GRID.widths).sum()) for each in found]
    assert raw.history.loss.argmin() == 0
    assert mi[0] < LEARNABLE.mi - 0.3
    assert mi[1] == pytest.approx(LEARNABLE.mi, abs=0.2)


def test_the_last_weights_are_kept_on_demand():
    outcome, _ = run(speed=0.3, steps=100, weights=KeepWeights.LAST)
    validation = validation_of(PAIRS["1x1"])
    found = float(validation.measure(outcome.denoiser).error.mean())
    assert found == pytest.approx(outcome.history.loss[-1], rel=1e-6)


def test_kept_weights_are_an_average_over_steps():
    still, _ = run(speed=0.05, ema=1.0, weights=KeepWeights.LAST)
    moving, _ = run(speed=0.05, ema=0.0, weights=KeepWeights.LAST)
    middle, _ = run(speed=0.05, ema=0.9, weights=KeepWeights.LAST)
    start = weights(network(PAIRS["1x1"]))
    far = (weights(moving.denoiser) - start).norm()
    assert 0.05 * far < (weights(still.denoiser) - start).norm() < far
    assert (weights(middle.denoiser) - weights(moving.denoiser)).norm() < 0.6 * far


def test_the_rate_follows_the_schedule():
    _, descent = run(steps=50, rate=lambda fraction: 1 - fraction)
    np.testing.assert_allclose(descent.factors, 1 - np.arange(50) / 50)


def test_the_trapezoid_rises_stays_and_falls():
    factors = np.array([trapezoid(f) for f in np.linspace(0, 1, 101)])
    assert factors[0] > 0
    assert (np.diff(factors[:5]) > 0).all()
    assert (factors[6:31] == 1).all()
    assert (np.diff(factors[31:]) < 0).all()
    assert 0 < factors[-1] < 0.02


def after(step, gain, kept_at=None):
    """A state whose estimate has risen by `gain` in the second half of its steps."""
    record = Record(step=[0, step // 2, step], mi=[0.0, 1.0, 1.0 + gain])
    return SimpleNamespace(step=step, kept_at=step if kept_at is None else kept_at, record=record)


@pytest.mark.parametrize(
    ("state", "above", "improving"),
    [
        (after(300, 0.3), 0.2, True),
        (after(300, 0.1), 0.2, False),  # not worth it
        (after(300, 0.3), None, False),  # not allowed
        (after(300, 0.3, kept_at=280), 0.2, False),  # overfitted
        (after(280, 0.3), 0.2, False),  # the rate is still full, and the next check in time
        (after(320, 0.3), 0.2, False),  # the rate has fallen, and with it the gain
    ],
)
def test_training_still_improves_when_the_rate_would_fall_and_much_is_gained(
    state, above, improving
):
    plan = Schedule(**(PLAN | {"steps": 1000, "yields_above": above}))
    assert plan.still_improving(state) is improving


def test_of_all_checks_only_the_first_after_the_plateau_counts():
    for steps in (90, 100, 110):
        plan = Schedule(**(PLAN | {"steps": steps, "check_every": 7, "yields_above": 0.2}))
        assert sum(plan.still_improving(after(step, 500.0)) for step in range(7, steps, 7)) == 1


def test_training_yields_while_much_is_gained():
    plan = {"steps": 100, "check_every": 10, "rate": trapezoid, "weights": KeepWeights.LAST}
    usual, descent = learning(**plan)
    over, early = learning(**plan, yields_above=0.01)
    assert usual.ended is not Ended.STILL_IMPROVING
    assert usual.steps == 100
    assert (over.steps, over.ended) == (30, Ended.STILL_IMPROVING)
    assert over.status is Status.STEP_LIMIT
    assert descent.factors[:30] == early.factors
    enough, _ = learning(**plan, yields_above=100.0)
    assert enough.steps == 100
    assert enough.ended is not Ended.STILL_IMPROVING


def test_a_stop_at_the_very_check_is_heeded():
    events = []

    def listen(event):
        events.append(event)
        return isinstance(event, Step) and event.step == 20

    outcome, _ = run(steps=60, yields_above=-1.0, listen=listen)
    assert (outcome.ended, outcome.steps) == (Ended.INTERRUPTED, 20)
    assert outcome.status is Status.INTERRUPTED
    assert not any(isinstance(event, Phase) for event in events)


def test_the_proposal_follows_the_inner_gap():
    seen = []

    def adapt(gap):
        seen.append(gap)
        return GRID.adapted(gap)

    snapshots = []
    outcome, _ = run(adapt=adapt, listen=lambda e: snapshots.append(e))
    snapshots = [e for e in snapshots if isinstance(e, Snapshot)]
    assert len(seen) == 3
    for gap, snapshot in zip(seen, snapshots[1:], strict=True):
        np.testing.assert_allclose(gap, snapshot.gap)
        expected = GRID.adapted(gap).density(GRID.centres)
        np.testing.assert_allclose(snapshot.density, expected)
    assert torch.equal(outcome.proposal.mass, GRID.adapted(seen[-1]).mass)
    kept, _ = run()
    assert kept.proposal is GRID


# --- events, stops and status ------------------------------------------------------------------


def test_events_tell_of_every_step_and_every_validation():
    events = []
    outcome, _ = run(steps=50, check_every=20, listen=lambda e: events.append(e))
    steps = [e.step for e in events if isinstance(e, Step)]
    assert steps == list(range(1, 51))
    assert all(e.total_steps == 50 for e in events if isinstance(e, Step))
    snapshots = [e for e in events if isinstance(e, Snapshot)]
    assert [e.step for e in snapshots] == [0, 20, 40, 50]
    np.testing.assert_array_equal(outcome.history.step, [0, 20, 40, 50])
    np.testing.assert_allclose(outcome.history.loss, [e.loss for e in snapshots])
    np.testing.assert_allclose(outcome.history.mi, [e.mi for e in snapshots])
    for e in snapshots:
        assert e.mi == pytest.approx(0.5 * float((e.gap * GRID.widths.numpy()).sum()))
        assert e.logsnr.shape == e.mse.shape == e.mse_given_y.shape == e.density.shape


@pytest.mark.parametrize("stop_at", [1, 7, 20, 59])
def test_a_stop_is_heeded_at_once_and_validated(stop_at):
    outcome, _ = run(listen=lambda e: isinstance(e, Step) and e.step == stop_at)
    assert outcome.status is Status.INTERRUPTED
    assert outcome.steps == stop_at
    assert outcome.history.step[-1] == stop_at


def test_a_run_that_does_not_improve_is_stopped_after_its_grace():
    outcome, descent = run(speed=0.0, steps=500, check_every=10, grace=40)
    assert outcome.ended is Ended.EARLY_STOPPED
    assert outcome.steps == len(descent.factors) == 40
    assert torch.equal(weights(outcome.denoiser), weights(network(PAIRS["1x1"])))


def test_without_a_grace_every_step_is_done():
    outcome, _ = run(speed=0.0, steps=120, grace=None)
    assert outcome.steps == 120
    assert outcome.ended is Ended.CONVERGED


def test_the_end_comes_at_twice_the_best_step():
    """Best near the start, then worse and worse."""
    outcome, _ = learning(steps=2000, check_every=5, grace=50, ema=0.9)
    assert outcome.ended is Ended.EARLY_STOPPED
    loss, step = outcome.history.loss, outcome.history.step
    best = 0
    for k in range(1, len(loss)):
        if 0.5 * (GRID.high - GRID.low) * (loss[best] - loss[k]) > 0.002:
            best = k
    assert best > 0
    end = max(50, 2 * step[best])
    assert end <= outcome.steps < end + 5
    kept = float(validation_of(LEARNABLE).measure(outcome.denoiser).error.mean())
    assert kept == pytest.approx(loss[best], rel=1e-6)


@pytest.mark.parametrize("n", [12, 200])
def test_the_end_comes_when_too_little_of_what_changed_is_learnt(n):
    """Twelve rows are soon overfitted, two hundred are not."""
    plan = {"n": n, "steps": 600, "check_every": 10, "ema": 0.9, "speed": 1e-2}
    outcome, _ = learning(**plan, grace=50, weights=KeepWeights.GENERALISING)
    validation = validation_of(LEARNABLE).starting_from(
        ResidualDenoiser(
            AnchorSummary(torch.ones(2, 1, 1), 1),
            width=16,
            blocks=1,
            generator=Generator().manual_seed(0),
        )
    )
    kept = validation.measure(outcome.denoiser)
    assert kept.learned_fraction >= MIN_LEARNED_FRACTION
    stopped = outcome.ended is Ended.EARLY_STOPPED
    assert stopped == (n == 12)
    assert (outcome.steps < 600) == stopped
    assert kept.error.mean().item() != pytest.approx(outcome.history.loss[-1]) or not stopped


@pytest.mark.parametrize(
    ("keep", "share", "kept", "over"),
    [
        (KeepWeights.GENERALISING, 1.0, True, False),
        (KeepWeights.GENERALISING, MIN_LEARNED_FRACTION - 0.01, False, True),
        (KeepWeights.BEST, 1.0, False, True),
        (KeepWeights.LAST, 1.0, True, False),
    ],
)
def test_what_is_kept_and_when_it_is_over(keep, share, kept, over):
    plan = Schedule(**(PLAN | {"grace": 50, "weights": keep}))
    assert plan.keeps(60, 30, share) is kept
    assert plan.is_over(60, 30, share) is over
    assert not plan.is_over(40, 10, share)
    assert not Schedule(**(PLAN | {"weights": keep})).is_over(60, 30, share)


@pytest.mark.parametrize(
    ("step", "evidence", "over"),
    [(490, 0.5, False), (500, 0.9, True), (500, 1.1, False), (700, 1.4, True), (700, 1.6, False)],
)
def test_training_ends_within_the_grace_only_without_a_hint_of_learning(step, evidence, over):
    plan = Schedule(**(PLAN | {"grace": 1000, "weights": KeepWeights.GENERALISING}))
    assert plan.is_over(step, 0, 0.0, evidence=evidence) is over


class Timid(Denoiser):
    """Half of the right prediction without y, all of it with y."""

    def __init__(self, right):
        super().__init__()
        self.right = right

    def forward(self, samples, eps, logsnr, given):
        return torch.where(given, 1.0, 0.5) * self.right(samples, eps, logsnr, given)


def test_what_is_learnt_without_y_counts_where_there_is_nothing_to_learn_with_y():
    right = LEARNABLE.model(2).denoiser
    validation = validation_of(LEARNABLE, n=2000, draws=8000).starting_from(Timid(right))
    found = validation.measure(right)
    assert found.progress_loss < -0.01
    assert found.learned_fraction > 0.9


def test_no_steps_leave_the_start_as_it_was():
    outcome, _ = run(steps=0)
    assert outcome.status is Status.STEP_LIMIT
    assert torch.equal(weights(outcome.denoiser), weights(network(PAIRS["1x1"])))
    assert outcome.history.step.tolist() == [0]


def test_a_run_that_still_gains_has_met_its_step_limit():
    outcome, _ = learning(n=500, speed=3e-3, batch=64, check_every=10, ema=0.5)
    assert outcome.history.loss[-1] == outcome.history.loss.min()
    assert outcome.status is Status.STEP_LIMIT


@pytest.mark.parametrize(
    ("at", "gain"), [(0, 0.0), (100, 0.3), (200, 0.5), (300, 0.45), (400, 0.0)]
)
def test_the_late_gain_is_that_of_the_second_half(at, gain):
    record = Record()
    for step, mi in ((0, 0.0), (100, 0.6), (200, 1.1), (300, 1.3), (400, 1.0)):
        record.add(step, 1.0, mi)
    assert record.late_gain(at) == pytest.approx(gain)


def test_the_late_gain_is_that_of_the_weights_kept():
    plan = {"n": 500, "speed": 3e-3, "batch": 64, "check_every": 10, "ema": 0.5}
    outcome, _ = learning(**plan, weights=KeepWeights.GENERALISING)
    step, mi = outcome.history.step, outcome.history.mi
    gain = float(mi[-1] - np.interp(step[-1] / 2, step, mi))
    assert outcome.late_gain == pytest.approx(gain)
    assert gain > 0
    assert learning(**plan)[0].late_gain is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("at", [1, 30])
def test_a_loss_that_is_not_finite_ends_the_run_with_the_last_good_weights(value, at):
    calls = []

    def poisoned(denoiser, samples, generator, proposal):
        calls.append(None)
        loss = epsilon_error(denoiser, samples, generator, proposal)
        return loss * value if len(calls) == at else loss

    outcome, _ = run(draw=one_by_one(poisoned), speed=1e-3, ema=0.5)
    assert outcome.status is Status.DIVERGED
    assert bool(weights(outcome.denoiser).isfinite().all())
    assert np.isfinite(outcome.history.loss).all()
    assert np.isfinite(outcome.history.mi).all()
    assert outcome.history.step.tolist() == ([0] if at == 1 else [0, 20])
    validation = validation_of(PAIRS["1x1"])
    found = float(validation.measure(outcome.denoiser).error.mean())
    assert found == pytest.approx(outcome.history.loss.min(), rel=1e-6)


def test_the_last_weights_are_not_kept_once_diverged():
    def poisoned(denoiser, samples, generator, proposal):
        return epsilon_error(denoiser, samples, generator, proposal) * math.nan

    outcome, _ = run(draw=one_by_one(poisoned), weights=KeepWeights.LAST)
    assert outcome.status is Status.DIVERGED
    assert bool(weights(outcome.denoiser).isfinite().all())
