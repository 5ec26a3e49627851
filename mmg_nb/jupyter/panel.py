"""The panel: widgets to choose variables and settings, and to run and compare estimators."""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import display, update_display

from mmg_nb.errors import MMGError, brief, listed
from mmg_nb.jupyter.choices import filled_in
from mmg_nb.jupyter.comparing import ComparisonRun
from mmg_nb.jupyter.form import Asked, as_columns, control_of, describe, read_form, variables
from mmg_nb.jupyter.front_end import module
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.history import (
    Entry,
    comparison,
    history_html,
    history_text,
    shown_html,
    titled,
)
from mmg_nb.jupyter.live import Feed, LiveWidget, picture, steer
from mmg_nb.jupyter.marimo import session
from mmg_nb.jupyter.place import isolates_outputs
from mmg_nb.questions.comparison import Comparison
from mmg_nb.results.result import MIResult

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Panel", "panel"]

NOTHING_CHOSEN = {"roles": {}, "estimator": "mmg", "beside": [], "settings": {}, "fields": {}}


class PanelWidget(LiveWidget):
    """The state of a panel, shared with the browser; the current run as in `LiveWidget`."""

    _esm = module("charts", "live", "slot", "form", "panel")

    form = traitlets.Dict().tag(sync=True)
    variables: traitlets.List[Any] = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    view = traitlets.Unicode("empty").tag(sync=True)
    rows: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __repr__(self) -> str:
        return "panel of mmg_nb"


class Record:
    """The plain HTML of a panel for the saved notebook.

    A widget in an output stops working when its kernel ends. The output therefore holds this
    HTML instead. While the kernel runs, the browser shows the widget in place of the HTML.

    Args:
        slot: Identifier by which the browser finds this HTML.
        shown: HTML of the result shown last.
        entries: The runs so far.
    """

    def __init__(self, slot: str, shown: str, entries: tuple[Entry, ...]) -> None:
        self.text = history_text(entries)
        inside = shown + history_html(entries)
        self.html = f'<div data-mmg-slot="{slot}">{inside}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}


class Panel:
    """A form, a live view and a history of runs. The value of a cell displays it.

    Its methods offer the same functions as its controls. Its runs do not block other cells.

    Args:
        shell: The shell whose variables the form offers.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._slot = uuid.uuid4().hex
        self._entries: tuple[Entry, ...] = ()
        self._feed: Feed | None = None
        self._shown = ""
        self._standing: Comparison | None = None
        self._closed = False
        self._chosen: dict[str, Any] = dict(NOTHING_CHOSEN)
        self._widget = PanelWidget(
            slot="" if isolates_outputs(shell) else self._slot,
            form=describe(),
            variables=variables(shell.user_ns),
        )
        self._widget.on_msg(self._on_message)
        shell.events.register("post_run_cell", self._refresh)

    # --- the same functions as the controls

    def choose(self, **values: Any) -> Panel:
        """Fill in the form.

        Args:
            **values: `x`, `y`, `given` and `groups` as texts, e.g. `x="df[['a', 'b']]"`;
                `estimator`, `seed`, `device`, `discrete`, `missing`, `rows`, and fields of the
                estimator; `beside`, names of estimators to compare with, e.g. `"gcmi,ksg"`.

        Returns:
            The panel.

        Raises:
            MMGError: A choice does not exist, or a value is not allowed.
        """
        self._chosen = filled_in(self._chosen, values)
        self._widget.put(chosen={**self._chosen, "roles": self._roles()})
        return self

    def _roles(self) -> dict[str, Any]:
        """The chosen expressions; tables and their columns as the form shows them."""
        roles = self._chosen["roles"]
        chosen = {name: each["expression"] for name, each in roles.items() if "expression" in each}
        tables = {name: as_columns(text, self._shell.user_ns) for name, text in chosen.items()}
        if tables.get("x") and chosen.get("x") == chosen.get("y"):  # to be divided in the form
            tables["x"] = tables["y"] = {**tables["x"], "columns": []}
        written = {name: {"expression": text, **tables[name]} for name, text in chosen.items()}
        return {**roles, **written}

    def start(self) -> Run:
        """Start a run with the current choices.

        Returns:
            The handle of the run.

        Raises:
            MMGError: A choice is missing or cannot be used, or a run of this panel has not ended.
        """
        return self._begin(read_form(self._chosen, self._shell.user_ns))

    def show(self, number: int) -> None:
        """Show the result of an earlier run.

        Args:
            number: Number of the run, as in `%mmg runs`.

        Raises:
            MMGError: The run does not exist or has no result.
        """
        self._finalise()
        self._present(shown_html(self._entry(number)))

    def compare(self, *numbers: int) -> None:
        """Show the results of several runs together.

        Args:
            *numbers: Numbers of the runs. Default: all runs.

        Raises:
            MMGError: The runs have fewer than two results.
        """
        self._finalise()
        self._present(comparison([self._entry(n) for n in numbers] or list(self._entries)))

    def close(self) -> None:
        """Remove the panel from the page. A run that has not ended is stopped; results stay."""
        if self._closed:
            return
        self._closed = True
        self._shell.events.unregister("post_run_cell", self._refresh)
        run = self.run
        if run is not None and not run.state.ended:
            run.stop()
        self._finalise()
        self._widget.close()
        self._keep()

    @property
    def run(self) -> Run | None:
        """The latest run."""
        return self._entries[-1].run if self._entries else None

    @property
    def results(self) -> tuple[MIResult, ...]:
        """The results so far, oldest first, including those of comparisons."""
        return tuple(result for e in self._entries for result in e.results.values())

    def __repr__(self) -> str:
        return f"<{history_text(self._entries)}>"

    # --- messages of the browser

    def _on_message(self, _: Any, message: Any, buffers: Any) -> None:
        """Carry out the action of a control. May run in any thread."""
        sent = message if isinstance(message, dict) else {}
        try:
            if sent.get("action") == "choose":
                return self._hold(sent.get("form", {}))
            self._widget.put(message={})
            self._act(sent)
        except MMGError as error:
            self._show_error(error)

    def _act(self, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        if action == "start":
            self._begin(read_form(message.get("form", {}), self._shell.user_ns))
        elif action == "show":
            self.show(message.get("number", 0))
        elif action == "compare":
            self.compare(*message.get("numbers", ()))
        elif action == "close":
            self.close()
        elif action == "look":
            self._refresh()
        elif self.run is not None:
            steer(self.run, message)

    def _hold(self, form: Mapping[str, Any]) -> None:
        """Keep the choices of the browser, for a page that is opened again and for `start`."""
        self._chosen = {name: form.get(name, kept) for name, kept in self._chosen.items()}
        self._widget.put(chosen={**self._chosen, "page": form.get("page", "")})

    def _show_error(self, error: MMGError) -> None:
        said = {"what": error.what, "remedy": error.remedy, "control": control_of(error)}
        self._widget.put(message=said)

    # --- runs

    def _begin(self, asked: Asked) -> Run:
        self._finalise()
        with self._lock:
            if self._closed:
                raise MMGError("This panel is closed.", "mmg_nb.panel() opens a new one.")
            if self.run is not None and not self.run.state.ended:
                what = f"Run {self._entries[-1].number} of this panel is {self.run.state}."
                raise MMGError(
                    what, "Stop this run or wait for its end, or start in a second panel."
                )
            run = asked.start(self._shell.user_ns)
            number = run.number or len(self._entries) + 1  # as in `%mmg runs`, if there is one
            entry = Entry(number, run, asked, asked.line)
            self._entries = (*self._entries, entry)
        self._widget.put(view="live", message={})
        self._feed = Feed(run, lambda: self._follow(entry)).start()
        return run

    def _finalise(self) -> None:
        """Show an ended run now. A later display would replace what the caller shows next."""
        if self._feed is not None and self.run is not None and self.run.state.ended:
            self._feed.close()

    def _follow(self, entry: Entry) -> None:
        """Show the state of a run. Called in the thread of its feed."""
        rows = [each.row for each in self._entries]
        self._widget.put(rows=rows, **picture(entry.run))
        self._fill(entry.run)
        if entry.run.state.ended:
            self._conclude(entry)

    def _fill(self, run: Run) -> None:
        """Show the table of a comparison again if another estimator has ended."""
        if not isinstance(run, ComparisonRun) or run.standing is self._standing:
            return
        self._standing = run.standing
        if not run.state.ended:
            self._present(titled(self._entries[-1], run.standing_html))

    def _conclude(self, entry: Entry) -> None:
        if entry.outcome is not None:
            self._present(shown_html(entry))
        else:
            self._widget.put(view="result" if self._shown else "empty")
        try:
            entry.run.result  # noqa: B018
        except MMGError as error:
            self._show_error(error)
        except Exception as error:
            what = "".join(traceback.format_exception_only(error)).strip()
            self._show_error(MMGError(what, "panel.run.traceback shows where it happened."))
        self._keep()

    def _entry(self, number: int) -> Entry:
        known = {entry.number: entry for entry in self._entries}
        if number not in known:
            what = f"This panel has no run {brief(number)}."
            raise MMGError(what, f"Its runs: {listed(known)}." if known else "It has no runs yet.")
        return known[number]

    # --- display

    def _present(self, shown: str) -> None:
        self._shown = shown
        run = self.run
        going = run is not None and not run.state.ended
        self._widget.put(shown=shown, view="live" if going else "result")
        self._keep()

    def _refresh(self, *_: Any) -> None:
        """Update the variables that the form offers. Called after each cell."""
        found = variables(self._shell.user_ns)
        if found != self._widget.variables:
            self._widget.put(variables=found)

    def _keep(self) -> None:
        """Update the HTML for the saved notebook."""
        update_display(self._record(), display_id=self._slot)

    def _record(self) -> Any:
        record = Record(self._slot, self._shown, self._entries)
        if self._closed or self._widget.slot:
            return record
        return _WidgetWithRecord(self._widget, record)

    def _ipython_display_(self) -> None:
        display(self._record(), display_id=self._slot)

    def _display_(self) -> PanelWidget:
        """What marimo displays."""
        return self._widget


class _WidgetWithRecord:
    """The panel as a widget in an output, for front ends that isolate outputs."""

    def __init__(self, widget: PanelWidget, record: Record) -> None:
        self._widget = widget
        self._record = record

    def _repr_mimebundle_(self, **options: Any) -> Any:
        data, metadata = self._widget._repr_mimebundle_(**options)
        return {**data, **self._record._repr_mimebundle_()}, metadata


def panel(x: str | None = None, y: str | None = None, **values: Any) -> Panel:
    """Open a panel of widgets: choose variables and settings, run and compare estimators.

    Args:
        x: Name of a variable or an expression, as a string. It can also be chosen in the panel.
        y: The same for y.
        **values: Further choices to fill in, e.g. `estimator="mmg"`, `steps=500`.

    Returns:
        The panel. It is displayed if it is the last value of a cell.

    Raises:
        MMGError: The code does not run in IPython or marimo, or a value is not allowed.
    """
    shell = get_ipython() or session()
    if shell is None:
        what = "A panel needs IPython or marimo; this is plain Python."
        raise MMGError(what, "Open a notebook, or use mmg_nb.start.")
    made = Panel(shell)
    texts = {name: text for name, text in (("x", x), ("y", y)) if text is not None}
    return made.choose(**texts, **values)
