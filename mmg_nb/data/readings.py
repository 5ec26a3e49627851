"""What kind of column is this? The one place that decides, and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.conversion import Conversion
from mmg_nb.data.numbers import LARGEST_EXACT

__all__ = [
    "Column",
    "Reading",
    "is_discrete",
    "is_identifier",
    "may_be_codes",
    "reading_of",
]

MAX_CATEGORY_VALUES = 20  # different whole numbers in a column that may hold categories
MIN_ROWS_PER_VALUE = 10  # mean rows per value; with fewer, whole numbers are not categories

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Column:
    """One column before the choice of categories.

    Attributes:
        label: Name of the column.
        values: Numbers, or codes of categories, `(n,)`, NaN where missing.
        kind: number, truth or category.
        origin: What the values were: times, numbers or digits (as text), categorical or ordered
            (of pandas), or empty.
        exact: Integers that the numbers stand for, `(n,)`, if float64 may make them equal.
        conversion: How to convert texts, most of which are numbers or dates.
    """

    label: str
    values: Array
    kind: str
    origin: str = ""
    exact: NDArray[Any] | None = None
    conversion: Conversion | None = None


@dataclass(frozen=True)
class Reading:
    """What a column is read as.

    Attributes:
        name: Name of the column.
        kind: `numbers`, `counts`, `whole numbers` and `times` are quantities. `levels` (few whole
            numbers), `ordered levels`, `codes`, `categories` and `truth values` are categories.
            `constant`, `empty` and `not usable` columns are left out.
        levels: Number of different values.
        missing: Number of missing values.
        evidence: Why, in words.
        change: What to pass for another reading.
    """

    name: str
    kind: str
    levels: int
    missing: int
    evidence: str
    change: str = ""

    @property
    def discrete(self) -> bool:
        """Whether the column holds categories."""
        kinds = {kind for kind, _ in _CATEGORIES.values()}
        return self.kind in kinds | {"levels", "truth values"}

    @property
    def usable(self) -> bool:
        """Whether the column can be part of an estimate."""
        return self.kind not in ("constant", "empty", "not usable")


_CATEGORIES = {
    "ordered": ("ordered levels", "a pandas categorical with an order"),
    "digits": ("codes", "texts that are whole numbers"),
    "categorical": ("categories", "a pandas categorical"),
    "": ("categories", "texts"),
}
_TO_NUMBERS = {
    "ordered": "column.cat.codes with discrete='none'",
    "digits": "column.astype(float)",
}


def is_discrete(column: Column, *, named: bool, auto: bool) -> bool:
    """Whether a column holds categories, before codes and quantities are distinguished.

    Args:
        column: The column.
        named: Whether the user named it as one of categories.
        auto: Whether few whole numbers and truth values become categories.

    Returns:
        The decision.
    """
    return column.kind == "category" or named or (auto and _looks_discrete(column))


def _looks_discrete(column: Column) -> bool:
    if column.kind != "number":
        return column.kind == "truth"
    values = column.values[~np.isnan(column.values)]
    if not np.isfinite(values).all():
        return False
    first = values[: MAX_CATEGORY_VALUES * MIN_ROWS_PER_VALUE]  # these rows decide most columns
    found = np.unique(first)
    if len(found) > MAX_CATEGORY_VALUES or not np.array_equal(found, np.round(found)):
        return False
    found = np.unique(values)
    whole = np.array_equal(found, np.round(found))
    few = len(found) <= MAX_CATEGORY_VALUES
    return bool(whole and few and len(values) >= MIN_ROWS_PER_VALUE * len(found))


def may_be_codes(column: Column) -> bool:
    """Whether numbers may be codes: whole ones that are no times, a level in two rows or more."""
    if column.kind != "number" or column.origin == "times":
        return False
    for values in (column.values[:100], column.values):  # the first rows decide most columns
        known = values[~np.isnan(values)]
        if not np.isfinite(known).all() or not np.array_equal(known, known.round()):
            return False
    return len(np.unique(known)) > 2 and not is_identifier(len(np.unique(known)), len(known))


def is_identifier(levels: int, rows: int) -> bool:
    """Whether there are too few rows per level for categories."""
    return levels > max(2, rows // 2)


def reading_of(column: Column, *, named: bool = False, auto: bool = True) -> Reading:
    """The reading of a column by itself; arguments as for `is_discrete`."""
    known = column.values[~np.isnan(column.values)]
    levels, missing = len(np.unique(known)), len(column.values) - len(known)

    def said(kind: str, evidence: str, change: str = "") -> Reading:
        return Reading(column.label, kind, levels, missing, evidence, change)

    change = column.conversion.code if column.conversion else _TO_NUMBERS.get(column.origin, "")
    if levels < 2:
        return said(*(("constant", "one value only") if levels else ("empty", "no values")))
    if (column.kind == "category" or named) and is_identifier(levels, len(known)):
        evidence = "most values occur once, like an identifier"
        if column.conversion:
            return said("not usable", f"text: {column.conversion.evidence}", change)
        return said("not usable", evidence, change)
    if column.kind == "category":
        kind, evidence = _CATEGORIES[column.origin]
        if column.conversion:
            evidence += f": {column.conversion.evidence}"
        return said(kind, evidence, change)
    if named:
        return said("categories", "named in discrete=", "discrete='auto'")
    if is_discrete(column, named=named, auto=auto):
        if column.kind == "truth":
            return said("truth values", "true or false", "discrete='none'")
        few = f"{levels} whole numbers, {len(known) / levels:.0f} rows each on average;"
        few += " counts as a number if x or y also holds numbers"
        return said("levels", few, "discrete='none'")
    change = ""
    if column.origin == "times":
        change = "mmg_nb.cyclic(column, 'weekday') for a cycle"
    elif not is_identifier(levels, len(known)):
        label = f"x[{column.label}]" if column.label.isdigit() else column.label
        change = f"discrete='auto,{label}'"
    return said(*_quantity(column, known, levels), change)


def _quantity(column: Column, known: Array, levels: int) -> tuple[str, str]:
    if column.origin == "times":
        return "times", "dates, times or time spans"
    texts = ", written as text" if column.origin == "numbers" else ""
    if not np.isfinite(known).all():
        return "not usable", "infinite values"
    each = f"{levels} different values{texts}"
    low, high = known.min(), known.max()
    if not np.array_equal(known, known.round()) or max(-low, high) > LARGEST_EXACT:
        return "numbers", each
    kind = "counts" if low in (0, 1) else "whole numbers"
    return kind, f"{each}, whole numbers from {low:.0f} to {high:.0f}"
