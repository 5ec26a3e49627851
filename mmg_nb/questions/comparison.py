"""Results of several estimators on the same data, side by side."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mmg_nb.errors import MMGError, brief, listed
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.results.facts import amount, unit_size
from mmg_nb.results.picture import Picture
from mmg_nb.results.result import MIResult
from mmg_nb.results.saved import SavedRecord
from mmg_nb.results.status import Status
from mmg_nb.results.unfinished import how_to_finish, line_so_far

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["NOT_RUN", "RUNNING", "Comparison", "Line"]

NOT_RUN, RUNNING = "not run", "running"  # reasons why there is no result yet
APART = 3.0  # standard errors of a difference, from which on estimates disagree
WHICH = (
    "The estimates differ by more than their errors. A method that misses some dependence, and a "
    "lower bound, give too little. Trust mmg, or ksg in few columns, unless its status or a note "
    "reports a problem."
)


@dataclass(frozen=True)
class Line:
    """One estimator of a comparison.

    Attributes:
        label: Name, and the fields that differ from their defaults, e.g. `mmg:steps=1000`.
        result: Its result; None if it has none.
        reason: Why there is no result.
    """

    label: str
    result: MIResult | None = None
    reason: str = ""

    @property
    def estimate(self) -> str:
        """The estimate with its standard error, nats; a dash without a result."""
        return self.estimate_in("nats")

    def estimate_in(self, unit: str) -> str:
        """The same in `nats` or `bits`."""
        if self.result is None:
            return "–"
        return amount(self.result.mi, self.result.stderr, unit).removesuffix(f" {unit}")

    @property
    def status(self) -> str:
        """How the run ended, in words, or why there is no result."""
        return self.reason if self.result is None else self.result.status.words

    @property
    def is_early(self) -> bool:
        """Whether the estimator has not come to its end: stopped, running, or not run."""
        if self.result is None:
            return self.reason in (NOT_RUN, RUNNING)
        return self.result.status is Status.INTERRUPTED

    @property
    def seconds(self) -> float | None:
        """Wall time, seconds."""
        found = None if self.result is None else self.result.provenance.get("seconds")
        return None if found is None else float(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the result, and what to do if training is not complete."""
        if self.result is None:
            return ()
        status = self.result.status
        missing = status in (Status.STEP_LIMIT, Status.DIVERGED)
        return (*self.result.notes, *([status.remedy] if missing else []))

    @property
    def method(self) -> str:
        """The estimator in words."""
        if self.result is None:
            return ""
        return getattr(estimator_class(self.result.estimator), "summary", "")


@dataclass(frozen=True, eq=False)
class Comparison(SavedRecord):
    """Results of several estimators on the same data, in the order requested.

    `comparison["ksg"]` is the `MIResult` of one estimator.

    Attributes:
        lines: One line per estimator.
    """

    FORMAT: ClassVar[str] = "mmg_nb.Comparison/1"

    lines: tuple[Line, ...]

    def _check(self) -> None:
        for result in self:
            result._check()

    @property
    def results(self) -> dict[str, MIResult]:
        """Label -> result, of the estimators that have a result."""
        return {each.label: each.result for each in self.lines if each.result is not None}

    def __getitem__(self, label: str) -> MIResult:
        if label in self.results:
            return self.results[label]
        what = f"This comparison has no result for {brief(label)}."
        raise MMGError(what, f"Results: {listed(self.results) or 'none'}.")

    def __iter__(self) -> Iterator[MIResult]:
        return iter(self.results.values())

    def __len__(self) -> int:
        return len(self.results)

    @property
    def status(self) -> Status:
        """Interrupted, if any estimator was stopped or did not run."""
        early = any(each.is_early for each in self.lines)
        return Status.INTERRUPTED if early else Status.CONVERGED

    @property
    def summary(self) -> str:
        """The range of the estimates, in one line."""
        return self.summary_in("nats")

    def summary_in(self, unit: str) -> str:
        """The same, in `nats` or `bits`."""
        return line_so_far(self._range(unit)) if self._is_unfinished else self._range(unit)

    def _range(self, unit: str) -> str:
        values = [each.mi / unit_size(unit) for each in self]
        if not values:
            return "no results"
        return f"{len(values)} estimates from {min(values):.3f} to {max(values):.3f} {unit}"

    @property
    def differ(self) -> bool:
        """Whether two estimates differ by more than their standard errors explain."""
        known = [each for each in self if each.stderr is not None]
        return any(
            abs(a.mi - b.mi) > APART * math.hypot(a.stderr or 0.0, b.stderr or 0.0)
            for a, b in itertools.combinations(known, 2)
        )

    @property
    def _is_unfinished(self) -> bool:
        """Whether a stop has left out something; while one is running, nobody knows."""
        running = any(each.reason == RUNNING for each in self.lines)
        return self.status is Status.INTERRUPTED and bool(self.results) and not running

    @property
    def _unfinished(self) -> str:
        """What is said after a stop; empty without one."""
        if not self._is_unfinished:
            return ""
        done = sum(not each.is_early for each in self.lines)
        return f"Not a final result. {how_to_finish(f'{done} of {len(self.lines)} estimators')}"

    @property
    def _is_open(self) -> bool:
        """Whether all have run, and the reader must choose among them."""
        return self.differ and self.status is Status.CONVERGED

    @property
    def frame(self) -> pd.DataFrame:
        """One row per estimator: estimate, error, 95 % interval (nats), seconds, status, notes."""
        import pandas as pd

        return pd.DataFrame([_row(each) for each in self.lines]).set_index("estimator")

    def plot(self, ax: Axes | None = None, truth: float | None = None, unit: str = "nats") -> Axes:
        """Draw all estimates with their 95 % intervals, one below the other.

        Args:
            ax: Axes to draw on. Default: new axes.
            truth: True mutual information, nats, drawn as a line.
            unit: `nats` or `bits`.

        Returns:
            The axes.

        Raises:
            MMGError: There is no result to draw, or the unit does not exist.
        """
        # Imported here because matplotlib is loaded only to draw.
        from mmg_nb.plots import forest

        results = {label: (each.mi, each.interval()) for label, each in self.results.items()}
        return forest.plot_estimates(results, ax, truth, unit, self.alt(unit), self._not_final)

    def __repr__(self) -> str:
        return self.text("nats")

    def text(self, unit: str) -> str:
        """The comparison as plain text, in `nats` or `bits`."""
        cells = [_header(unit), *(_cells(each, unit) for each in self.lines)]
        widths = [max(len(row[k]) for row in cells) for k in range(3)]
        rows = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        methods = [f"{each.label}: {each.method}" for each in self.lines if each.method]
        which = [WHICH, *methods] if self._is_open else []
        which += [self._unfinished] if self._is_unfinished else []
        return "\n".join(rows + which + [f"{label}: {note}" for label, note in self._remarks()])

    def _remarks(self) -> list[tuple[str, str]]:
        """Each note once, with the labels of the estimators that gave it."""
        found: dict[str, list[str]] = {}
        for each in self.lines:
            for note in each.notes:
                found.setdefault(note, []).append(each.label)
        return [(", ".join(labels), note) for note, labels in found.items()]

    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The comparison as text, HTML and PNG, as `_repr_mimebundle_` returns it.

        Args:
            unit: `nats` or `bits`.
        """
        text = self.text(unit)
        if not self.results:
            return {"text/plain": text, "text/html": self.html(unit=unit)}, {}
        from mmg_nb.plots import forest
        from mmg_nb.plots.axes import axes_png

        picture = Picture(axes_png(self.plot(unit=unit)), self.alt(unit), forest.PNG_WIDTH)
        return picture.bundle(text, self.html(picture.tag, unit))

    def alt(self, unit: str = "nats") -> str:
        """The plot in words, for readers who cannot see it."""
        endings = "".join(f"; {label} {how}" for label, how in self._not_final.items())
        return f"{self.summary_in(unit)}, with 95 % intervals{endings}"

    @property
    def _not_final(self) -> dict[str, str]:
        """Label -> how the run ended, of the results that are not final."""
        found = self.results.items()
        return {label: each.status.words for label, each in found if not each.status.complete}

    def html(self, below: str = "", unit: str = "nats") -> str:
        """The table as HTML.

        Args:
            below: HTML between the table and the notes.
            unit: `nats` or `bits`.

        Returns:
            HTML without scripts and style sheets, because untrusted notebooks remove these.
        """
        names = (*_header(unit), "time", "method")
        head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in names)
        body = "".join(_html_row(each, unit) for each in self.lines)
        notes = "".join(
            f"<li><strong>{html.escape(label)}</strong>: {html.escape(note)}</li>"
            for label, note in self._remarks()
        )
        notes = f'<ul style="max-width:640px;margin:0">{notes}</ul>' if notes else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        which = WHICH if self._is_open else self._unfinished
        which = f'<p style="max-width:640px;margin:4px 0">{which}</p>' if which else ""
        return f"<div>{table}{which}{below}{notes}</div>"


_CELL = "text-align:left;padding:2px 10px 2px 0"


def _header(unit: str) -> tuple[str, str, str]:
    return "estimator", f"estimate, {unit}", "status"


def _cells(line: Line, unit: str) -> tuple[str, str, str]:
    return line.label, line.estimate_in(unit), line.status


def _html_row(line: Line, unit: str) -> str:
    seconds = "" if line.seconds is None else f"{line.seconds:.1f} s"
    texts = _cells(line, unit)
    cells = "".join(f'<td style="{_CELL}">{html.escape(text)}</td>' for text in texts)
    # The mark lets a comparison of two notebook runs ignore the time.
    time = f'<td style="{_CELL}" data-varies="time">{seconds}</td>'
    return f'<tr>{cells}{time}<td style="{_CELL}">{html.escape(line.method)}</td></tr>'


def _row(line: Line) -> dict[str, Any]:
    found = line.result
    low, high = (None, None) if found is None else found.interval()
    return {
        "estimator": line.label,
        "mi": None if found is None else found.mi,
        "stderr": None if found is None else found.stderr,
        "low": low,
        "high": high,
        "seconds": line.seconds,
        "status": line.status,
        "notes": " ".join(line.notes),
    }
