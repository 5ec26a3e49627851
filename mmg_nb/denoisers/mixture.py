"""The start of training for a label y: without y, x is a mixture of its levels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmg_nb.denoisers.channel import scales
from mmg_nb.denoisers.gaussian import Posterior, Prepared, Samples
from mmg_nb.denoisers.residual import AnchorSummary, RefinedDenoiser
from mmg_nb.nets.layers import repeat_antithetic

__all__ = ["MixtureDenoiser"]


class MixtureDenoiser(RefinedDenoiser):
    """The posterior mean of ε if x ~ N(m(y), diag v) for each level of y; nothing is trained.

    With y it is the Gaussian posterior. Without y it is ε̂ = σ·(z − α·Σₖ pₖ·mₖ) / (α²·v + σ²), with
    the probability pₖ of level k given z. So both predictions follow from one joint density. A
    single Gaussian would miss the clusters, and a network needs many rows to learn them.

    Args:
        anchor: See `RefinedDenoiser`.
        means: m at each level, `(members, levels, dim_x)`.
        log_weights: Logarithms of the frequencies of the levels, `(members, levels)`.
    """

    def __init__(self, anchor: AnchorSummary, means: Tensor, log_weights: Tensor) -> None:
        super().__init__(anchor)
        self.register_buffer("means", means)
        self.register_buffer("log_weights", log_weights)
        self.means: Tensor
        self.log_weights: Tensor

    def _prepared(
        self, posterior: Posterior, samples: Samples, logsnr: Tensor, given: Tensor
    ) -> Prepared:
        alpha, sigma = scales(repeat_antithetic(logsnr, posterior.z))
        denominator = alpha**2 * self.variance + sigma**2
        scaled = posterior.z / denominator
        fit = alpha * (scaled @ self.means.mT)
        fit = fit - 0.5 * alpha**2 * (denominator.reciprocal() @ self.means.square().mT)
        mean = (fit + self.log_weights.unsqueeze(1)).softmax(-1) @ self.means
        without = sigma * (posterior.z - alpha * mean) / denominator
        return {"base": torch.where(given, posterior.mean, without)}

    def predict(self, prepared: Prepared) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        return prepared["base"]
