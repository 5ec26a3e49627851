"""Whole numbers of many levels: are they codes or quantities?

Both readings must explain another variable. As a code, a level says what the other rows of that
level have. As a quantity, it says what a smooth function of the numbers has. Codes are taken if
rows of one level still agree where the smooth function is subtracted, and neighbouring rows of two
levels do not, as they do in a series that is sorted by years.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Variable
from mmg_nb.data.dependent_rows import MIN_SAMPLES, is_coarse
from mmg_nb.data.readings import is_identifier
from mmg_nb.errors import cut
from mmg_nb.polling import poll, polled

__all__ = ["Evidence", "Target", "codes_in", "evidence_of_codes", "with_codes"]

# The thresholds are measured in tests/test_readings.py.
LEVEL = 1e-4  # probability that rows of one level agree so well by chance, over all tests
MIN_SHARE = 0.02  # of the variance of the other variable that codes must add
SERIAL = 0.5  # of the agreement of neighbouring rows of one level: that across its ends
MAX_RATIO = 2.5  # of the variance per degree of freedom: of the smooth function to the rest
LEVELS_PER_WAVE = 8  # of the smooth function; with 10 waves at most
MAX_WAVES = 10
LEVELS_FOR_JUMPS, LEVELS_FOR_PLACES = 8, 10  # fewer levels leave fewer to follow
MAX_TARGETS = 32  # columns of a variable that are explained
MAX_TESTS = 1000  # pairs of an undecided column and a column to explain, in about a second
MAX_CLASSES = 20  # categories of a column that are explained, the most common ones
MAX_ROWS = 20_000

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be explained: a column, or its spread.

    Attributes:
        name: In words.
        values: `(n, t)`, NaN where missing.
        copies: Labels of rows that are copies if they agree in the other column, too, `(n,)`.
        spread: Whether it is a spread. That of a count grows with other counts, level by level, so
            codes must explain more of it than a smooth function does.
    """

    name: str
    values: Array
    copies: Codes | None = None
    spread: bool = False


@dataclass(frozen=True)
class Evidence:
    """How well a column explains a target in both readings.

    Attributes:
        target: The target in words.
        as_codes: Share of the variance that the other rows of the level explain.
        as_quantity: Share of the variance that a smooth function explains.
        levels: Number of levels.
        serial: Whether rows agree because they are neighbours in a series.
    """

    target: str
    as_codes: float
    as_quantity: float
    levels: int
    serial: bool = False

    def __str__(self) -> str:
        return (
            f"{self.levels} levels explain {self.as_codes:.0%} of {self.target} as codes, "
            f"{max(self.as_quantity, 0):.0%} as quantities"
        )


def with_codes(
    read: Mapping[str, Variable], groups: Codes | None
) -> tuple[dict[str, Variable], tuple[str, ...]]:
    """Turn undecided columns into categories where this explains the other variables better.

    Args:
        read: The variables, by name.
        groups: Labels of dependent rows, `(n,)`, or None.

    Returns:
        The variables, and one note for each that has changed.
    """
    why = codes_in(read, groups)
    found = {k: _encoded(v, list(why[k])) if k in why else v for k, v in read.items()}
    notes = [_note(k, {read[k].labels[i]: e for i, e in each.items()}) for k, each in why.items()]
    return found, tuple(notes)


def codes_in(read: Mapping[str, Variable], groups: Codes | None) -> dict[str, dict[int, Evidence]]:
    """The undecided columns that are codes: variable -> column -> evidence.

    Each is compared with at most `MAX_TARGETS` columns of the other variables.

    Args:
        read: The variables, by name.
        groups: Labels of dependent rows, `(n,)`, or None.

    Returns:
        The evidence; variables without codes are left out.
    """
    undecided = sum(len(each.undecided) for each in read.values())
    most = max(1, min(MAX_TARGETS, MAX_TESTS // max(undecided, 1)))
    found: dict[str, dict[int, Evidence]] = {}
    for name, each in read.items():
        if each.undecided:
            others = _targets({k: v for k, v in read.items() if k != name}, most)
            why = {i: evidence_of_codes(each.values[:, i], others, groups) for i in each.undecided}
            taken = {i: evidence for i, evidence in why.items() if evidence is not None}
            found |= {name: taken} if taken else {}
    return found


def _note(name: str, why: Mapping[str, Evidence]) -> str:
    some = [f"{cut(label, 40)}: {each}" for label, each in list(why.items())[:3]]
    more = f" and {len(why) - 3} more" if len(why) > 3 else ""
    return (
        f"{name}: {len(why)} column(s) of whole numbers are treated as codes of categories, "
        f"because they then explain more on held-out rows ({'; '.join(some)}{more}). To treat "
        "them as numbers, use discrete='none'."
    )


def _encoded(variable: Variable, columns: Sequence[int]) -> Variable:
    values = variable.values.copy()
    for i in columns:
        known = ~np.isnan(values[:, i])
        values[known, i] = np.unique(values[known, i], return_inverse=True)[1].reshape(-1)
    discrete = tuple(sorted({*variable.discrete, *columns}))
    return replace(variable, values=values, discrete=discrete)


def _targets(others: Mapping[str, Variable], most: int) -> list[Target]:
    """What is to be explained; of more than `most` columns, some of them."""
    columns = [(k, i) for k, each in others.items() for i in range(each.values.shape[1])]
    targets: list[Target] = []
    for at in np.unique(np.linspace(0, len(columns) - 1, most).round().astype(int)):
        name, i = columns[at]
        each = others[name]
        label = name if len(each.labels) == 1 else cut(each.labels[i], 40)
        targets += _targets_of(each.values[:, i], label, i in each.discrete)
    return targets


def _targets_of(column: Array, name: str, discrete: bool) -> Iterator[Target]:
    known = np.isfinite(column)
    levels, level, counts = np.unique(column[known], return_inverse=True, return_counts=True)
    if len(levels) < 2:
        return
    if discrete:
        common = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
        yield Target(name, np.where(known[:, None], column[:, None] == levels[common], np.nan))
        return
    # Imported here because reading a table must not load scipy.
    from scipy.special import ndtri

    scores = np.full((len(column), 1), np.nan)
    scores[known, 0] = ndtri((np.cumsum(counts) - counts / 2) / counts.sum())[level.reshape(-1)]
    copies = None
    if not is_coarse(column[known]):
        copies = np.unique(column, return_inverse=True)[1].reshape(-1)
    yield Target(name, scores, copies)
    yield Target(f"the spread of {name}", np.abs(scores), copies, spread=True)


def evidence_of_codes(
    column: Array, targets: Sequence[Target], groups: Codes | None = None
) -> Evidence | None:
    """Why whole numbers are codes; None if they are quantities, or if too little is known.

    Args:
        column: Whole numbers, `(n,)`, NaN where missing.
        targets: What is to be explained.
        groups: Labels of dependent rows, `(n,)`, or None. Only pairs of rows of different groups
            count.

    Returns:
        The evidence for the target that codes explain best.
    """
    found = [_compared(column, target, groups, len(targets)) for target in polled(targets)]
    taken = [each for each in found if each is not None]
    best = max(taken, key=lambda each: each.as_codes - each.as_quantity, default=None)
    return None if best is None or best.serial else best


def _compared(column: Array, target: Target, groups: Codes | None, tests: int) -> Evidence | None:
    rows = np.flatnonzero(np.isfinite(column) & np.isfinite(target.values[:, 0]))
    rows = np.random.default_rng(0).permutation(rows)[:MAX_ROWS]
    for labels in (groups, target.copies):
        if labels is not None:  # of rows that may be copies, one is enough
            level = np.unique(column[rows], return_inverse=True)[1].reshape(-1)
            pair = level * (int(labels.max()) + 1) + labels[rows]
            rows = rows[np.unique(pair, return_index=True)[1]]
    if len(rows) < MIN_SAMPLES:
        return None
    _, level, counts = np.unique(column[rows], return_inverse=True, return_counts=True)
    level = level.reshape(-1)
    values = target.values[rows] - target.values[rows].mean(axis=0)
    total = np.square(values).sum()
    if is_identifier(len(counts), len(rows)) or len(counts) < 4 or not total:
        return None
    if _agreement(values, level, counts, 1)[1] > LEVEL / tests:
        return None
    waves = _waves(counts)
    smooth = (
        waves
        @ np.linalg.lstsq(
            waves * np.sqrt(counts)[:, None], _means(values, level, counts, 0.5), rcond=None
        )[0]
    )
    rest = values - smooth[level]
    used, left = waves.shape[1] - 1, len(counts) - waves.shape[1]
    if left < 2:
        return None
    more, chance = _agreement(rest, level, counts, waves.shape[1])
    added = more * len(rows) / total
    explained = 1 - np.square(rest).sum() / total - used / len(rows)
    orderly = explained > added and (target.spread or explained / used > MAX_RATIO * added / left)
    if chance > LEVEL / tests or added < MIN_SHARE or orderly:
        return None
    order = np.argsort(rows)
    serial = _is_serial(rest[order], level[order])
    return Evidence(target.name, added + explained, explained, len(counts), serial)


def _means(values: Array, level: Codes, counts: Codes, power: float = 1.0) -> Array:
    """Sums of the rows of each level over a power of their number, `(levels, t)`."""
    sums = np.stack([np.bincount(level, weights=column) for column in values.T], axis=1)
    return sums / counts[:, None] ** power


def _agreement(values: Array, level: Codes, counts: Codes, used: int) -> tuple[float, float]:
    """Covariance of a row with the mean of the other rows of its level, and how likely it is.

    Args:
        values: Centred, `(n, t)`.
        level: Levels 0, 1, …, `(n,)`.
        counts: Rows of each level.
        used: Degrees of freedom that were subtracted from the means of the levels.

    Returns:
        The covariance, and the probability of a larger one without codes, by a χ² distribution.
    """
    from scipy.special import chdtrc

    poll()
    many = counts > 1
    own = np.bincount(level, weights=np.square(values).sum(axis=1))
    pairs = np.square(_means(values, level, counts, 0)).sum(axis=1) - own
    found = float((pairs[many] / (counts[many] - 1)).sum()) / len(values)
    width = float(np.linalg.norm(values.T @ values)) / len(values) ** 2
    freedom = max(float((counts[many] / (counts[many] - 1)).sum()) - used, 1.0)
    score = found / (width * np.sqrt(2 * freedom)) if width else 0.0
    return found, float(chdtrc(freedom, max(freedom + score * np.sqrt(2 * freedom), 0.0)))


def _is_serial(values: Array, level: Codes) -> bool:
    """Whether rows agree because they are neighbours, as in a series that is sorted by years.

    Args:
        values: Centred, in the order of the table, `(n, t)`.
        level: Levels 0, 1, …, `(n,)`.

    Returns:
        The decision; no if the levels are in no order.
    """
    steps = np.diff(level)
    if (steps > 0).any() and (steps < 0).any():
        return False
    products = (values[1:] * values[:-1]).sum(axis=1)
    ends = steps != 0
    return not ends.all() and bool(products[ends].mean() > SERIAL * products[~ends].mean())


def _waves(counts: Codes) -> Array:
    """Smooth functions of a level, and jumps at both ends and at the commonest level.

    They follow the rank of the level among the rows, and its place among the levels: the many
    high levels of a count have few rows each, and nearly the same rank. The jumps stand for zeros,
    limits and marks such as 999.

    Args:
        counts: Rows of each level.

    Returns:
        Columns, `(levels, k)`; the first one is constant.
    """
    rank = (np.cumsum(counts) - counts / 2) / counts.sum()
    waves = min(MAX_WAVES, max(2, len(counts) // LEVELS_PER_WAVE))
    parts = [np.cos(np.pi * np.outer(rank, np.arange(waves + 1)))]
    if len(counts) >= LEVELS_FOR_JUMPS:
        jumps = np.zeros((len(counts), 3))
        jumps[[0, -1, int(counts.argmax())], [0, 1, 2]] = 1
        parts.append(jumps)
    if len(counts) >= LEVELS_FOR_PLACES:
        parts.append(np.cos(np.pi * np.outer(np.linspace(0, 1, len(counts)), (1, 2))))
    return np.concatenate(parts, axis=1)
