"""The panel: choose variables and settings, train, watch, stop, compare."""

from __future__ import annotations

import sys
import threading
import traceback
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import display, update_display

from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.fields import FieldInfo, check_fields, closest, field_infos, from_fields, parse
from mmg_nb.jupyter.comparing import ComparisonRun
from mmg_nb.jupyter.form import (
    ROLES,
    SETTINGS,
    Asked,
    as_text,
    describe,
    general_infos,
    read_beside,
    read_form,
    variables,
)
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
from mmg_nb.jupyter.live import Feed, LiveWidget, hear_beside_cells, picture, steer
from mmg_nb.questions.comparison import Comparison
from mmg_nb.results.result import MIResult

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Panel", "panel"]


class PanelWidget(LiveWidget):
    """What the browser knows of a panel; the present run as in `LiveWidget`."""

    _esm = module("charts", "live", "panel")

    slot = traitlets.Unicode().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    variables: traitlets.List[Any] = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    view = traitlets.Unicode("empty").tag(sync=True)
    shown = traitlets.Unicode().tag(sync=True)
    rows: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __repr__(self) -> str:
        return "panel of mmg_nb"


class Record:
    """What a saved notebook keeps of a panel, and where the browser puts the panel itself.

    A widget in an output is dead once its kernel is gone. So the output holds this plain HTML,
    and the widget, which is in no output, takes its place in the page while its kernel lives.

    Args:
        slot: Name of the place.
        shown: HTML of what was shown last.
        entries: The runs so far.
    """

    def __init__(self, slot: str, shown: str, entries: tuple[Entry, ...]) -> None:
        self.text = history_text(entries)
        inside = shown + history_html(entries)
        self.html = f'<div data-mmg-slot="{slot}">{inside}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}


class Panel:
    """A form, a live view and a history of runs. Displays itself as the value of a cell.

    Everything that its controls do can be done by its methods too. Runs go on in the background.

    Args:
        shell: The shell whose variables can be chosen.
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
        self._chosen: dict[str, Any] = {"roles": {}, "settings": {}, "fields": {}}
        self._widget = PanelWidget(
            slot="" if _needs_an_output(shell) else self._slot,
            form=describe(),
            variables=variables(shell.user_ns),
        )
        self._widget.on_msg(self._hear)
        hear_beside_cells(self._widget.comm)
        shell.events.register("post_run_cell", self._refresh)

    # --- what can be asked for

    def choose(self, **values: Any) -> Panel:
        """Fill in the form.

        Args:
            **values: `x`, `y`, `given` and `groups` as texts, e.g. `x="df[['a', 'b']]"`;
                `estimator`, `seed`, `device`, `discrete`, `missing`, and fields of the estimator;
                `beside`, names of estimators to compare it with, e.g. `"gcmi,ksg"`.

        Returns:
            The panel.

        Raises:
            MMGError: There is no such choice, or a value is not allowed.
        """
        chosen = {name: dict(self._chosen[name]) for name in ("roles", "settings", "fields")}
        before = self._chosen.get("estimator", "mmg")
        estimator = values.pop("estimator", before)
        infos = {info.name: info for info in field_infos(estimator_class(estimator))}
        if estimator != before:
            chosen["fields"] = {}
        beside = _names(values.pop("beside", self._chosen.get("beside", ())))
        for role in ROLES:
            if role.name in values:
                text = values.pop(role.name)
                chosen["roles"][role.name] = {"expression": _checked_text(role.name, text)}
        for name in SETTINGS:
            if name in values:
                chosen["settings"][name] = _checked(general_infos()[name], values.pop(name))
        _check_known(values, infos)
        check_fields(from_fields(estimator_class(estimator), values))
        chosen["fields"] |= {name: as_text(value) for name, value in values.items()}
        others = read_beside(beside, estimator)
        self._chosen = {**chosen, "estimator": estimator, "beside": list(others)}
        self._widget.put(chosen=self._chosen)
        return self

    def start(self) -> Run:
        """Begin what was last chosen.

        Returns:
            The run's handle.

        Raises:
            MMGError: Something is missing or cannot be used, or a run of this panel goes on.
        """
        form = {"estimator": "mmg", **self._chosen}
        return self._begin(read_form(form, self._shell.user_ns))

    def show(self, number: int) -> None:
        """Show the result of a run again.

        Raises:
            MMGError: There is no such run, or it has no result.
        """
        self._settle()
        self._present(shown_html(self._entry(number)))

    def compare(self, *numbers: int) -> None:
        """Show the results of some runs beside each other; of all if none is named.

        Raises:
            MMGError: There are fewer than two results among them.
        """
        self._settle()
        self._present(comparison([self._entry(n) for n in numbers] or list(self._entries)))

    def close(self) -> None:
        """Take the panel off the page; its results stay. A run that goes on is stopped."""
        if self._closed:
            return
        self._closed = True
        self._shell.events.unregister("post_run_cell", self._refresh)
        run = self.run
        if run is not None and not run.state.ended:
            run.stop()
        self._settle()
        self._widget.close()
        self._keep()

    @property
    def run(self) -> Run | None:
        """The latest run."""
        return self._entries[-1].run if self._entries else None

    @property
    def results(self) -> tuple[MIResult, ...]:
        """The results so far, oldest first, those of comparisons among them."""
        return tuple(result for e in self._entries for result in e.results.values())

    def __repr__(self) -> str:
        return f"<{history_text(self._entries)}>"

    # --- what the browser asks for

    def _hear(self, _: Any, message: Any, buffers: Any) -> None:
        """Do what a control asks for. May run in any thread."""
        try:
            self._widget.put(message={})
            self._act(message if isinstance(message, dict) else {})
        except MMGError as error:
            self._say(error)

    def _act(self, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        if action == "hello":
            self._widget.send({"here": True})
        elif action == "start":
            self._begin(read_form(message.get("form", {}), self._shell.user_ns))
        elif action == "show":
            self.show(message.get("number", 0))
        elif action == "compare":
            self.compare(*message.get("numbers", ()))
        elif action == "close":
            self.close()
        elif self.run is not None:
            steer(self.run, message)

    def _say(self, error: MMGError) -> None:
        self._widget.put(message={"what": error.what, "remedy": error.remedy})

    # --- runs

    def _begin(self, asked: Asked) -> Run:
        with self._lock:
            if self._closed:
                raise MMGError("This panel is closed.", "mmg_nb.panel() makes another one.")
            if self.run is not None and not self.run.state.ended:
                what = f"Run {len(self._entries)} of this panel is {self.run.state}."
                raise MMGError(what, "Stop it or wait for its end; another panel can run beside.")
            run = asked.start(self._shell.user_ns)
            entry = Entry(len(self._entries) + 1, run, asked, asked.line)
            self._entries = (*self._entries, entry)
        self._widget.put(view="live", message={})
        self._feed = Feed(run, lambda: self._follow(entry)).start()
        return run

    def _settle(self) -> None:
        """Let a run that has ended be shown first, so that it does not come after what follows."""
        if self._feed is not None and self.run is not None and self.run.state.ended:
            self._feed.close()

    def _follow(self, entry: Entry) -> None:
        """Show where a run stands; in the thread of its feed."""
        rows = [each.row for each in self._entries]
        self._widget.put(rows=rows, **picture(entry.run))
        self._fill(entry.run)
        if entry.run.state.ended:
            self._conclude(entry)

    def _fill(self, run: Run) -> None:
        """Show the table of a comparison whenever another estimator has ended."""
        if not isinstance(run, ComparisonRun) or run.standing is self._standing:
            return
        self._standing = run.standing
        if not run.state.ended:
            self._present(titled(self._entries[-1], run.standing.html()))

    def _conclude(self, entry: Entry) -> None:
        if entry.outcome is not None:
            self._present(shown_html(entry))
        else:
            self._widget.put(view="result" if self._shown else "empty")
        try:
            entry.run.result  # noqa: B018
        except MMGError as error:
            self._say(error)
        except Exception as error:
            what = "".join(traceback.format_exception_only(error)).strip()
            self._say(MMGError(what, "panel.run.traceback says where it happened."))
        self._keep()

    def _entry(self, number: int) -> Entry:
        if not 1 <= number <= len(self._entries):
            what = f"This panel has no run {number!r}."
            raise MMGError(what, f"It has {len(self._entries)} so far, from 1.")
        return self._entries[number - 1]

    # --- what is seen

    def _present(self, shown: str) -> None:
        self._shown = shown
        run = self.run
        going = run is not None and not run.state.ended
        self._widget.put(shown=shown, view="live" if going else "result")
        self._keep()

    def _refresh(self, *_: Any) -> None:
        """Offer the variables there are now; after each cell."""
        found = variables(self._shell.user_ns)
        if found != self._widget.variables:
            self._widget.put(variables=found)

    def _keep(self) -> None:
        """Bring what is kept in the notebook up to date."""
        update_display(self._record(), display_id=self._slot)

    def _record(self) -> Any:
        record = Record(self._slot, self._shown, self._entries)
        if self._closed or self._widget.slot:
            return record
        return _Inside(self._widget, record)

    def _ipython_display_(self) -> None:
        display(self._record(), display_id=self._slot)


class _Inside:
    """The panel as a widget in an output, for front ends that keep outputs apart."""

    def __init__(self, widget: PanelWidget, record: Record) -> None:
        self._widget = widget
        self._record = record

    def _repr_mimebundle_(self, **options: Any) -> Any:
        data, metadata = self._widget._repr_mimebundle_(**options)
        return {**data, **self._record._repr_mimebundle_()}, metadata


def _needs_an_output(shell: InteractiveShell) -> bool:
    """Whether the front end keeps each output apart, so that no widget can enter one.

    VS Code and Colab do; JupyterLab, Notebook 7 and Voila do not.
    """
    return "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules


def _names(asked: Any) -> list[str]:
    """Names in a text with commas, or in a list; none for None."""
    parts = asked.split(",") if isinstance(asked, str) else asked or ()
    if not isinstance(parts, (list, tuple)):
        what = f"beside must be names of estimators; got {type(asked).__name__}."
        raise MMGError(what, "E.g. panel.choose(beside='gcmi,ksg').")
    return [str(part).strip() for part in parts if str(part).strip()]


def _checked_text(name: str, text: Any) -> str:
    if isinstance(text, str):
        return text
    what = f"{name} must be the name of a variable, as a text; got {type(text).__name__}."
    raise MMGError(what, f"E.g. panel.choose({name}='data').")


def _checked(info: FieldInfo, value: Any) -> str:
    parse(info, as_text(value))
    return as_text(value)


def _check_known(values: Mapping[str, Any], infos: Mapping[str, FieldInfo]) -> None:
    for name in values:
        if name not in infos:
            known = [role.name for role in ROLES] + ["estimator", "beside", *SETTINGS, *infos]
            what = f"There is nothing called {name!r} to choose."
            raise MMGError(what, closest(name, known) + "Choices: " + ", ".join(known) + ".")


def panel(x: str | None = None, y: str | None = None, **values: Any) -> Panel:
    """A panel of widgets to choose variables and settings, train, watch, stop and compare.

    Args:
        x: Name of a variable or an expression, as a text; can be chosen in the panel.
        y: Likewise.
        **values: What else to fill in, e.g. `estimator="mmg"`, `steps=500`.

    Returns:
        The panel; as the last value of a cell it displays itself.

    Raises:
        MMGError: There is no notebook to show it in, or a value is not allowed.
    """
    shell = get_ipython()
    if shell is None:
        what = "A panel needs IPython, whose variables it offers."
        raise MMGError(what, "Open a notebook; or use mmg_nb.start and its handle.")
    made = Panel(shell)
    texts = {name: text for name, text in (("x", x), ("y", y)) if text is not None}
    return made.choose(**texts, **values)
