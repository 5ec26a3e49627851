"""Training batches, prepared for many steps at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.gaussian import Denoiser, Prepared
from mmg_nb.denoisers.logsnr import Proposal
from mmg_nb.denoisers.members import Rows

__all__ = ["Draw", "PreparedBatch", "antithetic_pairs", "by_step", "even_batch", "steps_ahead"]

# Maximum numbers in all rows that are prepared together; preparation makes about ten times as
# many. On the host they should fit into the cache.
NUMBERS_AHEAD = {"cpu": 2**18, "cuda": 2**22}


@dataclass(frozen=True, eq=False)
class PreparedBatch:
    """A prepared batch with its loss, summed over members.

    Attributes:
        loss: Computes the loss.
        inputs: Inputs of the loss, with the same names and shapes throughout a training.
    """

    loss: Callable[[Prepared], Tensor]
    inputs: Prepared

    def __call__(self) -> Tensor:
        """Compute the loss of the current weights."""
        return self.loss(self.inputs)


Draw = Callable[[Denoiser, Rows, int, Proposal, Generator, int], Sequence[PreparedBatch]]
"""Draws prepared batches: (denoiser, rows, rows per step, proposal, generator, maximum number).

It returns at least one batch. The random numbers that it uses, and the number of batches, must not
depend on the weights or on the proposal. A resumed run draws its batches again, and must get the
same ones.
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
) -> Sequence[PreparedBatch]:
    """ε-error of each batch; the first part of the rows is without y, the rest with y.

    Each row is used twice, with ε and with −ε. If the prediction is nearly constant over the width
    of the noise, the noise of the two gradients cancels. At high log-SNR this is nearly always so.

    A small network takes less time than the many small tensors around it. Therefore all tensors
    that do not depend on the weights are computed for many steps at once.

    Args:
        denoiser: The denoiser of all members.
        rows: Training rows of every member.
        batch: Rows per step and member, at least 2.
        proposal: Density of the log-SNRs, which are stratified in each part.
        generator: Source of rows and noise.
        most: Maximum number of batches.
        without: Fraction of the rows without y.

    Returns:
        The batches; the loss is ‖ε − ε̂‖², mean over the batch and sum over members.
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
    return [PreparedBatch(partial(_error, denoiser), each) for each in inputs]


def _draw(rows: Rows, batch: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random numbers of one step: rows, positions in strata and noise, `(members, batch, …)`.

    They are drawn step by step, so that they do not depend on how many steps are prepared at once.
    """
    (members, _, dim_x), device = rows.samples.x.shape, rows.count.device
    index = rows.pick(batch, generator)
    jitter = torch.rand(members, batch, generator=generator, device=device, dtype=torch.float32)
    noise = torch.randn(
        members, batch, dim_x, generator=generator, device=device, dtype=torch.float32
    )
    return index, jitter, noise


def steps_ahead(rows: Rows, batch: int, most: int) -> int:
    """Number of steps to prepare at once, from 1 to `most`."""
    members, _, dim_x = rows.samples.x.shape
    numbers = members * 2 * batch * (2 * dim_x + rows.samples.y.shape[2])
    return max(1, min(most, NUMBERS_AHEAD[rows.count.device.type] // numbers))


def by_step(values: Prepared, count: int, batch: int) -> list[Prepared]:
    """Split values of `count` steps, `(members, count · batch, …)`, into those of each step.

    Values that hold each row twice, `(members, 2 · count · batch, …)`, do so for each step.
    """
    split = {
        name: _steps_first(value.unflatten(1, (-1, count, batch))).unbind()
        for name, value in values.items()
    }
    return [{name: steps[k] for name, steps in split.items()} for k in range(count)]


def _steps_first(values: Tensor) -> Tensor:
    """`(members, 1 or 2, count, batch, …)` to `(count, members, rows, …)`, contiguous."""
    return values.movedim(2, 0).flatten(2, 3).contiguous()


def _error(denoiser: Denoiser, inputs: Prepared) -> Tensor:
    error = inputs["eps"] - denoiser.predict(inputs)
    return error.square().sum(-1).mean(-1).sum()


def even_batch(wanted: int, fewest: int) -> int:
    """Rows per step: an even number, at most as many as every member has.

    Args:
        wanted: Requested rows per step.
        fewest: Rows of the member that has the fewest.

    Returns:
        The number of rows, at least 2.
    """
    return max(2, min(wanted, fewest) // 2 * 2)
