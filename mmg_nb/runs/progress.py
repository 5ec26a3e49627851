"""The progress of a run in words: its phase, the share that is done, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from mmg_nb.results.facts import amount
from mmg_nb.runs.events import Event, FirstEstimate, Phase, Snapshot, Started, Step, Working

__all__ = ["Clock", "Progress", "duration"]

Clock = Callable[[], float]

USUAL_SHARE = 0.35
"""Training of `mmg` ends after a third of the planned steps if nothing is learned (grace)."""
OF_THE_REST = 0.25  # of the bar, for a phase that comes an unknown number of times
USUAL_BAR = 0.7  # the bar of a phase when it reaches the usual stopping step


@dataclass(frozen=True)
class _Words:
    """A phase as users read it: what happens, and where the bar of the run is at its end."""

    text: str
    end: float


LOADING = _Words("loading PyTorch", 0.03)
PHASES = {
    "starting": _Words("computing", 0.03),
    "anchor": _Words("fitting a first regression", 0.45),
    "training": _Words("training", 0.93),
    "canonical pairs": _Words("matching features of x and y", 0.93),
    "neighbours": _Words("searching nearest neighbours", 1.0),
    "evaluation": _Words("evaluating held-out rows", 1.0),
    "pairs of columns": _Words("estimating pairs of columns", 1.0),
    "each column alone": _Words("estimating each column alone", 0.1),
}


class Progress:
    """Stores the latest events of a run. The worker writes it, and views read it.

    Args:
        clock: Returns a monotonic time in seconds.
        what: What is estimated, shown until the run has started.
        trains: Whether the run trains from the start. Then it first loads PyTorch, once a session.

    Attributes:
        started: The first event of the run; None before.
        phase: Name of the phase, as in its event.
        step: The latest step; None in a phase without steps.
        share: Share of a phase without steps that is done; None if unknown.
        mi: The latest validation estimate, nats; None before the first.
        first: The estimate in closed form; None if there is none.
        stopping: Whether a stop was requested.
        paused: Whether the run is paused.
        unit: Unit of the estimate in words, `nats` or `bits`.
    """

    def __init__(
        self, clock: Clock = time.monotonic, what: str = "mmg_nb", trains: bool = False
    ) -> None:
        self._clock = clock
        self._what = what
        self._loads = trains and "torch" not in sys.modules
        self.started: Started | None = None
        self.phase = "starting"
        self.step: Step | None = None
        self.share: float | None = None
        self.mi: float | None = None
        self.first: FirstEstimate | None = None
        self.stopping = False
        self.paused = False
        self.unit = "nats"
        self._first = (0.0, 0)
        self._before = 0.0  # the bar at the start of the phase
        self._bar = 0.0

    def __call__(self, event: Event) -> None:
        """Store an event."""
        if isinstance(event, Step):
            if self.step is None:
                self._first = self._clock(), event.step
            self.step = event
        elif isinstance(event, Snapshot):
            self.mi = event.mi
        elif isinstance(event, FirstEstimate):
            self.first = event
        elif isinstance(event, Phase):
            self._before = self.bar
            self.phase, self.step, self.share = event.name, None, None
        elif isinstance(event, Working) and event.share is not None:
            self.share = event.share
        elif isinstance(event, Started):
            if self.started is not None:  # the next run of several
                self._before = self._bar = 0.0
            self.started, self.mi, self.step = event, None, None

    @property
    def fraction(self) -> float:
        """Fraction of the phase that is done, if it takes all planned steps."""
        if self.step is None:
            return self.share or 0.0
        return self.step.step / max(1, self.step.total_steps)

    @property
    def bar(self) -> float:
        """Share of the run that is done, from 0 to 1. It never falls.

        A training usually ends long before its planned steps. So the bar of a training has
        reached `USUAL_BAR` after `USUAL_SHARE` of them.
        """
        done = min(1.0, self.fraction)
        if self._may_end_early:
            done = _usual(done)
        end = self._words.end
        place = self._before + max(0.0, end - self._before) * done
        self._bar = max(self._bar, min(1.0, place))
        return self._bar

    @property
    def doing(self) -> str:
        """Phase, step and time left, e.g. `training, step 10, about 3 s left (at most 9 s)`."""
        words = ["stopping" if self.stopping else "paused" if self.paused else self._words.text]
        if self.step is None and self.share is not None:
            words.append(f"{100 * self.share:.0f} %")
        if self.step is not None:
            of = "" if self._may_end_early else f" of {self.step.total_steps}"
            words.append(f"step {self.step.step}{of}")
            if not self.stopping:
                words += self._left()
        return ", ".join(words)

    @property
    def estimate(self) -> str:
        """The latest estimate in words; empty before the first one."""
        if self.mi is not None:
            return f"so far {amount(self.mi, None, self.unit)}"
        if self.first is None:
            return ""
        first = amount(self.first.mi, self.first.stderr, self.unit)
        return f"first estimate {first}, as if x and y were normal"

    @property
    def subject(self) -> str:
        """Estimator, data and device, e.g. `mmg, 1000 rows, 1×1, cpu`."""
        if self.started is None:
            return self._what
        s = self.started
        given = f" given {s.dim_z}" if s.dim_z else ""
        return f"{s.estimator}, {s.n_samples} rows, {s.dim_x}×{s.dim_y}{given}, {s.device}"

    @property
    def _words(self) -> _Words:
        if self._is_part:  # nobody knows how often it comes
            return _Words(self.phase, self._before + OF_THE_REST * (0.93 - self._before))
        if self._loads and self.phase == "starting":
            return LOADING
        return PHASES.get(self.phase, _Words(self.phase, 0.93))

    @property
    def _is_part(self) -> bool:
        """Whether the phase is one of several that each take long."""
        return self.phase.startswith("choosing")

    @property
    def _may_end_early(self) -> bool:
        return self.phase == "training" and self.step is not None

    @property
    def pace(self) -> float | None:
        """Seconds that a step of this phase takes; None before its second step."""
        began, first = self._first
        if self.step is None or self.step.step <= first:
            return None
        return (self._clock() - began) / (self.step.step - first)

    def _left(self) -> list[str]:
        """The time that the phase usually takes, and the most that it can take."""
        pace = self.pace
        if self.step is None or pace is None:
            return []
        most = duration(pace * (self.step.total_steps - self.step.step))
        usual = pace * (USUAL_SHARE * self.step.total_steps - self.step.step)
        if not self._may_end_early:
            return [f"about {most} left" + (" of this part" if self._is_part else "")]
        return (
            [f"about {duration(usual)} left (at most {most})"]
            if usual > 0
            else [f"at most {most} left"]
        )


def _usual(share: float) -> float:
    """The bar of a training after a share of its planned steps."""
    if share <= USUAL_SHARE:
        return USUAL_BAR * share / USUAL_SHARE
    return USUAL_BAR + (1 - USUAL_BAR) * (share - USUAL_SHARE) / (1 - USUAL_SHARE)


def duration(seconds: float) -> str:
    """A time in words, e.g. `45 s` or `3 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
