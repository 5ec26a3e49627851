"""The progress of a run, and the views that show it."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mmg_nb.jupyter.place import Place
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Event, Phase, Snapshot, Started, Step, Working

__all__ = ["CardView", "NoView", "Progress", "TextView", "View"]

CARD_SECONDS = 0.2  # between updates of a card
TEXT_SECONDS = 3.0  # between printed lines
HOW_TO_STOP = "Interrupt the kernel (■) to stop early and keep what is known so far."
HOW_TO_STOP_HERE = "Interrupt (Ctrl-C) to stop early and keep what is known so far."

Clock = Callable[[], float]


class Progress:
    """Stores the latest events of a run. The worker writes it, and views read it.

    Args:
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.started: Started | None = None
        self.phase = "starting"
        self.step: Step | None = None
        self.share: float | None = None
        self.mi: float | None = None
        self.stopping = False
        self.paused = False
        self._first = (0.0, 0)

    def __call__(self, event: Event) -> None:
        """Store an event."""
        if isinstance(event, Step):
            if self.step is None:
                self._first = self._clock(), event.step
            self.step = event
        elif isinstance(event, Snapshot):
            self.mi = event.mi
        elif isinstance(event, Phase):
            self.phase, self.step, self.share = event.name, None, None
        elif isinstance(event, Working) and event.share is not None:
            self.share = event.share
        elif isinstance(event, Started):
            self.started, self.mi, self.step = event, None, None

    @property
    def fraction(self) -> float:
        """Fraction of the phase that is done."""
        if self.step is None:
            return self.share or 0.0
        return self.step.step / max(1, self.step.total_steps)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the remaining steps will take; None until they can be estimated."""
        began, first = self._first
        if self.step is None or self.step.step <= first:
            return None
        pace = (self._clock() - began) / (self.step.step - first)
        return pace * (self.step.total_steps - self.step.step)

    @property
    def doing(self) -> str:
        """Phase, step and time left, e.g. `training, step 10 of 4000, about 9 s left`."""
        words = ["stopping" if self.stopping else "paused" if self.paused else self.phase]
        if self.step is None and self.share is not None:
            words.append(f"{100 * self.share:.0f} %")
        if self.step is not None:
            words.append(f"step {self.step.step} of {self.step.total_steps}")
            if self.seconds_left is not None and not self.stopping:
                words.append(f"about {_duration(self.seconds_left)} left")
        return ", ".join(words)

    @property
    def estimate(self) -> str:
        """The latest validation estimate in words; empty before the first validation."""
        return "" if self.mi is None else f"validation estimate {self.mi:.3f} nats"

    @property
    def subject(self) -> str:
        """Estimator, data and device, e.g. `mmg, 1000 rows, 1×1, cpu`."""
        if self.started is None:
            return "mmg_nb"
        s = self.started
        given = f" given {s.dim_z}" if s.dim_z else ""
        return f"{s.estimator}, {s.n_samples} rows, {s.dim_x}×{s.dim_y}{given}, {s.device}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class View(Protocol):
    """Shows a run in the thread of the cell that waits for it."""

    def tick(self, progress: Progress) -> None:
        """Update the view, if the last update is old enough. Called about 20 times a second."""
        ...

    def finish(self, result: MIResult) -> bool:
        """Replace the live view with the result.

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

    def finish(self, result: MIResult) -> bool:
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
        if progress.started is None or (
            progress.phase == self._phase and now - self._last < TEXT_SECONDS
        ):
            return
        if not self._phase:
            print(f"{progress.subject}. {HOW_TO_STOP_HERE}")
        self._phase, self._last = progress.phase, now
        print("; ".join(part for part in (progress.doing, progress.estimate) if part), flush=True)

    def finish(self, result: MIResult) -> bool:
        """Leave the result to the caller."""
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
        if progress.started is None or self._clock() - self._last < CARD_SECONDS:
            return
        self._place.show(_card(progress))
        self._last = self._clock()

    def finish(self, result: MIResult) -> bool:
        """Replace the card with the result."""
        self._place.show(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the card, if there is one, with the name of the error."""
        if self._place.taken:
            text = f"Ended without a result ({type(error).__name__})."
            self._place.show(Card(text, f"<p>{html.escape(text)}</p>"))


@dataclass(frozen=True)
class Card:
    """An output, as text and as HTML."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


BOX = "max-width:560px;padding:8px 12px;border-radius:4px;border:1px solid rgba(127,127,127,.4)"
TRACK = "height:6px;border-radius:3px;margin:6px 0;background:rgba(127,127,127,.25)"
FILL = "height:6px;border-radius:3px;background:#0072B2"


def _card(progress: Progress) -> Card:
    """The card of a running estimate. Its colours also suit dark themes."""
    said = [part for part in (progress.subject, progress.doing, progress.estimate) if part]
    subject, doing, estimate = map(
        html.escape, (progress.subject, progress.doing, progress.estimate)
    )
    percent = f"{100 * progress.fraction:.0f}"
    bar = (
        f'<div style="{TRACK}" role="progressbar" aria-label="steps" aria-valuenow="{percent}" '
        f'aria-valuemin="0" aria-valuemax="100"><div style="{FILL};width:{percent}%"></div></div>'
    )
    lines = (
        f'<strong>{subject}</strong>{bar}<div>{doing}</div><div style="min-height:1.4em">'
        f"{estimate}</div><small>{HOW_TO_STOP}</small>"
    )
    return Card("; ".join(said), f'<div style="{BOX}">{lines}</div>')
