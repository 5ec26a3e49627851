"""Start runs that go on while cells do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from mmg_nb.api import EVERY, prepare, reopen
from mmg_nb.job import Job
from mmg_nb.jupyter.handle import Run, current_shell
from mmg_nb.runs.events import Listener, silent

__all__ = ["begin", "session_runs", "start", "start_from"]

AnyRun = TypeVar("AnyRun", bound=Run)


def start(
    x: Any,
    y: Any,
    estimator: str = "mmg",
    *,
    given: Any = None,
    groups: Any = None,
    discrete: Any = "auto",
    missing: str = "refuse",
    seed: int = 0,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    every: float = EVERY,
    listen: Listener | None = None,
    **fields: Any,
) -> Run:
    """Begin to estimate I(x; y) in the background.

    The arrays are checked and copied before this returns, so that they may be changed at once.
    Arguments are those of `mmg_nb.estimate`.

    Returns:
        The run's handle. In IPython with `%load_ext mmg_nb` it is also listed by `%mmg runs`.

    Raises:
        MMGError: The arrays or fields cannot be used; the message says why and what to do.
    """
    job = prepare(
        x,
        y,
        estimator,
        given=given,
        groups=groups,
        discrete=discrete,
        missing=missing,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        every=every,
        **fields,
    )
    return _begin_job(job.with_own_data(), listen)


def start_from(
    checkpoint: str | Path, *, every: float | None = None, listen: Listener | None = None
) -> Run:
    """Go on with a run that was kept in a file, in the background.

    Arguments are those of `mmg_nb.resume`.

    Returns:
        The run's handle. In IPython with `%load_ext mmg_nb` it is also listed by `%mmg runs`.

    Raises:
        MMGError: There is no such file, or it is damaged, something else, or too new.
    """
    return _begin_job(reopen(checkpoint, every), listen)


def _begin_job(job: Job, listen: Listener | None) -> Run:
    return begin(Run(job.run, estimator=job.estimator.name, listen=listen or silent))


def begin(run: AnyRun) -> AnyRun:
    """Start a run, and list it in the session where there is one."""
    runs = session_runs()
    if runs is not None:
        runs.add(run)
    run.start()
    return run


def session_runs() -> Any:
    """The `Runs` of the shell that has the extension loaded; None where there is none."""
    shell = current_shell()
    magics = shell.magics_manager.registry.get("MMG") if shell is not None else None
    return getattr(magics, "runs", None)
