"""Tables of accuracy, coverage and time of every estimator, from records."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from mmg_nb.benchmark.labelling import labels
from mmg_nb.benchmark.records import latest, read_records
from mmg_nb.benchmark.worker import Record
from mmg_nb.errors import MMGError, brief

__all__ = ["Row", "Table", "read_all", "table", "tabulate", "tolerance"]

SOLVED_NATS = 0.05  # nats; a task is solved if its error is at most this
SOLVED_SHARE = 0.05  # of the true value; a task is also solved if its error is at most this
_SUITES = ("outside", "high_mi", "staircase", "consistency", "generated")
_GROUPS = ("copula", "other BMI", "all BMI", *_SUITES, "other")


@dataclass(frozen=True, kw_only=True)
class Row:
    """Results of one estimator at one n, for the tasks of a group or for one task.

    The error of a task is the mean over seeds of |estimate − truth|. Errors of opposite sign
    therefore do not cancel. All values are in nats or seconds. A mean over no values is None.
    Tasks with unknown truth count only for `tasks`, `cells`, `failed`, `mi`, `half_width` and
    `seconds`.

    Attributes:
        group: Group, or task id.
        n: Number of rows.
        estimator: Name and fields.
        tasks: Number of tasks with an estimate.
        cells: Number of cells with an estimate.
        failed: Number of cells without an estimate.
        mi_true: Mean true value over tasks.
        mi: Mean estimate over tasks.
        error: Mean error over tasks.
        solved: Number of tasks whose error is at most max(0.05 nats, 5 % of the truth).
        coverage: Share of 95 % intervals that contain the truth.
        coverage_error: Binomial standard error of `coverage`. One success and one failure are
            added, so that it is never 0.
        half_width: Median half width of the intervals.
        seconds: Mean wall time of a cell.
    """

    group: str
    n: int
    estimator: str
    tasks: int
    cells: int
    failed: int
    mi_true: float | None
    mi: float | None
    error: float | None
    solved: int
    coverage: float | None
    coverage_error: float | None
    half_width: float | None
    seconds: float | None


@dataclass(frozen=True)
class Table:
    """A table that displays as text, Markdown and HTML.

    Attributes:
        rows: The rows in reading order. `pandas.DataFrame(table.rows)` converts them.
        by: Whether a row is about a `group` or a `task`.
    """

    rows: tuple[Row, ...]
    by: str

    def to_markdown(self) -> str:
        """The table as Markdown."""
        header, *body = self._texts()
        lines = [header, ["---"] * len(header), *body]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_html(self) -> str:
        """The table as HTML."""
        header, *body = self._texts()
        lines = [_html_line("th", header), *(_html_line("td", line) for line in body)]
        return f"<table>{''.join(lines)}</table>"

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return self.to_html()

    def _texts(self) -> list[list[str]]:
        return [
            [
                *(self.by, "n", "estimator", "tasks", "truth", "estimate", "mean abs error"),
                *("solved", "95 % coverage", "half width", "seconds", "failed"),
            ],
            *map(_texts, self.rows),
        ]


def _texts(row: Row) -> list[str]:
    covered = "–"
    if row.coverage is not None and row.coverage_error is not None:
        covered = f"{row.coverage:.2f} ± {row.coverage_error:.2f}"
    return [
        *(row.group, str(row.n), row.estimator, str(row.tasks)),
        *(_number(row.mi_true), _number(row.mi), _number(row.error, 4)),
        "–" if row.error is None and row.tasks else f"{row.solved}/{row.tasks}",
        *(covered, _number(row.half_width, 4)),
        *("–" if row.seconds is None else f"{row.seconds:.3g}", str(row.failed)),
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _html_line(tag: str, cells: Iterable[str]) -> str:
    inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"


def read_all(paths: str | Path | Iterable[str | Path]) -> tuple[Record, ...]:
    """Read the last record of each cell from files of records.

    Args:
        paths: One or several files. If a cell is in several files, the last file is used.

    Returns:
        The records.

    Raises:
        MMGError: A file does not exist, or it is not a file of records.
    """
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    return tuple(latest(record for path in listed for record in read_records(path)).values())


def table(paths: str | Path | Iterable[str | Path], by: str = "group") -> Table:
    """Make a table of accuracy, coverage and time from files of records.

    Args:
        paths: One or several files.
        by: `group` (copula, other BMI, all BMI, outside, …) or `task`.

    Returns:
        One row for each group or task, n and estimator.

    Raises:
        MMGError: A file does not exist or is not a file of records, or `by` is invalid.
    """
    return tabulate(read_all(paths), by)


def tabulate(records: Sequence[Record], by: str = "group") -> Table:
    """Make a table from records in memory, with at most one record per cell; see `table`."""
    if by not in ("group", "task"):
        raise MMGError(f"by must be 'group' or 'task'; got {brief(by)}.", "Try by='task'.")
    names = labels(records)
    order = list(_GROUPS) if by == "group" else list(dict.fromkeys(r["task"] for r in records))
    estimators = list(dict.fromkeys(names.values()))
    cells: defaultdict[tuple[int, int, int], list[Record]] = defaultdict(list)
    for record in records:
        groups = _groups(record["tags"]) if by == "group" else (record["task"],)
        for group in groups:
            place = estimators.index(names[record["id"]])
            cells[order.index(group), record["n"], place].append(record)
    rows = (
        _row(order[group], n, estimators[place], cells[group, n, place])
        for group, n, place in sorted(cells)
    )
    return Table(tuple(rows), by)


def _groups(tags: Iterable[str]) -> tuple[str, ...]:
    found = set(tags)
    if "bmi" in found:
        return ("copula" if "copula" in found else "other BMI", "all BMI")
    return tuple(suite for suite in _SUITES if suite in found) or ("other",)


def _row(group: str, n: int, estimator: str, records: Sequence[Record]) -> Row:
    good = [record for record in records if record["mi"] is not None]
    tasks: defaultdict[str, list[Record]] = defaultdict(list)
    for record in good:
        tasks[record["task"]].append(record)
    known = {task: same for task, same in tasks.items() if same[0]["mi_true"] is not None}
    truths = {task: same[0]["mi_true"] for task, same in known.items()}
    errors = {
        task: fmean(abs(r["mi"] - truths[task]) for r in same) for task, same in known.items()
    }
    coverage, coverage_error = _coverage([r for same in known.values() for r in same])
    halves = [0.5 * (high - low) for low, high in _intervals(good)]
    return Row(
        group=group,
        n=n,
        estimator=estimator,
        tasks=len(tasks),
        cells=len(good),
        failed=len(records) - len(good),
        mi_true=_mean(truths.values()),
        mi=_mean(fmean(r["mi"] for r in same) for same in tasks.values()),
        error=_mean(errors.values()),
        solved=sum(error <= tolerance(truths[task]) for task, error in errors.items()),
        coverage=coverage,
        coverage_error=coverage_error,
        half_width=median(halves) if halves else None,
        seconds=_mean(r["seconds"] for r in good),
    )


def tolerance(mi_true: float) -> float:
    """The largest error, in nats, at which a task counts as solved."""
    return max(SOLVED_NATS, SOLVED_SHARE * mi_true)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None


def _intervals(records: Iterable[Record]) -> list[tuple[float, float]]:
    return [tuple(record["interval"]) for record in records if record["interval"] is not None]


def _coverage(records: Sequence[Record]) -> tuple[float | None, float | None]:
    with_interval = [record for record in records if record["interval"] is not None]
    count = len(with_interval)
    if not count:
        return None, None
    hits = sum(r["interval"][0] <= r["mi_true"] <= r["interval"][1] for r in with_interval)
    smooth = (hits + 1) / (count + 2)
    return hits / count, math.sqrt(smooth * (1 - smooth) / count)
