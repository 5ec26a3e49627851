"""How a run ended."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Status"]


class Status(StrEnum):
    """How a run ended. As text it is its `words`, which cards and tables show, too.

    Programs and files use the values: `result.status == "interrupted"`.
    """

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        """The status of a value in files of earlier states of this package."""
        return _EARLIER.get(value)

    def __str__(self) -> str:
        return self.words

    def __format__(self, spec: str) -> str:
        return format(self.words, spec)

    @property
    def words(self) -> str:
        """How the run ended, in one to three words, as users read it."""
        return _WORDS[self]

    @property
    def remedy(self) -> str:
        """What the status means, and what to do if the run is not complete."""
        return _REMEDIES[self]

    @property
    def complete(self) -> bool:
        """Whether the run is complete, so that more steps would not help."""
        return self is Status.CONVERGED


_EARLIER: dict[object, Status] = {"early_stopped": Status.CONVERGED}
_WORDS = {
    Status.CONVERGED: "converged",
    Status.STEP_LIMIT: "needs more steps",
    Status.INTERRUPTED: "stopped early",
    Status.DIVERGED: "training failed",
}
# Of a complete run, only notes and badge know whether there is something to do.
_REMEDIES = {
    Status.CONVERGED: "The run is complete.",
    Status.STEP_LIMIT: "Training reached its last step before it converged. Run again with more "
    "steps, or for mmg with a higher effort.",
    Status.INTERRUPTED: "The run was stopped before its end, so the estimate is preliminary. "
    "Run it again to the end.",
    Status.DIVERGED: "The training loss became infinite or NaN, so the estimate is that of the "
    "last finite weights. Lower the learning rate, or use transform='normal_scores'.",
}
