"""Difference of entropies: fitted densities of y, without and with x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.estimators.critics.fields import Variational
from mmg_nb.fields import field

__all__ = ["DoE"]


@dataclass(frozen=True, kw_only=True)
class DoE(Variational):
    """H(y) − H(y | x) with fitted densities (McAllester & Stratos 2020, arXiv 1811.04251).

    Two densities of y are fitted, one without x and one given x. Both cross-entropies are upper
    bounds of the entropies, so their difference is not a bound. Each column of y has one simple
    density (`head`). The estimate is accurate only if y given x has about this shape. It has no
    ceiling, but the standard error does not cover a wrong shape.
    """

    name: ClassVar[str] = "doe"
    summary: ClassVar[str] = "Difference of fitted entropies: no ceiling, assumes a density shape"

    head: str = field(
        "gaussian", "family of the fitted densities", choices=("gaussian", "logistic")
    )
