"""Reads one variable of the user into columns of numbers and of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError, brief, listed

__all__ = [
    "Choice",
    "Shape",
    "Variable",
    "labels_of",
    "names_of",
    "read_choice",
    "read_variable",
]

MAX_CATEGORY_VALUES = 20  # different whole numbers in a column that may hold categories
MIN_ROWS_PER_VALUE = 10  # mean rows per value; with fewer, whole numbers are not categories
ALIASES = {"given": "z"}

_TIMES = "Convert times to numbers first, for example seconds since the start."
_ENCODE = "Convert the values to numbers or to text first."
_ROW_PER_SAMPLE = "Pass one row per sample."
_MISSING = ("nan", "None", "<NA>", "NaT")

Array = NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Choice:
    """Which columns are categories.

    Attributes:
        auto: Whether columns of few whole numbers or of truth values become categories.
        named: Variables (`x`) and columns (`sex`, `x[2]`) that the user declared as categories.
    """

    auto: bool = True
    named: frozenset[str] = frozenset()

    def names(self, variable: str, label: str, index: int) -> bool:
        """Whether the user named this column. A label that is a number is not a name."""
        names = {*names_of(variable, index)} | ({label} if not label.isdigit() else set())
        return bool(self.named & names)


def names_of(variable: str, index: int) -> tuple[str, ...]:
    """Names of a variable and of one of its columns: `x`, `x[2]`. `z` also means `given`."""
    names = (variable, ALIASES.get(variable, variable))
    return (*names, *(f"{name}[{index}]" for name in names))


def read_choice(discrete: Any) -> Choice:
    """Read the user's option `discrete`.

    Args:
        discrete: `auto`, `none`, or names of variables and columns. The names are a list, or one
            text with commas.

    Returns:
        The choice.

    Raises:
        MMGError: `discrete` has another type.
    """
    words = discrete.split(",") if isinstance(discrete, str) else discrete
    if not isinstance(words, Sequence) or not all(isinstance(w, str) for w in words):
        what = f"discrete must be auto, none, or names of columns; got {brief(discrete)}."
        raise MMGError(what, 'Try discrete="y" or discrete="sex,x[2]".')
    named = frozenset(w.strip() for w in words if w.strip())
    if named == {"auto"}:
        return Choice()
    return Choice(auto=False, named=named - {"none"})


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable after reading.

    Attributes:
        values: `(n, d)`, NaN where missing. Columns of categories hold codes 0, 1, ….
        labels: Names of the columns, or their indices as text.
        discrete: Indices of the columns of categories.
        inferred: Indices of those columns in `discrete` that the user did not name and that hold
            whole numbers.
        shape: Channels, height and width if the variable holds images, else None. The columns
            are the pixels.
    """

    values: Array
    labels: tuple[str, ...]
    discrete: tuple[int, ...] = ()
    inferred: tuple[int, ...] = ()
    shape: Shape | None = None


@dataclass(frozen=True, eq=False)
class _Column:
    """One column before the choice of categories. `kind` is number, truth or category."""

    label: str
    values: Array
    kind: str


def read_variable(values: Any, name: str, choice: Choice) -> Variable:
    """Read one variable.

    Args:
        values: `(n,)` or `(n, d)`: numpy, pandas, torch (any device) or nested lists. Images are
            `(n, height, width)` or `(n, channels, height, width)`.
        name: `x`, `y` or `given`, for error messages.
        choice: Which columns are categories.

    Returns:
        The variable. A contiguous float64 array of numbers is not copied. The input is never
        modified.

    Raises:
        MMGError: The values cannot be used. The message says why and what to do.
    """
    array = None
    if hasattr(values, "iloc") and not isinstance(values, type):  # pandas
        columns = _pandas_columns(values, name)
    else:
        array = _to_numpy(values, name)
        if array.ndim in (3, 4):
            return _images(array, name, choice)
        columns = _array_columns(array, name)
    discrete, inferred, read = [], [], []
    for index, column in enumerate(columns):
        wanted = choice.names(name, column.label, index)
        found = choice.auto and _looks_discrete(column)
        if column.kind == "category" or wanted or found:
            discrete.append(index)
            if found and column.kind == "number":
                inferred.append(index)
            column = _encoded(column, name)
        read.append(column)
    if not read or not len(read[0].values):
        shape = len(values), len(columns)
        raise MMGError(f"{name} is empty; its shape is {shape}.", _ROW_PER_SAMPLE)
    labels = tuple(column.label for column in read)
    if array is not None and array.dtype == np.float64 and not discrete:
        joined = np.ascontiguousarray(array.reshape(len(array), -1))
    else:
        joined = np.stack([column.values for column in read], axis=1)
    return Variable(joined, labels, tuple(discrete), tuple(inferred))


def _looks_discrete(column: _Column) -> bool:
    if column.kind == "truth":
        return True
    if column.kind != "number":
        return False
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


def _encoded(column: _Column, name: str) -> _Column:
    """Replace values by codes 0, 1, … in sorted order, NaN where missing."""
    known = ~np.isnan(column.values)
    levels, codes = np.unique(column.values[known], return_inverse=True)
    if len(levels) > max(2, known.sum() // 2):
        what = (
            f"{name}: column {column.label} holds {len(levels)} different categories in "
            f"{int(known.sum())} rows. It looks like an identifier."
        )
        raise MMGError(what, "Leave the column out, or merge its categories.")
    values = np.full(len(column.values), np.nan)
    values[known] = codes.reshape(-1)
    return _Column(column.label, values, column.kind)


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
    values = np.array(array.reshape(len(array), -1), dtype=np.float64)
    return Variable(values, tuple(map(str, range(values.shape[1]))), shape=shape)


def _array_columns(array: NDArray[Any], name: str) -> list[_Column]:
    if array.dtype.kind not in "fiubUSO":
        _refuse(array.dtype, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        what = f"{name} must have shape (n,), (n, d) or (n, c, h, w); got {array.shape}."
        raise MMGError(what, f"Flatten each sample to a row: {name}.reshape(len({name}), -1).")
    if array.size == 0:
        raise MMGError(f"{name} is empty; its shape is {array.shape}.", _ROW_PER_SAMPLE)
    if array.dtype.kind in "USO":
        return [_category(column, str(i), name) for i, column in enumerate(array.T)]
    kind = "truth" if array.dtype.kind == "b" else "number"
    with np.errstate(
        over="ignore"
    ):  # numbers beyond float64 become infinite and are rejected later
        numbers = np.asarray(array, dtype=np.float64)
    return [_Column(str(i), column, kind) for i, column in enumerate(numbers.T)]


def _pandas_columns(frame: Any, name: str) -> list[_Column]:
    table = frame.to_frame() if getattr(frame, "ndim", 1) == 1 else frame
    if table.size == 0:
        raise MMGError(f"{name} is empty; its shape is {table.shape}.", _ROW_PER_SAMPLE)
    bad = [str(c) for c, t in table.dtypes.items() if getattr(t, "kind", "O") in "mMcV"]
    if bad:
        what = f"{name} must hold numbers or categories; these columns do not: "
        remedy = "Pass real and imaginary parts as two columns."
        if any(getattr(t, "kind", "O") in "mM" for t in table.dtypes):
            remedy = _TIMES
        raise MMGError(what + listed(bad, room=80) + ".", remedy)
    return [_pandas_column(table.iloc[:, i], str(c), name) for i, c in enumerate(table.columns)]


def _pandas_column(series: Any, label: str, name: str) -> _Column:
    if hasattr(series, "cat"):
        codes = series.cat.codes.to_numpy().astype(np.float64)
        return _Column(label, np.where(codes < 0, np.nan, codes), "category")
    kind = getattr(series.dtype, "kind", "O")
    if kind in "fiub":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return _Column(label, numbers, "truth" if kind == "b" else "number")
    objects = series.astype(object).where(series.notna(), None).to_numpy()
    numbers = _numbers(objects)
    if numbers is not None:
        return _Column(label, numbers, "number")
    return _category(objects, label, name)


def _category(column: NDArray[Any], label: str, name: str) -> _Column:
    """Codes of texts, and of numbers mixed with texts; NaN where missing."""
    values = column.tolist()
    known = np.array([not _is_missing(v) for v in values], dtype=bool)
    plain = (str, bytes, int, float, np.generic)
    odd = [v for v, there in zip(values, known, strict=True) if there and not isinstance(v, plain)]
    if odd:
        kind = type(odd[0]).__name__
        what = f"{name} must hold numbers or categories; got Python objects ({kind})."
        raise MMGError(what, _ENCODE)
    codes = np.full(len(values), np.nan)
    texts = [str(v) for v, there in zip(values, known, strict=True) if there]
    codes[known] = np.unique(texts, return_inverse=True)[1].reshape(-1)
    return _Column(label, codes, "category")


def _is_missing(value: Any) -> bool:
    if isinstance(value, (int, float, np.number)):
        return bool(value != value)
    return not isinstance(value, (str, bytes)) and str(value) in _MISSING


def _numbers(objects: NDArray[Any]) -> Array | None:
    """Convert objects to numbers, missing values to NaN. None if an object is no number."""
    flat = [_is_missing(v) for v in objects.ravel()]
    missing = np.array(flat, dtype=bool).reshape(objects.shape)
    if not all(
        isinstance(v, (int, float, np.number)) and not isinstance(v, bool)
        for v in objects[~missing]
    ):
        return None
    try:
        return np.where(missing, np.nan, objects).astype(np.float64)
    except OverflowError:  # an integer beyond float64
        return None


def _to_numpy(values: Any, name: str) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = _torch_to_numpy(values, name)
    try:
        array = np.asarray(values)
    except ValueError as error:
        what = f"{name} must have rows of equal length; got ragged lists."
        raise MMGError(what, "Give every row the same number of values.") from error
    if array.ndim == 0:
        what = f"{name} must be an array with one row per sample; got "
        if hasattr(values, "toarray"):
            what += f"a sparse {type(values).__name__}."
            raise MMGError(what, f"Pass {name}.toarray().")
        what += f"{brief(values)}."
        raise MMGError(what, "Pass a numpy array, a pandas Series or DataFrame, or a tensor.")
    if array.dtype.kind == "O" and array.ndim <= 2:
        numbers = _numbers(array)
        array = array if numbers is None else numbers
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        array = np.ma.filled(values.astype(np.float64), np.nan)
    return array


def _torch_to_numpy(tensor: Any, name: str) -> NDArray[Any]:
    """Convert a tensor on any device, with or without gradients."""
    try:
        tensor = tensor.detach().cpu()
        values: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    except (TypeError, NotImplementedError) as error:  # sparse, quantised or meta tensors
        what = f"{name} must be a dense tensor; got {tensor.layout} on {tensor.device}."
        raise MMGError(what, f"Convert it first: {name}.to_dense().") from error
    return values


def _refuse(dtype: np.dtype[Any], name: str) -> None:
    words = {"c": "complex numbers", "m": "time spans", "M": "dates", "V": "records"}
    remedy = _ENCODE
    if dtype.kind == "c":
        remedy = "Pass real and imaginary parts as two columns."
    elif dtype.kind in "mM":
        remedy = _TIMES
    got = f"{words.get(dtype.kind, 'something else')} (dtype {dtype})"
    raise MMGError(f"{name} must hold numbers or categories; got {got}.", remedy)


def labels_of(groups: Any, n: int) -> NDArray[np.int64]:
    """Read the labels of groups of rows.

    Args:
        groups: `(n,)` labels of any comparable type.
        n: Expected number of rows.

    Returns:
        Labels 0, 1, …, `(n,)`.

    Raises:
        MMGError: `groups` is not one column of n labels, or labels are missing.
    """
    if hasattr(groups, "detach"):
        groups = _torch_to_numpy(groups, "groups")
    try:
        labels = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    except ValueError as error:
        what = f"groups must have shape ({n},), one label per row; got ragged lists."
        raise MMGError(what, "Pass one column of labels.") from error
    if labels.shape != (n,):
        what = f"groups must have shape ({n},), one label per row; got {labels.shape}."
        raise MMGError(what, "Pass one column of labels.")
    missing = sum(_is_missing(v) for v in labels.tolist())
    if missing:
        what = f"groups must not hold missing labels; got {missing} in {n} rows."
        raise MMGError(what, "Give every row a label.")
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
