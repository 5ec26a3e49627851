"""The views of the progress of a run that need no widgets."""

from __future__ import annotations

import html
import time
from typing import Any, Protocol

from mmg_nb.jupyter.place import Card, Place
from mmg_nb.runs.progress import Clock, Progress

__all__ = ["Card", "CardView", "NoView", "Progress", "TextView", "View", "left_by", "no_result"]

CARD_SECONDS = 0.2  # between updates of a card
TEXT_SECONDS = 3.0  # between printed lines
HOW_TO_STOP = (
    "Interrupt the kernel (■) to stop early. The estimate so far, if any, is kept as the result."
)
HOW_TO_STOP_HERE = (
    "Interrupt (Ctrl-C) to stop early. The estimate so far, if any, is kept as the result."
)


class View(Protocol):
    """Shows a run in the thread of the cell that waits for it."""

    def tick(self, progress: Progress) -> None:
        """Update the view, if the last update is old enough. Called about 20 times a second."""
        ...

    def finish(self, result: Any) -> bool:
        """Replace the live view with the result, or with what else the run leaves.

        Returns:
            Whether the view displays the result.
        """
        ...

    def fail(self, error: BaseException) -> None:
        """Replace the live view with a message that there is no result."""
        ...


class NoView:
    """Shows nothing."""

    def tick(self, progress: Progress) -> None:
        """Show nothing."""

    def finish(self, result: Any) -> bool:
        """Show nothing."""
        return False

    def fail(self, error: BaseException) -> None:
        """Show nothing."""


class TextView:
    """Prints a line every few seconds."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._phase = ""

    def tick(self, progress: Progress) -> None:
        """Print a line, if the phase is new or the last line is old enough."""
        now = self._clock()
        counted = progress.step is not None or progress.share is not None
        new = progress.phase != self._phase and (counted or not self._phase)
        if not new and now - self._last < TEXT_SECONDS:
            return
        if not self._phase:
            print(f"{progress.subject}. {HOW_TO_STOP_HERE}")
        self._phase, self._last = progress.phase, now
        print("; ".join(part for part in (progress.doing, progress.estimate) if part), flush=True)

    def finish(self, result: Any) -> bool:
        """Print what is left in place of the result; leave the result itself to the caller."""
        if isinstance(result, Card) and result.text:
            print(result.text, flush=True)
        return False

    def fail(self, error: BaseException) -> None:
        """Leave the error to the caller."""


class CardView:
    """Shows a card and updates it in place. At the end, the result replaces the card.

    A saved notebook then holds the result, in formats that need neither a kernel nor a widget.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._place = Place()
        self._last = -CARD_SECONDS

    def tick(self, progress: Progress) -> None:
        """Update the card, if the last update is old enough."""
        if self._clock() - self._last < CARD_SECONDS:
            return
        self._place.show(_card(progress))
        self._last = self._clock()

    def finish(self, result: Any) -> bool:
        """Replace the card with the result."""
        self._place.show(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the card, if there is one, with the name of the error."""
        if self._place.taken:
            self._place.show(no_result(error))


def left_by(run: Any, error: BaseException) -> Any:
    """What takes the place of a view if its run failed: the results before, or that there is none.

    Args:
        run: The run, see `mmg_nb.jupyter.handle.Run`.
        error: Its error.
    """
    return no_result(error) if run.standing is None else run.standing


def no_result(error: BaseException) -> Card:
    """What takes the place of a view if its run failed."""
    text = f"Ended without a result ({type(error).__name__})."
    return Card(text, f"<p>{html.escape(text)}</p>")


BOX = "max-width:560px;padding:8px 12px;border-radius:4px;border:1px solid rgba(127,127,127,.4)"
TRACK = "height:6px;border-radius:3px;margin:6px 0;background:rgba(127,127,127,.25)"
FILL = "height:6px;border-radius:3px;background:#0072B2"


def _card(progress: Progress) -> Card:
    """The card of a running estimate. Its colours also suit dark themes."""
    said = [part for part in (progress.subject, progress.doing, progress.estimate) if part]
    subject, doing, estimate = map(
        html.escape, (progress.subject, progress.doing, progress.estimate)
    )
    percent = f"{100 * progress.bar:.0f}"
    bar = (
        f'<div style="{TRACK}" role="progressbar" aria-label="steps" aria-valuenow="{percent}" '
        f'aria-valuemin="0" aria-valuemax="100"><div style="{FILL};width:{percent}%"></div></div>'
    )
    lines = (
        f'<strong>{subject}</strong>{bar}<div>{doing}</div><div style="min-height:1.4em">'
        f"{estimate}</div><small>{HOW_TO_STOP}</small>"
    )
    return Card("; ".join(said), f'<div style="{BOX}">{lines}</div>')
