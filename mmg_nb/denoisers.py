"""Denoisers: an exact linear-Gaussian posterior, alone or with a learned residual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from mmg_nb.channel import scales
from mmg_nb.nets.mlp import ResidualMLP
from mmg_nb.regression import log_power

__all__ = [
    "Denoiser",
    "GaussianDenoiser",
    "RadialDenoiser",
    "ResidualDenoiser",
    "Samples",
    "crowding",
    "gaussian_mse",
]

POWERS = 3  # of z, of the whitened innovation, of y
RADIAL_WIDTH = 32
BLUR = 0.02  # explained variance that makes no difference to a scale; in many columns less
FEW = 6  # columns of x, up to which a network finds by itself what matters


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows as the members see them, each member in its own coordinates of x.

    Attributes:
        x: `(members, batch, dim_x)`.
        residual: x − m(y), formed in float64 before it was rounded, of the shape of x. At high
            log-SNR it is as small as the noise, and z − α·m(y) would lose it to rounding.
        y: `(members, batch, dim_y)`, the columns of a condition last.
    """

    x: Tensor
    residual: Tensor
    y: Tensor

    def repeated(self, times: int) -> Samples:
        """All rows so many times, one set after the other."""
        return Samples(*(v.repeat(1, times, 1) for v in (self.x, self.residual, self.y)))

    def take(self, index: Tensor) -> Samples:
        """Rows `index`, `(members, batch)`, of each member."""
        member = torch.arange(len(index), device=index.device).unsqueeze(1)
        return Samples(self.x[member, index], self.residual[member, index], self.y[member, index])


class Denoiser(nn.Module):
    """Predicts the noise ε from z at a log-SNR, with y or without."""

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Send samples through the channel and predict the noise.

        Args:
            samples: Rows, `(members, batch, …)`.
            eps: The noise, `(members, batch, dim_x)`, in the members' coordinates.
            logsnr: λ, `(members, batch)`, float32.
            given: Whether the prediction may use y, `(members, batch, 1)`, bool.

        Returns:
            ε̂, `(members, batch, dim_x)`.
        """
        raise NotImplementedError

    @property
    def reference(self) -> GaussianDenoiser | None:
        """A denoiser close to it whose means over the noise are known, if there is one."""
        return None


@dataclass(frozen=True, eq=False)
class _Posterior:
    """A linear-Gaussian posterior of ε at draws of the noise, all `(members, batch, dim_x)`.

    Attributes:
        z: What the channel lets through.
        mean: Posterior mean of ε, σ·w/d with w = z − α·m and d = α²·v + σ².
        whitened: w/√d.
        deviation: Of ε, α·√(v/d).
    """

    z: Tensor
    mean: Tensor
    whitened: Tensor
    deviation: Tensor

    @classmethod
    def of(
        cls, variance: Tensor, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor
    ) -> _Posterior:
        """With residual variances v `(members, 1, dim_x)`; other arguments as for `Denoiser`."""
        alpha, sigma = scales(logsnr)
        noise = sigma * eps
        z = alpha * samples.x + noise
        innovation = torch.where(given, alpha * samples.residual + noise, z)
        variance = torch.where(given, variance, 1.0)
        denominator = alpha**2 * variance + sigma**2
        return cls(
            z,
            sigma * innovation / denominator,
            innovation * denominator.rsqrt(),
            alpha * (variance / denominator).sqrt(),
        )


class GaussianDenoiser(Denoiser):
    """The exact posterior mean of ε when x ~ N(0, I) and x − m(y) ~ N(0, diag v) given y.

    ε̂ = σ·(z − α·m) / (α²·v + σ²), with m = 0 and v = 1 when y is not given. For jointly Gaussian
    variables, with the right anchor m and in the eigenbasis of the residual covariance, this is
    the optimum: the oracle of the tests and the start of the learned denoiser.

    Args:
        variance: v, `(members, 1, dim_x)`.
    """

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("variance", variance)
        self.variance: Tensor

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise, see `Denoiser`."""
        return _Posterior.of(self.variance, samples, eps, logsnr, given).mean

    def moments(self, samples: Samples, logsnr: Tensor) -> Tensor:
        """Exact means over the noise of ‖ε − u‖², ‖ε − c‖², ⟨ε − u, c − u⟩ and ‖c − u‖².

        Both predictions, u without and c with y, are linear in ε: what they leave of it is known.

        Args:
            samples: As for `forward`, like `logsnr`.
            logsnr: λ.

        Returns:
            `(4, members, batch)`.
        """
        silence = torch.zeros_like(samples.x)
        none = torch.zeros(1, 1, 1, dtype=torch.bool, device=silence.device)
        u, c = (self(samples, silence, logsnr, given) for given in (none, ~none))
        alpha, sigma = scales(logsnr)
        left_u = (alpha**2).expand_as(u)
        left_c = alpha**2 * self.variance / (alpha**2 * self.variance + sigma**2)
        means = [
            u**2 + left_u**2,
            c**2 + left_c**2,
            u * (u - c) + left_u * (left_u - left_c),
            (u - c) ** 2 + (left_u - left_c) ** 2,
        ]
        return torch.stack([mean.sum(-1) for mean in means])


class _Refined(Denoiser):
    """One that starts from the Gaussian posterior."""

    variance: Tensor

    @property
    def reference(self) -> GaussianDenoiser:
        """The Gaussian posterior."""
        return GaussianDenoiser(self.variance)


class RadialDenoiser(_Refined):
    """The Gaussian posterior with a gain on the innovation that only lengths decide.

    ε̂ = σ·w/d + α·√(v/d)·b·w/√d, see `GaussianDenoiser`, with one gain b for all columns from
    net(log-powers of z, w/√d and y; λ). Of mixtures of Gaussians that differ in scale, Student's t
    and other elliptical distributions, the posterior mean has about this form, and so few inputs
    need few rows.

    Args:
        variance: v, `(members, 1, dim_x)`.
        dim_y: Dimensions of y.
        generator: Source of the starting weights.
        condition: Columns of the condition, the last ones of y, which both branches see.
    """

    def __init__(
        self, variance: Tensor, dim_y: int, *, generator: Generator, condition: int = 0
    ) -> None:
        super().__init__()
        members = len(variance)
        self.register_buffer("variance", variance)
        self.register_buffer("known", _last_columns(members, dim_y, condition))
        self.known: Tensor
        self.net = ResidualMLP(
            members, POWERS + 1, 1, width=RADIAL_WIDTH, blocks=1, generator=generator
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise, see `Denoiser`."""
        posterior = _Posterior.of(self.variance, samples, eps, logsnr, given)
        gain = self.gain(posterior, samples.y, logsnr, given)
        return posterior.mean + posterior.deviation * gain * posterior.whitened

    def gain(self, posterior: _Posterior, y: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """The gain b, `(members, batch, 1)`."""
        seen = torch.where(given | self.known, y, 0.0)
        powers = [log_power(v) for v in (posterior.z, posterior.whitened, seen)]
        gain: Tensor = self.net(torch.cat([*powers, _flag(given, seen)], dim=-1), logsnr)
        return gain


class ResidualDenoiser(_Refined):
    """The Gaussian posterior plus a network that learns what is left of it.

    ε̂ = σ·w/d + α·√(v/d)·(a + b∘w/√d), with the innovation w = z − α·m, d = α²·v + σ², and shift
    a and gain b from net(z, w/√d, m, y, log-powers; λ). The factor in front is the deviation of
    ε under the Gaussian posterior, so that the network's target is of order one at every log-SNR.
    For a mixture of Gaussians the posterior mean is linear in w with weights that depend on how
    large z, w and y are: hence the gain, and the logarithms of their mean squares as inputs.
    What else there is to learn is sought first where the anchor has found something: directions of
    which it explains the share e of the variance enter the network times √((e + k)/(e_max + k)).
    One network serves both branches; without y it gets a learned null instead, but still the
    condition.

    Of more than `FEW` columns most tell nothing, and a network learns them by heart first. There k
    falls with the cube of their number, the network's answers are scaled like its inputs, and
    log-powers, which vary the less the more columns they are of, enter in units of their scatter,
    and times z and m, too.

    Args:
        variance: v, `(members, 1, dim_x)`.
        dim_y: Dimensions of y.
        width: Hidden features of the network.
        blocks: Residual blocks of the network.
        generator: Source of the starting weights.
        condition: Columns of the condition, the last ones of y, which both branches see.
        radial: What has been learnt of the gain from lengths alone, to start from; none for
            nothing.
        sensitivity: To which directions of y the anchor is sensitive, `(members, dim_y, dim_y)`,
            see `Anchor.sensitivity`; none for all alike.
    """

    def __init__(
        self,
        variance: Tensor,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
        condition: int = 0,
        radial: RadialDenoiser | None = None,
        sensitivity: Tensor | None = None,
    ) -> None:
        super().__init__()
        members, _, dim_x = variance.shape
        self.register_buffer("variance", variance)
        self.register_buffer("known", _last_columns(members, dim_y, condition))
        self.known: Tensor
        self.many = crowding(dim_x) > 1
        self.register_buffer("focus_x", _scale(1 - variance))
        focus = None if sensitivity is None else _focus(sensitivity, self.known)
        self.register_buffer("focus_y", focus)
        self.focus_x: Tensor
        self.focus_y: Tensor | None
        self.radial = radial
        self.null = nn.Parameter(torch.zeros(members, 1, dim_y))
        self.net = ResidualMLP(
            members,
            (5 if self.many else 3) * dim_x + dim_y + POWERS + 1,
            2 * dim_x,
            width=width,
            blocks=blocks,
            generator=generator,
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise, see `Denoiser`."""
        posterior = _Posterior.of(self.variance, samples, eps, logsnr, given)
        shift, gain = self.net(self._inputs(posterior, samples, given), logsnr).chunk(2, dim=-1)
        if self.many:
            shift, gain = shift * self.focus_x, gain * self.focus_x
        if self.radial is not None:
            gain = gain + self.radial.gain(posterior, samples.y, logsnr, given)
        return posterior.mean + posterior.deviation * (shift + gain * posterior.whitened)

    def _inputs(self, posterior: _Posterior, samples: Samples, given: Tensor) -> Tensor:
        """What the network sees, `(members, batch, features)`."""
        z, whitened = posterior.z, posterior.whitened
        mean = torch.where(given, samples.x - samples.residual, 0.0)
        y = torch.where(given | self.known, samples.y, self.null)
        lengths = [_length(v) for v in (z, whitened, y)]
        inputs = [
            z * self.focus_x,
            whitened * self.focus_x,
            mean * self.focus_x,
            y if self.focus_y is None else y @ self.focus_y,
            *lengths,
            _flag(given, y),
        ]
        if self.many:
            inputs += [v * lengths[0] * self.focus_x for v in (z, mean)]
        return torch.cat(inputs, dim=-1)


def _last_columns(members: int, dim_y: int, count: int) -> Tensor:
    """A mask of the last columns of y, `(members, 1, dim_y)`."""
    return (torch.arange(dim_y) >= dim_y - count).repeat(members, 1, 1)


def _flag(given: Tensor, like: Tensor) -> Tensor:
    """Whether y is given, as an input of a network, `(members, batch, 1)`."""
    return given.to(like.dtype).expand(*like.shape[:-1], 1)


def _length(v: Tensor) -> Tensor:
    """The log-power, `(…, dim)` to `(…, 1)`; of many columns in units of a Gaussian's scatter."""
    dim = v.shape[-1]
    return log_power(v) * (math.sqrt(dim / 2) if crowding(dim) > 1 else 1.0)


def _scale(share: Tensor) -> Tensor:
    """Scale of directions of which the anchor explains a share, `(…, d)`: 1 for the largest."""
    blur = BLUR / crowding(share.shape[-1]) ** 3
    share = share.clamp_min(0)
    return ((share + blur) / (share.amax(-1, keepdim=True) + blur)).sqrt()


def _focus(sensitivity: Tensor, kept: Tensor) -> Tensor:
    """Symmetric maps that scale directions of y, but for columns `kept`, `(members, 1, dim_y)`."""
    block = torch.where(kept | kept.mT, 0.0, sensitivity.double())
    share, direction = torch.linalg.eigh(block)
    focus = (direction * _scale(share).unsqueeze(-2)) @ direction.mT
    unit = torch.eye(focus.shape[-1]).to(focus)
    return torch.where(kept | kept.mT, unit, focus).float()


def crowding(dim: int) -> float:
    """How many times as many columns as a network copes with by itself, at least 1."""
    return max(1.0, dim / FEW)


def gaussian_mse(variance: Tensor, logsnr: Tensor) -> Tensor:
    """ε-error of the exact denoiser of N(0, diag v): Σⱼ α²·vⱼ / (α²·vⱼ + σ²).

    Args:
        variance: v, `(dim_x,)`.
        logsnr: λ, `(k,)`.

    Returns:
        `(k,)`.
    """
    alpha2, sigma2 = torch.sigmoid(logsnr).unsqueeze(-1), torch.sigmoid(-logsnr).unsqueeze(-1)
    return (alpha2 * variance / (alpha2 * variance + sigma2)).sum(-1)
