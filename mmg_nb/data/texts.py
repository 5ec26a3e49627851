"""What the user calls the columns, the categories and the rows that an estimate uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.arrays import to_numpy
from mmg_nb.data.columns import Variable
from mmg_nb.data.numbers import is_missing
from mmg_nb.data.tables import frame_of, index_of
from mmg_nb.errors import cut

__all__ = ["texts_of"]

ROOM = 24  # characters of a name
MAX_NAMED_ROWS = 20_000  # rows of larger tables have no names, which would take much memory


def texts_of(
    asked: Mapping[str, Any], used: Mapping[str, Variable], kept: NDArray[np.bool_]
) -> dict[str, tuple[str, ...]]:
    """The texts that plots of rows show.

    Args:
        asked: The user's objects by name.
        used: The variables as they are used, of the rows that are kept.
        kept: Rows that are kept, `(n,)`.

    Returns:
        `x`, `y` and `given`: names of the columns. `x[0]`: names of the categories of a
        column, by code. `rows`: names of the rows that are kept, if they differ from 0, 1, ….
        Images have no texts.
    """
    texts = {"rows": _rows(asked, kept)}
    for name, each in used.items():
        if each.shape is not None:
            continue
        texts[name] = tuple(cut(label, ROOM) for label in each.labels)
        for j in () if name == "given" else each.discrete:
            texts[f"{name}[{j}]"] = _categories(asked[name], name, each, j, kept)
    return texts


def _rows(asked: Mapping[str, Any], kept: NDArray[np.bool_]) -> tuple[str, ...]:
    positions = np.flatnonzero(kept)
    if len(positions) > MAX_NAMED_ROWS:
        return ()
    indices = (index_of(asked[name]) for name in ("x", "y"))
    index = next((each for each in indices if each is not None), None)
    labels = list(positions) if index is None else list(index[kept])
    if labels == list(range(len(kept))):
        return ()
    return tuple(cut(str(label).removesuffix(" 00:00:00"), ROOM) for label in labels)


def _categories(
    values: Any, name: str, variable: Variable, j: int, kept: NDArray[np.bool_]
) -> tuple[str, ...]:
    """The user's value in the first row of each code."""
    frame = frame_of(values, name)
    if frame is None:
        array = to_numpy(values, name)
        table = array.reshape(len(array), -1)
        labels = list(map(str, range(table.shape[1])))
    else:
        table, labels = frame.iloc, list(map(str, frame.columns))
    if variable.labels[j] not in labels:  # a column that says where another one has gaps
        return ("no", "yes")
    place = labels.index(variable.labels[j])
    first = np.unique(variable.values[:, j], return_index=True)[1]
    found = [table[int(row), place] for row in np.flatnonzero(kept)[first]]
    return tuple("missing" if is_missing(each) else cut(_text(each), ROOM) for each in found)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
