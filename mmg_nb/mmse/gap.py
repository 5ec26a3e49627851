r"""The MMSE gap in four forms, and mutual information from it.

With the channel of `mmg_nb.denoisers.channel`, I(x; y) = ½ ∫ gap(λ) dλ over all log-SNR λ, where
the gap is E‖ε − u*‖² − E‖ε − c*‖² and u*, c* are the exact posterior means of ε without and with y
(Guo, Shamai & Verdú 2005; Kong et al. 2023, arXiv 2302.03792; Yu et al., arXiv 2509.20609).

Trained predictions are u = u* + δu and c = c* + δc. On rows used neither for training nor for
validation, ε − u* is orthogonal to every function of z, and ε − c* to every function of (z, y).
With L = E⟨c* − u*, δc⟩:

    orthogonal   E‖c − u‖²                 = gap + 2L + E‖δc − δu‖²
    difference   E‖ε − u‖² − E‖ε − c‖²     = gap + E‖δu‖² − E‖δc‖²
    inner        E⟨ε − u, c − u⟩           = gap + L + E⟨δu, δu − δc⟩

Overfitting makes E‖δc‖² large and leaves L near 0. The inner form is robust to it; the other two
are not. If the prediction with y has not converged, δc = −k·(c* − u*). This biases the orthogonal
form by −2k + k², the difference form by −k², and the inner form by −k, relative to the gap.

The fourth form uses two members (1 and 2) trained on disjoint rows:

    cross        E⟨ε − u₁, ε − u₂⟩ − E⟨ε − c₁, ε − c₂⟩ = gap + E⟨δu₁, δu₂⟩ − E⟨δc₁, δc₂⟩

The excess errors of the two members are independent, so overfitting cancels in the mean. If both
members have not converged, only the square of the lag enters: ⟨δc₁, δc₂⟩ has mean ‖E δc‖². The
cross form has neither the first-order term of `inner` nor the variance term of `difference`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["FORMS", "LOG_RATIOS", "PointValues", "gap_forms"]

FORMS = ("cross", "inner", "orthogonal", "difference")
LOG_RATIOS = ("cross", "difference")  # forms that are a log-ratio at each point

Array = NDArray[np.float64]


def gap_forms(eps: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """The gap of each draw in every form; the module's docstring defines the forms.

    Args:
        eps: The noise, `(batch, dim_x)`.
        u: Predictions without y of one or two members, `(1 or 2, batch, dim_x)`, in the
            coordinates of eps.
        c: Predictions with y, of the same shape.

    Returns:
        `(4, batch)` in the order of `FORMS`; forms of a single member are averaged over members.
    """
    error_u, error_c, gap = eps - u, eps - c, c - u
    cross = (error_u[0] * error_u[-1] - error_c[0] * error_c[-1]).sum(-1)
    inner = (error_u * gap).sum(-1).mean(0)
    orthogonal = gap.square().sum(-1).mean(0)
    return torch.stack([cross, inner, orthogonal, 2 * inner - orthogonal])


@dataclass(frozen=True, eq=False)
class PointValues:
    """The contribution of each evaluation row to the estimate.

    Attributes:
        index: Index of the row, `(m,)`.
        cluster: Its cluster, `(m,)`.
        fold: Index of the fold that the row was evaluated in, `(m,)`.
        values: ½ gap / q(λ), averaged over the draws of the row, nats, `(4, m)`; see `FORMS`.
        noise: Monte-Carlo variance of `values` for `LOG_RATIOS`, `(2, m)`.
    """

    index: NDArray[np.int64]
    cluster: NDArray[np.int64]
    fold: NDArray[np.int64]
    values: Array
    noise: Array
