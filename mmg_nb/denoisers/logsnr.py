"""Proposals: densities from which log-SNRs are drawn, for training and for evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = [
    "EDGE",
    "HIGHEST",
    "OPEN",
    "BinnedProposal",
    "LogisticProposal",
    "Proposal",
    "adapted_logistic",
    "uniform_bins",
]

HIGHEST = 24.0  # log-SNR; above it, float32 rounding of x is larger than the noise
EDGE = 4  # bins at the upper end over which the gap is averaged
OPEN, CLOSED = 0.04, 0.004  # the range is extended if this gap exceeds OPEN, until it is CLOSED


class Proposal(Protocol):
    """A density q(λ) on an interval."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        ...

    def quantile(self, u: Tensor) -> Tensor:
        """Map u in (0, 1) to λ with density q; same shape, float64."""
        ...

    def density(self, logsnr: Tensor) -> Tensor:
        """q(λ), which integrates to 1 over the interval."""
        ...


@dataclass(frozen=True)
class LogisticProposal:
    """A logistic density truncated at `loc ± clip·scale` (Kong et al. 2023, arXiv 2302.03792).

    Attributes:
        loc: Centre, in log-SNR.
        scale: Scale of the logistic density.
        clip: Half-width of the interval in units of `scale`.
    """

    loc: float = 2.0
    scale: float = 3.0
    clip: float = 4.0

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.loc - self.clip * self.scale

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.loc + self.clip * self.scale

    def quantile(self, u: Tensor) -> Tensor:
        """Map u in (0, 1) to λ; see `Proposal`."""
        edge = 1 / (1 + math.exp(self.clip))
        p = edge + u.double() * (1 - 2 * edge)
        return self.loc + self.scale * torch.logit(p)

    def density(self, logsnr: Tensor) -> Tensor:
        """q(λ); see `Proposal`."""
        t = (logsnr.double() - self.loc) / self.scale
        mass = math.tanh(self.clip / 2)
        inside = (t.abs() <= self.clip * (1 + 1e-12)).double()
        return inside * torch.sigmoid(t) * torch.sigmoid(-t) / (self.scale * mass)


@dataclass(frozen=True, eq=False)
class BinnedProposal:
    """A density that is constant in each bin.

    Attributes:
        edges: `(k + 1,)`, increasing, float64.
        mass: `(k,)`, probability of each bin, float64.
    """

    edges: Tensor
    mass: Tensor

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return float(self.edges[0])

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return float(self.edges[-1])

    @property
    def centres(self) -> Tensor:
        """Centres of the bins, `(k,)`."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def widths(self) -> Tensor:
        """Widths of the bins, `(k,)`."""
        return self.edges.diff()

    def bins(self, logsnr: Tensor) -> Tensor:
        """Index of the bin of each λ."""
        return torch.bucketize(logsnr, self.edges[1:-1], right=True)

    def quantile(self, u: Tensor) -> Tensor:
        """Map u in (0, 1) to λ; see `Proposal`."""
        cumulative = self.mass.cumsum(0)
        u = u.double()
        k = torch.searchsorted(cumulative, u).clamp_(max=len(self.mass) - 1)
        below = cumulative[k] - self.mass[k]
        return self.edges[k] + self.widths[k] * ((u - below) / self.mass[k]).clamp(0, 1)

    def density(self, logsnr: Tensor) -> Tensor:
        """q(λ); see `Proposal`."""
        return (self.mass / self.widths)[self.bins(logsnr)]

    def adapted(self, integrand: Tensor) -> BinnedProposal:
        """A mixture: half uniform, half proportional to the square root of the integrand.

        The variance of an importance-weighted mean is lowest for q ∝ √E[value²]. The uniform half
        covers log-SNRs where the integrand is not yet known.

        Args:
            integrand: Mean gap in each bin, `(k,)`; negative values count as 0.

        Returns:
            A proposal over the same bins.
        """
        share = integrand.clamp_min(0).sqrt() * self.widths
        uniform = self.widths / self.widths.sum()
        total = share.sum()
        focused = torch.where(total > 0, share / total.clamp_min(1e-300), uniform)
        return BinnedProposal(self.edges, 0.5 * uniform + 0.5 * focused)

    def reaching(self, gap: Tensor) -> BinnedProposal:
        """The same as `adapted`, with bins added if the gap is `OPEN` at the upper end.

        The number of new bins assumes that the gap falls by a factor e per unit of log-SNR until
        it is `CLOSED`. This holds if the noise is smaller than the residual of x given y. If not,
        the gap may still be open above the new range.

        Args:
            gap: Mean gap in each bin, `(k,)`.

        Returns:
            A proposal over the same bins, and possibly more bins above them, up to `HIGHEST`.
        """
        width, level = float(self.widths[-1]), float(gap[-EDGE:].mean())
        if level < OPEN:
            return self.adapted(gap)
        room = max(0, int((HIGHEST - self.high) / width + 1e-9))
        count = min(room, math.ceil(math.log(level / CLOSED) / width))
        beyond = width * torch.arange(1, count + 1).to(self.edges)
        wide = BinnedProposal(
            torch.cat([self.edges, self.edges[-1] + beyond]),
            torch.cat([self.mass, torch.zeros_like(beyond)]),
        )
        return wide.adapted(torch.cat([gap, level * (-beyond).exp()]))


def uniform_bins(low: float, high: float, width: float, device: torch.device) -> BinnedProposal:
    """Equal bins of about the given width with equal mass.

    Args:
        low: Lower end.
        high: Upper end.
        width: Approximate width of a bin.
        device: Device of the tensors.

    Returns:
        The proposal.
    """
    k = max(1, round((high - low) / width))
    edges = torch.linspace(low, high, k + 1, dtype=torch.float64, device=device)
    return BinnedProposal(edges, torch.full((k,), 1 / k, dtype=torch.float64, device=device))


def adapted_logistic(
    logsnr: Tensor, mse_given_y: Tensor, dim_x: int, clip: float = 4.0
) -> LogisticProposal:
    """The published adaptive rule, with limits.

    The centre is the λ½ at which the conditional error crosses half of its ceiling dim_x. The
    scale is (λ½ − λ¼)/ln 3, where the error crosses a quarter of its ceiling at λ¼.

    Without limits, exact curves give the range [−19, 37] for very dependent data (a large
    variance), and [−3.5, 4.9] for weakly dependent data (which loses 0.03 nats). Therefore the
    scale is limited to 2.5 … 5 and the centre to −4 … 12.

    Args:
        logsnr: Grid, `(k,)`, increasing.
        mse_given_y: Conditional ε-error on the grid, `(k,)`.
        dim_x: Dimensions of x.
        clip: Half-width of the interval in units of the scale.

    Returns:
        The proposal.
    """
    half = _crossing(logsnr, mse_given_y, dim_x / 2)
    quarter = _crossing(logsnr, mse_given_y, dim_x / 4)
    scale = min(max((half - quarter) / math.log(3), 2.5), 5.0)
    return LogisticProposal(min(max(half, -4.0), 12.0), scale, clip)


def _crossing(logsnr: Tensor, curve: Tensor, level: float) -> float:
    """First λ at which a rising, noisy curve reaches a level, or else an end of the grid."""
    rising = torch.cummax(curve, 0).values
    k = int(torch.searchsorted(rising, torch.tensor(level, dtype=rising.dtype)))
    if k == 0 or k == len(curve):
        return float(logsnr[min(k, len(curve) - 1)])
    a, b = float(rising[k - 1]), float(rising[k])
    t = 0.5 if a == b else (level - a) / (b - a)
    return float(logsnr[k - 1] + t * (logsnr[k] - logsnr[k - 1]))
