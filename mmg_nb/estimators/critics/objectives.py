"""Objectives that train critics, and estimates from critics: one short function per equation.

A critic scores `joint` pairs (xᵢ, yᵢ), `(…, n)`, and `product` pairs (xᵢ, yⱼ) with j ≠ i,
`(…, n, k)`. Product pairs represent independent x and y. Leading axes are members. f is the score,
and r = p(x, y) / (p(x) p(y)) is the density ratio. The critic is trained so that f approximates
ln r.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "DIVERGENCES",
    "MovingAverage",
    "Objective",
    "Readout",
    "donsker_varadhan",
    "donsker_varadhan_points",
    "gan",
    "hellinger",
    "info_nce",
    "info_nce_points",
    "kullback_leibler",
    "log_ratio_points",
    "nwj_points",
    "smile_points",
]

Objective = Callable[[Tensor, Tensor], Tensor]
"""(joint, product) -> objective to maximise, one value per member."""

Readout = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(joint `(n,)`, product `(n, k)`, partners `(n, k)`) -> contribution of each row, `(n,)`.

The mean is the estimate. Row i enters product pairs as x and as y. Both count towards row i, so
the spread of the contributions gives the standard error of the mean (Hájek projection)."""


# --- objectives


def donsker_varadhan(joint: Tensor, product: Tensor) -> Tensor:
    """E f − ln E_product eᶠ, at most I (Donsker & Varadhan 1983)."""
    return joint.mean(-1) - _log_mean_exp(product.flatten(-2))


def kullback_leibler(joint: Tensor, product: Tensor) -> Tensor:
    """1 + E f − E_product eᶠ, at most I.

    With T = 1 + f it is the bound of Nguyen, Wainwright & Jordan 2010 (arXiv 0809.0853, eq. 10),
    E T − E_product e^(T − 1); with D = eᶠ it is KL-DIME (Letizia et al. 2024, arXiv 2305.20025).
    """
    return 1 + joint.mean(-1) - product.exp().mean((-2, -1))


def gan(joint: Tensor, product: Tensor) -> Tensor:
    """E ln σ(f) + E_product ln σ(−f): logistic regression, largest at f = ln r.

    The objective of GAN-DIME (Letizia et al. 2024) and of SMILE (Song & Ermon 2020).
    """
    return -F.softplus(-joint).mean(-1) - F.softplus(product).mean((-2, -1))


def hellinger(joint: Tensor, product: Tensor) -> Tensor:
    """2 − E e^(−f/2) − E_product e^(f/2), largest at f = ln r; HD-DIME (Letizia et al. 2024)."""
    return 2 - (-joint / 2).exp().mean(-1) - (product / 2).exp().mean((-2, -1))


def info_nce(joint: Tensor, product: Tensor) -> Tensor:
    """E ln [eᶠ / mean of eᶠ over the pair and its k negatives], at most I and ln(k + 1).

    Van den Oord, Li & Vinyals 2018, arXiv 1807.03748, section 2.3; as a bound Poole et al. 2019,
    arXiv 1905.06922, eq. 10.
    """
    return (joint - _log_mean_exp(_with_negatives(joint, product))).mean(-1)


class MovingAverage:
    """The bound of Donsker & Varadhan with MINE's gradient (Belghazi et al. 2018, section 3.2).

    The gradient of ln E eᶠ is E[eᶠ ∇f] / E eᶠ. If both means come from one batch, it is biased.
    If the denominator is a moving average over batches, the bias is small. Only the gradient of
    the returned value is meaningful, not the value itself.

    Args:
        rate: Weight of the newest batch.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._log_mean: Tensor | None = None

    def __call__(self, joint: Tensor, product: Tensor) -> Tensor:
        """A value whose gradient is MINE's, one per member."""
        now = _log_mean_exp(product.detach().flatten(-2))
        if self._log_mean is None:
            self._log_mean = now
        old = self._log_mean + math.log1p(-self._rate)
        self._log_mean = torch.logaddexp(old, now + math.log(self._rate))
        weight = (product - self._log_mean[..., None, None]).exp()
        return joint.mean(-1) - weight.mean((-2, -1))


# --- readouts


def donsker_varadhan_points(joint: Tensor, product: Tensor, partners: Tensor) -> Tensor:
    """E f − ln E_product eᶠ, linearised around the mean."""
    log_mean = _log_mean_exp(product.flatten())
    return joint - log_mean - (_by_row((product - log_mean).exp(), partners) - 1)


def nwj_points(joint: Tensor, product: Tensor, partners: Tensor) -> Tensor:
    """1 + E f − E_product eᶠ; see `kullback_leibler`."""
    return 1 + joint - _by_row(product.exp(), partners)


def smile_points(clip: float) -> Readout:
    """E f − ln E_product clip(eᶠ, e^−τ, e^τ) (Song & Ermon 2020, arXiv 1910.06222, section 4).

    Only the partition term is clipped, because its variance grows with eᴵ. The result is no
    longer a bound.

    Args:
        clip: τ.
    """

    def points(joint: Tensor, product: Tensor, partners: Tensor) -> Tensor:
        return donsker_varadhan_points(joint, product.clamp(-clip, clip), partners)

    return points


def info_nce_points(joint: Tensor, product: Tensor, partners: Tensor) -> Tensor:
    """`info_nce` of each row, including the effect of the row as a negative of other rows."""
    both = _with_negatives(joint, product)
    share = both.softmax(-1)[:, 1:]
    taken = _as_partner(share, partners)
    return joint - _log_mean_exp(both) - (taken - taken.mean())


def log_ratio_points(joint: Tensor, product: Tensor, partners: Tensor) -> Tensor:
    """E f: the mean of the log-ratio itself, not a bound (DIME, Letizia et al. 2024)."""
    return joint


DIVERGENCES: dict[str, Objective] = {"kl": kullback_leibler, "gan": gan, "hd": hellinger}


def _with_negatives(joint: Tensor, product: Tensor) -> Tensor:
    return torch.cat([joint.unsqueeze(-1), product], dim=-1)


def _log_mean_exp(values: Tensor) -> Tensor:
    return values.logsumexp(-1) - math.log(values.shape[-1])


def _by_row(terms: Tensor, partners: Tensor) -> Tensor:
    """Contribution of each row, as x and as y, to the mean of `terms`, minus it once, `(n,)`."""
    k = terms.shape[1]
    return terms.mean(1) + _as_partner(terms, partners) / k - terms.mean()


def _as_partner(terms: Tensor, partners: Tensor) -> Tensor:
    """Sum of the terms in which the row serves as y, `(n,)`."""
    return terms.new_zeros(len(terms)).index_add_(0, partners.flatten(), terms.flatten())
