"""What each column of a table is read as, as one table."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmg_nb.data.arrays import to_numpy
from mmg_nb.data.choice import read_choice
from mmg_nb.data.codes import codes_in
from mmg_nb.data.columns import Variable, line_of_pandas, read_columns
from mmg_nb.data.readings import Column, Reading, may_be_codes, reading_of
from mmg_nb.data.tables import frame_of
from mmg_nb.errors import MMGError, one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Description", "describe"]

_HEADER = ("name", "reading", "levels", "missing", "evidence", "to change it")
_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0"


@dataclass(frozen=True)
class Description:
    """What each column of a table is read as.

    `description["age"]` is the `Reading` of one column.

    Attributes:
        readings: One for each column, in the order of the table.
        n_samples: Rows of the table.
    """

    readings: tuple[Reading, ...]
    n_samples: int

    def __getitem__(self, name: str) -> Reading:
        found = {each.name: each for each in self.readings}
        if name not in found:
            raise MMGError(f"The table has no column {name!r}.", one_of(name, found, "Columns"))
        return found[name]

    def __len__(self) -> int:
        return len(self.readings)

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (r.name, r.kind, str(r.levels), str(r.missing), r.evidence, r.change)
            for r in self.readings
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row per column: reading, levels, missing, evidence, and how to change it."""
        import pandas as pd

        rows = [(r.name, r.kind, r.levels, r.missing, r.evidence, r.change) for r in self.readings]
        return pd.DataFrame(rows, columns=list(_HEADER)).set_index("name")

    def __repr__(self) -> str:
        rows = [_HEADER, *self._rows]
        widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADER))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in _HEADER)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(c)}</td>' for c in row) + "</tr>"
            for row in self._rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def describe(table: Any, *, discrete: Any = "auto") -> Description:
    """Say what each column of a table is read as, and why.

    Whole numbers of many levels may be codes (shops) or quantities (ages). They are codes if, on
    held-out rows, codes explain another column of the table better. `estimate` compares the same
    for the other variable only.

    Args:
        table: A DataFrame of pandas or Polars, a PyArrow table or an xarray Dataset; or an array,
            `(n, d)`.
        discrete: See `mmg_nb.estimate`.

    Returns:
        The readings. Columns that cannot be used are among them, with the reason.

    Raises:
        MMGError: This is no table.
    """
    frame = frame_of(table, "table")
    values = to_numpy(table, "table") if frame is None else frame
    choice = read_choice(discrete)
    if values.size == 0:
        raise MMGError(f"table is empty; its shape is {values.shape}.", "Pass a row per sample.")
    columns = read_columns(values, "a column")
    labels = [*map(str, range(len(columns)) if frame is None else frame.columns)]
    readings = [
        Reading(label, "not usable", 0, 0, column.what, line_of_pandas(column))
        if isinstance(column, MMGError)
        else reading_of(column, named=choice.names("table", label, i), auto=choice.auto)
        for i, (label, column) in enumerate(zip(labels, columns, strict=True))
    ]
    if choice.auto:
        readings = _with_codes(readings, columns)
    return Description(tuple(readings), len(values))


def _with_codes(
    readings: Sequence[Reading], columns: Sequence[Column | MMGError]
) -> list[Reading]:
    """The readings after whole numbers were compared as codes and as quantities."""
    variables = {
        reading.name: Variable(
            column.values[:, None],
            (reading.name,),
            (0,) if reading.discrete else (),
            undecided=(0,) if not reading.discrete and may_be_codes(column) else (),
        )
        for reading, column in zip(readings, columns, strict=True)
        if isinstance(column, Column) and reading.usable
    }
    why = codes_in(variables, None)
    return [
        replace(each, kind="codes", evidence=str(why[each.name][0]), change="discrete='none'")
        if each.name in why
        else each
        for each in readings
    ]
