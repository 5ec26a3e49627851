r"""Test independence on evaluation rows: put the y of other rows beside each x.

One score is the inner form of the gap (`mmg_nb.mmse.gap`). Only the prediction with y changes if
rows are exchanged, and members stay as they are. So each block of a few rows is evaluated once for
all pairs of its x and y. Any number of orders within the blocks then costs no prediction.

Members learn only what validation rows confirm, which is nothing in small tables. So without a
condition there is a second score, in closed form (`mmg_nb.mmse.kernel_scores`). The statistic is
the larger mean score, each in standard deviations of its orders.

Without a condition, blocks are drawn at random. Under independence all orders within blocks have
the same probability, so the p-value of a fold is exact. It is exact for scores that depend on
other rows only. Folds share when training ended and the density of the log-SNRs, nothing else.

With a condition z, the rows of a block are neighbours in z. This is approximate: within a block z
still varies. (Kim, Neykov, Balakrishnan & Wasserman 2022, Ann. Stat. 50:3388; here blocks are
halved along the widest column of z, and y is the residual after regression on z.)
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from mmg_nb.denoisers.logsnr import Proposal
from mmg_nb.mmse.evaluation import EvaluationRows, Model
from mmg_nb.mmse.kernel_scores import kernel_scores
from mmg_nb.polling import poll
from mmg_nb.results.held_out_test import HeldOutTest

__all__ = ["held_out_test"]

PERMUTATIONS = 999  # orders of each fold; five folds then give p-values from 0.005 on
DRAWS, LEAST_DRAWS = 8, 2  # log-SNRs of each row; not measured, as are the sizes of blocks
DRAWS_OF_FOLD = 2**13  # log-SNRs of all rows of a fold, from which on each row gets fewer
BLOCK = 8  # rows at random that are exchanged, at least; an eighth of an order stays
PAIRS_OF_FOLD = 2**13  # pairs of x and y of a fold, unless blocks are as small as that
LEAST_BLOCK = 4  # rows of a block of neighbours, and less than twice as many
MOST_ROWS = 4000  # of a fold; bounds the time
PAIRS = 2**15  # pairs of x and y at a time
ROUNDING = 1e-9  # of sums
SHOWN = 199  # orders whose statistic is kept

Array = NDArray[np.float64]
Blocks = NDArray[np.int64]


@torch.no_grad()
def held_out_test(
    model: Model, data: EvaluationRows, proposal: Proposal, condition: int, seed: int
) -> HeldOutTest:
    """Test whether the noised variable x and y are independent, given the condition.

    Args:
        model: The trained members.
        data: Evaluation rows, and the members that evaluate them.
        proposal: Density of the log-SNRs.
        condition: The last columns of y that are the condition; 0 for none.
        seed: Seed of the log-SNRs, the noise and the orders.

    Returns:
        The test.

    Raises:
        Stopped: The user has stopped the run.
    """
    rng = np.random.default_rng((seed, 1))
    generator = Generator(data.x.device).manual_seed(int(rng.integers(2**62)))
    all_x, all_y = (v.cpu().numpy() for v in (data.x, data.y))
    observed, null, weights = [], [], []
    for fold in data.evaluation_folds:
        some = torch.as_tensor(fold.rows[:MOST_ROWS], device=data.x.device)
        pair = model.select(list(dict.fromkeys(fold.members)))
        x, y = data.x[some], data.y[some]
        z = y[:, y.shape[1] - condition :].cpu().numpy()
        blocks = neighbourhoods(z) if condition else _in_order(len(some))
        scores = [_scores(pair, x[blocks], y[blocks], proposal, condition, generator)]
        others = np.setdiff1d(np.arange(len(data.x)), fold.rows)
        if len(others) and not condition:
            scores.append(kernel_scores(all_x, all_y, fold.rows[blocks], others))
        own, orders = _statistics(np.stack(scores), rng)
        observed.append(own)
        null.append(orders)
        weights.append(blocks.size)
    ranks = [_rank(own, each) for own, each in zip(observed, null, strict=True)]
    share = np.array(weights) / sum(weights)
    return HeldOutTest(
        folds=tuple(rank / (PERMUTATIONS + 1) for rank in ranks),
        permutations=PERMUTATIONS,
        observed=float(share @ observed),
        null=tuple((share @ np.array(null)[:, :SHOWN]).tolist()),
    )


def _rank(observed: float, null: Array) -> int:
    """How many statistics are at least as large; all if training diverged to no numbers."""
    rounding = ROUNDING * np.abs(null).max()
    return 1 + int((~(null < observed - rounding)).sum())


def _in_order(rows: int) -> Blocks:
    """Rows one after the other, `(blocks, size)`; they are in random order already."""
    count = -(-(rows**2) // PAIRS_OF_FOLD)
    size = max(rows // count, min(BLOCK, rows))
    return np.arange(rows // size * size).reshape(-1, size)


def neighbourhoods(z: Array) -> Blocks:
    """Blocks of rows that are neighbours: all rows, halved again and again.

    Args:
        z: `(n, dim_z)`.

    Returns:
        Rows, `(blocks, size)`, with a size from `LEAST_BLOCK` to below twice as many. Rows that
        are too many for equal blocks are left out.
    """
    halvings = max(0, int(np.log2(max(1, len(z) // LEAST_BLOCK))))
    blocks = np.arange(len(z) >> halvings << halvings)[None]
    for _ in range(halvings):
        widest = np.ptp(z[blocks], axis=1).argmax(axis=1)
        order = z[blocks, widest[:, None]].argsort(axis=1, kind="stable")
        blocks = np.take_along_axis(blocks, order, axis=1).reshape(2 * len(blocks), -1)
    return blocks


def _scores(
    pair: Model, x: Tensor, y: Tensor, proposal: Proposal, condition: int, generator: Generator
) -> Array:
    """The gap of x in row i beside y in row j of each block, nats, `(blocks, i, j)`.

    Args:
        pair: The members of the fold.
        x: `(blocks, size, dim_x)`.
        y: `(blocks, size, dim_y)`.
        proposal: Density of the log-SNRs.
        condition: Columns of the condition, which stay beside x.
        generator: Source of log-SNRs and noise.
    """
    count, size, _ = x.shape
    at_once = max(1, PAIRS // size**2)
    offset = torch.rand(count, size, generator=generator, device=x.device, dtype=torch.float64)
    total = np.zeros((count, size, size))
    draws = max(LEAST_DRAWS, min(DRAWS, DRAWS_OF_FOLD // (count * size)))
    for draw in range(draws):
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=torch.float32)
        logsnr = proposal.quantile((offset + draw / draws) % 1.0)
        for first in range(0, count, at_once):
            poll()
            part = slice(first, first + at_once)
            gaps = _gaps(pair, x[part], y[part], noise[part], logsnr[part].float(), condition)
            density = proposal.density(logsnr[part]).unsqueeze(-1)
            total[part] += (0.5 * gaps.double() / density).cpu().numpy()
    return total / draws


def _gaps(
    pair: Model, x: Tensor, y: Tensor, eps: Tensor, logsnr: Tensor, condition: int
) -> Tensor:
    """The inner form of the gap for all pairs of rows of each block, `(blocks, i, j)`."""
    count, size, _ = x.shape
    own = y.shape[-1] - condition
    shape = (count, size, size)
    beside = torch.cat(
        [
            y[..., :own].unsqueeze(1).expand(*shape, own),
            y[..., own:].unsqueeze(2).expand(*shape, condition),
        ],
        dim=-1,
    )
    repeated = (v.unsqueeze(2).expand(*shape, *v.shape[2:]) for v in (x, eps, logsnr))
    many = [v.reshape(count * size**2, *v.shape[3:]) for v in repeated]
    one = [v.flatten(0, 1) for v in (x, y, eps, logsnr)]
    without = _predicted(pair, *one)
    u = without.unflatten(1, (count, size)).unsqueeze(3)  # (members, blocks, i, 1, dim_x)
    c = _predicted(pair, many[0], beside.flatten(0, 2), *many[1:], with_y=True)
    c = c.unflatten(1, shape)
    return ((eps.unsqueeze(2) - u) * (c - u)).sum(-1).mean(0)


def _predicted(
    pair: Model, x: Tensor, y: Tensor, eps: Tensor, logsnr: Tensor, *, with_y: bool = False
) -> Tensor:
    """Predictions of `eps`, `(members, rows, dim_x)`."""
    wide = pair.anchor.to_member_basis(eps)
    given = torch.full((1, 1, 1), with_y, device=eps.device)
    level = logsnr.expand(wide.shape[:2])
    return pair.anchor.from_member_basis(pair.denoiser(pair.samples(x, y), wide, level, given))


def _statistics(scores: Array, rng: np.random.Generator) -> tuple[float, Array]:
    """The largest standardised sum of scores: of the data, and of random orders within blocks.

    Args:
        scores: `(scores, blocks, i, j)`.
        rng: Source of the orders.

    Returns:
        The statistic of the data, and those of the orders, `(PERMUTATIONS,)`.
    """
    size = scores.shape[-1]
    sums = np.zeros((len(scores), PERMUTATIONS + 1))  # the data first
    rows = np.arange(size)
    for block in scores.swapaxes(0, 1):
        orders = rng.random((PERMUTATIONS, size)).argsort(axis=1)
        sums[:, 0] += block[:, rows, rows].sum(axis=-1)
        sums[:, 1:] += block[:, rows, orders].sum(axis=-1)
    sums -= sums.mean(axis=1, keepdims=True)
    spread = sums.std(axis=1, keepdims=True)
    # Members that have learned nothing score 0, up to rounding.
    flat = spread <= ROUNDING * np.abs(scores).sum(axis=(1, 2, 3))[:, None]
    statistic = np.where(flat, 0.0, sums / np.where(flat, 1.0, spread)).max(axis=0)
    return float(statistic[0]), statistic[1:]
