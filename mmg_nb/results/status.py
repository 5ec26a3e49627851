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
    def remedy(self) -> str:
        """What the status means and what to do about it."""
        return _REMEDIES[self]

    @property
    def complete(self) -> bool:
        """Whether more training would be no use."""
        return self in (Status.CONVERGED, Status.EARLY_STOPPED)


_REMEDIES = {
    Status.CONVERGED: "The estimate is complete; nothing to do.",
    Status.STEP_LIMIT: "Training was still improving when its steps ran out; raise `steps`, or "
    "the `effort` of mmg, for a closer estimate.",
    Status.EARLY_STOPPED: "The validation points showed nothing more to learn, so training "
    "stopped. Nothing to do.",
    Status.INTERRUPTED: "The run was stopped before its end and evaluated as it was; run it "
    "again to the end for a closer estimate.",
    Status.DIVERGED: "The training error became non-finite, so the last good state was kept; "
    "lower `learning_rate`, or try transform='normal_scores'.",
}
