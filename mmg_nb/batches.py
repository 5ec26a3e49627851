"""Batches to train on, prepared for many steps at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers import Denoiser, Prepared, Samples
from mmg_nb.logsnr import Proposal
from mmg_nb.members import Rows

__all__ = ["Draw", "Lesson", "antithetic_pairs", "even_batch", "one_by_one"]

NUMBERS_AHEAD = 2**18  # in all rows of the steps prepared together; ten times as many come of it

Lesson = Callable[[], Tensor]
"""Computes the loss of the present weights on one batch, summed over members."""

Draw = Callable[[Denoiser, Rows, int, Proposal, Generator, int], Sequence[Lesson]]
"""Draws lessons for a denoiser from rows, so many rows a step, at log-SNRs of a proposal: one or
more, up to a number.

It takes what it needs from the generator when it is called, the same amount whatever the weights
and the proposal, for as many lessons whenever it is asked for the same number: a resumed run draws
its lessons again, and must find those that it had.
"""


def one_by_one(loss: Callable[[Denoiser, Samples, Generator, Proposal], Tensor]) -> Draw:
    """Draws a single lesson at a time: the loss of some rows, which draws its own noise."""

    def draw(
        denoiser: Denoiser,
        rows: Rows,
        batch: int,
        proposal: Proposal,
        generator: Generator,
        most: int,
    ) -> Sequence[Lesson]:
        # Computed now rather than when it is asked for, because it draws.
        value = loss(denoiser, rows.draw(batch, generator), generator, proposal)
        return [lambda: value]

    return draw


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
    count = max(1, min(most, NUMBERS_AHEAD // _numbers(rows, batch)))
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
    noises, parts = _split(eps, count, batch), _split_all(prepared, count, batch)
    return [partial(_error, denoiser, *each) for each in zip(parts, noises, strict=True)]


def _draw(rows: Rows, batch: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What one step draws: rows, places within strata and noise, `(members, batch, …)`.

    Drawn step by step, so that it does not depend on how many steps are prepared together.
    """
    (members, _, dim_x), device = rows.samples.x.shape, rows.count.device
    index = rows.pick(batch, generator)
    jitter = torch.rand(members, batch, generator=generator, device=device)
    noise = torch.randn(members, batch, dim_x, generator=generator, device=device)
    return index, jitter, noise


def _numbers(rows: Rows, batch: int) -> int:
    """About how many numbers the rows of one step consist of."""
    members, _, dim_x = rows.samples.x.shape
    return members * 2 * batch * (2 * dim_x + rows.samples.y.shape[2])


def _split_all(prepared: Prepared, count: int, batch: int) -> list[Prepared]:
    by_name = {name: _split(value, count, batch) for name, value in prepared.items()}
    return [{name: steps[k] for name, steps in by_name.items()} for k in range(count)]


def _split(values: Tensor, count: int, batch: int) -> tuple[Tensor, ...]:
    """Values for so many steps, of each row once or with both noises, by step."""
    return values.unflatten(1, (-1, count, batch)).movedim(2, 0).flatten(2, 3).unbind()


def _error(denoiser: Denoiser, prepared: Prepared, eps: Tensor) -> Tensor:
    error = eps - denoiser.predict(prepared)
    return error.square().sum(-1).mean(-1).sum()


def even_batch(wanted: int, count: Tensor) -> int:
    """Rows a step: no more than any member has, and even, for those who give half to each branch.

    Args:
        wanted: As asked for.
        count: Rows of each member, `(members,)`.

    Returns:
        At least 2.
    """
    return max(2, min(wanted, int(count.min())) // 2 * 2)
