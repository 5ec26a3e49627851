"""A table to explore: a map of all pairs of its columns that fills in the background."""

from __future__ import annotations

import contextvars
import html
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import display, update_display

from mmg_nb.api import check_seed
from mmg_nb.data.columns import read_choice
from mmg_nb.errors import MMGError, brief, listed, one_of
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.fields import check_fields, from_fields
from mmg_nb.jupyter.background import begin, start
from mmg_nb.jupyter.commands import MAP_ROWS
from mmg_nb.jupyter.explore_code import MapCode, Refined
from mmg_nb.jupyter.front_end import module, style
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.live import LiveWidget, picture
from mmg_nb.jupyter.place import isolates_outputs
from mmg_nb.jupyter.worker import Work
from mmg_nb.questions.asked_table import check_rows
from mmg_nb.questions.clusters import clusters
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.table_columns import Column, TableColumns, read_columns
from mmg_nb.questions.table_pairs import METHODS, TablePairs
from mmg_nb.results.picture import Picture
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Event, Listener, Phase, RunState, StateChanged, Step

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell
    from matplotlib.axes import Axes

__all__ = ["Explorer", "explore"]

SECONDS = 0.25  # between two updates of the browser
SHOWN_ROWS = 400  # of a scatter plot
ROOM_FOR_PAIRS = 200  # characters, of the pairs of one note
FILES = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}


class MapWidget(LiveWidget):
    """The state of a map, shared with the browser. Pairs are in the order of `np.triu_indices`.

    Attributes:
        table: What does not change: name, sizes, columns, columns left out.
        sample: Rows of the scatter plots, `(d, m)` float32, each column scaled to 0 to 1.
        gcmi: Estimates and errors by `gcmi`, `(2, pairs)` float32; `ksg` and `mmg` likewise.
        marks: 1 for pairs for which methods disagree, `(pairs,)` uint8.
        clusters: `order` and `group` of the columns.
        answers: Results of single pairs.
        working: The single pair that is being estimated; empty if there is none.
        remarks: Notes with their pairs.
        message: What went wrong, and what to do.
        target: Column to begin with; empty for none.
    """

    _esm = module("charts", "live", "slot", "scatter", "map", "explore")
    _css = style("explore")

    table = traitlets.Dict().tag(sync=True)
    sample = traitlets.Bytes().tag(sync=True)
    gcmi = traitlets.Bytes().tag(sync=True)
    ksg = traitlets.Bytes().tag(sync=True)
    mmg = traitlets.Bytes().tag(sync=True)
    marks = traitlets.Bytes().tag(sync=True)
    clusters = traitlets.Dict().tag(sync=True)
    answers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    working = traitlets.Dict().tag(sync=True)
    remarks: traitlets.List[Any] = traitlets.List().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)

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
class Filled:
    """What the run of a map returns; `Run` uses only these two of a result."""

    status: Status
    summary: str


@dataclass(frozen=True)
class Question:
    """One pair to estimate: indices of x, y and perhaps the condition; estimator and fields."""

    columns: tuple[int, ...]
    estimator: str
    fields: dict[str, Any] = field(default_factory=dict)


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
        self._lock = threading.Lock()
        self._closed = self._displayed = False
        self._phase, self._step, self._began = "", (0, 1), 0.0
        self._shown_at = self._worked_at = 0.0
        self._waiting: deque[Question] = deque()
        self._asked: tuple[Question, Run] | None = None
        self._refined: tuple[tuple[Question, MIResult], ...] = ()
        self._answers: tuple[dict[str, Any], ...] = ()
        self._widget = MapWidget(
            self._end,
            slot="" if isolates_outputs(shell) else self._slot,
            table=_described(text, columns, self._pairs),
            sample=_sample(columns.used, self._pairs.rows, seed),
            target=first,
        )
        self._widget.on_msg(self._on_message)
        shell.events.register("pre_run_cell", self._on_cell)
        self.run = self._new_run()
        begin(self.run)

    @property
    def _names(self) -> tuple[str, ...]:
        return self._columns.names

    # --- the same functions as the controls

    def wait(self, timeout: float | None = None) -> Explorer:
        """Wait until the map is filled and all refinements have ended; see `Run.wait`.

        Args:
            timeout: Maximum time to wait for each of them, seconds.

        Returns:
            This object.
        """
        self.run.wait(timeout) if timeout is not None else self.run.wait()
        while (asked := self._asked) is not None:
            asked[1].wait(timeout) if timeout is not None else asked[1].wait()
            time.sleep(0.01)  # the next one begins in the thread of this one
        return self

    def stop(self) -> None:
        """Stop filling the map. The cells that are known stay."""
        self.run.stop()

    def resume(self) -> None:
        """Continue to fill the map after a stop."""
        with self._lock:
            if self._closed or not self.run.state.ended:
                return
            self.run = self._new_run()
            begin(self.run)

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
        self._ask(Question(tuple(map(self._index, names)), "mmg", fields))
        return self

    def map(self) -> DependencyMap:
        """The estimates so far, each by the most precise method that has one."""
        return self._pairs.map()

    def to_frame(self, unit: str = "nats") -> pd.DataFrame:
        """The estimates so far, names × names; see `DependencyMap.to_frame`."""
        return self.map().to_frame(unit)

    def pairs(self) -> pd.DataFrame:
        """One row per pair, strongest first, with the estimates of all methods, nats."""
        return self._pairs.frame()

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the map; see `DependencyMap.plot`."""
        return _drawn(self.map()) if ax is None and unit == "nats" else self.map().plot(ax, unit)

    @property
    def results(self) -> tuple[MIResult, ...]:
        """Results of the pairs that were refined or conditioned, oldest first."""
        return tuple(result for _, result in self._refined)

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
        self._widget.close()
        self._keep()

    def __repr__(self) -> str:
        return f"<Map of {self._code.text}: {self.map()!r}>"

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
        elif action == "end" and self._asked is not None:
            self._waiting.clear()
            self._asked[1].stop()
        elif action == "ask":
            self._ask(self._question(message))
        elif action == "export":
            _in_thread(lambda: self._export(message))

    def _question(self, message: dict[str, Any]) -> Question:
        columns = self._indices(message.get("columns"))
        if len(set(columns)) != len(columns) or not 2 <= len(columns) <= 3:
            raise MMGError("A pair needs two different columns.", "Choose a cell of the map.")
        return Question(columns, "mmg" if message.get("estimator") == "mmg" else "ksg")

    def _indices(self, sent: Any) -> tuple[int, ...]:
        count = len(self._names)
        known = isinstance(sent, list) and all(isinstance(k, int) and 0 <= k < count for k in sent)
        return tuple(sent) if known else ()

    def _export(self, message: dict[str, Any]) -> None:
        kind = str(message.get("kind"))
        columns = self._indices(message.get("columns")) or tuple(range(len(self._names)))
        if kind in ("python", "lines"):
            self._send({"copy": self._code_of(kind, columns)})
        elif kind == "csv":
            self._send_file(kind, self._pairs.frame().to_csv(index=False).encode())
        elif kind in FILES:
            self._send_file(kind, _figure(self._pairs.map(columns), kind))

    def _send_file(self, kind: str, content: bytes) -> None:
        name = f"{self._code.text if self._code.text.isidentifier() else 'table'}_map.{kind}"
        self._send({"file": name, "type": FILES[kind]}, content)

    def _send(self, content: dict[str, Any], *buffers: bytes) -> None:
        if not self._closed:
            self._widget.send(content, list(buffers))

    def _code_of(self, kind: str, columns: Sequence[int]) -> str:
        refined: list[Refined] = [
            (each.columns, self._pairs.options(*each.columns), each.fields)
            for each, _ in self._refined
            if each.estimator == "mmg"
        ]
        write = self._code.lines if kind == "lines" else self._code.python
        return write(columns, refined)

    def _show_error(self, error: MMGError) -> None:
        self._widget.put(message={"what": error.what, "remedy": error.remedy})

    def _index(self, name: str) -> int:
        if name in self._names:
            return self._names.index(name)
        reason = self._columns.left_out.get(name)
        what = f"The map has no column {brief(name)}."
        raise MMGError(what, reason or one_of(str(name), self._names, "Columns"))

    # --- the map

    def _new_run(self) -> Run:
        work = cast(Work, self._fill)
        what = f"all pairs of {self._code.text}"
        return Run(work, what=what, estimator="gcmi, ksg", listen=self._on_event)

    def _fill(self, listen: Listener) -> Filled:
        complete = self._pairs.fill(listen)
        known = np.isfinite(self._pairs.best[0]).sum() // 2
        status = Status.CONVERGED if complete else Status.INTERRUPTED
        return Filled(status, f"{known} of {len(self._pairs.pairs)} pairs")

    def _on_event(self, event: Event) -> None:
        """Follow the run of the map, in its thread."""
        ended = isinstance(event, StateChanged) and event.state.ended
        if isinstance(event, Phase):
            self._phase, self._step, self._began = event.name, (0, 1), time.monotonic()
        elif isinstance(event, Step):
            self._step = event.step, event.total_steps
        step = isinstance(event, Step) and time.monotonic() - self._shown_at < SECONDS
        if step or self._closed:
            return
        self._shown_at = time.monotonic()
        self._show(event.state if isinstance(event, StateChanged) else RunState.RUNNING)
        if ended or isinstance(event, Phase):
            self._conclude()

    def _show(self, state: RunState) -> None:
        """Send all that has changed, as one message."""
        pairs = self._pairs
        upper = np.triu_indices(len(self._names), 1)
        found = {m: pairs.found[m][:, upper[0], upper[1]].astype("<f4").tobytes() for m in METHODS}
        marks = pairs.disagreeing[upper].astype(np.uint8).tobytes()
        self._widget.put(said=self._said(state), marks=marks, remarks=self._remarks(), **found)

    def _said(self, state: RunState) -> dict[str, Any]:
        done, total = self._step
        doing = f"{self._phase}: {done} of {total} pairs"
        spent = time.monotonic() - self._began
        if done and spent > 2:
            doing += f", about {max(1, round(spent / done * (total - done)))} s left"
        if state.ended:
            known = int(np.isfinite(self._pairs.best[0]).sum() // 2)
            doing = f"{known} of {len(self._pairs.pairs)} pairs"
        return {"state": str(state), "doing": doing, "percent": round(100 * done / max(1, total))}

    def _remarks(self) -> list[dict[str, Any]]:
        """Notes and failures, one line for each kind."""
        return [
            {"text": text, "count": len(where), "pairs": listed(where, room=ROOM_FOR_PAIRS)}
            for text, where in self._pairs.remarks()
        ]

    def _conclude(self) -> None:
        """Order the columns by what is known, and keep a picture. At the ends of phases."""
        if self.run.traceback:
            error = self.run.traceback.strip().splitlines()[-1]
            self._show_error(MMGError(error, "explorer.run.traceback shows where it happened."))
        if not np.isfinite(self._pairs.best[0]).any():
            return
        order, group = clusters(self._pairs.best[0])
        self._widget.put(clusters={"order": order, "group": group})
        self._keep()

    # --- single pairs

    def _ask(self, question: Question) -> None:
        with self._lock:
            if self._closed:
                raise MMGError("This map is closed.", "mmg_nb.explore opens a new one.")
            if self._asked is not None:
                self._waiting.append(question)
                return
            self._begin(question)

    def _begin(self, question: Question) -> None:
        """Start the run of a question."""
        whole = question.estimator == "mmg"  # refined estimates use all rows
        frame = self._columns.frame if whole else self._columns.frame.iloc[self._pairs.rows]
        texts = [self._names[k] for k in question.columns]
        x, y, *given = (frame[[name]] for name in texts)
        options = self._pairs.options(*question.columns)
        options |= {"given": given[0]} if given else {}
        options |= {"device": self._code.device, **question.fields}
        run = start(x, y, question.estimator, **options)
        run.what = f"I({texts[0]}; {texts[1]}{' | ' + texts[2] if given else ''})"
        self._asked = question, run
        self._show_work(question, run)
        once = threading.Lock()

        def follow(event: Event) -> None:
            if isinstance(event, StateChanged) and event.state.ended:
                if once.acquire(blocking=False):
                    self._answer(question, run)
            elif time.monotonic() - self._worked_at > SECONDS:
                self._worked_at = time.monotonic()
                self._show_work(question, run)

        run.subscribe(follow)
        if run.state.ended:  # perhaps before the subscription
            _in_thread(lambda: follow(StateChanged(run.state)))

    def _show_work(self, question: Question, run: Run) -> None:
        shown = picture(run)
        work = {"columns": list(question.columns), "estimator": question.estimator}
        waiting = [list(each.columns) for each in self._waiting]
        self._widget.put(
            working={**shown["said"], **work, "waiting": waiting}, curves=shown["curves"]
        )

    def _answer(self, question: Question, run: Run) -> None:
        """Show the result of a question, and begin the next one. In the thread of the run."""
        answer: dict[str, Any] = {
            "columns": list(question.columns),
            "estimator": question.estimator,
            "error": "",
        }
        try:
            result = run.result
            self._refined = (*self._refined, (question, result))
            if len(question.columns) == 2:
                self._pairs.keep(question.columns, result)
            answer |= _answered(result)
        except Exception as error:
            answer["error"] = error.what if isinstance(error, MMGError) else repr(error)
        self._answers = (*self._answers, answer)
        self._widget.put(answers=list(self._answers), working={}, curves=b"")
        self._show(self.run.state)
        self._keep()
        with self._lock:
            self._asked = None
            while self._asked is None and self._waiting and not self._closed:
                try:
                    self._begin(self._waiting.popleft())
                except MMGError as error:
                    self._show_error(error)

    # --- display

    def _end(self) -> None:
        """End all computations. Called before the widget closes."""
        if self._closed:
            return
        self._closed = True
        self._shell.events.unregister("pre_run_cell", self._on_cell)
        self._waiting.clear()
        self.run.abandon()
        if self._asked is not None:
            self._asked[1].stop()

    def _on_cell(self, info: Any) -> None:
        """Close this map if the cell that shows it runs again."""
        if self._cell is not None and getattr(info, "cell_id", None) == self._cell:
            self.close()

    def _keep(self) -> None:
        """Update the picture for the saved notebook."""
        if self._displayed:
            update_display(self._record(), display_id=self._slot)

    def _record(self) -> Any:
        data, metadata = _record(self._slot, self)
        if not (self._closed or self._widget.slot):
            live, more = self._widget._repr_mimebundle_()
            data, metadata = {**live, **data}, {**more, **metadata}
        return _Shown(data, metadata)

    def _ipython_display_(self) -> None:
        self._cell, self._displayed = _current_cell(self._shell), True
        display(self._record(), display_id=self._slot)


@dataclass(frozen=True)
class _Shown:
    data: dict[str, Any]
    metadata: dict[str, Any]

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.data, self.metadata


def _current_cell(shell: InteractiveShell) -> Any:
    """Identifier of the running cell; None if the front end gives none."""
    parent = getattr(shell, "parent_header", None) or {}
    return (parent.get("metadata") or {}).get("cellId")


def _record(slot: str, explorer: Explorer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The map without a widget: text, picture, notes, by MIME type."""
    found, text = explorer.map(), repr(explorer)
    if not found.ranked:
        waiting = f"<p>{html.escape(text)}. Run this cell again to fill the map.</p>"
        page = f'<div data-mmg-slot="{slot}">{waiting}</div>'
        return {"text/plain": text, "text/html": page}, {}
    shown = Picture(_figure(found, "png"), text, _width(found))
    notes = "".join(
        f"<li>{html.escape(note['text'])} ({html.escape(note['pairs'])})</li>"
        for note in explorer._remarks()
    )
    left = "".join(f"<li>{html.escape(why)}</li>" for why in explorer._columns.left_out.values())
    folded = "".join(
        f"<details><summary>{title}</summary><ul>{lines}</ul></details>"
        for title, lines in (("Columns left out", left), ("Notes", notes))
        if lines
    )
    page = f'<div data-mmg-slot="{slot}">{shown.tag}{folded}</div>'
    return shown.bundle(text, page)


def _described(text: str, columns: TableColumns, pairs: TablePairs) -> dict[str, Any]:
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


def _sample(columns: Sequence[Column], rows: Any, seed: int) -> bytes:
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


def _answered(result: MIResult) -> dict[str, Any]:
    """A result as plain values for the browser."""
    curve = result.curve
    curves = [] if curve is None else [curve.logsnr, curve.mse, curve.mse_given_y]
    return {
        "mi": result.mi,
        "stderr": result.stderr,
        "complete": result.status.complete,
        "status": f"{result.status}. {result.status.remedy}",
        "notes": list(result.notes),
        "rows": result.n_samples,
        "curve": [np.asarray(each).round(5).tolist() for each in curves],
    }


def _inches(found: DependencyMap) -> float:
    return max(5.6, 2.6 + 0.15 * len(found.names))


def _width(found: DependencyMap) -> int:
    return round(100 * _inches(found))


def _drawn(found: DependencyMap) -> Axes:
    """The map with labels that fit its number of columns."""
    # Imported here because importing this module must not load matplotlib.
    from mmg_nb.plots.axes import new_axes

    axes = found.plot(new_axes(560))
    inches = _inches(found)
    axes.get_figure(root=True).set_size_inches(inches, 0.84 * inches)  # type: ignore[union-attr]
    axes.tick_params(labelsize=float(np.clip(72 * 0.6 * inches / len(found.names), 5, 10)))
    return axes


def _figure(found: DependencyMap, kind: str) -> bytes:
    from mmg_nb.plots.axes import axes_png, axes_svg

    return axes_svg(_drawn(found)) if kind == "svg" else axes_png(_drawn(found))


def _in_thread(work: Callable[[], None]) -> None:
    """Work beside the thread that handles messages, whose cell must not wait for it."""
    # With the context of the cell, Jupyter sends the outputs of the thread to that cell.
    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(work,), name="mmg-explore", daemon=True).start()


def explore(
    table: Any,
    target: str | None = None,
    *,
    rows: int | None = MAP_ROWS,
    discrete: Any = "auto",
    seed: int = 0,
    device: str = "auto",
) -> Explorer:
    """Open a heat map of all pairs of columns of a table, to be explored with mouse and keys.

    The map fills in the background: first all pairs of numbers in closed form (`gcmi`), then all
    pairs by nearest neighbours (`ksg`). A click on a field of the map opens its pair of columns.
    There, *Refine* estimates the pair with `mmg`.

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
        MMGError: The code does not run in IPython, or the table cannot be used.
    """
    shell = get_ipython()
    if shell is None:
        what = "A map to explore needs IPython; this is plain Python."
        raise MMGError(what, "Open a notebook, or use mmg_nb.dependency_map.")
    texts = (
        name for name, value in shell.user_ns.items() if value is table and name.isidentifier()
    )
    text = next((name for name in texts if not name.startswith("_")), "df")
    return Explorer(
        shell, table, text, target=target, rows=rows, discrete=discrete, seed=seed, device=device
    )
