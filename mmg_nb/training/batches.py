"""Batches to train on, prepared for many steps at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.gaussian import Denoiser, Prepared
from mmg_nb.denoisers.logsnr import Proposal
from mmg_nb.denoisers.members import Rows

__all__ = ["Draw", "Lesson", "antithetic_pairs", "by_step", "even_batch", "steps_ahead"]

# In all rows of the steps that are prepared together; ten times as many come of it. On the host
# they are to fit in the cache.
NUMBERS_AHEAD = {"cpu": 2**18, "cuda": 2**22}


@dataclass(frozen=True, eq=False)
class Lesson:
    """The loss of the present weights on one batch, summed over members.

    Attributes:
        loss: Computes it.
        inputs: What it is computed from, always of the same names and shapes in one training.
    """

    loss: Callable[[Prepared], Tensor]
    inputs: Prepared

    def __call__(self) -> Tensor:
        """Compute it."""
        return self.loss(self.inputs)


Draw = Callable[[Denoiser, Rows, int, Proposal, Generator, int], Sequence[Lesson]]
"""Draws lessons for a denoiser from rows, so many rows a step, at log-SNRs of a proposal: one or
more, up to a number.

It takes what it needs from the generator when it is called, the same amount whatever the weights
and the proposal, for as many lessons whenever it is asked for the same number: a resumed run draws
its lessons again, and must find those that it had.
"""


def antithetic_pairs(
    denoiser: Denoiser,
    rows: Rows,
    batch: int,
    proposal: Proposal,
    generator: Generator,
    most: int,
    *,
    without: float = 0.5,
) -> Sequence[Lesson]:
    """ε-error of each batch, the first part without y, the rest with y.

    Each row is seen twice, with ε and with −ε. Where the prediction hardly changes over the
    breadth of the noise, which at high log-SNR is nearly everywhere, the noise of the two
    gradients cancels, and what is left is what there is to learn.

    A small network costs less than all the small tensors around it. Those that weights do not
    change are computed for many steps at once.

    Args:
        denoiser: Of all members.
        rows: Rows to fit, of every member.
        batch: Rows a step and member, at least 2.
        proposal: Where the log-SNRs are drawn, stratified in each part.
        generator: Source of rows and noise.
        most: Lessons wanted.
        without: Share of the rows that are seen without y.

    Returns:
        The lessons; the loss is ‖ε − ε̂‖², mean over the batch and sum over members.
    """
    count = steps_ahead(rows, batch, most)
    first = min(batch - 1, max(1, round(without * batch)))
    drawn = [_draw(rows, batch, generator) for _ in range(count)]
    index, jitter, noise = (torch.cat(each, dim=1) for each in zip(*drawn, strict=True))
    place = torch.arange(batch, device=jitter.device).repeat(count)
    given = place >= first
    u = (place - first * given + jitter) / torch.where(given, batch - first, first)
    eps = torch.cat([noise, -noise], dim=1)
    prepared = denoiser.prepare(
        rows.samples.take(index).repeated(2),
        eps,
        proposal.quantile(u).float(),
        given.repeat(2).view(1, -1, 1),
    )
    inputs = by_step({**prepared, "eps": eps}, count, batch)
    return [Lesson(partial(_error, denoiser), each) for each in inputs]


def _draw(rows: Rows, batch: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What one step draws: rows, places within strata and noise, `(members, batch, …)`.

    Drawn step by step, so that it does not depend on how many steps are prepared together.
    """
    (members, _, dim_x), device = rows.samples.x.shape, rows.count.device
    index = rows.pick(batch, generator)
    jitter = torch.rand(members, batch, generator=generator, device=device)
    noise = torch.randn(members, batch, dim_x, generator=generator, device=device)
    return index, jitter, noise


def steps_ahead(rows: Rows, batch: int, most: int) -> int:
    """For how many steps to prepare batches at once, from 1 to `most`."""
    members, _, dim_x = rows.samples.x.shape
    numbers = members * 2 * batch * (2 * dim_x + rows.samples.y.shape[2])
    return max(1, min(most, NUMBERS_AHEAD[rows.count.device.type] // numbers))


def by_step(values: Prepared, count: int, batch: int) -> list[Prepared]:
    """Values for so many steps, `(members, count · batch, …)`, of each step by itself.

    What holds each row twice, `(members, 2 · count · batch, …)`, does so for each step, too.
    """
    split = {
        name: _steps_first(value.unflatten(1, (-1, count, batch))).unbind()
        for name, value in values.items()
    }
    return [{name: steps[k] for name, steps in split.items()} for k in range(count)]


def _steps_first(values: Tensor) -> Tensor:
    """`(members, once or twice, count, batch, …)` to `(count, members, rows, …)`, contiguous."""
    return values.movedim(2, 0).flatten(2, 3).contiguous()


def _error(denoiser: Denoiser, inputs: Prepared) -> Tensor:
    error = inputs["eps"] - denoiser.predict(inputs)
    return error.square().sum(-1).mean(-1).sum()


def even_batch(wanted: int, fewest: int) -> int:
    """Rows a step: no more than any member has, and even, for those who give half to each branch.

    Args:
        wanted: As asked for.
        fewest: Rows of the member that has the fewest.

    Returns:
        At least 2.
    """
    return max(2, min(wanted, fewest) // 2 * 2)
