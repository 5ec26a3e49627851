"""The arrays of a result: error curves, pointwise values, the history of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.results.plain import ArrayRecord, as_plain, from_plain

__all__ = ["MMSECurve", "PointwiseMI", "TrainingHistory"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MMSECurve(ArrayRecord):
    """Denoising errors against log-SNR, measured on evaluation rows; all arrays are `(k,)`.

    Attributes:
        logsnr: Centres of the bins (natural log of the power ratio).
        width: Widths of the bins.
        mse: Mean ‖ε − ε̂(z, λ)‖², summed over the dimensions of the noised variable.
        mse_given_y: Mean ‖ε − ε̂(z, λ, y)‖², with the other variable given.
        gaps: Form of the gap -> its mean in each bin.
        stderrs: Form of the gap -> standard error of that mean.
        noised: The noised variable, x or y; the other one is given.
    """

    logsnr: Array
    width: Array
    mse: Array
    mse_given_y: Array
    gaps: dict[str, Array]
    stderrs: dict[str, Array]
    noised: str = "x"

    @property
    def given(self) -> str:
        """The variable that is given, not noised."""
        return "x" if self.noised == "y" else "y"

    def integrand(self, form: str) -> Array:
        """Nats per unit log-SNR: half the gap, `(k,)`."""
        return 0.5 * self.gaps[form]

    def to_dict(self) -> dict[str, Any]:
        """The curve as texts and lists of numbers."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MMSECurve:
        """The inverse of `to_dict`.

        Raises:
            ValueError: `data` does not describe a curve.
        """
        curve: MMSECurve = from_plain(cls, data, "curve")
        return curve


@dataclass(frozen=True, eq=False)
class PointwiseMI(ArrayRecord):
    """Estimated log p(x, y) / (p(x) p(y)) of evaluation rows, nats; all arrays are `(m,)`.

    Attributes:
        index: Index of each row in the user's arrays.
        mi: The estimate for that row; for denoisers, the gap averaged over log-SNR.
        stderr: Its Monte-Carlo standard error from the draws of noise.
    """

    index: NDArray[np.int64]
    mi: Array
    stderr: Array


@dataclass(frozen=True, eq=False)
class TrainingHistory(ArrayRecord):
    """Validation record of training; all arrays are `(k,)`.

    Attributes:
        step: Training steps done.
        loss: Validation loss; for denoisers, the mean squared ε-error.
        mi: Estimate from the validation rows, nats.
    """

    step: NDArray[np.int64]
    loss: Array
    mi: Array
