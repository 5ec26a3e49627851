"""Validation of the weights during training, on rows that are not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.gaussian import Denoiser, Prepared, Samples
from mmg_nb.denoisers.logsnr import BinnedProposal
from mmg_nb.denoisers.members import Rows
from mmg_nb.nets.chunks import chunks
from mmg_nb.polling import poll, polled
from mmg_nb.training.stopping import evidence_of, learned_fraction

__all__ = ["Measured", "Validation"]

NUMBERS_KEPT = 2**25  # maximum numbers that are prepared and kept: 128 MiB
DRAWS_AT_ONCE = 2**13


@dataclass(frozen=True, eq=False)
class Validation:
    """Validation rows with fixed noise: the same at every validation, so that losses compare.

    Attributes:
        samples: Rows repeated to `(members, draws, …)`.
        eps: Their noise.
        logsnr: Their λ, stratified uniformly over the bins, `(members, draws)`.
        bins: Bin of each λ.
        cluster: Cluster of each repeated row, counted from 0 in each member, `(members, draws)`.
        n_clusters: Number of clusters of the used rows, in all members together.
        grid: The bins.
        start: Predictions before training, without and with y, `(2, members, draws, …)`; None if
            they are not needed.
        prepared: Tensors that do not depend on the weights, without and with y; empty if unknown
            or too large to keep.
    """

    samples: Samples
    eps: Tensor
    logsnr: Tensor
    bins: Tensor
    cluster: Tensor
    n_clusters: int
    grid: BinnedProposal
    start: Tensor | None = None
    prepared: tuple[Prepared, ...] = ()

    @classmethod
    def prepare(
        cls,
        rows: Rows,
        grid: BinnedProposal,
        draws: int,
        generator: Generator,
        clusters: Sequence[NDArray[np.int64]] | None = None,
    ) -> Validation:
        """Draw the noise.

        Args:
            rows: Validation rows of every member.
            grid: The bins.
            draws: Draws per member; rows are repeated to this number.
            generator: Source of the noise.
            clusters: Cluster labels of the rows of each member; rows of a cluster depend on each
                other. None if all rows are independent.

        Returns:
            The fixed validation set.
        """
        members, device = len(rows.count), rows.count.device
        order = torch.arange(draws, device=device).expand(members, draws)
        row = order % rows.count.unsqueeze(1)
        samples = rows.samples.take(row)
        shape = members, draws
        jitter = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        keys = torch.rand(shape, generator=generator, device=device, dtype=torch.float32)
        strata = keys.argsort(dim=1)
        level = grid.low + (grid.high - grid.low) * (strata + jitter) / draws
        eps = torch.randn(samples.x.shape, generator=generator, device=device, dtype=torch.float32)
        cluster, total = row, int(rows.count.clamp_max(draws).sum())
        if clusters is not None:
            found = [np.unique(labels[:draws], return_inverse=True) for labels in clusters]
            total = sum(len(labels) for labels, _ in found)
            numbers = [torch.as_tensor(inverse.reshape(-1)) for _, inverse in found]
            cluster = (
                nn.utils.rnn.pad_sequence(numbers, batch_first=True).to(device).gather(1, row)
            )
        return cls(samples, eps, level.float(), grid.bins(level), cluster, total, grid)

    @torch.no_grad()
    def starting_from(self, denoiser: Denoiser) -> Validation:
        """The same set, with the predictions of the denoiser before training."""
        return replace(self, start=self._predict(denoiser))

    @torch.no_grad()
    def prepared_for(self, denoiser: Denoiser) -> Validation:
        """The same set for one denoiser, with the tensors that its weights do not change."""
        members, draws = self.logsnr.shape
        one = torch.zeros(members, 1, dtype=torch.long, device=self.eps.device)
        row = denoiser.prepare(
            self.samples.take(one), self.eps[:, :1], self.logsnr[:, :1], self._flag(True)
        )
        if 2 * draws * sum(value.numel() for value in row.values()) > NUMBERS_KEPT:
            return self
        return replace(self, prepared=tuple(self._prepare(denoiser, b) for b in (False, True)))

    @torch.no_grad()
    def measure(self, denoiser: Denoiser) -> Measured:
        """Measure errors and gap of the current weights."""
        both = self._predict(denoiser)
        poll()
        error = (self.eps - both).square().sum(-1)
        inner = ((self.eps - both[0]) * (both[1] - both[0])).sum(-1)
        values = torch.cat([error, inner.unsqueeze(0)]).flatten(1).double()
        k, bins = len(self.grid.mass), self.bins.flatten()
        sums = torch.zeros(3, k, dtype=torch.float64, device=bins.device)
        sums.index_add_(1, bins, values)
        curves = Curves(*(sums / torch.bincount(bins, minlength=k).clamp_min(1)))
        errors = error.sum(0).mean(1)
        if self.start is None:
            return Measured(errors, float(errors.mean()), 1.0, curves)
        with_y, together = self._change(both, self.start)
        # Without anything learned with y, both branches count.
        fall, learned = learned_fraction(*with_y)
        if not learned:
            fall, learned = learned_fraction(*together)
        return Measured(errors, -fall, learned, curves, max(with_y[2], together[2]))

    def _predict(self, denoiser: Denoiser) -> Tensor:
        if self.prepared:
            return torch.stack([denoiser.predict(branch) for branch in polled(self.prepared)])
        # One branch after the other, and a few draws at a time, to save memory.
        both = self.eps.new_empty(2, *self.eps.shape)
        for given in (False, True):
            for draws in chunks(self.eps.shape[1], DRAWS_AT_ONCE):
                prepared = self._prepare(denoiser, given, draws)
                both[int(given), :, draws] = denoiser.predict(prepared)
        return both

    def _prepare(self, denoiser: Denoiser, given: bool, draws: slice = slice(None)) -> Prepared:
        x, residual, y, eps = (
            v[:, draws] for v in (self.samples.x, self.samples.residual, self.samples.y, self.eps)
        )
        samples = Samples(x, residual, y)
        return denoiser.prepare(samples, eps, self.logsnr[:, draws], self._flag(given))

    def _flag(self, given: bool) -> Tensor:
        return torch.full((1, 1, 1), given, device=self.eps.device)

    def _change(self, both: Tensor, start: Tensor) -> list[tuple[Tensor, Tensor, float]]:
        """The arguments of `learned_fraction`, with y, and with and without y together."""
        poll()
        rest, correction = self.eps - start, both - start
        along = (rest * correction).sum(-1).double()
        size = correction.square().sum(-1).double()
        pairs = (along[1], size[1]), (along.sum(0), size.sum(0))
        return [(a, b, evidence_of(a, self.cluster, self.n_clusters)) for a, b in pairs]


class Curves(NamedTuple):
    """Means over the bins of log-SNR, each `(k,)`.

    Attributes:
        error_u: ε-error without y.
        error_c: ε-error with y.
        gap: Inner form of the gap.
    """

    error_u: Tensor
    error_c: Tensor
    gap: Tensor


@dataclass(frozen=True, eq=False)
class Measured:
    """Result of a validation.

    Attributes:
        error: Mean squared ε-error of each member, with and without y together, `(members,)`.
        progress_loss: The loss that measures progress. Without a start it is the mean error. With
            a start it is minus the fall of the error at the best multiple of the change.
        learned_fraction: This multiple, at most 1. It is 0 if the change is not significant, and
            1 without a start.
        curves: Means over bins.
        evidence: Number of standard errors by which learning differs from 0.
    """

    error: Tensor
    progress_loss: float
    learned_fraction: float
    curves: Curves
    evidence: float = math.inf
