"""The parts of a question: estimates one after the other, with progress and stops."""

from __future__ import annotations

from collections.abc import Callable

from mmg_nb.polling import Stopped
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Step, Working

__all__ = ["begin_part", "estimated", "working"]


def begin_part(listen: Listener, done: int, total: int) -> None:
    """Tell how many parts are done.

    Raises:
        Stopped: The user has stopped the question.
    """
    if listen(Step(done, total)):
        raise Stopped


def working(listen: Listener) -> Listener:
    """A listener for one part: all of its events say that the question goes on."""
    return lambda _: listen(Working())


def estimated(estimate: Callable[[Listener], MIResult], listen: Listener) -> MIResult:
    """The result of one part.

    Args:
        estimate: Makes the estimate, with a listener.
        listen: Gets the events of the question.

    Raises:
        Stopped: The user has stopped the question.
    """
    found = estimate(working(listen))
    if found.status is Status.INTERRUPTED:
        raise Stopped
    return found
