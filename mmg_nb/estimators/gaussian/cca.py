"""Canonical correlations: exact for Gaussian data; detects linear dependence only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.marginals import Standardize
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.gaussian import closed_form
from mmg_nb.fields import field
from mmg_nb.results.finding import Finding
from mmg_nb.runs.context import RunContext

__all__ = ["CCA"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CCA(Estimator):
    """Mutual information of the Gaussian with the sample's covariance (Kay 1992).

    I = −½ Σᵢ ln(1 − ρᵢ²), where ρᵢ are the canonical correlations. With a condition they are the
    partial ones. The sum is computed from determinants, which give the same value. The standard
    error is that of the mean of the Gaussian's pointwise log-ratios. With heavy tails both are
    unreliable; use `gcmi` instead.
    """

    name: ClassVar[str] = "cca"
    summary: ClassVar[str] = "Canonical correlations: instant, exact for Gaussian data only"
    accepts: ClassVar[frozenset[str]] = frozenset({"given"})

    correct_bias: bool = field(True, "remove the exact small-sample bias of Gaussian data")

    def estimate(self, pairs: Pairs, run: RunContext) -> Finding:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are too few rows for so many columns.
        """
        return closed_form.run(self, pairs, _standardized)


def _standardized(values: Array) -> Array:
    values = values / np.abs(values).max(axis=0)  # squares of extreme units would overflow
    return Standardize.fit(values)(values)
