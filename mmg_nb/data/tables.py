"""Tables of pandas, Polars, PyArrow and xarray, recognised by their methods.

Only pandas is a dependency. The other libraries are never imported here, except PyArrow for a
table of yet another library that offers the Arrow C interface.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError, cut, listed

__all__ = ["KINDS_OF_TABLE", "column_names", "frame_of", "index_of"]

KINDS_OF_TABLE = "a DataFrame of pandas or Polars, a PyArrow table or an xarray Dataset"


def frame_of(values: Any, name: str) -> Any:
    """A table, or a column of a table, as a pandas DataFrame.

    Args:
        values: The user's object.
        name: `x`, `y`, `given`, `groups` or `table`, for error messages.

    Returns:
        The DataFrame, with the names of the columns; None if the object is no table. Integers
        keep all digits, also beside missing values.

    Raises:
        MMGError: The values are not in memory, are a Bunch of scikit-learn, or the columns do not
            have one row per sample.
    """
    if isinstance(values, type):
        return None
    if hasattr(values, "iloc") and not hasattr(values, "compute"):
        return values.to_frame() if getattr(values, "ndim", 2) == 1 else values
    _refuse_bunch(values, name)
    columns = _columns(values, name)
    if columns is not None:
        return _frame(columns, name)
    for call in ("collect", "compute"):  # lazy tables of Polars and dask
        if hasattr(values, call) and hasattr(values, "columns"):
            what = f"{name} must be in memory; got a {cut(type(values).__name__, 40)}."
            raise MMGError(what, f"Pass {name}.{call}().")
    if hasattr(values, "__arrow_c_stream__"):
        values = _by_arrow(values, name)
        return frame_of(values, name)
    return frame_of(values.to_pandas(), name) if hasattr(values, "to_pandas") else None


def _refuse_bunch(values: Any, name: str) -> None:
    """Refuse a data set of scikit-learn, which is a dictionary that holds tables."""
    if isinstance(values, dict) and {"data", "target"} <= values.keys():
        loaded = "" if values.get("frame") is not None else "Load it with as_frame=True. "
        kind = cut(type(values).__name__, 40)
        what = f"{name} must be a table or an array; got a {kind}, a dictionary of several."
        raise MMGError(what, f"{loaded}Pass bunch.frame, or columns of it.")


def _columns(values: Any, name: str) -> list[tuple[str, Any]] | None:
    """Name and values of each column, in the library of the table; None for other objects."""
    if hasattr(values, "get_columns"):  # Polars
        return [(column.name, column) for column in values.get_columns()]
    if hasattr(values, "column_names") and hasattr(values, "columns"):  # PyArrow
        return list(zip(values.column_names, values.columns, strict=True))
    if hasattr(values, "null_count") and not hasattr(values, "columns"):  # one column of these
        return [(getattr(values, "name", "") or "0", values)]
    if hasattr(values, "data_vars"):  # xarray
        _check_dimensions(values, name)
        return [pair for label, v in values.data_vars.items() for pair in _parts(str(label), v)]
    if hasattr(values, "coords") and hasattr(values, "dims") and values.ndim in (1, 2):
        return _parts("" if values.name is None else str(values.name), values)
    return None


def _check_dimensions(dataset: Any, name: str) -> None:
    """Refuse a Dataset whose variables do not share their rows."""
    rows = {
        v.dims[0] if v.ndim in (1, 2) else f"{v.ndim} axes" for v in dataset.data_vars.values()
    }
    if len(rows) > 1 or any(v.ndim not in (1, 2) for v in dataset.data_vars.values()):
        found = listed((f"{k} {v.dims}" for k, v in dataset.data_vars.items()), room=100)
        what = f"The variables of {name} must have one row per sample; got {found}."
        raise MMGError(what, f"Select variables with one common first dimension: {name}[[...]].")


def _parts(label: str, variable: Any) -> list[tuple[str, Any]]:
    """The columns of a DataArray. Those of a matrix are named by its second coordinate."""
    if variable.ndim == 1:
        return [(label or "0", variable)]
    second = variable.dims[1]
    names = np.asarray(variable[second]) if second in variable.coords else range(variable.shape[1])
    values = np.asarray(variable)
    return [(f"{label}[{k}]" if label else str(k), values[:, j]) for j, k in enumerate(names)]


def _frame(columns: list[tuple[str, Any]], name: str) -> Any:
    import pandas as pd

    arrays: list[NDArray[Any]] = []
    names: list[str] = []
    for label, column in columns:
        array = _array(column)
        parts = [array] if array.ndim == 1 else list(array.T)
        arrays += parts
        names += [label] if array.ndim == 1 else [f"{label}[{j}]" for j in range(len(parts))]
    if any(array.ndim != 1 for array in arrays) or len({len(array) for array in arrays}) > 1:
        what = f"The columns of {name} must have one row per sample and equal lengths."
        raise MMGError(what, "Give every column one value for each sample.")
    frame = pd.DataFrame(dict(enumerate(arrays)))
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _array(column: Any) -> NDArray[Any]:
    """The values of a column of any library; Python objects if some are missing."""
    missing = getattr(column, "null_count", 0)
    rows = getattr(column, "to_pylist", None) or getattr(column, "to_list", None)
    if not (missing() if callable(missing) else missing):
        try:
            return np.asarray(column)
        except Exception:  # numbers that numpy has no type for, such as integers of 128 bits
            if rows is None:
                raise
    objects = rows() if rows is not None else []
    return np.fromiter(objects, dtype=object, count=len(objects))


def _by_arrow(values: Any, name: str) -> Any:
    """A table that only offers the Arrow C interface, as one of PyArrow."""
    try:
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        what = f"{name} is a {cut(type(values).__name__, 40)}, which needs PyArrow to be read."
        raise MMGError(what, f"Install pyarrow, or pass {name} as {KINDS_OF_TABLE}.") from error
    return pyarrow.table(values)


def index_of(values: Any) -> Any:
    """The labels of the rows as a pandas Index; None if the object has none."""
    if isinstance(values, type):
        return None
    if hasattr(values, "iloc"):
        return values.index
    variables = list(values.data_vars.values()) if hasattr(values, "data_vars") else [values]
    if not variables or not hasattr(variables[0], "indexes") or not variables[0].dims:
        return None
    return variables[0].indexes.get(variables[0].dims[0])


def column_names(values: Any) -> list[Any]:
    """The names of the columns of a table; empty for any other object."""
    if isinstance(values, type):
        return []
    if hasattr(values, "data_vars"):
        return list(values.data_vars)
    if hasattr(values, "column_names") and hasattr(values, "columns"):
        return list(values.column_names)
    named = hasattr(values, "iloc") or hasattr(values, "get_columns")
    return list(values.columns) if named and hasattr(values, "columns") else []
