"""Measure errors and gaps of trained members on rows that they were not trained on."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from mmg_nb.data.splits import EvaluationFold
from mmg_nb.denoisers.anchor import Anchor, ImageAnchor
from mmg_nb.denoisers.gaussian import Denoiser, GaussianDenoiser, Samples
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.mmse.gap import FORMS, LOG_RATIOS, PointValues, gap_forms
from mmg_nb.nets.layers import selected
from mmg_nb.polling import Stopped, poll, polled
from mmg_nb.results.curves import MMSECurve
from mmg_nb.runs.events import Listener, Step

__all__ = ["DRAWS_IN_HASTE", "Design", "EvaluationRows", "Measurement", "Model", "measure"]

ROWS = {"cpu": 2**12, "cuda": 2**17}  # rows at a time, or draws of fewer rows
NUMBERS = 2**23  # maximum numbers in these rows; each one needs about 200 bytes of memory


HASTE = 0.2  # seconds of computing time for the rows that are measured after a stop
ROWS_IN_HASTE, NUMBERS_IN_HASTE = 256, 2**14  # rows, and numbers in them, at a time then
DRAWS_IN_HASTE = 8  # log-SNRs per row then
ERRORS = ("error_u", "error_c")  # without and with y
ROW = {name: row for row, name in enumerate((*ERRORS, *FORMS))}  # of what each draw gives


@dataclass(frozen=True, eq=False)
class Model:
    """The anchors and the denoisers of all members."""

    anchor: Anchor | ImageAnchor
    denoiser: Denoiser

    def select(self, members: Sequence[int]) -> Model:
        """A model of some members, with its own copy of their weights."""
        return Model(selected(self.anchor, members), selected(self.denoiser, members))

    def samples(self, x: Tensor, y: Tensor) -> Samples:
        """Rows in the coordinates of every member.

        Args:
            x: `(batch, dim_x)`, float64.
            y: `(batch, dim_y)`, float64.

        Returns:
            Samples `(members, batch, …)`, float32.
        """
        turned = self.anchor.to_member_basis(x)
        wide_x, wide_y = (v.expand(len(turned), *v.shape) for v in (x, y))
        residual = self.anchor.residual(wide_x, wide_y)
        return Samples(turned.float(), residual.float(), wide_y.float())


@dataclass(frozen=True, eq=False)
class Measurement:
    """Values of each evaluation row, curves, and the planned range of log-SNR.

    Attributes:
        points: Values of each evaluation row.
        curve: Means over bins.
        planned: Upper end of the range before training extended it.
        folds: The rows that were measured, and the members that measured them.
        complete: Whether all rows were measured.
    """

    points: PointValues
    curve: MMSECurve
    planned: float
    folds: Sequence[EvaluationFold] = ()
    complete: bool = True


class _Bins:
    """Sums over the draws in each bin: count, Σ and Σ² of errors and gaps."""

    def __init__(self, proposal: BinnedProposal) -> None:
        k, device = len(proposal.mass), proposal.mass.device
        self.proposal = proposal
        self.count = torch.zeros(k, dtype=torch.float64, device=device)
        self.first = torch.zeros(len(ROW), k, dtype=torch.float64, device=device)
        self.second = torch.zeros_like(self.first)

    def add(self, logsnr: Tensor, values: Tensor) -> None:
        """Add draws: λ `(batch,)`, and values `(6, batch)`, i.e. both errors and four gaps."""
        bins = self.proposal.bins(logsnr)
        values = values.double()
        self.count.index_add_(0, bins, torch.ones_like(bins, dtype=torch.float64))
        self.first.index_add_(1, bins, values)
        self.second.index_add_(1, bins, values**2)

    def curve(self, forms: Sequence[str], noised: str) -> MMSECurve:
        """Means and standard errors in each bin."""
        count = self.count.clamp_min(1)
        mean = self.first / count
        variance = (self.second / count - mean**2).clamp_min(0)
        stderr = (variance / count).sqrt().cpu().numpy()
        means = mean.cpu().numpy()
        return MMSECurve(
            logsnr=self.proposal.centres.cpu().numpy(),
            width=self.proposal.widths.cpu().numpy(),
            mse=means[ROW["error_u"]],
            mse_given_y=means[ROW["error_c"]],
            gaps={form: means[ROW[form]] for form in forms},
            stderrs={form: stderr[ROW[form]] for form in forms},
            noised=noised,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """The log-SNRs at which the gap is measured.

    Attributes:
        proposal: Density of the log-SNRs.
        bins: Bins of the curves; an extended proposal has more bins.
        draws: Draws of (λ, ε) per row, at least 2.
        paired: Use the same λ and ε with and without y. The published method does not.
        chunk: Rows at a time, or draws of fewer rows; None for a size that suits the device.
        haste: Whether the user waits: then measure a few rows of each fold, for `HASTE`.
    """

    proposal: Proposal
    bins: BinnedProposal
    draws: int
    paired: bool = True
    chunk: int | None = None
    haste: bool = False

    def chunk_for(self, x: Tensor, y: Tensor) -> int:
        """Rows at a time."""
        if self.chunk is not None:
            return self.chunk
        return min(ROWS[x.device.type], max(1, NUMBERS // (x.shape[1] + y.shape[1])))

    def rows_in_haste(self, x: Tensor, y: Tensor) -> int | None:
        """Rows at a time if the user waits, else None."""
        if not self.haste:
            return None
        few = max(4, NUMBERS_IN_HASTE // (x.shape[1] + y.shape[1]))
        return min(ROWS_IN_HASTE, few, self.chunk_for(x, y))


@dataclass(frozen=True, eq=False)
class EvaluationRows:
    """Evaluation rows, and the members that evaluate them.

    Attributes:
        x: `(n, dim_x)`, float64, common coordinates.
        y: `(n, dim_y)`, float64.
        clusters: Cluster of each row, `(n,)`.
        evaluation_folds: The members that evaluate each set of rows.
    """

    x: Tensor
    y: Tensor
    clusters: NDArray[np.int64]
    evaluation_folds: Sequence[EvaluationFold]


@torch.no_grad()
def measure(
    model: Model,
    data: EvaluationRows,
    design: Design,
    generator: Generator,
    listen: Listener,
    noised: str = "x",
) -> Measurement:
    """Measure all evaluation rows, each at several log-SNRs stratified over the proposal.

    Args:
        model: The trained members.
        data: Evaluation rows, and the members that evaluate them.
        design: The log-SNRs, and how many there are.
        generator: Source of the noise.
        listen: Gets a `Step` after each chunk. If it returns true, the measurement ends. Rows of a
            fold are in random order, so those measured by then are a fair sample.
        noised: The user's name of the noised variable, here called x.

    Returns:
        The measurement.

    Raises:
        Stopped: The user has stopped the run before any row was measured.
    """
    proposal, bins = design.proposal, design.bins
    chunk = design.chunk_for(data.x, data.y)
    sums = _Bins(proposal if isinstance(proposal, BinnedProposal) else bins)
    parts = _parts(data.evaluation_folds, chunk, design.rows_in_haste(data.x, data.y))
    values, noises = [], []
    began = time.thread_time()
    try:
        for done, (fold, rows) in enumerate(parts):
            pair = model.select(list(dict.fromkeys(data.evaluation_folds[fold].members)))
            some = torch.as_tensor(rows, device=data.x.device)
            samples = pair.samples(data.x[some], data.y[some])
            at_once = max(1, chunk // len(rows))
            value, noise = _measure_chunk(pair, samples, design, sums, at_once, generator)
            values.append(value)
            noises.append(noise)
            over = bool(listen(Step(done + 1, len(parts))))
            if design.haste:
                over = time.thread_time() - began > HASTE
            if over:
                break
    except Stopped:
        if not values:
            raise
    measured = parts[: len(values)]
    order = np.concatenate([rows for _, rows in measured])
    points = PointValues(
        index=order,
        cluster=data.clusters[order],
        fold=np.repeat([fold for fold, _ in measured], [len(rows) for _, rows in measured]),
        values=torch.cat(values, dim=1).cpu().numpy(),
        noise=torch.cat(noises, dim=1).cpu().numpy(),
    )
    complete = len(values) == len(parts)
    folds = data.evaluation_folds
    if not complete or design.haste:
        folds = [EvaluationFold(rows, folds[fold].members) for fold, rows in measured]
    single = all(a == b for a, b in (fold.members for fold in folds))
    curve = sums.curve(FORMS[1:] if single else FORMS, noised)
    return Measurement(points, curve, bins.high, folds, complete)


def _parts(
    folds: Sequence[EvaluationFold], chunk: int, haste: int | None
) -> list[tuple[int, NDArray[np.int64]]]:
    """The rows at a time, with the number of their fold; in haste, some of each fold first."""
    size = chunk if haste is None else haste
    parts = [
        (start, fold, each.rows[start : start + size])
        for fold, each in enumerate(folds)
        for start in range(0, len(each.rows), size)
    ]
    if haste is not None:
        parts.sort(key=lambda part: part[0])
    return [(fold, rows) for _, fold, rows in parts]


def _measure_chunk(
    pair: Model,
    samples: Samples,
    design: Design,
    sums: _Bins,
    at_once: int,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Mean over the draws of each row, `(4, batch)`, and its variance for `LOG_RATIOS`."""
    proposal, draws, paired = design.proposal, design.draws, design.paired
    batch, device = samples.x.shape[1], samples.x.device
    offset = torch.rand(batch, generator=generator, device=device, dtype=torch.float64)
    reference = pair.denoiser.reference if paired else None
    total = torch.zeros(len(FORMS), batch, dtype=torch.float64, device=device)
    two_forms = []
    for draw in range(0, draws, at_once):
        poll()
        count = min(at_once, draws - draw)
        jitter, noises = _draw(samples, count, generator, 1 if paired else 2)
        place = torch.arange(draw, draw + count, device=device).unsqueeze(1)
        logsnr = proposal.quantile((offset + (place + jitter) / draws) % 1.0).flatten()
        many = samples.repeated(count)
        u, c = _predict(pair.anchor, pair.denoiser, many, logsnr, noises[0])
        values = _errors_and_gaps(noises[0], u, c)
        if not paired:
            _, c = _predict(pair.anchor, pair.denoiser, many, logsnr, noises[1])
            squares = (noises[0] - u).square() - (noises[1] - c).square()
            values[ROW["difference"]] = squares.sum(-1).mean(0)
        if reference is not None:
            values += _known_part(pair, reference, many, logsnr, noises[0])
        sums.add(logsnr, values)
        gaps = (0.5 * values[len(ERRORS) :].double() / proposal.density(logsnr)).unflatten(
            1, (count, batch)
        )
        total += gaps.sum(1)
        two_forms.append(gaps[[FORMS.index(form) for form in LOG_RATIOS]])
    return total / draws, _noise_of_mean(torch.cat(two_forms, dim=1))


def _draw(
    samples: Samples, count: int, generator: Generator, kinds: int
) -> tuple[Tensor, list[Tensor]]:
    """Positions in strata `(count, batch)`, and `kinds` arrays of noise `(count·batch, dim_x)`.

    They are drawn one by one, so that they do not depend on the number of draws at a time.
    """
    _, batch, dim_x = samples.x.shape
    device = samples.x.device
    jitter, noises = [], []
    for _ in range(count):
        jitter.append(torch.rand(batch, generator=generator, device=device, dtype=torch.float64))
        noises.append(
            [
                torch.randn(batch, dim_x, generator=generator, device=device, dtype=torch.float32)
                for _ in range(kinds)
            ]
        )
    return torch.stack(jitter), [torch.cat(kind) for kind in zip(*noises, strict=True)]


def _noise_of_mean(values: Tensor) -> Tensor:
    """Monte-Carlo variance of the mean of draws in neighbouring strata.

    The variance is estimated from differences of neighbouring draws (second differences if there
    are at least three draws). These remove most of the change of the integrand over log-SNR.

    Args:
        values: `(…, draws, batch)`.

    Returns:
        `(…, batch)`.
    """
    draws = values.shape[-2]
    order = min(2, draws - 1)
    count = (draws - order) * math.comb(2 * order, order)
    return values.diff(n=order, dim=-2).square().sum(-2) / (count * draws)


def _predict(
    anchor: Anchor | ImageAnchor,
    denoiser: Denoiser,
    samples: Samples,
    logsnr: Tensor,
    eps: Tensor,
) -> tuple[Tensor, Tensor]:
    """Predictions of `eps`, without and with y, `(members, batch, dim_x)`."""
    wide = anchor.to_member_basis(eps)
    level = logsnr.float().expand(wide.shape[:2])
    u, c = (
        denoiser(samples, wide, level, torch.full((1, 1, 1), flag, device=eps.device))
        for flag in polled((False, True))
    )
    return anchor.from_member_basis(u), anchor.from_member_basis(c)


def _errors_and_gaps(eps: Tensor, u: Tensor, c: Tensor) -> Tensor:
    """Both errors and the gap in every form, `(6, batch)`."""
    errors = torch.stack([(eps - v).square().sum(-1).mean(0) for v in (u, c)])
    return torch.cat([errors, gap_forms(eps, u, c)])


def _known_part(
    pair: Model, reference: GaussianDenoiser, samples: Samples, logsnr: Tensor, eps: Tensor
) -> Tensor:
    """Mean of a reference over the noise, minus its value at the drawn noise, `(6, batch)`.

    This is a control variate. It has mean zero, and it cancels the noise that the predictions
    share with those of the reference.
    """
    u, c = _predict(pair.anchor, reference, samples, logsnr, eps)
    poll()
    level = logsnr.float().expand(u.shape[:2])
    error_u, error_c, inner, orthogonal = reference.moments(samples, level).mean(1)
    difference = 2 * inner - orthogonal
    by_name = {
        "error_u": error_u,
        "error_c": error_c,
        "cross": difference,
        "inner": inner,
        "orthogonal": orthogonal,
        "difference": difference,
    }
    poll()
    known = torch.stack([by_name[name] for name in ROW])
    part = known - _errors_and_gaps(eps, u, c)
    if len(u) > 1:
        part[ROW["cross"]] = 0.0  # the mean of products of two members is not known here
    return part
