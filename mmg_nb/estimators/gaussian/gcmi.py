"""Gaussian copula in closed form: exact for Gaussian copulas; misses other dependence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.gaussian import closed_form
from mmg_nb.fields import field
from mmg_nb.polling import polled
from mmg_nb.results.finding import Finding
from mmg_nb.runs.context import RunContext

__all__ = ["GCMI", "scores"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GCMI(Estimator):
    """Gaussian-copula mutual information (Ince et al. 2017, Human Brain Mapping 38:1541).

    The ranks of each column are mapped to Gaussian quantiles. Then the log-determinant formula is
    exact if the joint distribution is a Gaussian copula. Otherwise it converges to a lower bound
    as the number of rows grows.
    """

    name: ClassVar[str] = "gcmi"
    summary: ClassVar[str] = "Gaussian copula in closed form: instant, misses any other dependence"
    accepts: ClassVar[frozenset[str]] = frozenset({"given"})

    correct_bias: bool = field(True, "remove the exact small-sample bias of Gaussian data")

    def estimate(self, pairs: Pairs, run: RunContext) -> Finding:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are too few rows for so many columns.
        """
        return closed_form.run(self, pairs, scores)


def scores(values: Array) -> Array:
    """Standardized Gaussian quantiles of the ranks of each column, `(n, d)`."""
    quantiles = np.empty(values.shape)
    for k, column in enumerate(polled(values.T)):
        quantiles[:, k] = norm.ppf(rankdata(column) / (len(values) + 1))
    return (quantiles - quantiles.mean(axis=0)) / quantiles.std(axis=0)
