"""What a run asks of whoever keeps it, so that it can go on after the process has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

__all__ = ["Keeper", "Restorable", "Unkept"]

Tensors = dict[str, "Tensor"]


class Restorable(Protocol):
    """The state of a training, which changes with every step and can be kept and restored.

    Attributes:
        generator: Source of randomness of the training, on its device.
    """

    generator: Generator

    def numbers(self) -> dict[str, Any]:
        """Everything that is no tensor, as plain values."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of every tensor, by name, on the host."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any]) -> None:
        """Become the state that `arrays` and `numbers` were taken of."""
        ...


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

    def begin(self, state: Restorable) -> None:
        """Look after one training from its start; a resumed one continues where it was kept."""
        ...

    def offer(self, state: Restorable, *, urgent: bool = False) -> None:
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

    def begin(self, state: Restorable) -> None:
        """Leave the state as it is."""

    def offer(self, state: Restorable, *, urgent: bool = False) -> None:
        """Keep nothing."""
