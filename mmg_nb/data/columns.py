"""Reads one variable of the user into columns of numbers and of categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.arrays import to_numpy
from mmg_nb.data.choice import Choice
from mmg_nb.data.conversion import conversion_of
from mmg_nb.data.numbers import integers_of, is_missing, numbers_in_texts, numbers_of, times_of
from mmg_nb.data.readings import Column, is_discrete, is_identifier, may_be_codes
from mmg_nb.data.tables import frame_of
from mmg_nb.errors import MMGError, cut, listed

__all__ = ["Shape", "Variable", "line_of_pandas", "read_columns", "read_variable", "why_left_out"]

MOST_GRADES = 10  # values of a column of several; more look like counts; not measured
_ENCODE = "Convert the values to numbers or to text first."
_CONVERT = "Convert it with pandas: "
_OBJECTS = {
    "Period": "column.dt.to_timestamp()",
    "Interval": "pandas.Series(pandas.IntervalIndex(column).mid, column.index)",
}
"""Type of Python objects -> the line of pandas that makes them times or numbers."""
_IDENTIFIER = (
    "Leave the column out, or merge its categories.",
    "Convert its texts to numbers, for example with astype(float), or leave the column out.",
)
_ROW_PER_SAMPLE = "Pass one row per sample."

Array = NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable after reading.

    Attributes:
        values: `(n, d)`, NaN where missing. Columns of categories hold codes 0, 1, ….
        labels: Names of the columns, or their indices as text.
        discrete: Indices of the columns of categories.
        inferred: Indices of those columns in `discrete` that the user did not name and that hold
            whole numbers.
        undecided: Indices of columns of numbers that may be codes of categories.
        shape: Channels, height and width if the variable holds images, else None. The columns
            are the pixels.
        notes: What the user should know about how columns were read.
    """

    values: Array
    labels: tuple[str, ...]
    discrete: tuple[int, ...] = ()
    inferred: tuple[int, ...] = ()
    undecided: tuple[int, ...] = ()
    shape: Shape | None = None
    notes: tuple[str, ...] = ()


_ORIGINS = {
    "times": "Times in {where} are treated as numbers. Their unit and origin do not matter.",
    "numbers": "All values in {where} are numbers written as text, so they were converted to "
    "numbers. To keep them as categories, name these columns in discrete=.",
    "digits": "Texts in {where} are whole numbers, which are treated as categories. To treat them "
    "as numbers, convert them first, for example with astype(float).",
}


def read_variable(values: Any, name: str, choice: Choice, *, skip: bool = False) -> Variable:
    """Read one variable.

    Args:
        values: `(n,)` or `(n, d)`: numpy, pandas, Polars, PyArrow, xarray, torch (any device) or
            nested lists. Images are `(n, height, width)` or `(n, channels, height, width)`.
        name: `x`, `y` or `given`, for error messages.
        choice: Which columns are categories.
        skip: Whether columns that cannot be used are left out with a note, if others remain.

    Returns:
        The variable. A contiguous float64 array of numbers is not copied. The input is never
        modified.

    Raises:
        MMGError: The values cannot be used. The message says why and what to do.
    """
    frame = frame_of(values, name)
    array = to_numpy(values, name) if frame is None else None
    if array is not None and array.ndim in (3, 4):
        return _images(array, name, choice)
    columns = read_columns(array if frame is None else frame, name)
    decided = [_decided(column, name, choice, i, skip) for i, column in enumerate(columns)]
    lost = [each for each in decided if isinstance(each, MMGError)]
    if lost and (not skip or len(lost) == len(columns)):
        raise lost[0]
    kept = [
        (each, column)
        for each, column in zip(decided, columns, strict=True)
        if not isinstance(each, MMGError) and not isinstance(column, MMGError)
    ]
    read = [each for each, _ in kept]
    if len(kept) > 1 and any(_is_quantity(*each) for each in kept):
        read = [_beside_numbers(*each) for each in kept]
    labels = tuple(each.column.label for each in read)
    discrete, inferred, undecided = (
        tuple(i for i, each in enumerate(read) if getattr(each, which))
        for which in ("discrete", "inferred", "undecided")
    )
    if array is not None and array.dtype == np.float64 and not discrete and not lost:
        joined = np.ascontiguousarray(array.reshape(len(array), -1))
    else:
        joined = np.stack([each.column.values for each in read], axis=1)
    notes = tuple(why_left_out(error, " The column was left out.") for error in lost)
    notes += _origin_notes(read, name)
    return Variable(joined, labels, discrete, inferred, undecided, notes=notes)


@dataclass(frozen=True, eq=False)
class _Decided:
    """A column, and whether it holds categories; `column` is encoded if it does."""

    column: Column
    named: bool
    discrete: bool = False
    inferred: bool = False
    undecided: bool = False


def _decided(
    column: Column | MMGError, name: str, choice: Choice, index: int, skip: bool
) -> _Decided | MMGError:
    """The decision on one column, or why it cannot be used."""
    if isinstance(column, MMGError):
        return column
    if skip and np.isnan(column.values).all():
        return MMGError(f"{name}: column {cut(column.label, 40)} has no values.")
    named = choice.names(name, column.label, index)
    if not is_discrete(column, named=named, auto=choice.auto):
        return _Decided(column, named, undecided=choice.auto and may_be_codes(column))
    try:
        encoded = _encoded(column, name)
    except MMGError as error:
        return error
    return _Decided(encoded, named, discrete=True, inferred=column.kind == "number" and not named)


def _is_quantity(decided: _Decided, column: Column) -> bool:
    """Whether a column holds numbers, or so many whole ones that they look like counts."""
    if not decided.inferred:
        return not decided.discrete
    return len(np.unique(column.values[~np.isnan(column.values)])) > MOST_GRADES


def _beside_numbers(decided: _Decided, column: Column) -> _Decided:
    """The decision on a column of a variable that has numbers: few whole numbers are numbers, too.

    Counts, ages and grades of one table belong together, however many values each of them has.
    """
    if not decided.inferred:
        return decided
    return _Decided(column, decided.named, undecided=may_be_codes(column))


def _origin_notes(read: Sequence[_Decided], name: str) -> tuple[str, ...]:
    found = {
        origin: [c.column.label for c in read if c.column.origin == origin and not c.named]
        for origin in _ORIGINS
    }
    converted = [(c.column.label, c.column.conversion) for c in read if not c.named]
    return tuple(
        f"{name}: " + _ORIGINS[origin].format(where=f"column(s) {listed(labels, room=80)}")
        for origin, labels in found.items()
        if labels
    ) + tuple(
        f"{name}: Column {cut(label, 40)} is treated as categories, but {each.evidence}. To treat "
        f"it as numbers, convert it first with pandas: {each.code}"
        for label, each in converted
        if each
    )


def why_left_out(error: MMGError, then: str = "") -> str:
    """Why a column was left out, `then`, and what keeps it, if there is something."""
    remedy = "" if error.remedy.startswith("Leave") else error.remedy
    return f"{error.what}{then} {remedy}".strip()


def _encoded(column: Column, name: str) -> Column:
    """Replace values by codes 0, 1, … in sorted order, NaN where missing."""
    known = ~np.isnan(column.values)
    exact = column.values if column.exact is None else column.exact
    levels, codes = np.unique(exact[known], return_inverse=True)
    if is_identifier(len(levels), int(known.sum())):
        if column.conversion:
            evidence, code = column.conversion
            what = f"{name}: column {cut(column.label, 40)} is text. {evidence}."
            raise MMGError(what, _CONVERT + code)
        what = (
            f"{name}: column {cut(column.label, 40)} holds {len(levels)} different categories in "
            f"{int(known.sum())} rows. It looks like an identifier."
        )
        raise MMGError(what, _IDENTIFIER[column.origin == "digits"])
    values = np.full(len(column.values), np.nan)
    values[known] = codes.reshape(-1)
    return replace(column, values=values, exact=None)


def _images(array: NDArray[Any], name: str, choice: Choice) -> Variable:
    if array.dtype.kind not in "fiub":
        _refuse(array.dtype, name)
    if array.size == 0:
        raise MMGError(
            f"{name} is empty; its shape is {array.shape}.", "Pass one image per sample."
        )
    if any(each == name or each.startswith(f"{name}[") for each in choice.named):
        what = f"{name} holds images, and pixels cannot be categories."
        raise MMGError(what, f"Remove {name} from discrete=.")
    channels = array.shape[1] if array.ndim == 4 else 1
    shape = channels, array.shape[-2], array.shape[-1]
    values = np.array(numbers_of(array.reshape(-1)), dtype=np.float64).reshape(len(array), -1)
    return Variable(values, tuple(map(str, range(values.shape[1]))), shape=shape)


def read_columns(table: Any, name: str) -> list[Column | MMGError]:
    """Read each column by itself, before the choice of categories.

    Args:
        table: A DataFrame of pandas, or a NumPy array, `(n,)` or `(n, d)`.
        name: `x`, `y`, `given` or `table`, for error messages.

    Returns:
        The columns. In the place of a column that cannot be read, the reason.

    Raises:
        MMGError: The table is empty, or has another number of axes.
    """
    if not hasattr(table, "iloc"):
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2:
            what = f"{name} must have shape (n,), (n, d) or (n, c, h, w); got {table.shape}."
            raise MMGError(what, f"Flatten each sample to a row: {name}.reshape(len({name}), -1).")
    if table.size == 0:
        raise MMGError(f"{name} is empty; its shape is {table.shape}.", _ROW_PER_SAMPLE)
    if not hasattr(table, "iloc"):
        return [_attempt(_column, column, str(i), name) for i, column in enumerate(table.T)]
    labels = [str(label) for label in table.columns]
    return [_attempt(_pandas_column, table.iloc[:, i], k, name) for i, k in enumerate(labels)]


def _attempt(read: Callable[..., Column], *column: Any) -> Column | MMGError:
    try:
        return read(*column)
    except MMGError as error:
        return error


def _pandas_column(series: Any, label: str, name: str) -> Column:
    if hasattr(series, "cat"):
        codes = series.cat.codes.to_numpy().astype(np.float64)
        origin = "ordered" if series.cat.ordered else "categorical"
        return Column(label, np.where(codes < 0, np.nan, codes), "category", origin)
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iu":
        integers = series.to_numpy(dtype=f"{kind}8", na_value=0)
        numbers = integers_of(integers, series.notna().to_numpy())
        return Column(label, numbers, "number", exact=integers)
    if kind in "fb":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(label, numbers, "truth" if kind == "b" else "number")
    if kind in "mM":
        zoned = getattr(series.dtype, "tz", None) is not None
        return _column(np.asarray(series.dt.tz_convert(None) if zoned else series), label, name)
    if kind in "cV":
        _refuse(series.dtype, name, label)
    return _column(series.astype(object).where(series.notna(), None).to_numpy(), label, name)


def _column(values: NDArray[Any], label: str, name: str) -> Column:
    """Read one column of a NumPy array, `(n,)`, of any type."""
    kind = values.dtype.kind
    if kind == "O" and (times := times_of(values)) is not None:
        values, kind = times, "M"
    if kind not in "fiubmMOUST":
        _refuse(values.dtype, name, label)
    numbers = None if kind in "UST" else numbers_of(values)
    if numbers is None:
        return _category(values, label, name)
    origin = "times" if kind in "mM" else ""
    whole = kind in "iu" or (kind == "O" and all(map(_is_whole, values)))
    read_as = "truth" if kind == "b" else "number"
    return Column(label, numbers, read_as, origin, values if whole else None)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) or is_missing(value)


def _category(column: NDArray[Any], label: str, name: str) -> Column:
    """Codes of texts, and of numbers mixed with texts; NaN where missing."""
    values = column.tolist()
    known = np.array([not is_missing(v) for v in values], dtype=bool)
    plain = (str, bytes, int, float, np.generic)
    some = [v for v, there in zip(values, known, strict=True) if there]
    odd = [v for v in some if not isinstance(v, plain)]
    if odd:
        kind = cut(type(odd[0]).__name__, 40)
        what = f"{name} must hold numbers or categories; got Python objects ({kind})"
        remedy = _CONVERT + _OBJECTS[kind] if kind in _OBJECTS else _ENCODE
        raise MMGError(f"{what}{_in_column(label)}.", remedy)
    texts = [str(v) for v in some]
    numbers, digits = (None, False)
    if all(isinstance(v, str) for v in some):
        numbers, digits = numbers_in_texts(texts)
    codes = np.full(len(values), np.nan)
    if numbers is not None:
        codes[known] = numbers
        return Column(label, codes, "number", "numbers")
    if digits:
        texts = [text.strip() for text in texts]
    levels, level = np.unique(texts, return_inverse=True)
    codes[known] = level.reshape(-1)
    if digits:
        codes[known] = np.where([t.lower() == "nan" for t in texts], np.nan, codes[known])
        return Column(label, codes, "category", "digits")
    dates = is_identifier(len(levels), len(texts))
    conversion = conversion_of(levels.tolist(), dates=dates)
    return Column(label, codes, "category", conversion=conversion)


def _refuse(dtype: Any, name: str, label: str = "") -> None:
    words = {"c": "complex numbers", "V": "records"}
    remedies = {
        "c": "Pass real and imaginary parts as two columns.",
        "V": f"Pass pandas.DataFrame({name}).",
    }
    got = f"{words.get(dtype.kind, 'something else')} (dtype {cut(str(dtype), 40)})"
    raise MMGError(
        f"{name} must hold numbers or categories; got {got}{_in_column(label)}.",
        remedies.get(dtype.kind, _ENCODE),
    )


def _in_column(label: str) -> str:
    return f" in column {cut(label, 40)}" if label and not label.isdigit() else ""


def line_of_pandas(error: MMGError) -> str:
    """The line of pandas that makes a column usable; empty if there is none."""
    line = error.remedy.removeprefix(_CONVERT)
    return "" if line == error.remedy else line
