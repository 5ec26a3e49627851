"""Arrays of the notebook -> checked, aligned pairs of samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError

__all__ = ["MIN_SAMPLES", "Pairs", "make_pairs"]

MIN_SAMPLES = 50
MIN_GROUPS = 20
TIES_WORTH_A_NOTE = 0.05

_MISSING = ("nan", "None", "<NA>", "NaT")
_TIMES = "Turn times into numbers first, e.g. seconds since the start."

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Samples of (x, y), one a row.

    Attributes:
        x: `(n, dim_x)`, finite, no constant column.
        y: `(n, dim_y)`, likewise.
        blocks: `(n,)` labels 0, 1, …; rows of one label never straddle a split.
        notes: What the user should know about the data.
        given: `(n, dim_z)`, what is conditioned on, like x and y; None for I(x; y).
    """

    x: Array
    y: Array
    blocks: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    given: Array | None = None

    @property
    def n_samples(self) -> int:
        """Rows."""
        return len(self.x)

    @property
    def dim_x(self) -> int:
        """Columns of x."""
        return self.x.shape[1]

    @property
    def dim_y(self) -> int:
        """Columns of y."""
        return self.y.shape[1]

    @property
    def dim_z(self) -> int:
        """Columns of the condition; 0 without one."""
        return self.z.shape[1]

    @property
    def z(self) -> Array:
        """The condition, `(n, dim_z)`, without columns where there is none."""
        return self.x[:, :0] if self.given is None else self.given

    def with_own_data(self) -> Pairs:
        """The same samples on arrays that nobody else can change."""
        given = None if self.given is None else self.given.copy()
        return replace(self, x=self.x.copy(), y=self.y.copy(), given=given)

    def with_notes(self, *notes: str) -> Pairs:
        """The same samples with more notes."""
        return replace(self, notes=self.notes + notes)


def make_pairs(x: Any, y: Any, groups: Any = None, given: Any = None) -> Pairs:
    """Check two variables, and a condition, and lay them out as pairs of rows.

    Args:
        x: `(n,)` or `(n, dim_x)`: numpy, pandas, torch (any device) or nested lists.
        y: `(n,)` or `(n, dim_y)`.
        groups: `(n,)` labels of rows that depend on each other, or None.
        given: `(n,)` or `(n, dim_z)`, what is conditioned on, or None.

    Returns:
        The pairs, copied where they had to be changed; the arrays given are never modified.

    Raises:
        MMGError: The variables cannot be used; the message says why and what to do.
    """
    asked = {"x": x, "y": y} if given is None else {"x": x, "y": y, "given": given}
    read = {name: _matrix(values, name) for name, values in asked.items()}
    _check_lengths({name: len(values) for name, values in read.items()})
    used: dict[str, Array] = {}
    constants: tuple[str, ...] = ()
    ties: tuple[str, ...] = ()
    for name, values in read.items():
        _check_finite(values, name)
        used[name], notes = _without_constants(values, name)
        constants += notes
        ties += _tie_notes(values, name)
    blocks, block_notes = _blocks(np.concatenate(list(used.values()), axis=1), groups)
    notes = (*constants, *ties, *block_notes)
    return Pairs(used["x"], used["y"], blocks, notes, used.get("given"))


def _matrix(values: Any, name: str) -> Array:
    array = _to_numpy(values, name)
    if array.dtype.kind not in "fiub":
        kind = _kind_in_words(array)
        remedy = "Encode categories as numbers first, e.g. pandas.get_dummies or .cat.codes."
        if array.dtype.kind == "c":
            remedy = "Pass real and imaginary parts as two columns."
        elif array.dtype.kind in "mM":
            remedy = _TIMES
        raise MMGError(f"{name} must hold numbers; got {kind}.", remedy)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        what = f"{name} must have shape (n,) or (n, d); got {array.shape}."
        raise MMGError(what, f"Flatten each sample to a row: {name}.reshape(len({name}), -1).")
    if array.size == 0:
        raise MMGError(f"{name} is empty; its shape is {array.shape}.", "Pass one row a sample.")
    with np.errstate(over="ignore"):  # too large for float64 becomes infinite, and is refused
        return np.asarray(array, dtype=np.float64)


def _to_numpy(values: Any, name: str) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = _torch_to_numpy(values, name)
    elif hasattr(values, "iloc") and not isinstance(values, type):  # pandas
        values = _pandas_to_numpy(values, name)
    try:
        array = np.asarray(values)
    except ValueError as error:
        what = f"{name} must have rows of equal length; got ragged lists."
        raise MMGError(what, "Give every sample the same number of values.") from error
    if array.ndim == 0:
        what = f"{name} must be an array with one row a sample; got {values!r:.80}."
        raise MMGError(what, "Pass a numpy array, a pandas Series or DataFrame, or a tensor.")
    if array.dtype.kind == "O":
        array = _from_objects(array)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        array = np.ma.filled(values.astype(np.float64), np.nan)
    return array


def _torch_to_numpy(tensor: Any, name: str) -> NDArray[Any]:
    """A tensor on any device, perhaps with a gradient."""
    try:
        tensor = tensor.detach().cpu()
        values: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    except (TypeError, NotImplementedError) as error:  # sparse, quantised, or without data
        what = f"{name} must be a dense tensor; got {tensor.layout} on {tensor.device}."
        raise MMGError(what, f"Convert it first: {name}.to_dense().") from error
    return values


def _pandas_to_numpy(frame: Any, name: str) -> NDArray[Any]:
    columns = frame.to_frame() if frame.ndim == 1 else frame
    kinds = [(str(c), getattr(t, "kind", "O")) for c, t in columns.dtypes.items()]
    bad = [(c, kind) for c, kind in kinds if kind not in "fiub"]
    if bad:
        listed = ", ".join(c for c, _ in bad[:8])
        what = f"{name} must hold numbers; these columns do not: {listed}."
        remedy = "Leave them out or encode them first, e.g. pandas.get_dummies."
        if all(kind in "mM" for _, kind in bad):
            remedy = _TIMES
        raise MMGError(what, remedy)
    values: NDArray[Any] = columns.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _from_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers kept as objects (e.g. with None for missing) become numbers; the rest stays."""
    if array.ndim > 2 or not all(
        v is None or isinstance(v, (int, float, np.number)) for v in array.ravel()
    ):
        return array
    try:
        return array.astype(np.float64)
    except OverflowError:  # a whole number beyond float64
        return array


def _kind_in_words(array: NDArray[Any]) -> str:
    words = {"O": "Python objects", "U": "text", "S": "bytes", "c": "complex numbers"}
    words |= {"m": "time spans", "M": "dates", "V": "records"}
    return f"{words.get(array.dtype.kind, 'something else')} (dtype {array.dtype})"


def _check_lengths(rows: dict[str, int]) -> None:
    if len(set(rows.values())) > 1:
        *names, last = rows
        *counts, count = map(str, rows.values())
        what = (
            f"{', '.join(names)} and {last} must have as many rows as each other; "
            f"got {', '.join(counts)} and {count}."
        )
        raise MMGError(what, "Row i of x belongs to row i of y: select the rows both have.")
    n = rows["x"]
    if n < MIN_SAMPLES:
        what = f"At least {MIN_SAMPLES} samples are needed; got {n}."
        raise MMGError(what, "Collect more rows; below that no estimate would mean anything.")


def _check_finite(values: Array, name: str) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    rows, nan = int(bad.any(axis=1).sum()), int(np.isnan(values).sum())
    columns = ", ".join(map(str, np.flatnonzero(bad.any(axis=0))[:8]))
    what = (
        f"{name} must be finite; it has {nan} NaN and {int(bad.sum()) - nan} infinite values "
        f"in {rows} of {len(values)} rows (columns {columns})."
    )
    raise MMGError(what, f"Drop those rows of both: keep = np.isfinite({name}) over all columns.")


def _without_constants(values: Array, name: str) -> tuple[Array, tuple[str, ...]]:
    constant = (values == values[0]).all(axis=0)
    if not constant.any():
        return values, ()
    where = ", ".join(map(str, np.flatnonzero(constant)[:8]))
    if constant.all():
        what = f"{name} must vary; every column is constant."
        raise MMGError(what, "A constant tells nothing: its mutual information is 0.")
    note = f"{name}: {int(constant.sum())} constant column(s) dropped ({where})."
    return values[:, ~constant], (note,)


def _tie_notes(values: Array, name: str) -> tuple[str, ...]:
    distinct = np.array([len(np.unique(column)) for column in values.T])
    tied = 1 - distinct / len(values)
    columns = np.flatnonzero((tied > TIES_WORTH_A_NOTE) & (distinct > 1))  # no constants
    if not len(columns):
        return ()
    where = ", ".join(f"{c}: {tied[c]:.0%}" for c in columns[:8])
    return (
        f"{name}: repeated values in {len(columns)} column(s) ({where}); they are treated as "
        "numbers, and a density may not exist.",
    )


def _blocks(rows: Array, groups: Any) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    n = len(rows)
    _, duplicate = np.unique(rows, axis=0, return_inverse=True)
    duplicate = duplicate.reshape(-1)
    repeats = n - int(duplicate.max()) - 1
    notes: tuple[str, ...] = ()
    if repeats:
        notes = (f"{repeats} of {n} rows repeat another; copies are kept on one side of splits.",)
    if groups is None:
        if n - repeats < MIN_SAMPLES:
            what = f"At least {MIN_SAMPLES} different rows are needed; got {n - repeats}."
            raise MMGError(what, "Collect more rows; copies of a row hold no new information.")
        return duplicate.astype(np.int64), notes
    labels = _labels(groups, n)
    if repeats:
        labels = _joined(labels, duplicate)
    n_groups = int(labels.max()) + 1
    if n_groups < MIN_GROUPS:
        what = f"At least {MIN_GROUPS} groups are needed; got {n_groups}."
        raise MMGError(what, "Use finer groups, or leave groups= out if rows are independent.")
    return labels, (*notes, f"{n_groups} groups kept together in the splits.")


def _labels(groups: Any, n: int) -> NDArray[np.int64]:
    if hasattr(groups, "detach"):
        groups = _torch_to_numpy(groups, "groups")
    try:
        labels = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    except ValueError as error:
        what = f"groups must have shape ({n},), one label a row; got ragged lists."
        raise MMGError(what, "Pass one column of labels.") from error
    if labels.shape != (n,):
        what = f"groups must have shape ({n},), one label a row; got {labels.shape}."
        raise MMGError(what, "Pass one column of labels.")
    missing = sum(not isinstance(v, str) and str(v) in _MISSING for v in labels.tolist())
    if missing:
        what = f"groups must not hold missing labels; got {missing} in {n} rows."
        raise MMGError(what, "Give every row a label.")
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _joined(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Finest labels under which rows that share a label in `a` or in `b` share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size_a, size_b = int(a.max()) + 1, int(b.max()) + 1
    edges = coo_array((np.ones(len(a)), (a, size_a + b)), shape=(size_a + size_b,) * 2)
    return connected_components(edges, directed=False)[1][a].astype(np.int64)
