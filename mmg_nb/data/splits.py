"""Who trains on which rows, and who is evaluated on which."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.pairs import Pairs

__all__ = ["Member", "Plan", "Reading", "make_plan", "usual_folds"]

Rows = NDArray[np.int64]

EVALUATION_SHARE = 0.25  # of all rows, when there is a single split
VALIDATION_SHARE = 0.1  # of the rows a member trains on
FEW_ROWS = 5000


@dataclass(frozen=True, eq=False)
class Member:
    """One denoiser's rows.

    Attributes:
        fit: Rows it is fitted on.
        validation: Rows that decide when it stops, disjoint from `fit`. The linear part of the
            anchor is fitted on them, too, where it has no network.
    """

    fit: Rows
    validation: Rows


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows evaluated by two members that saw none of them, nor any row of each other.

    Attributes:
        rows: Rows to evaluate.
        members: Indices of the two members; twice the same where there is only one.
    """

    rows: Rows
    members: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Plan:
    """All members and readings of one estimate, and the block of each row, `(n,)`."""

    members: tuple[Member, ...]
    readings: tuple[Reading, ...]
    blocks: NDArray[np.int64]

    @property
    def validation_blocks(self) -> list[NDArray[np.int64]]:
        """Blocks of each member's validation rows."""
        return [self.blocks[member.validation] for member in self.members]

    @property
    def transform_rows(self) -> Rows | slice:
        """Rows on which the transforms of one variable are fitted; see `fit_transform`."""
        if len(self.readings) > 1:
            return slice(None)
        return np.concatenate([member.fit for member in self.members])

    @property
    def fingerprint(self) -> int:
        """A number that differs between plans: a checksum of who has which rows."""
        parts = [rows for member in self.members for rows in (member.fit, member.validation)]
        parts += [reading.rows for reading in self.readings]
        return zlib.crc32(b"".join(zlib.crc32(part.tobytes()).to_bytes(4) for part in parts))


def usual_folds(n_samples: int) -> int:
    """Folds of a cross-fit: more where rows are scarce and steps are cheap."""
    return 5 if n_samples <= FEW_ROWS else 3


def make_plan(
    pairs: Pairs,
    folds: int,
    twins: bool,
    rng: np.random.Generator,
    evaluation_share: float = EVALUATION_SHARE,
) -> Plan:
    """Lay out a single split (`folds=1`) or a cross-fit, in which every row is evaluated once.

    Without twins, member e is fitted on all folds but e, and reads e. With twins each row is read
    by two members that share no row: with folds = 2m + 1, member i is fitted on the m folds
    i, …, i + m − 1, and fold e is read by members e + 1 and e + m + 1. So each product of two
    members' errors has independent factors, at the price of only 2m + 1 members.

    Args:
        pairs: The data; rows of one block stay together.
        folds: 1, or at least 2 folds; odd with twins.
        twins: Whether two members read each row.
        rng: Source of the random assignment.
        evaluation_share: Rows to evaluate, of all, in a single split.

    Returns:
        The plan.
    """
    if folds == 1:
        every = np.arange(pairs.n_samples)
        rest, evaluation = _split(every, pairs, evaluation_share, rng, least=4)
        parts: tuple[Rows, ...] = _split(rest, pairs, 0.5, rng, least=2) if twins else (rest,)
        readings: tuple[Reading, ...] = (Reading(evaluation, (0, len(parts) - 1)),)
    else:
        m = folds // 2 if twins else folds - 1
        equal = np.full(folds, 1 / folds)
        fold = _partition(np.arange(pairs.n_samples), pairs, equal, rng, least=2)
        parts = tuple(
            np.concatenate([fold[(i + j) % folds] for j in range(m)]) for i in range(folds)
        )
        readings = tuple(
            Reading(rows, ((e + 1) % folds, (e + m + 1) % folds if twins else (e + 1) % folds))
            for e, rows in enumerate(fold)
        )
    members = [Member(*_split(part, pairs, VALIDATION_SHARE, rng)) for part in parts]
    return Plan(tuple(members), readings, pairs.blocks)


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
    """Random parts of the given shares, as nearly as whole blocks allow, `least` blocks each."""
    blocks, block_of_row, sizes = np.unique(
        pairs.blocks[rows], return_inverse=True, return_counts=True
    )
    order = rng.permutation(len(blocks))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    part = np.empty(len(blocks), dtype=np.int64)
    part[order] = np.searchsorted(np.cumsum(shares)[:-1] * len(rows), middle)
    _fill(part, order[np.argsort(sizes[order], kind="stable")], len(shares), least)
    shuffled = rng.permutation(len(rows))
    label = part[block_of_row.reshape(-1)][shuffled]
    return tuple(rows[shuffled[label == k]] for k in range(len(shares)))


def _fill(part: Rows, smallest_first: Rows, parts: int, least: int) -> None:
    """Move small blocks to parts that a huge block has left with fewer than `least`, in place."""
    for _ in range(parts * least):
        counts = np.bincount(part, minlength=parts)
        if counts.min() >= least:
            return
        giver = smallest_first[part[smallest_first] == counts.argmax()]
        part[giver[0]] = counts.argmin()
