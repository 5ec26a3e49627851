"""The runs of a session, their numbers and their table."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmg_nb.errors import MMGError, brief
from mmg_nb.jupyter.handle import Run
from mmg_nb.runs.events import Event, RunState, StateChanged

__all__ = ["RunTable", "Runs", "is_number", "is_result"]

MAX_ENDED = 100  # ended runs whose results stay in memory


def is_number(text: str) -> bool:
    """Whether a text is the number of a run, such as `3` or `#3`."""
    return text.removeprefix("#").isdecimal()


def is_result(value: Any) -> bool:
    """Whether a value is a result of this package: of an estimate, a comparison, a question."""
    return hasattr(value, "bundle") and hasattr(value, "plot")


class Runs:
    """The runs of one shell, numbered from 1.

    Attributes:
        latest: The last result, wherever it comes from; None before the first.
    """

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._count = 0
        self.latest: Any = None

    def add(self, run: Run) -> None:
        """Number and store a run. Beyond `MAX_ENDED`, the oldest ended runs are removed."""
        self._count += 1
        run.number = self._count
        self._runs = {**self._runs, run.number: run}
        ended = [each for each in self if each.state.ended]
        for each in ended[: max(0, len(ended) - MAX_ENDED)]:
            assert each.number is not None
            del self._runs[each.number]

        def follow(event: Event) -> None:
            if isinstance(event, StateChanged) and event.state.ended:
                self.note(run.outcome)

        run.subscribe(follow)

    def note(self, value: Any) -> None:
        """Store what a run has left, if it is a result, as the last one."""
        if is_result(value):
            self.latest = value

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def find(self, number: str, states: Sequence[RunState]) -> Run:
        """The run with a number, or else the latest run in one of the states.

        Args:
            number: The number as the user wrote it, or "".
            states: The states to choose from if there is no number.

        Returns:
            The run.

        Raises:
            MMGError: No such run exists.
        """
        if not number:
            fitting = [run for run in self if run.state in states]
            if fitting:
                return fitting[-1]
            raise MMGError(f"No run is {' or '.join(states)}.", self._in_words())
        found = self._runs.get(int(number.removeprefix("#"))) if is_number(number) else None
        if found is None:
            raise MMGError(f"There is no run {brief(number)}.", self._in_words())
        return found

    def last_result(self) -> Any:
        """The last result.

        Raises:
            MMGError: There is none.
        """
        if self.latest is None:
            going = f" {self._in_words()}" if self._runs else ""
            raise MMGError("There is no result yet.", f"Run %mmg estimate X Y first.{going}")
        return self.latest

    def result_of(self, run: Run) -> Any:
        """What a run has left.

        Raises:
            MMGError: It has no result.
        """
        found = run.outcome
        if is_result(found):
            return found
        if run.state.ended:
            what = f"{run.name} has no result; its state is {run.state}."
            raise MMGError(what, f"Choose a run that has one. {self._in_words()}")
        what = f"{run.name} has no result yet; its state is {run.state}."
        raise MMGError(what, f"Wait for its end, or stop it: %mmg stop {run.number or ''}".strip())

    def _in_words(self) -> str:
        if not self._runs:
            return "%mmg estimate X Y --background starts a run."
        listed = ", ".join(f"{run.number} ({run.state})" for run in list(self)[-8:])
        return f"Runs: {listed}."

    def stop_all(self) -> None:
        """Stop all runs that have not ended."""
        for run in self:
            run.stop()


@dataclass(frozen=True, eq=False)
class RunTable:
    """The states of all runs at the time of its creation, as text and as HTML."""

    lines: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, runs: Runs) -> RunTable:
        """The table of the runs now."""
        return cls(tuple(map(_line, runs)))

    def __repr__(self) -> str:
        if not self.lines:
            return "No runs yet. %mmg estimate X Y --background starts a run."
        cells = (_HEADER, *self.lines)
        widths = [max(len(line[k]) for line in cells) for k in range(len(_HEADER))]
        rows = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in cells
        )
        return "\n".join(row.rstrip() for row in rows)

    def _repr_html_(self) -> str:
        if not self.lines:
            return f"<p>{html.escape(repr(self))}</p>"
        head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in _HEADER)
        body = "".join(f"<tr>{_cells(line)}</tr>" for line in self.lines)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0"
_WRAP = f"{_CELL};min-width:110px;overflow-wrap:anywhere"  # of texts that may be long
_HEADER = ("run", "estimate", "state", "quantity", "estimator", "time")
_STYLES = (_CELL, _WRAP, _CELL, _WRAP, _CELL, _CELL)


def _cells(line: Sequence[str]) -> str:
    return "".join(
        f'<td style="{style}">{html.escape(text)}</td>'
        for style, text in zip(_STYLES, line, strict=True)
    )


def _line(run: Run) -> tuple[str, ...]:
    estimate = run.summary or run.progress.estimate or "–"
    state = str(run.state)
    if run.state is RunState.RUNNING:
        state = f"{state}, {run.progress.doing}"
    if run.state is RunState.FINISHED and not run.result.status.complete:
        state = f"{state}, {run.result.status.words}"
    seconds = f"{run.seconds:.0f} s"
    return str(run.number), estimate, state, run.what, run.estimator, seconds
