r"""The MMSE gap in its four forms, and mutual information from it.

With the channel of `mmg_nb.denoisers.channel`, I(x; y) = ½ ∫ gap(λ) dλ over all log-SNR λ, where
the gap is E‖ε − u*‖² − E‖ε − c*‖² and u*, c* are the exact posterior means of ε without and with y
(Guo, Shamai & Verdú 2005; Kong et al. 2023, arXiv 2302.03792; Yu et al., arXiv 2509.20609).

Learned predictions are u = u* + δu and c = c* + δc. On points used neither for fitting nor for
selection, ε − u* is orthogonal to every function of z, and ε − c* to every function of (z, y).
Writing L = E⟨c* − u*, δc⟩:

    orthogonal   E‖c − u‖²                 = gap + 2L + E‖δc − δu‖²
    difference   E‖ε − u‖² − E‖ε − c‖²     = gap + E‖δu‖² − E‖δc‖²
    inner        E⟨ε − u, c − u⟩           = gap + L + E⟨δu, δu − δc⟩

Overfitting makes E‖δc‖² large and leaves L near 0: inner survives it, the others do not. A
conditional branch that lags behind, δc = −k·(c* − u*), biases them by −2k + k², −k² and −k.

The fourth form takes two members (1 and 2) trained on disjoint rows:

    cross        E⟨ε − u₁, ε − u₂⟩ − E⟨ε − c₁, ε − c₂⟩ = gap + E⟨δu₁, δu₂⟩ − E⟨δc₁, δc₂⟩

Their excess errors are independent, so what each member overfits cancels in the mean, and what
both lag behind enters only as the square of the lag: ⟨δc₁, δc₂⟩ has mean ‖E δc‖². It has neither
the first-order term of `inner` nor the variance term of `difference`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmg_nb.mmse.standard_error import sampling_variance, training_variance
from mmg_nb.results.result import Estimate

__all__ = [
    "FORMS",
    "PointValues",
    "error_parts",
    "estimate_from_points",
    "gap_forms",
    "integrate",
    "null_spread",
]

FORMS = ("cross", "inner", "orthogonal", "difference")

Array = NDArray[np.float64]


def gap_forms(eps: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The gap of each draw in every form, see the module's text.

    Args:
        eps: The noise, `(batch, dim_x)`.
        u: Predictions without y of two members, or of the only one, `(2 or 1, batch, dim_x)`, in
            the coordinates of eps.
        c: Predictions with y, likewise.

    Returns:
        `(4, batch)` in the order of `FORMS`; forms of one member are averaged over all.
    """
    error_u, error_c, gap = eps - u, eps - c, c - u
    cross = (error_u[0] * error_u[-1] - error_c[0] * error_c[-1]).sum(-1)
    inner = (error_u * gap).sum(-1).mean(0)
    orthogonal = gap.square().sum(-1).mean(0)
    return torch.stack([cross, inner, orthogonal, 2 * inner - orthogonal])


def integrate(integrand: Array, width: Array) -> float:
    """Integral of a function known by its means over bins.

    Args:
        integrand: `(k,)`.
        width: Widths of the bins, `(k,)`.

    Returns:
        Σ integrand · width.
    """
    return float(np.dot(integrand, width))


@dataclass(frozen=True, eq=False)
class PointValues:
    """What each evaluation point contributes, and where it belongs.

    Attributes:
        index: Row of each point, `(m,)`.
        block: Its block of dependent rows, `(m,)`.
        reading: Which pair of members read it, `(m,)`.
        values: ½ gap / q(λ), averaged over the draws at that point, nats, `(4, m)`, see `FORMS`.
        noise: Monte-Carlo variance of the first and last row of `values`, `(2, m)`.
    """

    index: NDArray[np.int64]
    block: NDArray[np.int64]
    reading: NDArray[np.int64]
    values: Array
    noise: Array


def error_parts(points: PointValues, form: str) -> dict[str, float]:
    """What the points say of the standard error of their mean.

    `sampling` is the spread of the points, clustered by block; `members` is what the readings
    (members trained on other rows) differ by beyond that. The forms `inner` and `orthogonal`
    depend on the trained members at first order, so how these vary with their training rows
    belongs to the error too. To first order every regular estimate of mutual information varies
    like the mean of the pointwise log-ratio, which `difference` averages, so its spread is taken
    instead; overfitting inflates it, hence at most twice the form's own.

    Args:
        points: The points.
        form: One of `FORMS`.

    Returns:
        Part -> standard error, nats.
    """
    values = points.values[FORMS.index(form)]
    variance = sampling_variance(points.block, values)
    if form in ("inner", "orthogonal"):
        difference = points.values[FORMS.index("difference")]
        log_ratio = sampling_variance(points.block, difference)
        variance = max(variance, min(log_ratio, 4 * variance))
    training = training_variance(points.reading, values)
    return {"sampling": math.sqrt(variance), "members": math.sqrt(training)}


def estimate_from_points(
    points: PointValues, form: str, parts: Mapping[str, float] | None = None
) -> Estimate:
    """Mean over points and its standard error.

    Args:
        points: The points.
        form: One of `FORMS`.
        parts: Parts of the error, nats; None for those of `error_parts` alone.

    Returns:
        Estimate and standard error, nats.
    """
    parts = error_parts(points, form) if parts is None else parts
    return Estimate(float(points.values[FORMS.index(form)].mean()), math.hypot(*parts.values()))


def null_spread(n_samples: int, dim_x: int, dim_y: int) -> float:
    """Standard deviation of the likelihood-ratio estimate for independent Gaussian data, nats.

    By Wilks' theorem 2n·Î is χ² with dim_x·dim_y degrees of freedom: linear dependence of less
    than about this cannot be told from none, by any estimator. It is part of every error, which
    would vanish where the denoisers learn that there is nothing to learn.

    Args:
        n_samples: Rows.
        dim_x: Columns of x.
        dim_y: Columns of y.

    Returns:
        √(2·dim_x·dim_y) / (2n).
    """
    return math.sqrt(2 * dim_x * dim_y) / (2 * n_samples)
