"""What the answers to questions have in common: a card, a picture, a file, and what is said."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmg_nb.results.card import as_html, as_latex, as_markdown, as_text
from mmg_nb.results.facts import Badge, Facts
from mmg_nb.results.picture import Picture
from mmg_nb.results.saved import SavedRecord
from mmg_nb.results.status import Status
from mmg_nb.results.unfinished import headline_so_far, how_to_finish, line_so_far

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Answer", "first_of", "not_looked_at", "said_once"]

MAX_SUBJECTS = 3  # listed with one note


class Answer(SavedRecord):
    """Base of frozen dataclasses that answer a question with several estimates.

    After a stop, no verdict is stated: what was not tried may change it.

    Attributes:
        status: Interrupted, if the computation was stopped.
        notes: What the user should know about the data and the estimates.
        stopped_after: What was done before a stop, e.g. `3 of 40 lags`; empty without a stop.
    """

    status: Status
    notes: tuple[str, ...]
    stopped_after: str = ""

    @property
    def summary(self) -> str:
        """The answer in one line, in nats; after a stop, what is known."""
        return self.summary_in("nats")

    def summary_in(self, unit: str) -> str:
        """The same, in `nats` or `bits`."""
        if self.status.complete:
            return self._summary(unit)
        return line_so_far(self._known(unit), self.stopped_after)

    def facts(self, unit: str = "nats") -> Facts:
        """What the card says.

        Args:
            unit: `nats` or `bits`.
        """
        said = self._facts(unit)
        if self.status.complete:
            return said
        return replace(
            said,
            headline=headline_so_far(self._known(unit)),
            badge=Badge.STOPPED,
            interval=None,
            remedy=how_to_finish(self.stopped_after) if self.stopped_after else "",
        )

    @abstractmethod
    def _summary(self, unit: str) -> str:
        """The complete answer in one line."""

    @abstractmethod
    def _facts(self, unit: str) -> Facts:
        """What the card of the complete answer says."""

    @abstractmethod
    def _known(self, unit: str) -> str:
        """What is known after a stop, without a verdict."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The estimates as a table, in nats."""

    @abstractmethod
    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the answer.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """

    def __repr__(self) -> str:
        count = len(self.notes)
        notes = "" if not count else f"; {count} note{'s' if count > 1 else ''}"
        return f"{type(self).__name__}({self.summary}{notes})"

    def alt(self, unit: str = "nats") -> str:
        """The plot in words, for readers who cannot see it."""
        return self.summary_in(unit)

    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The answer as text, HTML, Markdown and LaTeX, with its picture.

        Args:
            unit: `nats` or `bits`.

        Returns:
            Data and metadata by MIME type, as `_repr_mimebundle_` returns them.
        """
        # Imported here because matplotlib is loaded only to draw.
        from mmg_nb.plots.axes import axes_png
        from mmg_nb.plots.result import PNG_WIDTH

        said = self.facts(unit)
        picture = Picture(axes_png(self.plot(unit=unit)), self.alt(unit), PNG_WIDTH)
        data, metadata = picture.bundle(as_text(said), as_html(said, picture.tag))
        texts = {"text/markdown": as_markdown(said), "text/latex": as_latex(said)}
        return {**data, **texts}, metadata


def said_once(remarks: Sequence[tuple[str, str]], *, of_columns: bool = False) -> tuple[str, ...]:
    """Notes with what they are about, each once. Notes that differ in numbers only are alike.

    Args:
        remarks: Subject and note of each.
        of_columns: Whether subjects are columns. Then notes with few of them come first, and
            where numbers differ, the note says whose they are.

    Returns:
        The notes, each with its first subjects.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}
    for subject, note in remarks:
        notes, subjects = found.setdefault(re.sub(r"\d+", "#", note), ([], []))
        notes.append(note)
        subjects.append(subject)
    said = []
    for notes, subjects in sorted(found.values(), key=lambda f: len(f[1]) if of_columns else 0):
        differ = of_columns and len(set(notes)) > 1
        whose = f" (The numbers are those of {subjects[0]}.)" if differ else ""
        said.append(f"{first_of(subjects)}: {notes[0]}{whose}")
    return tuple(said)


def not_looked_at(left_out: Mapping[str, str]) -> str:
    """What a headline adds if columns are left out; empty if none is.

    Args:
        left_out: Name -> reason.
    """
    if len(left_out) > 1:
        return f"; {len(left_out)} columns were left out"
    # What to do about it is in a note.
    each = (f"; {name} was left out: {left_out[name].split('; missing=')[0]}" for name in left_out)
    return "".join(each)


def first_of(subjects: Sequence[str]) -> str:
    """The first `MAX_SUBJECTS` of them, and how many more there are."""
    if len(subjects) <= MAX_SUBJECTS:
        return "; ".join(subjects)
    return "; ".join(subjects[:MAX_SUBJECTS]) + f" and {len(subjects) - MAX_SUBJECTS} more"
