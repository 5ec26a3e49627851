"""An estimator under test, and data with known mutual information."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import estimate
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Event, Finished, Listener, Step, silent

__all__ = ["CORRELATION", "TRUTH", "Array", "Subject", "as_images", "shown", "soon"]

Array = NDArray[np.float64]

N = 1000
N_IMAGES = 250
CORRELATION = 0.75
TRUTH = -0.5 * math.log1p(-(CORRELATION**2))  # nats
SIDE = 8  # pixels


@dataclass(frozen=True, eq=False)
class Subject:
    """An estimator under test, and data for it.

    Attributes:
        estimator: The estimator.
    """

    estimator: Estimator

    @property
    def name(self) -> str:
        """Its name."""
        return self.estimator.name

    @cached_property
    def pair(self) -> tuple[Array, Array]:
        """Data of `TRUTH` nats: x and y `(1000, 1)`, or 250 rows with x as images.

        Raises:
            MMGError: The estimator needs something else.
        """
        if self.estimator.needs - {"images", "given"}:
            needs = ", ".join(sorted(self.estimator.needs))
            what = f"check_estimator has no data for an estimator that needs {needs}."
            raise MMGError(what, "Test it on data of your own.")
        images = "images" in self.estimator.needs
        shape = (N_IMAGES if images else N, 1)
        generator = np.random.default_rng(0)
        y = generator.normal(size=shape)
        x = CORRELATION * y + math.sqrt(1 - CORRELATION**2) * generator.normal(size=shape)
        return (as_images(x) if images else x), y

    @cached_property
    def events(self) -> list[Event]:
        """The events of the first run, on `pair`."""
        heard: list[Event] = []
        self.run(listen=heard.append)
        return heard

    @property
    def first(self) -> MIResult:
        """The result of the first run, on `pair`."""
        return next(event.result for event in self.events[::-1] if isinstance(event, Finished))

    @property
    def steps(self) -> int:
        """The number of events `Step` of the first run."""
        return sum(isinstance(event, Step) for event in self.events)

    def run(
        self,
        x: Any = None,
        y: Any = None,
        *,
        given: Any = None,
        seed: int = 0,
        listen: Listener = silent,
    ) -> MIResult:
        """Estimate on copies of x and y, by default of `pair`."""
        x = (self.pair[0] if x is None else x).copy()
        y = (self.pair[1] if y is None else y).copy()
        options = {"given": self.given(given, len(x)), "seed": seed, "device": "cpu"}
        return estimate(x, y, self.estimator, listen=listen, **options)

    def given(self, given: Any, rows: int) -> Any:
        """The condition. If the estimator needs one and none is given, independent numbers."""
        if given is None and "given" in self.estimator.needs:
            return np.random.default_rng(5).normal(size=rows)
        return given


def as_images(values: Array) -> Array:
    """`(n, 1)` -> `(n, 1, 8, 8)`: a spot as bright as the value."""
    place = np.arange(SIDE) - (SIDE - 1) / 2
    spot = np.exp(-(place[:, None] ** 2 + place**2) / SIDE)
    return values[:, :, None, None] * spot


def shown(result: MIResult) -> str:
    """Estimator and estimate in words."""
    error = "" if result.stderr is None else f" ± {result.stderr:.3f}"
    return f"{result.estimator} gives {result.mi:.3f}{error} nats"


def soon(event: Event) -> bool:
    """A listener that stops the run at its first step, for checks that need no accuracy."""
    return isinstance(event, Step)
