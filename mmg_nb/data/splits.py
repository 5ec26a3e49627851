"""Which rows each network is trained on, and which rows it is evaluated on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.pairs import Pairs

__all__ = ["CrossFit", "EvaluationFold", "Member", "default_folds", "make_cross_fit"]

Rows = NDArray[np.int64]

EVALUATION_SHARE = 0.25  # of all rows, in a single split
VALIDATION_SHARE = 0.1  # of the rows of a member
MAX_ROWS_FOR_FIVE_FOLDS = 5000  # rows; above this a cross-fit has three folds


@dataclass(frozen=True, eq=False)
class Member:
    """The rows of one member, which is one network of a cross-fit.

    Attributes:
        fit: Rows the member is trained on.
        validation: Rows whose validation loss decides when training stops. Disjoint from `fit`.
            If the anchor has no network, its linear part is fitted on these rows as well.
    """

    fit: Rows
    validation: Rows


@dataclass(frozen=True, eq=False)
class EvaluationFold:
    """An evaluation fold: rows, and the two members that evaluate them.

    Neither member was trained on these rows. Two different members share no training rows.

    Attributes:
        rows: Rows to evaluate.
        members: Indices of the two members. Equal if one member evaluates the fold.
    """

    rows: Rows
    members: tuple[int, int]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The complete layout of a single split or of a cross-fit.

    Attributes:
        members: The rows of each member.
        evaluation_folds: The evaluation folds.
        clusters: Label of each row, `(n,)`. Rows with one label depend on each other.
    """

    members: tuple[Member, ...]
    evaluation_folds: tuple[EvaluationFold, ...]
    clusters: NDArray[np.int64]

    @property
    def validation_clusters(self) -> list[NDArray[np.int64]]:
        """Cluster labels of each member's validation rows."""
        return [self.clusters[member.validation] for member in self.members]

    @property
    def transform_rows(self) -> Rows | slice:
        """Rows on which the transforms of one variable are fitted; see `fit_transform`."""
        if len(self.evaluation_folds) > 1:
            return slice(None)
        return np.concatenate([member.fit for member in self.members])

    @property
    def fingerprint(self) -> int:
        """A checksum of the rows of all members and folds. It identifies the layout."""
        parts = [rows for member in self.members for rows in (member.fit, member.validation)]
        parts += [reading.rows for reading in self.evaluation_folds]
        return zlib.crc32(b"".join(zlib.crc32(part.tobytes()).to_bytes(4) for part in parts))


def default_folds(n_samples: int) -> int:
    """Default number of folds. Small samples get more folds, because training is cheap there."""
    return 5 if n_samples <= MAX_ROWS_FOR_FIVE_FOLDS else 3


def make_cross_fit(
    pairs: Pairs,
    folds: int,
    twins: bool,
    rng: np.random.Generator,
    evaluation_share: float = EVALUATION_SHARE,
) -> CrossFit:
    """Lay out a single split (`folds=1`) or a cross-fit.

    In a cross-fit, every row is in one evaluation fold. Without twins, one member evaluates a
    fold; it is trained on all other folds. With twins, two members that share no training rows
    evaluate each fold. The two factors in a product of their errors are then independent.

    With folds = 2m + 1 and twins, there are 2m + 1 members. Member i is trained on the m folds
    i, …, i + m − 1 (modulo the number of folds). Members e + 1 and e + m + 1 evaluate fold e.

    Args:
        pairs: The data. Rows of one cluster stay together.
        folds: 1 for a single split, or the number of folds, at least 2. Odd with twins.
        twins: Whether two members evaluate each row.
        rng: Source of the random assignment.
        evaluation_share: Share of all rows to evaluate in a single split.

    Returns:
        The layout.
    """
    if folds == 1:
        every = np.arange(pairs.n_samples)
        rest, evaluation = _split(every, pairs, evaluation_share, rng, least=4)
        parts: tuple[Rows, ...] = _split(rest, pairs, 0.5, rng, least=2) if twins else (rest,)
        evaluation_folds: tuple[EvaluationFold, ...] = (
            EvaluationFold(evaluation, (0, len(parts) - 1)),
        )
    else:
        m = folds // 2 if twins else folds - 1
        equal = np.full(folds, 1 / folds)
        fold = _partition(np.arange(pairs.n_samples), pairs, equal, rng, least=2)
        parts = tuple(
            np.concatenate([fold[(i + j) % folds] for j in range(m)]) for i in range(folds)
        )
        evaluation_folds = tuple(
            EvaluationFold(
                rows, ((e + 1) % folds, (e + m + 1) % folds if twins else (e + 1) % folds)
            )
            for e, rows in enumerate(fold)
        )
    members = [Member(*_split(part, pairs, VALIDATION_SHARE, rng)) for part in parts]
    return CrossFit(tuple(members), evaluation_folds, pairs.clusters)


def _split(
    rows: Rows, pairs: Pairs, share: float, rng: np.random.Generator, least: int = 1
) -> tuple[Rows, Rows]:
    large, small = _partition(rows, pairs, np.array([1 - share, share]), rng, least)
    return large, small


def _partition(
    rows: Rows,
    pairs: Pairs,
    shares: NDArray[np.float64],
    rng: np.random.Generator,
    least: int,
) -> tuple[Rows, ...]:
    """Split rows at random into parts with about these shares of the rows.

    Clusters stay whole. Each part gets at least `least` clusters.
    """
    clusters, cluster_of_row, sizes = np.unique(
        pairs.clusters[rows], return_inverse=True, return_counts=True
    )
    order = rng.permutation(len(clusters))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    part = np.empty(len(clusters), dtype=np.int64)
    part[order] = np.searchsorted(np.cumsum(shares)[:-1] * len(rows), middle)
    _fill(part, order[np.argsort(sizes[order], kind="stable")], len(shares), least)
    shuffled = rng.permutation(len(rows))
    label = part[cluster_of_row.reshape(-1)][shuffled]
    return tuple(rows[shuffled[label == k]] for k in range(len(shares)))


def _fill(part: Rows, smallest_first: Rows, parts: int, least: int) -> None:
    """Move small clusters to parts that hold fewer than `least` clusters, in place.

    This happens when one cluster is very large.
    """
    for _ in range(parts * least):
        counts = np.bincount(part, minlength=parts)
        if counts.min() >= least:
            return
        giver = smallest_first[part[smallest_first] == counts.argmax()]
        part[giver[0]] = counts.argmin()
