"""Start runs in the background, so that other cells can run meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from mmg_nb.api import prepare, reopen
from mmg_nb.estimators.base import Estimator
from mmg_nb.job import Job
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.session import current_shell
from mmg_nb.keywords import EstimateKeywords
from mmg_nb.runs.events import Listener, silent
from mmg_nb.signatures import shows

__all__ = ["begin", "begin_job", "session_runs", "start", "start_from"]

AnyRun = TypeVar("AnyRun", bound=Run)


@overload
def start(
    x: Any, y: Any, estimator: str | Estimator = ..., **keywords: Unpack[EstimateKeywords]
) -> Run: ...
@overload
def start(
    x: Any,
    y: Any,
    estimator: str | Estimator = ...,
    *,
    seed: int = ...,
    device: str = ...,
    checkpoint: str | Path | None = ...,
    listen: Listener | None = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> Run: ...
@shows(EstimateKeywords, rest="fields")
def start(x: Any, y: Any, estimator: str | Estimator = "mmg", **keywords: Any) -> Run:
    """Start to estimate I(x; y) in the background.

    The arrays are checked and copied before this function returns. They may then be changed.

    Args:
        x: See `mmg_nb.estimate`.
        y: See `mmg_nb.estimate`.
        estimator: See `mmg_nb.estimate`.
        **keywords: Those of `mmg_nb.estimate`, and fields of the estimator.

    Returns:
        The handle of the run. After `%load_ext mmg_nb`, `%mmg runs` lists the run too.

    Raises:
        MMGError: The arrays or fields cannot be used. The message says why and what to do.
    """
    job = prepare(x, y, estimator, **keywords)
    return begin_job(job.with_own_data(), keywords.get("listen"))


def start_from(
    checkpoint: str | Path, *, every: float | None = None, listen: Listener | None = None
) -> Run:
    """Continue a run from its checkpoint file, in the background.

    The arguments are those of `mmg_nb.resume`, without `progress`.

    Returns:
        The handle of the run. After `%load_ext mmg_nb`, `%mmg runs` lists the run too.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, or was written by a
            version of the package that does not fit this one.
    """
    return begin_job(reopen(checkpoint, every), listen)


def begin_job(job: Job, listen: Listener | None = None) -> Run:
    """Start a job, see `begin`."""
    run = Run(
        job.run,
        what=job.what,
        estimator=job.estimator.name,
        listen=listen or silent,
        trains=job.estimator.trains,
    )
    return begin(run)


def begin(run: AnyRun) -> AnyRun:
    """Start a run. If the extension is loaded, add the run to the session's list."""
    run.on_display, run.in_marimo = _display, _widget
    runs = session_runs()
    if runs is not None:
        runs.add(run)
    run.start()
    return run


def _display(run: Run) -> None:
    # Imported here because a run outside of IPython must not load it.
    from mmg_nb.jupyter.views import display_run

    display_run(run)


def _widget(run: Run) -> Any:
    # Imported here because it loads widgets.
    from mmg_nb.jupyter.marimo import live_widget

    return live_widget(run)


def session_runs() -> Any:
    """The `Runs` of the shell in which the extension is loaded; None without such a shell."""
    shell = current_shell()
    magics = shell.magics_manager.registry.get("MMG") if shell is not None else None
    return getattr(magics, "runs", None)
