"""The columns of a table that a map of all pairs can use, and why others are left out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.choice import Choice
from mmg_nb.data.columns import read_variable, why_left_out
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.tables import KINDS_OF_TABLE, frame_of
from mmg_nb.errors import MMGError, brief, cut, listed, one_of

__all__ = ["MAX_COLUMNS", "Column", "TableColumns", "read_columns"]

MAX_COLUMNS = 200  # of a map; 19 900 pairs
ROOM_FOR_LEVEL = 24  # characters of the name of a category

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Column:
    """A column that can be used.

    Attributes:
        name: Its name, as text.
        label: Its name in the user's table, which need not be a text.
        values: Numbers, or codes 0, 1, … of categories, `(n,)`, NaN where missing.
        levels: Names of the categories by code; empty for a column of numbers.
    """

    name: str
    label: Hashable
    values: Array
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TableColumns:
    """A table, read column by column.

    Attributes:
        frame: The user's rows as a DataFrame, with names as texts.
        used: The columns that can be used, in the order of the table.
        left_out: Name -> reason, of the other columns.
    """

    frame: Any
    used: tuple[Column, ...]
    left_out: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that can be used."""
        return tuple(column.name for column in self.used)


def read_columns(table: Any, choice: Choice) -> TableColumns:
    """Read a table column by column. A column that cannot be used is left out.

    Args:
        table: A table of numbers and categories; see `dependency_map`.
        choice: Which columns are categories.

    Returns:
        The columns.

    Raises:
        MMGError: This is no table, column names are repeated, a named column does not exist, or
            fewer than two or more than `MAX_COLUMNS` columns can be used.
    """
    frame, labels = _frame(table)
    for name in choice.named:
        if name not in frame.columns:
            what = f"The table has no column {brief(name)}."
            raise MMGError(what, one_of(name, list(frame.columns), "Columns"))
    used, left_out = [], {}
    for name, label in zip(frame.columns, labels, strict=True):
        try:
            used.append(_column(frame, name, label, choice))
        except MMGError as error:
            left_out[name] = why_left_out(error)
    if not 2 <= len(used) <= MAX_COLUMNS:
        what = f"A map takes 2 to {MAX_COLUMNS} columns that can be used; got {len(used)}."
        reasons = f"{len(left_out)} are left out, e.g.: {'; '.join(list(left_out.values())[:2])}"
        raise MMGError(what, "Select columns: df[[...]]. " + (reasons if left_out else ""))
    return TableColumns(frame, tuple(used), left_out)


def _frame(table: Any) -> tuple[Any, list[Hashable]]:
    """The table with its column names as texts, and the names as the user has them."""
    frame = None if getattr(table, "ndim", 2) != 2 else frame_of(table, "table")
    if frame is None:
        what = f"table must be {KINDS_OF_TABLE}; got {type(table).__name__}."
        raise MMGError(what, "Convert it: pandas.DataFrame(values, columns=[...]).")
    names = [str(label) for label in frame.columns]
    if len(set(names)) < len(names):
        what = f"Column names must differ from each other; got {listed(names)}."
        raise MMGError(what, "Rename the repeated columns.")
    return frame.set_axis(names, axis=1), list(frame.columns)


def _column(frame: Any, name: str, label: Hashable, choice: Choice) -> Column:
    """One column.

    Raises:
        MMGError: It cannot be used.
    """
    read = read_variable(frame[[name]], name, choice)
    values = read.values[:, 0]
    known = values[~np.isnan(values)]
    if len(known) < MIN_SAMPLES:
        raise MMGError(f"{name} has {len(known)} known values; at least {MIN_SAMPLES} are needed.")
    if not np.isfinite(known).all():
        raise MMGError(f"{name} holds infinite values.")
    if (known == known[0]).all():
        raise MMGError(f"{name} is constant.")
    levels: tuple[str, ...] = ()
    if read.discrete:
        first = [int(np.argmax(values == code)) for code in range(int(known.max()) + 1)]
        levels = tuple(cut(str(frame[name].iloc[row]), ROOM_FOR_LEVEL) for row in first)
    return Column(name, label, values, levels)
