"""The runs of a panel, as rows, as a comparison, and as HTML for the saved notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.comparing import ComparisonRun
from mmg_nb.jupyter.form import Asked
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.session import session_unit
from mmg_nb.questions.comparison import Comparison
from mmg_nb.results.card import pill
from mmg_nb.results.facts import amount, badge, unit_size
from mmg_nb.results.interval_bar import interval_bar
from mmg_nb.results.result import MIResult

__all__ = ["Entry", "comparison", "history_html", "history_text", "shown_html", "titled"]

COLUMNS = ("run", "estimate", "state", "quantity", "estimator", "settings", "time")
CELL = "text-align:left;vertical-align:top;padding:3px 12px 3px 0"
NARROW, REST = "flex:0 1 260px", "flex:1 1 180px;min-width:0;overflow-wrap:anywhere"


@dataclass(frozen=True, eq=False)
class Entry:
    """A run, the request that started it, and the `%mmg` line for the same request."""

    number: int
    run: Run
    asked: Asked
    line: str

    @property
    def outcome(self) -> MIResult | Comparison | None:
        """The result, if there is one. A comparison that has ended always has one."""
        if isinstance(self.run, ComparisonRun):
            return self.run.standing if self.run.state.ended else None
        return self.run.result if self.run.has_result else None

    @property
    def results(self) -> dict[str, MIResult]:
        """Estimator -> result: one, several of a comparison, or none."""
        outcome = self.outcome
        if isinstance(outcome, Comparison):
            return outcome.results
        return {} if outcome is None else {self.asked.estimator: outcome}

    @property
    def estimate(self) -> str:
        """The result in words, or the latest validation estimate."""
        outcome = self.outcome
        return (
            self.run.progress.estimate if outcome is None else outcome.summary_in(session_unit())
        )

    @property
    def brief(self) -> str:
        """The estimate with its error, or the latest validation estimate, in a short form."""
        found = list(self.results.values())
        if not found:
            return self.run.progress.estimate or "–"
        if len(found) == 1:
            return _brief(found[0])
        unit = session_unit()
        values = [result.mi / unit_size(unit) for result in found]
        return f"{min(values):.3f} to {max(values):.3f} {unit}"

    @property
    def ending(self) -> str:
        """How far the result of an estimate can be trusted; otherwise the state of the run."""
        outcome = self.outcome
        return str(badge(outcome) if isinstance(outcome, MIResult) else self.run.state)

    @property
    def cells(self) -> tuple[str, ...]:
        """One text for each of `COLUMNS`."""
        return (
            str(self.number),
            self.brief,
            self.ending,
            self.asked.what,
            self.asked.estimators,
            _words(self.asked.changed),
            f"{self.run.seconds:.0f} s",
        )

    @property
    def row(self) -> dict[str, Any]:
        """The row as the browser reads it."""
        return {
            "number": self.number,
            "cells": list(self.cells),
            "line": self.line,
            "done": self.outcome is not None,
            "comparable": bool(self.results),
        }


def _brief(result: MIResult) -> str:
    return amount(result.mi, result.stderr, session_unit())


def _words(settings: Mapping[str, Any]) -> str:
    """Settings in words, e.g. `steps 500, seed 1`."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "defaults"


def history_text(entries: Sequence[Entry]) -> str:
    """The runs, one per line. Times are left out, so that two sessions can be compared."""
    if not entries:
        return "Panel without runs yet"
    lines = (
        f"run {e.number}: {e.asked.what} by {e.asked.estimators}: {e.estimate or 'no estimate'}, "
        f"{e.run.state}"
        for e in entries
    )
    return "\n".join(["Panel", *lines])


def history_html(entries: Sequence[Entry]) -> str:
    """The runs as a table in plain HTML."""
    if not entries:
        return "<p>No runs yet.</p>"
    return _table(COLUMNS, (map(html.escape, entry.cells) for entry in entries))


def shown_html(entry: Entry) -> str:
    """The result of a run with its plot, as HTML.

    Raises:
        MMGError: The run has no result.
    """
    outcome = entry.outcome
    if outcome is None:
        what = f"Run {entry.number} has no result; its state is {entry.run.state}."
        raise MMGError(what, "Choose a run that has finished or was stopped.")
    bundle, _ = outcome.bundle(session_unit())
    return titled(entry, bundle["text/html"])


def titled(entry: Entry, shown: str) -> str:
    """The HTML of a run, with its title above."""
    title = html.escape(f"Run {entry.number}: {entry.asked.what} by {entry.asked.estimators}")
    return f"<h4 style='margin:0 0 4px'>{title}</h4>{shown}"


def comparison(entries: Sequence[Entry]) -> str:
    """The estimates of several runs on one axis, with the settings in which they differ.

    Raises:
        MMGError: The runs have fewer than two results.
    """
    found = [(e, name, result) for e in entries for name, result in e.results.items()]
    if len(found) < 2:
        what = f"A comparison needs at least two results; got {len(found)}."
        raise MMGError(what, "Select more runs that have a result.")
    spans = [r.interval() if r.stderr else (r.mi, r.mi) for _, _, r in found]
    low = min(0.0, *(low for low, _ in spans))
    high = max(1e-9, *(high for _, high in spans))

    shared = set.intersection(*(set(entry.asked.changed.items()) for entry, _, _ in found))
    rows = []
    for (entry, name, result), (left, right) in zip(found, spans, strict=True):
        bar = interval_bar(left, result.mi, right, low, high, final=result.status.complete)
        settings = {k: v for k, v in entry.asked.changed.items() if (k, v) not in shared}
        asked = entry.asked.what, f"{name}, {_words(settings)}"
        below = "<br>".join(map(html.escape, asked))
        rows.append((str(entry.number), _beside(_ending(result, bar), below)))
    unit = session_unit()
    size = unit_size(unit)
    axis = f"95 % interval, {low / size:.2f} to {high / size:.2f} {unit}"
    heads = ("run", _beside(f"estimate, {axis}", "quantity, estimator, settings"))
    return f"<h4 style='margin:0 0 4px'>Comparison</h4>{_table(heads, rows)}"


def _beside(first: str, then: str) -> str:
    """Two parts of a cell side by side; in a narrow page the second one stands below."""
    return (
        f"<div style='display:flex;flex-wrap:wrap;gap:0 14px'><div style='{NARROW}'>{first}</div>"
        f"<div style='{REST}'>{then}</div></div>"
    )


def _ending(result: MIResult, bar: str) -> str:
    """An estimate and how far it can be trusted, above its interval."""
    estimate = f"<span style='white-space:nowrap'>{html.escape(_brief(result))}</span>"
    return f"{estimate} {pill(badge(result))}<br>{bar}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f"<table style='margin:6px 0'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
