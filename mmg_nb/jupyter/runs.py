"""The runs of a session, and how `%mmg` names and lists them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.handle import Run
from mmg_nb.runs.events import RunState

__all__ = ["RunTable", "Runs", "is_number"]

MOST_KEPT = 100  # ended runs, with their results


def is_number(text: str) -> bool:
    """Whether a text is the number of a run, such as `3` or `#3`."""
    return text.removeprefix("#").isdecimal()


class Runs:
    """The runs of one shell, numbered from 1."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._count = 0

    def add(self, run: Run) -> None:
        """Number a run and keep it; the oldest ended one makes room."""
        self._count += 1
        run.number = self._count
        self._runs = {**self._runs, run.number: run}
        ended = [each for each in self if each.state.ended]
        for each in ended[: max(0, len(ended) - MOST_KEPT)]:
            assert each.number is not None
            del self._runs[each.number]

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def find(self, number: str, fits: Callable[[Run], bool], wanted: str) -> Run:
        """The run of a number, or else the latest one that fits.

        Args:
            number: As written, or "".
            fits: Which runs can be meant where none is named.
            wanted: These in a word, e.g. `running`.

        Returns:
            The run.

        Raises:
            MMGError: There is no such run.
        """
        if not number:
            fitting = [run for run in self if fits(run)]
            if fitting:
                return fitting[-1]
            raise MMGError(f"No run is {wanted}.", self._in_words())
        found = self._runs.get(int(number.removeprefix("#"))) if is_number(number) else None
        if found is None:
            raise MMGError(f"There is no run {number!r}.", self._in_words())
        return found

    def _in_words(self) -> str:
        if not self._runs:
            return "%mmg estimate X Y --background starts one."
        listed = ", ".join(f"{run.number} ({run.state})" for run in list(self)[-8:])
        return f"Runs: {listed}."

    def stop_all(self) -> None:
        """Stop whatever still runs."""
        for run in self:
            run.stop()


@dataclass(frozen=True, eq=False)
class RunTable:
    """Runs as they stood when the table was made, as text and as HTML."""

    lines: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, runs: Runs) -> RunTable:
        """The table of the runs there are now."""
        return cls(tuple(map(_line, runs)))

    def __repr__(self) -> str:
        if not self.lines:
            return "No runs yet; %mmg estimate X Y --background starts one."
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
        head = "".join(f'<th scope="col">{name}</th>' for name in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in self.lines
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_HEADER = ("run", "what", "estimator", "state", "estimate", "time")


def _line(run: Run) -> tuple[str, ...]:
    if run.state in (RunState.STOPPED, RunState.FINISHED):
        estimate = run.result.summary
    else:
        estimate = run.progress.estimate or "–"
    state = str(run.state)
    if run.state is RunState.RUNNING:
        state = f"{state}, {100 * run.progress.fraction:.0f} % of {run.progress.phase}"
    seconds = f"{run.seconds:.0f} s"
    return str(run.number), run.what, run.estimator, state, estimate, seconds
