"""Denoisers that add a trained correction to the Gaussian posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.gaussian import Denoiser, GaussianDenoiser, Posterior, Prepared, Samples
from mmg_nb.denoisers.linear_regression import log_power, log_power_of, power
from mmg_nb.nets.layers import repeat_antithetic
from mmg_nb.nets.mlp import ResidualMLP
from mmg_nb.polling import poll

__all__ = [
    "AnchorSummary",
    "PairFeatures",
    "RadialDenoiser",
    "RefinedDenoiser",
    "ResidualDenoiser",
    "dimension_ratio",
]

POWERS = 3  # log-powers: of z, of the whitened innovation, of y
RADIAL_WIDTH = 32
FOCUS_FLOOR = 0.02  # explained variance below which directions get about the same scale
UNAIDED_COLUMNS = (
    6  # maximum columns of x for which a network finds the informative directions by itself
)


@dataclass(frozen=True, eq=False)
class AnchorSummary:
    """What a denoiser is built from: the numbers of columns, and what the anchor found in them.

    Attributes:
        variance: Residual variance v of the anchor, `(members, 1, dim_x)`.
        dim_y: Columns of y.
        condition: Columns of the condition. They are the last ones of y; the prediction without y
            gets them, too.
        sensitivity: Sensitivity of the anchor to directions of y, `(members, dim_y, dim_y)`; see
            `Anchor.sensitivity`. None for the same scale in all directions.
    """

    variance: Tensor
    dim_y: int
    condition: int = 0
    sensitivity: Tensor | None = None


class PairFeatures(Protocol):
    """Matched features of x and of y; see `mmg_nb.estimators.mmg.canonical_features`."""

    def kalman_update(self, x: Tensor, spread: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Kalman update of x ~ N(x, spread²) in units of spread, and normalised squared error."""
        ...


class RefinedDenoiser(Denoiser):
    """The Gaussian posterior plus a correction: ε̂ = σ·w/d + α·√(v/d)·(a + b∘w/√d).

    Here w = z − α·m is the innovation, d = α²·v + σ² (see `GaussianDenoiser`), a is a trained
    shift and b a trained gain. The factor α·√(v/d) is the standard deviation of ε under the
    Gaussian posterior. It makes the target of training of order 1 at every log-SNR.

    For a mixture of Gaussians, the posterior mean is linear in w, with weights that depend on the
    lengths of z, w and y. Therefore there is a gain, and every network gets the log-powers
    (logarithms of mean squares) of all three. A denoiser with a `start` corrects the ε̂ of the
    start instead of σ·w/d.

    Args:
        anchor: The anchor around which the Gaussian posterior lies.
        start: Denoiser of an earlier stage; None for the Gaussian posterior.
    """

    net: ResidualMLP

    def __init__(self, anchor: AnchorSummary, start: RefinedDenoiser | None = None) -> None:
        super().__init__()
        self.start = start
        members = len(anchor.variance)
        self.register_buffer("variance", anchor.variance)
        self.register_buffer("known", _last_columns(members, anchor.dim_y, anchor.condition))
        self.variance: Tensor
        self.known: Tensor

    @property
    def reference(self) -> GaussianDenoiser:
        """The Gaussian posterior."""
        return GaussianDenoiser(self.variance)

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        return self.predict(self.prepare(samples, eps, logsnr, given))

    def prepare(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Prepared:
        """Compute the start and the inputs of the correction; see `Denoiser`."""
        posterior = Posterior.of(
            self.variance, samples, eps, repeat_antithetic(logsnr, eps), given
        )
        return self._prepared(posterior, samples, logsnr, given)

    def _prepared(
        self, posterior: Posterior, samples: Samples, logsnr: Tensor, given: Tensor
    ) -> Prepared:
        poll()
        base = posterior.mean
        if self.start is not None:
            base = self.start.predict(self.start._prepared(posterior, samples, logsnr, given))
        return {
            "base": base,
            "deviation": posterior.deviation,
            "whitened": posterior.whitened,
            "features": self.net.features(logsnr),
            **self.seen(posterior, samples, given),
        }

    def predict(self, prepared: Prepared) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        shift, gain = self.correction(prepared)
        return prepared["base"] + prepared["deviation"] * (shift + gain * prepared["whitened"])

    def seen(self, posterior: Posterior, samples: Samples, given: Tensor) -> Prepared:
        """The inputs of the network that do not depend on the weights.

        Args:
            posterior: The Gaussian posterior.
            samples: As for `forward`.
            given: Whether the prediction may use y.
        """
        raise NotImplementedError

    def correction(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Shift and gain; `(members, batch, 1)` if all columns share one value."""
        raise NotImplementedError


class RadialDenoiser(RefinedDenoiser):
    """A radial gain that depends on vector lengths only, without a shift.

    All columns share one gain, net(log-powers of z, w/√d and y; λ). For scale mixtures of
    Gaussians, such as Student's t and other elliptical distributions, the posterior mean has about
    this form. So few inputs need few rows.

    Args:
        anchor: See `RefinedDenoiser`.
        generator: Source of the initial weights.
        start: See `RefinedDenoiser`.
    """

    def __init__(
        self,
        anchor: AnchorSummary,
        *,
        generator: Generator,
        start: RefinedDenoiser | None = None,
    ) -> None:
        super().__init__(anchor, start)
        members = len(anchor.variance)
        self.net = ResidualMLP(
            members, POWERS + 1, 1, width=RADIAL_WIDTH, blocks=1, generator=generator
        )

    def seen(self, posterior: Posterior, samples: Samples, given: Tensor) -> Prepared:
        """The log-powers; see `RefinedDenoiser`."""
        y = torch.where(given | self.known, samples.y, 0.0)
        powers = [log_power(v) for v in (posterior.z, posterior.whitened, y)]
        return {"inputs": torch.cat([*powers, _flag(given, y)], dim=-1)}

    def correction(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Shift and gain; see `RefinedDenoiser`."""
        gain = self.net(prepared["inputs"], prepared["features"])
        return torch.zeros_like(gain), gain


class ResidualDenoiser(RefinedDenoiser):
    """Shift and gain from net(z, w/√d, m, y, log-powers; λ).

    Directions that the anchor explains better get a larger scale at the input, so that the
    network learns them first. If the anchor explains a fraction e of the variance of a direction,
    its scale is √((e + k)/(e_max + k)) with k = `FOCUS_FLOOR`. One network predicts with and
    without y. Without y it gets a learned null in its place, but still the condition, whose scale
    does not change.

    With many columns, most directions are not informative, and a network overfits them first. A
    focused network sees mainly the informative directions:

    * Its k is smaller by the cube of the `dimension_ratio` of x.
    * Its outputs are scaled like its inputs.
    * Its log-powers are in units of their scatter, which is small with many columns.
    * It also gets z and m multiplied by the log-power of z.

    Args:
        anchor: See `RefinedDenoiser`.
        width: Hidden features of the network.
        blocks: Residual blocks of the network.
        generator: Source of the initial weights.
        start: Denoiser of an earlier stage; None for the Gaussian posterior.
        focused: Whether the network sees mainly the informative directions.
        pairs: Canonical pairs, which are not trained here. Their Kalman update is part of the
            shift, times a trained factor that starts at 1. This start is right if the pairs
            predict x much better than the anchor.
    """

    def __init__(
        self,
        anchor: AnchorSummary,
        *,
        width: int,
        blocks: int,
        generator: Generator,
        start: RefinedDenoiser | None = None,
        focused: bool = False,
        pairs: PairFeatures | None = None,
    ) -> None:
        super().__init__(anchor, start)
        variance, dim_y, sensitivity = anchor.variance, anchor.dim_y, anchor.sensitivity
        members, _, dim_x = variance.shape
        self.focused = focused
        self.pairs = pairs
        blur = FOCUS_FLOOR / dimension_ratio(dim_x) ** 3 if focused else FOCUS_FLOOR
        self.register_buffer("focus_x", _scale(1 - variance, blur))
        focus = None if sensitivity is None else _focus(sensitivity, self.known, blur)
        self.register_buffer("focus_y", focus)
        self.focus_x: Tensor
        self.focus_y: Tensor | None
        self.null = nn.Parameter(torch.zeros(members, 1, dim_y, dtype=torch.float32))
        self.net = ResidualMLP(
            members,
            (5 if focused else 3) * dim_x + dim_y + POWERS + 1 + (dim_x + 1 if pairs else 0),
            (3 if pairs else 2) * dim_x,
            width=width,
            blocks=blocks,
            generator=generator,
        )

    def seen(self, posterior: Posterior, samples: Samples, given: Tensor) -> Prepared:
        """The inputs of the network; without y, `correction` adds the learned null."""
        z, whitened = posterior.z, posterior.whitened
        mean = torch.where(given, samples.x - samples.residual, 0.0)
        y = torch.where(given | self.known, samples.y, 0.0)
        lengths = [self._length(power(v), v.shape[-1]) for v in (z, whitened)]
        products = [v * lengths[0] for v in (z, mean)] if self.focused else []
        poll()
        flag = _flag(given, y)
        return {
            "columns": torch.cat([v * self.focus_x for v in (z, whitened, mean)], dim=-1),
            "focused y": self._focused(y),
            "without y": 1 - flag,
            "power of y": power(y),
            "lengths": torch.cat(lengths, dim=-1),
            "flag and products": torch.cat([flag, *(v * self.focus_x for v in products)], dim=-1),
            **self._pair_inputs(posterior, mean, samples.y, given),
        }

    def _pair_inputs(
        self, posterior: Posterior, mean: Tensor, y: Tensor, given: Tensor
    ) -> Prepared:
        """Kalman update by the pairs, in deviations of ε, and its normalised squared error."""
        if self.pairs is None:
            return {}
        # The posterior mean of x is m + α·v·w/d.
        x = mean + posterior.deviation * self.variance.sqrt() * posterior.whitened
        change, surprise = self.pairs.kalman_update(x, posterior.spread, y)
        inputs = {"update": -change, "surprise": log_power_of(surprise)}
        return {name: torch.where(given, value, 0.0) for name, value in inputs.items()}

    def correction(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Shift and gain; see `RefinedDenoiser`."""
        absent, null = prepared["without y"], torch.where(self.known, 0.0, self.null)
        power_y = prepared["power of y"] + absent * power(null)
        inputs = [
            prepared["columns"],
            prepared["focused y"] + absent * self._focused(null),
            prepared["lengths"],
            self._length(power_y, null.shape[-1]),
            prepared["flag and products"],
        ]
        if self.pairs is not None:
            update = prepared["update"]
            inputs += [update, prepared["surprise"]]
        out = self.net(torch.cat(inputs, dim=-1), prepared["features"])
        if self.pairs is not None:
            shift, gain, trust = out.chunk(3, dim=-1)
            return shift + (1 + trust) * update, gain
        shift, gain = out.chunk(2, dim=-1)
        if self.focused:
            shift, gain = shift * self.focus_x, gain * self.focus_x
        return shift, gain

    def _focused(self, y: Tensor) -> Tensor:
        return y if self.focus_y is None else y @ self.focus_y

    def _length(self, squares: Tensor, dim: int) -> Tensor:
        """The log-power; if focused, in units of its scatter for a Gaussian of `dim` columns."""
        return (
            log_power_of(squares) * math.sqrt(dim / 2) if self.focused else log_power_of(squares)
        )


def _last_columns(members: int, dim_y: int, count: int) -> Tensor:
    """A mask of the last columns of y, `(members, 1, dim_y)`."""
    return (torch.arange(dim_y) >= dim_y - count).repeat(members, 1, 1)


def _flag(given: Tensor, like: Tensor) -> Tensor:
    """1 if y is given, else 0, as an input of the network, `(members, batch, 1)`."""
    return given.to(like.dtype).expand(*like.shape[:-1], 1)


def _scale(share: Tensor, blur: float) -> Tensor:
    """Scales of directions from the fraction the anchor explains, `(…, d)`; the largest is 1."""
    share = share.clamp_min(0)
    return ((share + blur) / (share.amax(-1, keepdim=True) + blur)).sqrt()


def _focus(sensitivity: Tensor, kept: Tensor, blur: float) -> Tensor:
    """Symmetric maps that scale directions of y, except columns `kept`, `(members, 1, dim_y)`."""
    block = torch.where(kept | kept.mT, 0.0, sensitivity.double())
    share, direction = torch.linalg.eigh(block)
    focus = (direction * _scale(share, blur).unsqueeze(-2)) @ direction.mT
    unit = torch.eye(focus.shape[-1]).to(focus)
    return torch.where(kept | kept.mT, unit, focus).float()


def dimension_ratio(dim: int) -> float:
    """Columns in units of `UNAIDED_COLUMNS`, which a network handles by itself; at least 1."""
    return max(1.0, dim / UNAIDED_COLUMNS)
