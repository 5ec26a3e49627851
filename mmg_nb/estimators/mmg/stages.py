"""In what order `MMG` learns: what is simple first, each stage from where the last one ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import cast

import numpy as np
from torch import Generator, Tensor

from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.canonical_pairs import CanonicalPairs
from mmg_nb.denoisers.logsnr import LogisticProposal
from mmg_nb.denoisers.members import Rows
from mmg_nb.denoisers.residual import RadialDenoiser, RefinedDenoiser, ResidualDenoiser, crowding
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.results.result import Status, TrainingHistory
from mmg_nb.runs.events import Event, Listener, Snapshot, Step
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.keeper import Keeper
from mmg_nb.training.loop import FEW_STEPS, Outcome, Schedule, Weights, train, trapezoid
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.validation import SIGNIFICANT, Validation

__all__ = [
    "ROWS_A_COLUMN",
    "Ground",
    "Stage",
    "counted",
    "joined",
    "sensitivity",
    "stage_with",
    "stages",
    "steps_of",
    "train_stages",
    "validation_draws",
]

VALIDATION_DRAWS = 2048  # in few columns
COLUMNS_OF_DRAWS = 256  # from which there are no more than in few, for the sake of memory
LENGTHS_ROWS = 2500  # up to which lengths are learnt first
RADIAL_SHARE, RADIAL_RATE = 0.5, 2.5  # of the training steps, and of the learning rate
GRACE, GRACE_SHARE = 1000, 1 / 3  # steps in which there must be signs of learning, and of all
ROWS_A_COLUMN = 25  # from which the anchor's directions are learnt first
FOCUSED_EVIDENCE = 3.5  # standard errors, see `SIGNIFICANT`
SENSITIVITY_PASSES = 32_768  # of a row for a column of x, from which to tell what y matters
WIDEST_FOCUS = 256  # columns of y, beyond which it costs more than the network


@dataclass(frozen=True, eq=False)
class Ground:
    """What all stages stand on.

    Attributes:
        config: The estimator.
        n_samples: Rows of the data.
        condition: Columns of the condition, the last ones of y.
        variance: Of what the anchors leave, `(members, 1, dim_x)`.
        sensitivity: Of the anchors, see `ResidualDenoiser`.
        rows: Rows to fit, of every member.
        validation: Fixed validation set.
        host: Source of the starting weights.
        generator: Source of the batches and their noise, on the device.
        keep: Gets the state of every training.
    """

    config: MMG
    n_samples: int
    condition: int
    variance: Tensor
    sensitivity: Tensor | None
    rows: Rows
    validation: Validation
    host: Generator
    generator: Generator
    keep: Keeper


@dataclass(frozen=True)
class Stage:
    """One training.

    Attributes:
        build: A denoiser that starts from another one, or from nothing.
        share: Of the steps of the estimator.
        rate: Of its learning rate.
        evidence: Standard errors from which something counts as learnt at first.
        may_lengthen: Whether there may be more steps, if they are worth it.
        gives_way: Whether it is over instead, see `Schedule`.
    """

    build: Callable[[Ground, RefinedDenoiser | None], RefinedDenoiser]
    share: float
    rate: float
    evidence: float = SIGNIFICANT
    may_lengthen: bool = False
    gives_way: bool = False


def stages(n_samples: int, dim_x: int, dim_y: int) -> tuple[Stage, ...]:
    """Which trainings there are.

    First what lengths tell: they are simpler than columns, but for a single one, which is its own
    length up to the sign, and where rows are plenty the whole network learns as much, and more.
    Then, of many columns, what the anchor's directions tell, the more gently the more columns
    there are to learn by heart; a network that sees little else may be believed a little earlier.
    Then everything else.

    Args:
        n_samples: Rows.
        dim_x: Columns of what is noised.
        dim_y: Columns of the rest.
    """
    found = []
    if dim_x > 1 and n_samples <= LENGTHS_ROWS:
        found.append(Stage(_radial, RADIAL_SHARE, RADIAL_RATE))
    if _focuses(n_samples, dim_x, dim_y):
        rate = 1 / math.sqrt(crowding(dim_x))
        found.append(Stage(partial(_residual, focused=True), 1.0, rate, FOCUSED_EVIDENCE))
    return (*found, Stage(_residual, 1.0, 1.0, may_lengthen=True, gives_way=True))


def stage_with(pairs: CanonicalPairs) -> Stage:
    """The one that learns everything, given features that y tells of x precisely."""
    return Stage(partial(_residual, pairs=pairs), 1.0, 1.0, may_lengthen=True)


def validation_draws(n_samples: int, dim_x: int, dim_y: int) -> int:
    """More in many columns, where what can be learnt is faint beside what is learnt by heart.

    Up to about 40 columns; beyond, fewer again, for the sake of memory.
    """
    if not _focuses(n_samples, dim_x, dim_y):
        return VALIDATION_DRAWS
    return round(VALIDATION_DRAWS * min(crowding(dim_x), max(1.0, COLUMNS_OF_DRAWS / dim_x)))


def _focuses(n_samples: int, dim_x: int, dim_y: int) -> bool:
    """Whether columns are many, and it can be told which of them matter."""
    return crowding(dim_x) > 1 and n_samples >= ROWS_A_COLUMN * dim_x and dim_y <= WIDEST_FOCUS


def train_stages(ground: Ground, plan: tuple[Stage, ...], listen: Listener) -> Outcome:
    """One stage after the other, counted as one training.

    Args:
        ground: What they stand on.
        plan: The stages.
        listen: Gets the events of all.

    Returns:
        The outcome: weights of the last stage, which hold those that came before.
    """
    start: RefinedDenoiser | None = None
    outcomes: list[Outcome] = []
    for k, stage in enumerate(plan):
        earlier = sum(outcome.steps for outcome in outcomes)
        later = sum(steps_of(ground.config, ground.n_samples, each) for each in plan[k + 1 :])
        denoiser = stage.build(ground, start).to(ground.generator.device)
        found = _train(ground, stage, denoiser, counted(listen, earlier, later))
        outcomes.append(found)
        if found.status is Status.INTERRUPTED:
            break
        if found.kept_at:
            start = cast(RefinedDenoiser, found.denoiser)
    return reduce(joined, outcomes)


def steps_of(config: MMG, n_samples: int, stage: Stage) -> int:
    """Steps of a stage, unless there are to be more."""
    return round(stage.share * config.steps_for(n_samples))


def _radial(ground: Ground, start: RefinedDenoiser | None) -> RefinedDenoiser:
    return RadialDenoiser(
        ground.variance,
        ground.rows.samples.y.shape[2],
        generator=ground.host,
        condition=ground.condition,
    )


def _residual(
    ground: Ground,
    start: RefinedDenoiser | None,
    *,
    focused: bool = False,
    pairs: CanonicalPairs | None = None,
) -> RefinedDenoiser:
    return ResidualDenoiser(
        ground.variance,
        ground.rows.samples.y.shape[2],
        width=ground.config.width_for(ground.n_samples),
        blocks=ground.config.blocks,
        generator=ground.host,
        condition=ground.condition,
        start=start,
        sensitivity=ground.sensitivity,
        focused=focused,
        pairs=pairs,
    )


def sensitivity(anchor: Anchor, rows: Rows) -> Tensor | None:
    """That of the anchor on some of the rows; None for too many columns to be worth it."""
    few, (_, _, dim_x) = int(rows.count.min()), rows.samples.x.shape
    if rows.samples.y.shape[2] > WIDEST_FOCUS:
        return None
    every = -(-few * dim_x // SENSITIVITY_PASSES)
    return anchor.sensitivity(rows.samples.y[:, :few:every].double()).cpu()


def _train(ground: Ground, stage: Stage, denoiser: RefinedDenoiser, listen: Listener) -> Outcome:
    """`train` with shares of the steps and the learning rate of the estimator."""
    config, grid = ground.config, ground.validation.grid
    steps = steps_of(config, ground.n_samples, stage)
    share = config.share_without_y(ground.n_samples, conditional=ground.condition > 0)
    adaptive = config.proposal == "adaptive"
    logistic = LogisticProposal(config.loc, config.scale, config.clip)
    return train(
        denoiser,
        ClippedMuon(
            [p for p in denoiser.parameters() if p.requires_grad],
            denoiser.net.hidden_matrices(),
            learning_rate=stage.rate * config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        ground.rows,
        replace(ground.validation, significant=stage.evidence),
        grid if adaptive else logistic,
        Schedule(
            steps=steps,
            batch=even_batch(
                config.batch_for(ground.n_samples) // 2, int(ground.rows.count.min())
            ),
            check_every=100,
            grace=min(GRACE, max(round(stage.share * FEW_STEPS), round(GRACE_SHARE * steps))),
            weights=Weights.LEARNT if config.gap == "inner" else Weights.BEST,
            rate=trapezoid,
            longest=config.longest_for(ground.n_samples) if stage.may_lengthen else 0,
            gives_way=stage.gives_way and config.seeks_pairs,
        ),
        draw=partial(antithetic_pairs, without=share),
        adapt=grid.reaching if adaptive else None,
        generator=ground.generator,
        listen=listen,
        keep=ground.keep,
    )


def counted(listen: Listener, earlier: int, later: int) -> Listener:
    """Gets the events of one training, and counts its steps with those before and after."""

    def relay(event: Event) -> bool | None:
        if isinstance(event, Step):
            event = Step(event.step + earlier, event.total_steps + earlier + later)
        elif isinstance(event, Snapshot):
            event = replace(event, step=event.step + earlier)
        return listen(event)

    return relay


def joined(first: Outcome, second: Outcome) -> Outcome:
    """Of two trainings the second of which began where the first ended.

    `kept_at` is that of the second: 0 if it added nothing.
    """
    a, b = first.history, second.history
    history = TrainingHistory(
        np.concatenate([a.step, b.step + first.steps]),
        np.concatenate([a.loss, b.loss]),
        np.concatenate([a.mi, b.mi]),
    )
    # What the first still gained late, the second had time to make up for if it learnt anything.
    late_gain = second.late_gain if second.kept_at else first.late_gain
    return replace(
        second,
        history=history,
        steps=first.steps + second.steps,
        late_gain=late_gain,
        hasty=first.hasty and second.hasty,
        lengthened=first.lengthened or second.lengthened,
    )
