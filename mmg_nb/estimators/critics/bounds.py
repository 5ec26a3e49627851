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
    """A critic f(x, y) is trained to tell pairs from independent x and y."""

    critic: str = field(
        "joint",
        "joint: one network of x and y; separable: a product of features of x and of y",
        choices=("joint", "separable"),
    )


@dataclass(frozen=True, kw_only=True)
class ByRatio(CriticBased):
    """The critic learns from a few independent pairs for each pair; more lessen its noise."""

    negatives: int = field(
        3, "independent pairs for each pair; 0: all of the batch", low=0, high=100_000
    )


@dataclass(frozen=True, kw_only=True)
class MINE(ByRatio):
    """Mutual information neural estimation (Belghazi et al. 2018, arXiv 1801.04062).

    Donsker & Varadhan's lower bound, its gradient corrected by a moving average. No lower bound
    that holds with high confidence whatever the distribution can exceed about ln n (McAllester &
    Stratos 2020, arXiv 1811.04251): above that the value means little.
    """

    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = (
        "Donsker–Varadhan bound with MINE's gradient; ceiling about ln n, noisy near it"
    )

    average: float = field(0.01, "weight of a batch in the moving average", low=1e-6, high=0.999)


@dataclass(frozen=True, kw_only=True)
class DV(ByRatio):
    """Donsker & Varadhan's lower bound, trained by its own batch gradient; see `MINE`."""

    name: ClassVar[str] = "dv"
    summary: ClassVar[str] = "Donsker–Varadhan bound; ceiling about ln n, noisy near it"


@dataclass(frozen=True, kw_only=True)
class NWJ(ByRatio):
    """The lower bound of Nguyen, Wainwright & Jordan 2010 (arXiv 0809.0853); see `MINE`."""

    name: ClassVar[str] = "nwj"
    summary: ClassVar[str] = "Nguyen–Wainwright–Jordan bound; ceiling about ln n, noisy near it"


@dataclass(frozen=True, kw_only=True)
class InfoNCE(CriticBased):
    """Noise-contrastive bound (van den Oord et al. 2018, arXiv 1807.03748).

    It cannot exceed the logarithm of the pairs that each pair is told from, ln `batch` by
    default, and is too low well before that. In exchange it is stable.
    """

    name: ClassVar[str] = "infonce"
    summary: ClassVar[str] = "Contrastive bound: stable, never above ln(batch)"

    critic: str = field(
        "separable",
        "separable: a product of features of x and of y; joint: one network of both, slower",
        choices=("joint", "separable"),
    )
    negatives: int | None = field(
        None, "independent pairs for each pair; none: all of the batch", low=1, high=100_000
    )


@dataclass(frozen=True, kw_only=True)
class SMILE(ByRatio):
    """Smoothed estimator of Song & Ermon 2020 (arXiv 1910.06222).

    The critic learns ln r by logistic regression; the estimate is Donsker & Varadhan's with the
    partition term clipped to [e^−τ, e^τ], which bounds its variance and gives up the bound.
    """

    name: ClassVar[str] = "smile"
    summary: ClassVar[str] = "Logistic regression, read with a clipped partition term; no bound"

    clip: float = field(5.0, "τ: scores of independent pairs are clipped to ±τ", low=0.1, high=50)


@dataclass(frozen=True, kw_only=True)
class DIME(ByRatio):
    """Discriminative estimation by f-divergences (Letizia et al. 2024, arXiv 2305.20025).

    The critic learns ln r by one of three objectives, and the estimate is the mean of ln r over
    pairs: no partition term, hence little variance, and no bound. The paper's `deranged`
    architecture is critic=joint with negatives=1, its `separable` one critic=separable with
    negatives=0.
    """

    name: ClassVar[str] = "dime"
    summary: ClassVar[str] = "Mean of a learned log density ratio: little variance, no bound"

    divergence: str = field(
        "gan",
        "what the critic is trained by: gan (logistic regression), kl or hd (Hellinger)",
        choices=("gan", "kl", "hd"),
    )
