"""The interface through which a run is saved, so that it can be resumed in a new process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

__all__ = ["Keeper", "NoCheckpoint", "Restorable"]

Tensors = dict[str, "Tensor"]


class Restorable(Protocol):
    """The state of a training. It changes at every step, and can be saved and restored.

    Attributes:
        generator: Random generator of the training, on its device.
    """

    generator: Generator

    def numbers(self) -> dict[str, Any]:
        """All values that are not tensors, as plain values."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of all tensors by name, on the host."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any]) -> None:
        """Restore the state from the values that `arrays` and `numbers` returned."""
        ...


class Keeper(Protocol):
    """Saves the state of a run, and restores it in a resumed run."""

    @property
    def seconds(self) -> float:
        """Seconds that the run took before it was resumed; 0 for a new run."""
        ...

    def check_split(self, fingerprint: int) -> None:
        """Check that a resumed run splits its rows as before.

        Raises:
            MMGError: The split differs, so evaluation would use rows from training.
        """
        ...

    def cached(self, name: str, compute: Callable[[], Tensors], generator: Generator) -> Tensors:
        """Compute tensors before training, or restore them with the state of the generator.

        Args:
            name: Name of the computation.
            compute: Returns the tensors by name.
            generator: Random generator of the computation.

        Returns:
            The tensors, computed now or restored, on the device of the generator.
        """
        ...

    def track(self, state: Restorable) -> None:
        """Register a training at its start; a resumed one continues from its saved state."""
        ...

    def maybe_save(self, state: Restorable, *, urgent: bool = False) -> None:
        """Save the state if it is due or urgent. Called between any two steps."""
        ...


class NoCheckpoint:
    """A keeper that saves nothing."""

    seconds = 0.0

    def check_split(self, fingerprint: int) -> None:
        """Accept any split of the rows."""

    def cached(self, name: str, compute: Callable[[], Tensors], generator: Generator) -> Tensors:
        """Compute the tensors."""
        return compute()

    def track(self, state: Restorable) -> None:
        """Do not change the state."""

    def maybe_save(self, state: Restorable, *, urgent: bool = False) -> None:
        """Save nothing."""
