"""Gaussian pairs in white coordinates, their exact mutual information and exact denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.data.splits import EvaluationFold
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.gaussian import GaussianDenoiser, gaussian_mse
from mmg_nb.denoisers.logsnr import LogisticProposal, uniform_bins
from mmg_nb.denoisers.residual import AnchorSummary, RadialDenoiser
from mmg_nb.mmse.evaluation import Design, EvaluationRows, Measurement, Model, measure
from mmg_nb.runs.events import silent

CPU = torch.device("cpu")
DEFAULT = LogisticProposal()


class TrainedGaussian(GaussianDenoiser):
    """The exact denoiser, evaluated like one whose means over the noise are not known."""

    reference = None


@dataclass(frozen=True, eq=False)
class GaussianPair:
    """x ~ N(0, I), y ~ N(0, I), E[x yᵀ] = K.

    Written down from the textbook, without the package: the truth of these tests.
    """

    k: np.ndarray

    @property
    def canonical(self) -> np.ndarray:
        """Canonical correlations."""
        return np.linalg.svd(self.k, compute_uv=False)

    @property
    def mi(self) -> float:
        return float(-0.5 * np.log1p(-(self.canonical**2)).sum())

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        y = rng.normal(size=(n, self.k.shape[1]))
        variances, basis = self._residual()
        noise = rng.normal(size=(n, self.k.shape[0])) * np.sqrt(variances)
        return y @ self.k.T + noise @ basis.T, y

    def log_ratio(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """ln p(x, y) / (p(x) p(y)) of each row, nats."""
        variances, basis = self._residual()
        left = (x - y @ self.k.T) @ basis
        return 0.5 * ((x**2).sum(1) - (left**2 / variances).sum(1) - np.log(variances).sum())

    def _residual(self) -> tuple[np.ndarray, np.ndarray]:
        """Variances of x − E[x | y] and the basis, in columns, in which they are such."""
        basis, rho, _ = np.linalg.svd(self.k)
        variances = np.ones(len(basis))
        variances[: len(rho)] = 1 - rho**2
        return variances, basis

    def model(self, members: int = 2) -> Model:
        """The exact anchor and denoiser, as every member."""
        variances, basis = self._residual()
        anchor = Anchor(torch.tensor(self.k.T).repeat(members, 1, 1))
        anchor.rotation = torch.tensor(basis).repeat(members, 1, 1)
        denoiser = TrainedGaussian(torch.tensor(variances).float().repeat(members, 1, 1))
        return Model(anchor, denoiser)

    def gap(self, logsnr: Tensor) -> Tensor:
        """The exact MMSE gap, `(k,)`, float64."""
        variances = torch.tensor(self._residual()[0])
        return gaussian_mse(torch.ones_like(variances), logsnr) - gaussian_mse(variances, logsnr)


def measured(
    pair: GaussianPair,
    n: int,
    seed: int,
    *,
    members: tuple[int, int] = (0, 1),
    proposal=DEFAULT,
    bins=None,
    draws: int = 8,
    paired: bool = True,
    data_seed: int | None = None,
    shuffle: bool = False,
    known: bool = False,
) -> Measurement:
    """What the whole evaluation makes of exact denoisers; nothing is trained.

    With `known` they are of a kind that says what its means over the noise are.
    """
    x, y = pair.sample(n, seed if data_seed is None else data_seed)
    if shuffle:
        y = np.random.default_rng(seed).permutation(y)
    model = pair.model()
    if known:
        variance, untrained = model.denoiser.variance, Generator().manual_seed(0)
        model = Model(
            model.anchor, RadialDenoiser(AnchorSummary(variance, y.shape[1]), generator=untrained)
        )
    return measure(
        model,
        EvaluationRows(
            torch.tensor(x), torch.tensor(y), np.arange(n), [EvaluationFold(np.arange(n), members)]
        ),
        Design(
            proposal=proposal,
            bins=uniform_bins(proposal.low, proposal.high, 0.5, CPU) if bins is None else bins,
            draws=draws,
            paired=paired,
        ),
        Generator().manual_seed(seed),
        silent,
    )


def dense(dim: int, off_diagonal: float) -> GaussianPair:
    """Unit variances and one covariance between any two of the 2·dim coordinates."""
    cov = np.full((2 * dim, 2 * dim), off_diagonal) + (1 - off_diagonal) * np.eye(2 * dim)
    variances, basis = np.linalg.eigh(cov[:dim, :dim])
    root = basis / np.sqrt(variances) @ basis.T
    return GaussianPair(root @ cov[:dim, dim:] @ root)


def sparse(dim: int, strength: float, pairs: int = 2) -> GaussianPair:
    """The benchmark's sparse multinormal: `pairs` couples of strength s, r = s² / (1 + s²)."""
    r = strength**2 / (1 + strength**2)
    return GaussianPair(np.diag([r] * pairs + [0.0] * (dim - pairs)))


def mixed(dim_x: int, dim_y: int, seed: int = 0) -> GaussianPair:
    """Canonical correlations from 0.2 to 0.9 in no special basis."""
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(dim_x, dim_x)))
    right, _ = np.linalg.qr(rng.normal(size=(dim_y, dim_y)))
    rho = np.zeros((dim_x, dim_y))
    np.fill_diagonal(rho, np.linspace(0.9, 0.2, min(dim_x, dim_y)))
    return GaussianPair(left @ rho @ right.T)


PAIRS = {
    "1x1": GaussianPair(np.array([[0.75]])),
    "25x25": dense(25, 0.5),
    "sparse_3x3": sparse(3, 2.0),
    "mixed_4x2": mixed(4, 2),
    "mixed_2x5": mixed(2, 5),
}


def independent(n: int, dim_x: int, dim_y: int, seed: int) -> tuple[Tensor, ...]:
    """Standard normal x and y, as tensors, that have nothing to do with each other."""
    generator = Generator().manual_seed(seed)
    return tuple(
        torch.randn(n, d, generator=generator, dtype=torch.float64) for d in (dim_x, dim_y)
    )


def drawn(pair: GaussianPair, n: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Rows of a pair, as tensors."""
    return tuple(torch.tensor(v) for v in pair.sample(n, seed))
