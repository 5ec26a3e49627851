"""A map as the browser and the saved notebook show it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets

from mmg_nb.jupyter.front_end import module, style
from mmg_nb.jupyter.live import LiveWidget
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.table_columns import Column, TableColumns
from mmg_nb.questions.table_pairs import TablePairs
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status

__all__ = ["FILES", "MapWidget", "Saved", "answered", "described", "file_of", "sample", "saved"]

FILES = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}
"""Kind of a file -> its MIME type."""
SHOWN_ROWS = 400  # of a scatter plot


class MapWidget(LiveWidget):
    """The state of a map, shared with the browser. Pairs are in the order of `np.triu_indices`.

    Attributes:
        table: What does not change: name, sizes, columns, columns left out.
        sample: Rows of the scatter plots, `(d, m)` float32, each column scaled to 0 to 1.
        gcmi: Estimates and errors by `gcmi`, `(2, pairs)` float32; `ksg` and `mmg` likewise.
        best: Estimate and error that are shown, likewise.
        marks: Which methods disagree, see `CONFLICTS`, `(pairs,)` uint8.
        clusters: `order` and `group` of the columns.
        answers: Results of single pairs.
        working: The single pair that is being estimated; empty if there is none.
        remarks: Notes with their pairs.
        message: What went wrong, and what to do.
        target: Column to begin with; empty for none.
        unit: `nats` or `bits`, of the numbers that are shown. Those that are sent are in nats.
    """

    _esm = module("charts", "live", "slot", "scatter", "map", "explore")
    _css = style("explore")

    table = traitlets.Dict().tag(sync=True)
    sample = traitlets.Bytes().tag(sync=True)
    gcmi = traitlets.Bytes().tag(sync=True)
    ksg = traitlets.Bytes().tag(sync=True)
    mmg = traitlets.Bytes().tag(sync=True)
    best = traitlets.Bytes().tag(sync=True)
    marks = traitlets.Bytes().tag(sync=True)
    clusters = traitlets.Dict().tag(sync=True)
    answers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    working = traitlets.Dict().tag(sync=True)
    remarks: traitlets.List[Any] = traitlets.List().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode("nats").tag(sync=True)

    def __init__(self, closing: Callable[[], None], **state: Any) -> None:
        self._closing = closing
        super().__init__(**state)

    def close(self) -> None:
        """End the computations of the map, and remove it from the browser."""
        self._closing()
        super().close()

    def __repr__(self) -> str:
        return f"map of {self.table.get('name', 'a table')}"


@dataclass(frozen=True)
class Saved:
    """What a notebook keeps of a map, by MIME type."""

    data: dict[str, Any]
    metadata: dict[str, Any]

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.data, self.metadata


def saved(
    slot: str, found: DependencyMap, text: str, folded: Mapping[str, Sequence[str]], unit: str
) -> Saved:
    """The map without a widget: text, picture, notes.

    Args:
        slot: Identifier of the place in the page.
        found: The map.
        text: The map in words.
        folded: Lines of text by the title under which they are folded.
        unit: `nats` or `bits`, of the picture.
    """
    if not found.ranked:
        waiting = f"<p>{html.escape(text)}. Run this cell again to fill the map.</p>"
        page = f'<div data-mmg-slot="{slot}">{waiting}</div>'
        return Saved({"text/plain": text, "text/html": page}, {})
    shown = found.picture(text, unit)
    page = f'<div data-mmg-slot="{slot}">{shown.tag}{"".join(_folded(folded))}</div>'
    return Saved(*shown.bundle(text, page))


def _folded(folded: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for title, lines in folded.items():
        if lines:
            items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
            yield f"<details><summary>{title}</summary><ul>{items}</ul></details>"


def described(text: str, columns: TableColumns, pairs: TablePairs) -> dict[str, Any]:
    """What does not change: name, sizes, columns, columns left out."""
    gaps = sum(bool(np.isnan(column.values).any()) for column in columns.used)
    return {
        "name": text,
        "rows": len(columns.frame),
        "rows_used": len(pairs.rows),
        "gaps": gaps,
        "left_out": [{"name": name, "why": why} for name, why in columns.left_out.items()],
        "columns": [_column(column) for column in columns.used],
    }


def _column(column: Column) -> dict[str, Any]:
    low, high = np.nanmin(column.values), np.nanmax(column.values)
    levels = list(column.levels)
    return {"name": column.name, "low": float(low), "high": float(high), "levels": levels}


def sample(columns: Sequence[Column], rows: Any, seed: int) -> bytes:
    """Some rows of each column, scaled to 0 to 1 because float32 has few digits."""
    if len(rows) > SHOWN_ROWS:
        rows = np.random.default_rng(seed).choice(rows, SHOWN_ROWS, replace=False)
    scaled = [
        (column.values[rows] - np.nanmin(column.values)) / np.ptp(_known(column.values))
        for column in columns
    ]
    return np.stack(scaled).astype("<f4").tobytes()


def _known(values: Any) -> Any:
    return values[~np.isnan(values)]


MORE_EFFORT = {"effort='high'": "the button Refine longer", "Use more steps.": "Refine longer."}
"""Advice of notes -> the same where it is a button of the page."""
HOW_IT_ENDED = {
    Status.STEP_LIMIT: "Training ended before the estimate had settled, so the estimate may still "
    "change. The button Refine longer trains with more steps.",
    Status.INTERRUPTED: "This refinement was stopped, so its estimate is preliminary. The button "
    "Refine starts it again.",
    Status.DIVERGED: "Training failed, so this estimate is not used in the map.",
}
"""What to say of a refinement that is not complete, in words of the page."""


def answered(result: MIResult, notes: Sequence[str]) -> dict[str, Any]:
    """A result as plain values for the browser.

    Args:
        result: The result.
        notes: Its notes in words of a table.
    """
    curve = result.curve
    said = list(notes)
    for advice, button in MORE_EFFORT.items():
        said = [note.replace(advice, button) for note in said]
    curves = [] if curve is None else [curve.logsnr, curve.mse, curve.mse_given_y]
    return {
        "mi": result.mi,
        "stderr": result.stderr,
        "settled": result.status.complete and said == list(notes),
        "stopped": result.status in (Status.INTERRUPTED, Status.DIVERGED),
        "notes": [*filter(None, [HOW_IT_ENDED.get(result.status)]), *said],
        "rows": result.n_samples,
        "curve": [np.asarray(each).round(5).tolist() for each in curves],
    }


def file_of(pairs: TablePairs, kind: str, columns: Sequence[int], unit: str) -> bytes:
    """The map as a file.

    Args:
        pairs: All pairs of the map.
        kind: One of `FILES`.
        columns: Indices of the columns that a picture shows. A `csv` file has all pairs.
        unit: `nats` or `bits`, of a picture. A `csv` file is in nats, as a column of it says.
    """
    if kind == "csv":
        return pairs.frame().assign(unit="nats").to_csv(index=False).encode()
    from mmg_nb.plots.axes import axes_png, axes_svg

    axes = pairs.map(columns).plot(unit=unit)
    return axes_svg(axes) if kind == "svg" else axes_png(axes)
