"""Bounds on mutual information from a critic: MINE, Donsker–Varadhan, NWJ, InfoNCE, SMILE, DIME.

`mmg_nb.estimators.critics.objectives` holds the equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.estimators.critics.fields import Variational
from mmg_nb.fields import field

__all__ = ["DIME", "DV", "MINE", "NWJ", "SMILE", "CriticBased", "InfoNCE"]


@dataclass(frozen=True, kw_only=True)
class CriticBased(Variational):
    """A critic f(x, y) is trained to distinguish pairs from independent x and y."""

    critic: str = field(
        "joint",
        "joint: one network of x and y; separable: inner product of features of x and of y",
        choices=("joint", "separable"),
    )


@dataclass(frozen=True, kw_only=True)
class ByRatio(CriticBased):
    """A critic trained with a few independent pairs per row; more of them reduce the noise."""

    negatives: int = field(
        3,
        "independent pairs (x and y of different rows) per row; 0: all of the batch",
        low=0,
        high=100_000,
    )


@dataclass(frozen=True, kw_only=True)
class MINE(ByRatio):
    """Mutual information neural estimation (Belghazi et al. 2018, arXiv 1801.04062).

    The lower bound of Donsker & Varadhan. A moving average corrects the bias of its gradient. No
    lower bound that is valid for every distribution with high confidence can exceed about ln n
    (McAllester & Stratos 2020, arXiv 1811.04251). Estimates near or above ln n are unreliable.
    """

    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = (
        "Donsker–Varadhan bound with MINE's gradient; ceiling about ln n, noisy near it"
    )

    average: float = field(
        0.01, "weight of the newest batch in the moving average", low=1e-6, high=0.999
    )


@dataclass(frozen=True, kw_only=True)
class DV(ByRatio):
    """The lower bound of Donsker & Varadhan, trained by its own batch gradient; see `MINE`."""

    name: ClassVar[str] = "dv"
    summary: ClassVar[str] = "Donsker–Varadhan bound; ceiling about ln n, noisy near it"


@dataclass(frozen=True, kw_only=True)
class NWJ(ByRatio):
    """The lower bound of Nguyen, Wainwright & Jordan 2010 (arXiv 0809.0853); see `MINE`."""

    name: ClassVar[str] = "nwj"
    summary: ClassVar[str] = "Nguyen–Wainwright–Jordan bound; ceiling about ln n, noisy near it"


@dataclass(frozen=True, kw_only=True)
class InfoNCE(CriticBased):
    """Noise-contrastive lower bound (van den Oord et al. 2018, arXiv 1807.03748).

    The critic has to find each pair among independent pairs. The bound cannot exceed the logarithm
    of the number of these candidates, by default ln(`batch`). Its estimates are stable, but too
    low even if the mutual information is well below this ceiling.
    """

    name: ClassVar[str] = "infonce"
    summary: ClassVar[str] = "Contrastive lower bound: stable, never above ln(batch)"

    critic: str = field(
        "separable",
        "separable: inner product of features of x and of y; joint: one network of both, slower",
        choices=("joint", "separable"),
    )
    negatives: int | None = field(
        None,
        "independent pairs (x and y of different rows) per row; default: all of the batch",
        low=1,
        high=100_000,
    )


@dataclass(frozen=True, kw_only=True)
class SMILE(ByRatio):
    """Smoothed estimator of Song & Ermon 2020 (arXiv 1910.06222).

    Logistic regression trains the critic to approximate ln r, where r is the density ratio
    p(x, y) / (p(x) p(y)). The estimate is that of Donsker & Varadhan, with the partition term
    clipped to [e^−τ, e^τ]. Clipping limits its variance, but the estimate is no longer a bound.
    """

    name: ClassVar[str] = "smile"
    summary: ClassVar[str] = "Logistic regression with a clipped partition term; not a bound"

    clip: float = field(5.0, "τ: scores of independent pairs are clipped to ±τ", low=0.1, high=50)


@dataclass(frozen=True, kw_only=True)
class DIME(ByRatio):
    """Discriminative estimation by f-divergences (Letizia et al. 2024, arXiv 2305.20025).

    One of three objectives (`divergence`) trains the critic to approximate ln r, where r is the
    density ratio p(x, y) / (p(x) p(y)). The estimate is the mean of ln r over pairs. It has no
    partition term and therefore little variance, but it is not a bound. The paper's `deranged`
    architecture is critic=joint with negatives=1. Its `separable` architecture is
    critic=separable with negatives=0.
    """

    name: ClassVar[str] = "dime"
    summary: ClassVar[str] = "Mean of a learned log density ratio: little variance, not a bound"

    divergence: str = field(
        "gan",
        "training objective: gan (logistic regression), kl or hd (Hellinger)",
        choices=("gan", "kl", "hd"),
    )
