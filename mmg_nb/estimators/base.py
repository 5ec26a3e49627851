"""What every estimator is: a frozen dataclass of fields with one method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from mmg_nb.data.pairs import Pairs
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener

if TYPE_CHECKING:
    from mmg_nb.training.keeper import Keeper

__all__ = ["Estimator", "Resumable"]


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


class Resumable(Estimator, Protocol):
    """An estimator whose training can be kept and resumed."""

    resumable: ClassVar[bool]

    def estimate(
        self,
        pairs: Pairs,
        *,
        seed: int,
        listen: Listener,
        device: str = "auto",
        keep: Keeper | None = None,
    ) -> MIResult:
        """Estimate I(x; y).

        Args:
            pairs: Checked data.
            seed: Seed of everything random.
            listen: Gets the events of the run; a true answer stops it.
            device: Where to compute, see `mmg_nb.estimate`.
            keep: Keeps the run, or has kept it; None for a run that nobody keeps.

        Returns:
            The result, in nats.
        """
        ...
