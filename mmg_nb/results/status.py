"""How a run ended."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Status"]


class Status(StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    EARLY_STOPPED = "early_stopped"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"

    @property
    def words(self) -> str:
        """How the run ended, in one to three words, as users read it."""
        return _WORDS[self]

    @property
    def remedy(self) -> str:
        """What the status means, and what to do."""
        return _REMEDIES[self]

    @property
    def complete(self) -> bool:
        """Whether training is complete, so that more steps would not help."""
        return self in (Status.CONVERGED, Status.EARLY_STOPPED)


_WORDS = {
    Status.CONVERGED: "converged",
    Status.STEP_LIMIT: "needs more steps",
    Status.EARLY_STOPPED: "converged",
    Status.INTERRUPTED: "stopped early",
    Status.DIVERGED: "training failed",
}
_REMEDIES = {
    Status.CONVERGED: "The estimate is complete. Nothing to do.",
    Status.STEP_LIMIT: "Training reached its last step before it converged. Run again with more "
    "steps, or for mmg with a higher effort.",
    Status.EARLY_STOPPED: "Training ended by itself, because the validation rows showed no "
    "further improvement. Nothing to do.",
    Status.INTERRUPTED: "The run was stopped before its end, so the estimate is preliminary. "
    "Run it again to the end.",
    Status.DIVERGED: "The training loss became infinite or NaN, so the estimate is that of the "
    "last finite weights. Lower the learning rate, or use transform='normal_scores'.",
}
