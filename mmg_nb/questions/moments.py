"""Rows of series at several moments: lags, the unit of time, and several series in one table."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.arrays import to_numpy
from mmg_nb.data.dependent_rows import MIN_SAMPLES, labels_of
from mmg_nb.data.tables import frame_of, index_of
from mmg_nb.errors import MMGError, brief

__all__ = ["Clock", "Moments", "clock_of", "read_lags", "read_moments"]

UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
EXAMPLE = "Pass whole numbers of rows, e.g. lags=range(-20, 21), or '-20:20'."

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """The time between two rows.

    Attributes:
        size: Number of units.
        unit: `row`, `day`, `month` and so on.
        step: The time, if it is the same between all rows.
        notes: What the user should know.
    """

    size: int = 1
    unit: str = "row"
    step: Any = None
    notes: tuple[str, ...] = ()

    def words(self, lag: int) -> str:
        """A number of rows as a time, e.g. `3 days`."""
        count = lag * self.size
        return f"{count} {self.unit}{'' if abs(count) == 1 else 's'}"


def clock_of(*variables: Any) -> Clock:
    """The time between two rows of pandas tables with an index of times; else rows are counted.

    Raises:
        MMGError: The times are not in order.
    """
    found = [index_of(each) for each in variables]
    index = next((each for each in found if hasattr(each, "freq")), None)
    if index is None:
        return Clock()
    if not index.is_monotonic_increasing or not index.is_unique:
        what = "The times of the rows are not in order, or repeat."
        raise MMGError(what, "Sort the rows first: df.sort_index(). For a panel, use series=.")
    if hasattr(index, "to_timestamp"):  # periods
        index = index.to_timestamp()
    import pandas as pd

    steps = np.unique(np.diff(index.to_numpy()))
    if len(steps) == 1:
        step = pd.Timedelta(steps[0])
        seconds = step.total_seconds()
        for unit, size in UNITS:
            if seconds % size == 0:
                return Clock(int(seconds // size), unit, step)
        return Clock(step=step)
    months = {*np.diff(12 * index.year + index.month)} if hasattr(index, "month") else set()
    if len(months) == 1 and 0 not in months:
        return Clock(int(months.pop()), "month")
    note = (
        "The times of the rows are not evenly spaced, so lags are counted in rows. For lags in "
        "units of time, resample first, for example df.resample('D').mean()."
    )
    return Clock(notes=(note,))


def read_lags(lags: Any, clock: Clock) -> tuple[int, ...]:
    """Lags as whole numbers of rows, in order, each once.

    Args:
        lags: Whole numbers, or times if rows are evenly spaced; or a text such as `-20:20`,
            `0:24:6` or `0,1,12`. The end of a text is included.
        clock: The time between two rows.

    Returns:
        The lags.

    Raises:
        MMGError: They are no lags.
    """
    if isinstance(lags, str):
        lags = _lags_in(lags)
    if isinstance(lags, (int, np.integer, datetime.timedelta)):
        lags = [lags]
    if not isinstance(lags, Iterable):
        raise MMGError(f"lags must be whole numbers; got {brief(lags)}.", EXAMPLE)
    found = sorted({_lag(each, clock) for each in lags})
    if not found:
        raise MMGError("lags must name at least one lag; got none.", EXAMPLE)
    return tuple(found)


def _lags_in(text: str) -> Iterable[int]:
    try:
        if ":" not in text:
            return [int(part) for part in text.split(",")]
        first, last, *step = (int(part) for part in text.split(":"))
        if len(step) > 1 or min(step, default=1) < 1:
            raise ValueError
        return range(first, last + 1, *step)
    except ValueError as error:
        raise MMGError(f"lags must be whole numbers; got {brief(text)}.", EXAMPLE) from error


def _lag(value: Any, clock: Clock) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime.timedelta) and clock.step is not None:
        count = value / clock.step
        if count == int(count):
            return int(count)
    what = f"A lag must be a whole number of rows; got {brief(value)}."
    if isinstance(value, datetime.timedelta) and clock.step is not None:
        raise MMGError(what, f"Rows are {clock.words(1)} apart: use multiples of that.")
    raise MMGError(what, EXAMPLE)


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments t at which all values exist that are asked for, and the rows before and after.

    Attributes:
        order: Rows of the table in the order of series and time, `(n,)`.
        places: Places in that order, of the moments, `(m,)`.
    """

    order: Rows
    places: Rows

    def at(self, values: Any, name: str, lag: int = 0) -> Any:
        """Rows of a variable that lie some rows before each moment, `(m, d)`.

        Args:
            values: The user's variable.
            name: `x`, `y` or `given`, for error messages.
            lag: Rows before; negative for rows after.
        """
        rows = self.order[self.places - lag]
        frame = frame_of(values, name)
        if frame is not None:
            return frame.iloc[rows].reset_index(drop=True)
        return to_numpy(values, name)[rows]

    def past(self, values: Any, name: str, count: int) -> NDArray[Any]:
        """The last values before each moment, `(m, count · d)`."""
        frame = frame_of(values, name)
        array = to_numpy(values, name) if frame is None else frame.to_numpy()
        table = array.reshape(len(array), -1)
        rows = (self.order[self.places - lag] for lag in range(1, count + 1))
        return np.concatenate([table[each] for each in rows], axis=1)


def read_moments(n: int, series: Any, first: int, last: int) -> Moments:
    """The moments at which all lags exist.

    Args:
        n: Rows of the table.
        series: Labels of the series, `(n,)`, or None for a single one.
        first: The least lag.
        last: The largest lag.

    Returns:
        The moments.

    Raises:
        MMGError: There are too few.
    """
    labels = np.zeros(n, dtype=np.int64) if series is None else labels_of(series, n)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels[order])
    ends = np.cumsum(sizes)
    parts = [
        np.arange(end - size + max(0, last), end + min(0, first))
        for size, end in zip(sizes, ends, strict=True)
    ]
    places = np.concatenate(parts).astype(np.int64)
    if len(places) < MIN_SAMPLES:
        got = f"got {len(places)} of {n}."
        what = f"At least {MIN_SAMPLES} rows must have values at all lags; {got}"
        raise MMGError(what, "Use fewer or shorter lags, or longer series.")
    return Moments(order, places)
