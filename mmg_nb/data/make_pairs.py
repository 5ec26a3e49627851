"""Turns the user's arrays into checked and aligned pairs of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.choice import Choice, names_of, read_choice
from mmg_nb.data.codes import with_codes
from mmg_nb.data.columns import Shape, Variable, read_variable
from mmg_nb.data.dependent_rows import MIN_SAMPLES, clusters_of, labels_of
from mmg_nb.data.missing import as_categories, dependence_notes
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.series import ROWS
from mmg_nb.data.tables import index_of
from mmg_nb.data.texts import texts_of
from mmg_nb.errors import MMGError, brief, listed

__all__ = ["MISSING", "make_pairs", "without_missing"]

MISSING = ("refuse", "drop", "category")
MIN_TIED_SHARE_FOR_NOTE = 0.05  # of the rows of a column; fewer repeated values get no note
MAX_EXPONENT = 200  # |log2| of the largest value in a column; beyond it, fourth powers overflow
ROOM_FOR_NAMES = 40  # characters of the names of one variable
MAX_CHANNELS = 4  # a last axis of at most this length may hold the channels of an image

Columns = tuple[int, ...]


def make_pairs(
    x: Any,
    y: Any,
    groups: Any = None,
    given: Any = None,
    *,
    discrete: Any = "auto",
    missing: str = "refuse",
    rows: str = "auto",
    skip: bool = False,
) -> Pairs:
    """Check the variables and align them as pairs of rows.

    Args:
        x: `(n,)` or `(n, dim_x)`, see `read_variable`. Images are `(n, height, width)` or
            `(n, channels, height, width)`.
        y: `(n,)` or `(n, dim_y)`, or images.
        groups: `(n,)` labels, or None. Rows with one label depend on each other.
        given: Conditioning variable, `(n,)` or `(n, dim_z)`, or None.
        discrete: Which columns are categories; see `mmg_nb.estimate`.
        missing: `refuse` raises an error for missing values. `drop` leaves out their rows.
            `category` makes missing a category.
        rows: `auto` looks for rows in series; `independent` does not.
        skip: Whether columns that cannot be used are left out with a note, if others remain.

    Returns:
        The pairs. Arrays are copied only if values had to change. The input is never modified.

    Raises:
        MMGError: The variables cannot be used. The message says why and what to do.
    """
    _check_options(missing, rows)
    choice = read_choice(discrete)
    asked = {"x": x, "y": y} if given is None else {"x": x, "y": y, "given": given}
    read = {name: read_variable(values, name, choice, skip=skip) for name, values in asked.items()}
    _check_choice(choice, read)
    _check_lengths({name: len(each.values) for name, each in read.items()})
    _check_index(asked if groups is None else {**asked, "groups": groups})
    labels = None if groups is None else labels_of(groups, len(read["x"].values))
    notes = tuple(note for each in read.values() for note in each.notes)
    read, code_notes = with_codes(read, labels)
    notes += code_notes
    complete = np.ones(len(read["x"].values), dtype=bool)
    if missing == "drop":
        notes += dependence_notes(read, labels)
        read, labels, complete, dropped = without_missing(read, labels)
        notes += dropped
    named = {name: {*each.labels} for name, each in read.items()}
    if missing == "category":
        read, kept = as_categories(read)
        notes += kept
    used, remarks = _usable(read)
    clusters, inflation, cluster_notes = clusters_of(used, labels, rows == "auto")
    condition = used.get("given")
    return Pairs(
        used["x"].values,
        used["y"].values,
        clusters,
        notes + remarks + cluster_notes,
        None if condition is None else condition.values,
        used["x"].discrete,
        used["y"].discrete,
        () if condition is None else condition.discrete,
        used["x"].shape,
        used["y"].shape,
        inflation,
        tuple(_name([v for v in each.labels if v in named[k]]) for k, each in used.items()),
        texts_of(asked, used, complete),
    )


def _usable(read: Mapping[str, Variable]) -> tuple[dict[str, Variable], tuple[str, ...]]:
    """The variables in moderate units, without constant columns, and notes on them."""
    used: dict[str, Variable] = {}
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    for name, each in read.items():
        _check_finite(each, name)
        if name == "given" and each.shape is not None:
            what = "given holds images, but only x and y can be images."
            raise MMGError(what, "Condition on a few numbers that describe each image.")
        used[name], constants = _without_constants(_in_moderate_units(each), name)
        notes += constants
        if each.shape is not None:
            remarks += (_image_note(each.shape, name),)
            continue
        remarks += _inferred_notes(used[name], name) + _tie_notes(used[name], name)
    return used, notes + remarks


def _check_options(missing: str, rows: str) -> None:
    if missing not in MISSING:
        what = f"missing must be one of {', '.join(MISSING)}; got {brief(missing)}."
        raise MMGError(
            what, "Use drop to leave out rows with a missing value, category to keep them."
        )
    if rows not in ROWS:
        what = f"rows must be one of {', '.join(ROWS)}; got {brief(rows)}."
        raise MMGError(what, "Use independent if the order of the rows has no meaning.")


def _name(labels: Sequence[str]) -> str:
    """The names of columns, e.g. `age, bmi and 8 more`; empty if they have only positions."""
    return listed([label for label in labels if not label.isdigit()], room=ROOM_FOR_NAMES)


def _check_choice(choice: Choice, read: Mapping[str, Variable]) -> None:
    known: set[str] = set()
    for name, each in read.items():
        known |= {label for label in each.labels if not label.isdigit()}.union(
            *(names_of(name, i) for i in range(len(each.labels)))
        )
    strangers = sorted(choice.named - known)
    if strangers:
        what = (
            f"discrete names {listed(strangers, room=80)}, but no such variable or column exists."
        )
        names = [label for each in read.values() for label in each.labels if not label.isdigit()]
        valid = listed([*dict.fromkeys([*read, *names])], strangers[0], room=140)
        place = "Write x[0] for a column by its position, for example if its name is a number."
        raise MMGError(what, f"Use auto, none, or names from this list: {valid}. {place}")


def _check_lengths(rows: Mapping[str, int]) -> None:
    if len(set(rows.values())) > 1:
        *names, last = rows
        *counts, count = map(str, rows.values())
        what = (
            f"{', '.join(names)} and {last} must have equal numbers of rows; "
            f"got {', '.join(counts)} and {count}."
        )
        raise MMGError(
            what, "Row i of x must belong to row i of y. Select the rows that all variables have."
        )
    n = rows["x"]
    if n < MIN_SAMPLES:
        what = f"At least {MIN_SAMPLES} rows are needed; got {n}."
        raise MMGError(what, "Collect more rows. Estimates from fewer rows are not reliable.")


def _check_index(asked: Mapping[str, Any]) -> None:
    """Refuse tables with different indices: pairing by position may join the wrong rows."""
    indices = {name: index_of(v) for name, v in asked.items()}
    indices = {name: index for name, index in indices.items() if index is not None}
    if len(indices) < 2:
        return
    (first, index), *others = indices.items()
    for name, other in others:
        if len(other) == len(index) and not other.equals(index):
            what = f"{first} and {name} have different indices, so their rows may not match."
            remedy = (
                f"Select the rows that {first} and {name} have in common, or pass "
                f"{name}.to_numpy() to pair rows by position."
            )
            raise MMGError(what, remedy)


def without_missing(
    read: Mapping[str, Variable], labels: NDArray[np.int64] | None
) -> tuple[dict[str, Variable], NDArray[np.int64] | None, NDArray[np.bool_], tuple[str, ...]]:
    """Drop the rows with missing values.

    Args:
        read: The variables, by name, NaN where missing.
        labels: Labels of dependent rows, `(n,)`, or None.

    Returns:
        Variables and labels of the rows that are left, which rows these are, `(n,)`, and notes.

    Raises:
        MMGError: Too few rows are left.
    """
    gaps = {name: np.isnan(each.values).any(axis=1) for name, each in read.items()}
    keep = ~np.logical_or.reduce(list(gaps.values()))
    if keep.all():
        return dict(read), labels, keep, ()
    where = ", ".join(f"{name}: {rows.sum()}" for name, rows in gaps.items() if rows.any())
    lost = f"{(~keep).sum()} of {len(keep)} rows were dropped because of missing values ({where})."
    if keep.sum() < MIN_SAMPLES:
        what = f"At least {MIN_SAMPLES} rows are needed; got {keep.sum()}. {lost}"
        raise MMGError(
            what, "Leave out columns with many missing values, or fill in the values first."
        )
    note = f"{lost} To keep these rows, fill in the values first."
    rest = {name: replace(each, values=each.values[keep]) for name, each in read.items()}
    left = None if labels is None else np.unique(labels[keep], return_inverse=True)[1].reshape(-1)
    return rest, left, keep, (note,)


def _check_finite(variable: Variable, name: str) -> None:
    values = variable.values
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    rows, nan = int(bad.any(axis=1).sum()), int(np.isnan(values).sum())
    infinite = int(bad.sum()) - nan
    columns = listed((variable.labels[i] for i in np.flatnonzero(bad.any(axis=0))), room=80)
    what = (
        f"{name} must be finite; it has {nan} missing (NaN) and {infinite} infinite values "
        f"in {rows} of {len(values)} rows (columns {columns})."
    )
    if infinite:
        raise MMGError(what, "Replace the infinite values, or leave out their rows.")
    raise MMGError(
        what,
        "To leave these rows out of all variables, use missing='drop' (--missing drop). To keep "
        "them, use missing='category'.",
    )


def _in_moderate_units(variable: Variable) -> Variable:
    """Columns of extreme units times a power of two, which is exact; images by a common one."""
    values = variable.values
    axis = 0 if variable.shape is None else None
    peak = np.maximum(values.max(axis=axis), -values.min(axis=axis))
    exponent = np.frexp(peak)[1]
    extreme = np.abs(exponent) > MAX_EXPONENT
    if not extreme.any():
        return variable
    return replace(variable, values=np.ldexp(values, np.where(extreme, -exponent, 0)))


def _without_constants(variable: Variable, name: str) -> tuple[Variable, tuple[str, ...]]:
    values = variable.values
    constant = (values == values[0]).all(axis=0)
    if not constant.any() or (variable.shape is not None and not constant.all()):
        return variable, ()  # a constant pixel stays, so that images keep their shape
    where = listed((variable.labels[i] for i in np.flatnonzero(constant)), room=80)
    if constant.all():
        what = f"{name} must vary; every column is constant."
        remedy = "Pass a variable that varies. The mutual information with a constant is 0."
        if name == "given":
            remedy = "Leave it out: a condition that is constant changes nothing."
        raise MMGError(what, remedy)
    kept = np.flatnonzero(~constant).tolist()
    note = (
        f"{name}: {int(constant.sum())} constant column(s) were dropped ({where}). "
        "Mutual information is unchanged."
    )
    left = Variable(
        values[:, kept],
        tuple(variable.labels[i] for i in kept),
        tuple(new for new, old in enumerate(kept) if old in variable.discrete),
        tuple(new for new, old in enumerate(kept) if old in variable.inferred),
        tuple(new for new, old in enumerate(kept) if old in variable.undecided),
    )
    return left, (note,)


def _image_note(shape: Shape, name: str) -> str:
    channels, height, width = shape
    kind = f", {channels} channels" if channels > 1 else ""
    note = f"{name}: images of {height} × {width} pixels{kind}."
    if channels > width and width <= MAX_CHANNELS:
        return f"{note} If the last axis holds the channels, pass np.moveaxis({name}, -1, 1)."
    return note


def _inferred_notes(variable: Variable, name: str) -> tuple[str, ...]:
    if not variable.inferred:
        return ()
    counts = ((i, len(np.unique(variable.values[:, i]))) for i in variable.inferred)
    where = listed(f"{variable.labels[i]}: {count} values" for i, count in counts)
    return (
        f"{name}: {len(variable.inferred)} column(s) of few whole numbers are treated as "
        f"categories ({where}). To treat them as numbers, use discrete='none'.",
    )


def _tie_notes(variable: Variable, name: str) -> tuple[str, ...]:
    values = variable.values
    distinct = np.array([len(np.unique(column)) for column in values.T])
    tied = 1 - distinct / len(values)
    columns = [
        i for i in np.flatnonzero(tied > MIN_TIED_SHARE_FOR_NOTE) if i not in variable.discrete
    ]
    if not columns:
        return ()
    where = listed(f"{variable.labels[i]}: {tied[i]:.0%}" for i in columns)
    note = (
        f"{name}: repeated values in {len(columns)} column(s) ({where}). They are treated as "
        "numbers, which is right for rounded measurements."
    )
    if all(distinct[i] <= len(values) // 2 for i in range(len(distinct))):
        note += f" To treat them as categories, use discrete='{name}'."
    return (note,)
