"""What a run asks of whoever keeps it, so that it can go on after the process has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Generator, Tensor

from mmg_nb.training.state import TrainingState

__all__ = ["Keeper", "Unkept"]

Tensors = dict[str, Tensor]


class Keeper(Protocol):
    """Remembers a run, and gives back what it remembers to a run that goes on."""

    @property
    def seconds(self) -> float:
        """Seconds that the run had taken before it was resumed; 0 for a new one."""
        ...

    def confirm(self, fingerprint: int) -> None:
        """Make sure that a resumed run assigns its rows as before.

        Raises:
            MMGError: It does not; evaluation would use rows that training has seen.
        """
        ...

    def once(self, name: str, compute: Callable[[], Tensors], generator: Generator) -> Tensors:
        """Compute something before training, or recall it, with the generator as it was then.

        Args:
            name: What it is.
            compute: Gives it, by name.
            generator: Its source of randomness.

        Returns:
            What was computed, now or then; on the device of the generator.
        """
        ...

    def begin(self, state: TrainingState) -> None:
        """Look after one training from its start; a resumed one continues where it was kept."""
        ...

    def offer(self, state: TrainingState, *, urgent: bool = False) -> None:
        """Keep the state if it is time to, or if it is urgent. Called between any two steps."""
        ...


class Unkept:
    """Keeps nothing."""

    seconds = 0.0

    def confirm(self, fingerprint: int) -> None:
        """Any assignment will do."""

    def once(self, name: str, compute: Callable[[], Tensors], generator: Generator) -> Tensors:
        """Compute it."""
        return compute()

    def begin(self, state: TrainingState) -> None:
        """Leave the state as it is."""

    def offer(self, state: TrainingState, *, urgent: bool = False) -> None:
        """Keep nothing."""
