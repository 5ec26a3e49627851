"""A table to explore: a map of all pairs of its columns that fills in the background."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import display, update_display

from mmg_nb.api import check_seed
from mmg_nb.data.choice import read_choice
from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.fields import check_fields, from_fields
from mmg_nb.jupyter.explore_code import MapCode
from mmg_nb.jupyter.explore_fill import MapFill
from mmg_nb.jupyter.explore_pairs import LONG, PairRuns, Question, in_thread
from mmg_nb.jupyter.explore_view import FILES, MapWidget, Saved, described, file_of, sample, saved
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.marimo import session
from mmg_nb.jupyter.options import MAP_ROWS
from mmg_nb.jupyter.place import isolates_outputs
from mmg_nb.jupyter.session import session_unit
from mmg_nb.questions.asked_table import check_rows
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.table_columns import read_columns
from mmg_nb.questions.table_pairs import TablePairs
from mmg_nb.results.result import MIResult

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell
    from matplotlib.axes import Axes

__all__ = ["Explorer", "explore"]


class Explorer:
    """A map of all pairs of columns of a table. The value of a cell displays it.

    It computes in the background. `wait` waits for it, `stop` and `resume` control it; its run is
    one of `%mmg runs`.

    Args:
        shell: The shell that displays it.
        table: The table.
        text: The expression of the table.
        target: Column to begin with.
        rows: Maximum number of rows of the map; None for all.
        discrete: Columns that are categories; see `mmg_nb.estimate`.
        seed: Seed of all random numbers.
        device: Device for refined estimates.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        table: Any,
        text: str,
        *,
        target: str | None = None,
        rows: int | None = MAP_ROWS,
        discrete: Any = "auto",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        check_seed(seed)
        check_rows(rows)
        choice = read_choice(discrete)
        self._columns = columns = read_columns(table, choice)
        self._pairs = TablePairs(columns, rows=rows, seed=seed, choice=choice)
        first = "" if target is None else self._names[self._index(target)]
        labels = [column.label for column in columns.used]
        arrow = hasattr(table, "column_names")
        whole = not columns.left_out
        self._code = MapCode(text, labels, whole, arrow, rows, seed, device, discrete)
        self._shell = shell
        self._cell: Any = None
        self._slot = uuid.uuid4().hex
        self._closed = self._displayed = False
        self._widget = MapWidget(
            self._end,
            slot="" if isolates_outputs(shell) else self._slot,
            table=described(text, columns, self._pairs),
            sample=sample(columns.used, self._pairs.rows, seed),
            target=first,
            unit=session_unit(),
        )
        self._fill = MapFill(self._pairs, text, self._widget.put, self._keep)
        self._asked = PairRuns(columns, self._pairs, device, self._widget.put, self._on_answer)
        self._widget.on_msg(self._on_message)
        shell.events.register("pre_run_cell", self._on_cell)
        shell.events.register("post_run_cell", self._after_cell)
        self._fill.begin()

    @property
    def _names(self) -> tuple[str, ...]:
        return self._columns.names

    # --- the same functions as the controls

    @property
    def run(self) -> Run:
        """The run that fills the map, or filled it last."""
        return self._fill.run

    def wait(self, timeout: float | None = None) -> Explorer:
        """Wait until the map is filled and all refinements have ended; see `Run.wait`.

        Args:
            timeout: Maximum time to wait for each of them, seconds.

        Returns:
            This object. Until the map is filled, it says that it is preliminary.
        """
        self.run.wait(timeout) if timeout is not None else self.run.wait()
        self._asked.wait(timeout)
        return self

    def stop(self) -> None:
        """Stop filling the map. The cells that are known stay."""
        self.run.stop()

    def resume(self) -> None:
        """Continue to fill the map after a stop."""
        self._fill.resume()

    def refine(self, a: str, b: str, given: str | None = None, **fields: Any) -> Explorer:
        """Estimate one pair with `mmg` and all rows, after the pairs that were asked for before.

        Args:
            a: Name of a column.
            b: Name of another column.
            given: Name of the condition's column.
            **fields: Fields of `mmg`, e.g. `effort="high"`.

        Returns:
            This object.

        Raises:
            MMGError: A column or field does not exist, or the pair cannot be used.
        """
        names = (a, b) if given is None else (a, b, given)
        check_fields(from_fields(estimator_class("mmg"), fields))
        self._asked.ask(Question(tuple(map(self._index, names)), "mmg", fields))
        return self

    def map(self) -> DependencyMap:
        """The estimates so far, each by the best method that has one.

        A refined estimate replaces that of nearest neighbours if both agree and its error is
        smaller, or if they disagree and its training was complete. After a stop, the map says
        so.
        """
        ended = self.run.outcome
        return self._pairs.map() if ended is None else ended

    def to_frame(self, unit: str = "nats") -> pd.DataFrame:
        """The estimates so far, names × names; see `DependencyMap.to_frame`."""
        return self.map().to_frame(unit)

    def pairs(self) -> pd.DataFrame:
        """One row per pair, strongest first, with the estimates of all methods, nats."""
        return self._pairs.frame()

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the map; see `DependencyMap.plot`."""
        return self.map().plot(ax, unit)

    @property
    def results(self) -> tuple[MIResult, ...]:
        """Results of the pairs that were refined or conditioned, oldest first."""
        return tuple(result for _, result in self._asked.answered)

    def code(self, kind: str = "python") -> str:
        """The code that gives the same numbers again.

        Args:
            kind: `python`, or `lines` for lines of `%mmg`.
        """
        return self._code_of(kind, range(len(self._names)))

    def close(self) -> None:
        """End the computations, and leave a picture of the map in the page."""
        if self._closed:
            return
        self._end()
        self._keep()  # before the widget, so that the page never shows less than is known
        self._widget.close()

    def __repr__(self) -> str:
        done, total = self._pairs.finished, len(self._pairs.pairs)
        so_far = "" if self.run.state.ended else f" (preliminary, {done} of {total} pairs so far)"
        return f"<Map of {self._code.text}{so_far}: {self.map().alt(session_unit())}>"

    # --- messages of the browser

    def _on_message(self, _: Any, message: Any, buffers: Any) -> None:
        """Carry out the action of a control. May run in any thread."""
        try:
            self._widget.put(message={})
            self._act(message if isinstance(message, dict) else {})
        except MMGError as error:
            self._show_error(error)

    def _act(self, message: dict[str, Any]) -> None:
        action = message.get("action")
        if action == "stop":
            self.stop()
        elif action == "resume":
            self.resume()
        elif action == "close":
            self.close()
        elif action == "end":
            self._asked.stop()
        elif action == "ask":
            self._asked.ask(self._question(message))
        elif action == "export":
            in_thread(lambda: self._export(message))

    def _question(self, message: dict[str, Any]) -> Question:
        columns = self._indices(message.get("columns"))
        if len(set(columns)) != len(columns) or not 2 <= len(columns) <= 3:
            raise MMGError("A pair needs two different columns.", "Choose a cell of the map.")
        if message.get("estimator") != "mmg":
            return Question(columns, "ksg")
        return Question(columns, "mmg", LONG if message.get("long") else {})

    def _indices(self, sent: Any) -> tuple[int, ...]:
        count = len(self._names)
        known = isinstance(sent, list) and all(isinstance(k, int) and 0 <= k < count for k in sent)
        return tuple(sent) if known else ()

    def _export(self, message: dict[str, Any]) -> None:
        kind = str(message.get("kind"))
        columns = self._indices(message.get("columns")) or tuple(range(len(self._names)))
        if kind in ("python", "lines"):
            self._send({"copy": self._code_of(kind, columns)})
        elif kind in FILES:
            name = self._code.text if self._code.text.isidentifier() else "table"
            file = {"file": f"{name}_map.{kind}", "type": FILES[kind]}
            self._send(file, file_of(self._pairs, kind, columns, session_unit()))

    def _send(self, content: dict[str, Any], *buffers: bytes) -> None:
        if not self._closed:
            self._widget.send(content, list(buffers))

    def _code_of(self, kind: str, columns: Sequence[int]) -> str:
        write = self._code.lines if kind == "lines" else self._code.python
        return write(columns, self._asked.refined)

    def _show_error(self, error: MMGError) -> None:
        self._widget.put(message={"what": error.what, "remedy": error.remedy})

    def _index(self, name: str) -> int:
        if name in self._names:
            return self._names.index(name)
        reason = self._columns.left_out.get(name)
        what = f"The map has no column {brief(name)}."
        raise MMGError(what, reason or one_of(str(name), self._names, "Columns"))

    # --- display

    def _on_answer(self) -> None:
        """Show the map with the answer to a single pair. In the thread of its run."""
        self._fill.show(self.run.state)
        self._keep()

    def _end(self) -> None:
        """End all computations. Called before the widget closes."""
        if self._closed:
            return
        self._closed = True
        self._shell.events.unregister("pre_run_cell", self._on_cell)
        self._shell.events.unregister("post_run_cell", self._after_cell)
        self._fill.close()
        self._asked.close()

    def _on_cell(self, info: Any) -> None:
        """Close this map if the cell that shows it runs again."""
        if self._cell is not None and getattr(info, "cell_id", None) == self._cell:
            self.close()

    def _after_cell(self, *_: Any) -> None:
        """Show numbers in the unit of the session, which may have changed."""
        if self._widget.unit != session_unit():
            self._widget.put(unit=session_unit())
            self._keep()

    def _keep(self) -> None:
        """Update the picture for the saved notebook."""
        if self._displayed:
            update_display(self._record(), display_id=self._slot)

    def _record(self) -> Saved:
        left = tuple(self._columns.left_out.values())
        notes = [f"{note['text']} ({note['pairs']})" for note in self._fill.remarks()]
        folded = {"Columns left out": left, "Notes": notes}
        record = saved(self._slot, self.map(), repr(self), folded, session_unit())
        if self._closed or self._widget.slot:
            return record
        live, more = self._widget._repr_mimebundle_()
        return Saved({**live, **record.data}, {**more, **record.metadata})

    def _ipython_display_(self) -> None:
        self._cell, self._displayed = _current_cell(self._shell), True
        display(self._record(), display_id=self._slot)

    def _display_(self) -> MapWidget:
        """What marimo displays."""
        self._cell = _current_cell(self._shell)
        return self._widget


def _current_cell(shell: InteractiveShell) -> Any:
    """Identifier of the running cell; None if the front end gives none."""
    parent = getattr(shell, "parent_header", None) or {}
    return (parent.get("metadata") or {}).get("cellId")


def explore(
    table: Any,
    target: str | None = None,
    *,
    rows: int | None = MAP_ROWS,
    discrete: Any = "auto",
    seed: int = 0,
    device: str = "auto",
) -> Explorer:
    """Open a heat map of all pairs of columns of a table. Explore it with mouse and keys.

    The map fills in the background: first all pairs of numbers in closed form (`gcmi`), then all
    pairs by nearest neighbours (`ksg`). A click on a cell of the map opens its pair of columns.
    There, *Refine* estimates the pair again with `mmg` and all rows.

    Args:
        table: A table of numbers and categories: a DataFrame of pandas or Polars, a PyArrow table
            or an xarray Dataset. Columns that cannot be used are left out and listed. Each pair
            leaves out its rows with missing values.
        target: Name of a column. The others are ranked by their mutual information with it.
        rows: Maximum number of rows of the map, at least 50. A larger table is sampled at random;
            refined estimates use all rows. None: all rows.
        discrete: `auto`, `none`, or the names of the columns that are categories, e.g.
            `"sex,ward"`; see `mmg_nb.estimate`.
        seed: Seed of all random numbers.
        device: Device of refined estimates; see `mmg_nb.estimate`.

    Returns:
        The map. A notebook cell that ends with it displays it.

    Raises:
        MMGError: The code does not run in IPython or marimo, or the table cannot be used.
    """
    shell = get_ipython() or session()
    if shell is None:
        what = "A map to explore needs IPython or marimo; this is plain Python."
        raise MMGError(what, "Open a notebook, or use mmg_nb.dependency_map.")
    texts = (
        name for name, value in shell.user_ns.items() if value is table and name.isidentifier()
    )
    text = next((name for name in texts if not name.startswith("_")), "df")
    return Explorer(
        shell, table, text, target=target, rows=rows, discrete=discrete, seed=seed, device=device
    )
