"""Estimates of all pairs of columns of a table, that improve step by step."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import estimate
from mmg_nb.data.choice import Choice
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.errors import MMGError
from mmg_nb.estimators.gaussian.closed_form import gaussian_mi
from mmg_nb.estimators.gaussian.gcmi import scores
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import first_of
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.pair_methods import METHODS, best_of, conflicts_of
from mmg_nb.questions.table_columns import TableColumns
from mmg_nb.questions.table_notes import named_too, worded
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase, Step, Working

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TablePairs"]

PRELIMINARY = (Status.INTERRUPTED, Status.DIVERGED)  # of a refinement that changes no map

Array = NDArray[np.float64]
Pair = tuple[int, int]


class TablePairs:
    """The estimates of all pairs of a table. One thread writes them, any thread reads them.

    Args:
        columns: The table.
        rows: Maximum number of rows of the map. A larger table is sampled at random, as in
            `dependency_map`. None: all rows. `refined` estimates use all rows.
        seed: Seed of all random numbers.
        choice: Which columns are categories.

    Attributes:
        names: Names of the columns.
        found: Method -> estimates and standard errors, `(2, d, d)`, symmetric, nats; NaN where
            there is none.
        failed: Pair -> why it has no estimate.
    """

    def __init__(
        self, columns: TableColumns, *, rows: int | None, seed: int, choice: Choice
    ) -> None:
        self.columns = columns
        self.names = columns.names
        self.seed = seed
        self._choice = choice
        n, d = len(columns.frame), len(self.names)
        self.rows = np.arange(n)
        if rows is not None and n > rows:
            self.rows = np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))
        frame = columns.frame.iloc[self.rows] if len(self.rows) < n else columns.frame
        self._single = {name: frame[[name]] for name in self.names}
        self._whole: dict[int, Array] = {}  # scores of whole columns
        self._values = [column.values[self.rows] for column in columns.used]
        self.found = {method: np.full((2, d, d), np.nan) for method in METHODS}
        self._remarks: dict[str, dict[Pair, str]] = {}  # kind -> pair -> note
        self.failed: dict[Pair, str] = {}
        self._settled = np.zeros((d, d), dtype=bool)  # whether the training by mmg was complete

    # --- what is known

    @property
    def best(self) -> Array:
        """Estimates and standard errors of the best method of each pair, `(2, d, d)`."""
        return best_of(self.found, self._settled)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have estimated something."""
        return tuple(m for m in METHODS if not np.isnan(self.found[m][0]).all())

    @property
    def conflicts(self) -> NDArray[np.uint8]:
        """Which methods differ clearly, `(d, d)`: 0, or a sum of `CONFLICTS`."""
        return conflicts_of(self.found, self.best)

    @property
    def disagreeing(self) -> NDArray[np.bool_]:
        """Pairs for which two methods differ clearly, `(d, d)`."""
        return self.conflicts > 0

    @property
    def finished(self) -> int:
        """Number of pairs that `fill` has finished: estimated by nearest neighbours, or failed."""
        known = int((~np.isnan(self.found["ksg"][0])).sum() // 2)
        return known + len(self.failed)

    def map(self, order: Sequence[int] | None = None) -> DependencyMap:
        """The estimates so far as a map.

        Args:
            order: Indices of the columns to show, in this order. Default: all.

        Returns:
            The map. Its estimators are those that have estimated something.
        """
        chosen = np.arange(len(self.names)) if order is None else np.asarray(order, dtype=int)
        mi, stderr = self.best[:, chosen[:, None], chosen]
        names = tuple(self.names[k] for k in chosen)
        return DependencyMap(names, mi, stderr, ", ".join(self.methods), len(self.rows))

    def frame(self) -> pd.DataFrame:
        """One row per pair, strongest first: estimate and standard error by method, nats."""
        import pandas as pd

        best, apart = self.best, self.disagreeing
        lines = []
        for i, j in self.pairs:
            mi, stderr = best[:, i, j]
            line = {"a": self.names[i], "b": self.names[j], "mi": mi, "stderr": stderr}
            line |= {"disagree": bool(apart[i, j])}
            for method in METHODS:
                each = self.found[method][:, i, j]
                line |= {method: each[0], f"{method}_stderr": each[1]}
            lines.append(line)
        return pd.DataFrame(lines).sort_values("mi", ascending=False, ignore_index=True)

    @property
    def pairs(self) -> list[Pair]:
        """All pairs of indices, the smaller one first."""
        return list(itertools.combinations(range(len(self.names)), 2))

    # --- computing

    def fill(self, listen: Listener) -> bool:
        """Estimate all pairs of columns: first all by `gcmi`, then all by nearest neighbours.

        `gcmi` is a closed form for pairs of numbers. Estimates that are known already are kept.

        Args:
            listen: Called with the progress. If it returns true, the work stops.

        Returns:
            Whether all pairs are done.
        """
        listen(Phase("closed form"))
        todo = [pair for pair in self.pairs if math.isnan(self.found["gcmi"][0][pair])]
        if not all(self._looked(pair, done, len(todo), listen) for done, pair in enumerate(todo)):
            return False
        listen(Phase("nearest neighbours"))
        first = self.found["gcmi"][0]
        todo = [
            pair
            for pair in self.pairs
            if math.isnan(self.found["ksg"][0][pair]) and pair not in self.failed
        ]
        # Empty cells first, then those that look strongest.
        todo.sort(key=lambda pair: -math.inf if math.isnan(first[pair]) else -first[pair])
        return all(self._counted(pair, done, len(todo), listen) for done, pair in enumerate(todo))

    def _looked(self, pair: Pair, done: int, total: int, listen: Listener) -> bool:
        """Estimate a pair of numbers as `gcmi` does; False if asked to stop."""
        if listen(Step(done, total)):
            return False
        i, j = pair
        if self.columns.used[i].levels or self.columns.used[j].levels:
            return True
        x, y = self._values[i], self._values[j]
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = x[known], y[known]
        if len(x) < MIN_SAMPLES or np.ptp(x) == 0 or np.ptp(y) == 0:
            return True  # the estimate by neighbours gives the reason
        look = gaussian_mi(self._scores(i, x), self._scores(j, y), np.empty((len(x), 0)))
        self._put("gcmi", pair, look.mi, look.stderr)
        return True

    def _scores(self, index: int, values: Array) -> Array:
        """Scores of the known values of a column; those of a whole column are computed once."""
        if len(values) < len(self.rows):
            return scores(values[:, None])
        if index not in self._whole:
            self._whole[index] = scores(values[:, None])
        return self._whole[index]

    def _counted(self, pair: Pair, done: int, total: int, listen: Listener) -> bool:
        """Estimate a pair by nearest neighbours; False if asked to stop."""
        if listen(Step(done, total)):
            return False
        x, y = (self._single[self.names[k]] for k in pair)
        options = self.options(*pair)
        try:
            found = estimate(x, y, "ksg", **options, listen=lambda _: listen(Working()))
        except Stopped:
            return False
        except MMGError as error:
            self.failed[pair] = error.what
            self._remark(pair, f"{error.what} This pair has no estimate.")
            return True
        if not found.status.complete:  # stopped in between
            return False
        self.keep(pair, found)
        return True

    def options(self, *columns: int) -> dict[str, Any]:
        """Arguments of `mmg_nb.estimate` for columns as x, y and perhaps the condition."""
        roles = zip(("x", "y", "given"), columns, strict=False)
        # By position, because a column may have the name of another column's role.
        named = [f"{role}[0]" for role, k in roles if self.names[k] in self._choice.named]
        chosen = ["auto", *named] if named else "auto"
        discrete = chosen if self._choice.auto else named or "none"
        return {"discrete": discrete, "missing": "drop", "seed": self.seed}

    def keep(self, pair: Pair, result: MIResult) -> None:
        """Store the notes of a result of an estimator in `METHODS`, and its estimate.

        The estimate of a training that was stopped or failed is left out.
        """
        stderr = math.nan if result.stderr is None else result.stderr
        i, j = pair
        if result.status not in PRELIMINARY:
            self._put(result.estimator, pair, result.mi, stderr)
            if result.estimator == "mmg":
                self._settled[i, j] = self._settled[j, i] = result.status.complete
        for note in self.worded(pair, result.notes):
            self._remark(pair, note)

    def worded(self, columns: Sequence[int], notes: Iterable[str]) -> list[str]:
        """Notes on an estimate, with advice that a question about a table can follow."""
        said = []
        for note in notes:
            for role, k in zip(("x", "y"), columns, strict=False):
                alone = f"use discrete={role!r}."
                note = note.replace(alone, f"use {named_too(self._choice, self.names[k])}.")
            said.append(worded(note))
        return said

    def _remark(self, pair: Pair, note: str) -> None:
        """Store a note under its kind: notes that differ in numbers and columns only are alike."""
        words = [*(re.escape(self.names[k]) for k in pair), "x", "y", r"\d+"]
        kind = re.sub(rf"(?<!\w)({'|'.join(words)})(?!\w)", "#", note)
        self._remarks.setdefault(kind, {})[pair] = note

    def remarks(self) -> list[tuple[str, list[str]]]:
        """A note of each kind, and the pairs that have such a note."""
        return [
            (
                next(iter(notes.values())),
                [f"{self.names[i]} and {self.names[j]}" for i, j in notes],
            )
            for notes in map(dict.copy, list(self._remarks.values()))
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why columns are left out, and a note of each kind, with the first of its pairs."""
        left = " ".join(self.columns.left_out.values())
        of_pairs = (f"{first_of(where)}: {note}" for note, where in self.remarks())
        return (*([f"Left out: {left}"] if left else []), *of_pairs)

    def _put(self, method: str, pair: Pair, mi: float, stderr: float) -> None:
        i, j = pair
        for a, b in ((i, j), (j, i)):
            self.found[method][:, a, b] = mi, stderr
