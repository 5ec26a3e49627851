"""Difference of entropies: two densities of y, alone and given x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.estimators.critics.fields import Variational
from mmg_nb.fields import field

__all__ = ["DoE"]


@dataclass(frozen=True, kw_only=True)
class DoE(Variational):
    """H(y) − H(y | x) with fitted densities (McAllester & Stratos 2020, arXiv 1811.04251).

    Both cross-entropies are upper bounds of the entropies, so that their difference is no bound.
    With one simple density a coordinate it is right where y given x has about that shape, which
    limits neither how large the mutual information may be nor how wrong the answer.
    """

    name: ClassVar[str] = "doe"
    summary: ClassVar[str] = "Difference of fitted entropies: no ceiling, trusts its densities"

    head: str = field("gaussian", "shape of the densities", choices=("gaussian", "logistic"))
