"""What is said of an answer that a stop has left unfinished: the same words in all texts."""

from __future__ import annotations

from typing import Any

from mmg_nb.results.status import Status

__all__ = ["headline_so_far", "how_to_finish", "line_so_far", "remark_on_stop"]


def headline_so_far(known: str) -> str:
    """The headline of a card.

    Args:
        known: What was estimated, without a verdict.
    """
    return f"Not a final result. So far: {known}"


def line_so_far(known: str, after: str = "") -> str:
    """The answer in one line.

    Args:
        known: What was estimated, without a verdict.
        after: What was done before the stop, e.g. `3 of 40 lags`; empty if unknown.
    """
    return f"stopped {f'after {after}' if after else 'early'}; so far {known}"


def how_to_finish(after: str) -> str:
    """What is missing, and what to do.

    Args:
        after: As for `line_so_far`.
    """
    return f"Stopped after {after}. Run it again to the end."


def remark_on_stop(result: Any) -> str:
    """What a call leaves in place of its progress, so that nobody overlooks a stop.

    Args:
        result: What the call returns.

    Returns:
        One line; empty if nothing was stopped.
    """
    if getattr(result, "status", None) is not Status.INTERRUPTED:
        return ""
    return "Stopped early. The result is not final: it holds what is known so far."
