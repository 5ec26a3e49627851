"""The run behind every `Variational` estimator: split, transform, train, evaluate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import CrossFit, EvaluationFold, make_cross_fit
from mmg_nb.data.transform_choice import fit_transform
from mmg_nb.denoisers.members import stack_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.critics.bounds import CriticBased
from mmg_nb.estimators.critics.doe import DoE
from mmg_nb.estimators.critics.fields import Variational
from mmg_nb.estimators.critics.learners import DensityLearner, critic_learner
from mmg_nb.estimators.critics.training import CriticOutcome, Learner, Stack, train
from mmg_nb.mmse.standard_error import (
    null_standard_error,
    sampling_variance,
    training_variance,
)
from mmg_nb.nets.critics import CRITICS, Critic
from mmg_nb.nets.entropy_net import EntropyNet
from mmg_nb.nets.layers import selected
from mmg_nb.polling import Stopped
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started, Step, silent
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import KeepWeights

__all__ = ["run"]

CHECK_EVERY = 50
GRACE = 300  # steps before training may stop early
EMA = 0.99
ROWS_IN_HASTE = 512  # evaluation rows after a stop
NEAR = 1.0  # nats: a note warns if a bound is within this distance of its ceiling

Array = NDArray[np.float64]
_Net = Critic | EntropyNet


class _Reader(Learner, Protocol):
    def points(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Contribution of each row to the estimate of one member, `(n,)`; x, y `(1, n, …)`."""
        ...


@dataclass(frozen=True, eq=False)
class _Data:
    """Transformed data on the device, float32, with the cross-fit and the batch size."""

    x: Tensor
    y: Tensor
    plan: CrossFit
    batch: int
    notes: tuple[str, ...]


def run(config: Variational, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y); see `Variational`.

    Raises:
        MMGError: There are too few independent rows to split.
    """
    device, listen = pick_device(context.device), context.listen
    with threads_for(config.folds_for(pairs.n_samples) * config.batch * config.width, device):
        random = Sources.of(context.seed, device)
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        listen(Started(config.name, *sizes, str(device), config.steps))
        data = _prepare(config, pairs, random.splits, device)
        net, learner = _build(config, data, random.host)
        listen(Phase("training"))
        outcome = _train(config, data, net, learner, random.device, listen)
        listen(Phase("evaluation"))
        outcome, folds, points = _evaluated(data, outcome, learner, listen)
    return _finding(config, pairs, data, outcome, folds, points)


def _finding(
    config: Variational,
    pairs: Pairs,
    data: _Data,
    outcome: CriticOutcome,
    folds: Sequence[EvaluationFold],
    points: Array,
) -> Finding:
    index = np.concatenate([reading.rows for reading in folds])
    sizes = [len(reading.rows) for reading in folds]
    variance = sampling_variance(pairs.clusters[index], points)
    variance += training_variance(np.repeat(np.arange(len(sizes)), sizes), points)
    least = null_standard_error(pairs.effective_rows, pairs.dim_x, pairs.dim_y)
    mi = float(points.mean())
    return Finding(
        mi=mi,
        stderr=math.hypot(math.sqrt(variance), least),
        pointwise=_pointwise(config, index, points),
        history=outcome.history,
        status=outcome.status,
        notes=data.notes + _ceiling(config, mi, data),
        device=str(data.x.device),
    )


def _prepare(
    config: Variational, pairs: Pairs, rng: np.random.Generator, device: torch.device
) -> _Data:
    plan = make_cross_fit(pairs, config.folds_for(pairs.n_samples), False, rng)
    sets = [member.fit for member in plan.members]
    sets += [reading.rows for reading in plan.evaluation_folds]
    held = min(len(member.validation) for member in plan.members)
    smallest = min(map(len, sets))
    if min(smallest, held) < 2:
        what = f"{config.name} needs 2 rows in each split; got {held} validation rows."
        raise MMGError(what, "Use more rows, smaller groups, or fewer folds.")
    x, notes_x = fit_transform(pairs.x, "x", config.transform, plan.transform_rows)
    y, notes_y = fit_transform(pairs.y, "y", config.transform, plan.transform_rows)
    batch = min(config.batch, smallest)
    notes = notes_x + notes_y
    if batch < config.batch:
        notes += (
            f"Batches hold {batch} rows instead of {config.batch}, because the smallest split has "
            "no more. Use more rows for larger batches.",
        )
    on_device = [torch.as_tensor(v, dtype=torch.float32, device=device) for v in (x, y)]
    return _Data(on_device[0], on_device[1], plan, batch, notes)


def _build(config: Variational, data: _Data, host: Generator) -> tuple[_Net, _Reader]:
    """The untrained network on the device, and how it is trained."""
    dims = len(data.plan.members), data.x.shape[1], data.y.shape[1]
    width, blocks, device = config.width, config.blocks, data.x.device
    if isinstance(config, DoE):
        net = EntropyNet(*dims, head=config.head, width=width, blocks=blocks, generator=host)
        return net.to(device), DensityLearner()
    assert isinstance(config, CriticBased)
    critic = CRITICS[config.critic](*dims, width=width, blocks=blocks, generator=host)
    return critic.to(device), critic_learner(config, data.batch)


def _train(
    config: Variational,
    data: _Data,
    net: _Net,
    learner: _Reader,
    generator: Generator,
    listen: Listener,
) -> CriticOutcome:
    members = data.plan.members
    shortest = min(len(member.validation) for member in members)
    schedule = Schedule(
        steps=config.steps,
        batch=data.batch,
        check_every=CHECK_EVERY,
        grace=min(GRACE, max(1, config.steps // 2)),
        weights=KeepWeights.BEST,
        rate=trapezoid,
        ema=EMA,
    )
    return train(
        net,
        learner,
        ClippedMuon(
            net.parameters(),
            net.hidden_matrices(),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        _stacked(data, [member.fit for member in members]),
        _stacked(data, [member.validation[:shortest] for member in members]),
        schedule,
        generator,
        listen,
    )


def _stacked(data: _Data, rows: Sequence[NDArray[np.int64]]) -> Stack:
    return Stack(*stack_pairs(data.x, data.y, rows))


def _evaluated(
    data: _Data, outcome: CriticOutcome, learner: _Reader, listen: Listener
) -> tuple[CriticOutcome, Sequence[EvaluationFold], Array]:
    """Read the evaluation rows; after a stop, some rows of the first fold."""
    folds = data.plan.evaluation_folds
    if outcome.status is not Status.INTERRUPTED:
        try:
            return outcome, folds, _read(data, folds, outcome.net, learner, listen)
        except Stopped:
            outcome = replace(outcome, status=Status.INTERRUPTED)
    folds = (replace(folds[0], rows=folds[0].rows[:ROWS_IN_HASTE]),)
    return outcome, folds, _read(data, folds, outcome.net, learner, silent)


@torch.no_grad()
def _read(
    data: _Data,
    folds: Sequence[EvaluationFold],
    net: nn.Module,
    learner: _Reader,
    listen: Listener,
) -> Array:
    """Contribution of each evaluation row to the estimate, fold by fold.

    Raises:
        Stopped: The user has stopped the run.
    """
    points = []
    for done, reading in enumerate(folds):
        if listen(Step(done, len(folds))):
            raise Stopped
        one = selected(net, reading.members[:1])
        rows = torch.as_tensor(reading.rows, device=data.x.device)
        points.append(learner.points(one, data.x[rows][None], data.y[rows][None]))
    return torch.cat(points).cpu().numpy()


def _pointwise(config: Variational, index: NDArray[np.int64], points: Array) -> PointwiseMI | None:
    """Pointwise values, for the estimators that estimate log-ratios."""
    if config.name not in ("dime", "doe"):
        return None
    return PointwiseMI(index, points, np.full(len(points), np.nan))


def _ceiling(config: Variational, mi: float, data: _Data) -> tuple[str, ...]:
    """A note if a lower bound is near its ceiling."""
    if config.name == "infonce":
        most = math.log(critic_learner(config, data.batch).negatives + 1)
        words = f"ln {round(math.exp(most))} = {most:.2f} nats, its ceiling with this batch size"
        remedy = "Use a larger `batch`, or mmg."
    elif config.name in ("mine", "dv", "nwj"):
        rows = min(len(reading.rows) for reading in data.plan.evaluation_folds)
        most = math.log(rows)
        words = f"ln {rows} = {most:.2f} nats, about the ceiling of any bound from so many rows"
        remedy = "Use mmg, which has no such ceiling, or more rows."
    else:
        return ()
    if mi < most - NEAR:
        return ()
    return (f"This lower bound is near {words}. Mutual information may be larger. {remedy}",)
