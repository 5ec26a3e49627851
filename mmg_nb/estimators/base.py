"""What every estimator is: a frozen dataclass of fields with one method."""

from __future__ import annotations

from typing import ClassVar, Protocol

from mmg_nb.data import Pairs
from mmg_nb.events import Listener
from mmg_nb.results import MIResult

__all__ = ["Estimator"]


class Estimator(Protocol):
    """A method of estimating mutual information; its fields are its parameters.

    Attributes:
        name: Name in the registry.
        summary: What it is, in a line.
        accepts: What it takes beside two plain vectors, see `mmg_nb.estimators.acceptance`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    accepts: ClassVar[frozenset[str]]

    def estimate(
        self, pairs: Pairs, *, seed: int, listen: Listener, device: str = "auto"
    ) -> MIResult:
        """Estimate I(x; y), or I(x; y | z) where there is a condition.

        Args:
            pairs: Checked data.
            seed: Seed of everything random.
            listen: Gets the events of the run; a true answer stops it.
            device: Where to compute, see `mmg_nb.estimate`.

        Returns:
            The result, in nats.
        """
        ...
