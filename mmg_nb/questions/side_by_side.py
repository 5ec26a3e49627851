"""Independent estimates, one after the other or in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from mmg_nb.errors import MMGError, brief
from mmg_nb.estimators.registry import estimator_class
from mmg_nb.polling import Stopped
from mmg_nb.questions.parts import begin_part, estimated
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener, Working, silent
from mmg_nb.runs.processes import WorkerProcesses
from mmg_nb.runs.watching import session_kernel

__all__ = ["Part", "outcomes", "processes"]

MOST_PROCESSES = 4  # unless the user asks for more: each one needs memory
SECONDS = 0.1  # between two checks whether the user has stopped the question

Part = Callable[[Listener], MIResult]


def processes(workers: Any, estimator: str, count: int) -> int:
    """The number of processes for `count` estimates.

    Args:
        workers: What the user asked for; see `mmg_nb.keywords.DependencyMapKeywords`.
        estimator: Name in the registry.
        count: Number of estimates.

    Raises:
        MMGError: It is no whole number of at least 1, or the estimator is not of this package.
    """
    known = estimator_class(estimator)
    ours = known.__module__.startswith("mmg_nb.")
    if workers is None:
        many = known.trains and ours and session_kernel() is not None and not _has_gpu()
        return max(1, min(os.cpu_count() or 1, MOST_PROCESSES, count)) if many else 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        what = f"workers must be a whole number of at least 1, or None; got {brief(workers)}."
        raise MMGError(what, "Try workers=1, which makes one estimate after the other.")
    if workers > 1 and not ours:
        what = f"Worker processes know only the estimators of mmg_nb; got {brief(estimator)}."
        raise MMGError(what, "Leave workers out, or use workers=1.")
    return min(workers, count)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def outcomes(
    parts: Sequence[Part], workers: int, listen: Listener
) -> Iterator[tuple[int, MIResult | MMGError]]:
    """Make the estimates.

    Args:
        parts: Make one estimate each, with a listener. With several processes, they can be sent
            to another process.
        workers: Number of processes.
        listen: Gets the events of the question.

    Yields:
        Number of the part, and its result or why there is none, in the order in which they end.

    Raises:
        MMGError: Processes cannot be started, or one has died.
        Stopped: The user has stopped the question.
    """
    if workers > 1:
        yield from _in_processes(parts, workers, listen)
        return
    for k, part in enumerate(parts):
        begin_part(listen, k, len(parts))
        try:
            found: MIResult | MMGError = estimated(part, listen)
        except MMGError as error:
            if listen(Working()):  # the stop is why there is no estimate
                raise Stopped from error
            found = error
        yield k, found


def _in_processes(
    parts: Sequence[Part], workers: int, listen: Listener
) -> Iterator[tuple[int, MIResult | MMGError]]:
    begin_part(listen, 0, len(parts))
    pool = WorkerProcesses(workers, threads=1)
    try:
        running: dict[Future[MIResult | MMGError], int] = {
            pool.submit(_outcome, part): k for k, part in enumerate(parts)
        }
        while running:
            ended, _ = wait(running, SECONDS, FIRST_COMPLETED)
            if listen(Working()):
                raise Stopped
            for future in ended:
                yield running.pop(future), future.result()
                begin_part(listen, len(parts) - len(running), len(parts))
    except BrokenProcessPool as error:
        what = "A worker process ended before its estimate was complete."
        raise MMGError(what, "It may have lacked memory. Try workers=1.") from error
    finally:
        pool.shutdown()


def _outcome(part: Part) -> MIResult | MMGError:
    """The estimate of a part, in a worker process."""
    try:
        return part(silent)
    except MMGError as error:
        return error
