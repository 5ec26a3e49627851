"""Show the progress of a call of plain Python, where somebody can see it."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from mmg_nb.results.unfinished import remark_on_stop
from mmg_nb.runs.events import Event, Listener, silent
from mmg_nb.runs.terminal import ProgressLine

__all__ = ["SETTING", "in_marimo", "session_kernel", "watched"]

SETTING = "MMG_NB_PROGRESS"  # environment variable; 0 turns progress off

Found = TypeVar("Found")


def watched(
    work: Callable[[Listener], Found],
    listen: Listener | None,
    progress: bool | None,
    *,
    what: str,
    estimator: str,
    slow: bool,
    trains: bool = False,
    table: Any = None,
) -> Found:
    """Run something, and show its progress: a live view in a notebook, a line in a terminal.

    After a stop, a line that says so takes the place of the progress.

    Args:
        work: The run.
        listen: The listener of the caller, or None.
        progress: Whether to show it. None: if the caller does not listen, the call comes from
            the main thread or a cell of marimo, `SETTING` is not 0, and there is a notebook or
            stderr is a terminal.
        what: What is estimated, in a few words.
        estimator: Name of the estimator.
        slow: Whether the run takes seconds. Its progress is then shown before it starts.
        trains: Whether it trains from the start; see `Progress`.
        table: The comparison that `work` runs, or None.

    Returns:
        What `work` returns.
    """
    if not _is_wanted(listen, progress):
        return work(listen or silent)
    if session_kernel() is not None or in_marimo():
        # The notebook's side imports this side, so it is looked up when it is needed.
        notebook = importlib.import_module("mmg_nb.jupyter.watching")
        said = {"what": what, "estimator": estimator, "slow": slow, "trains": trains}
        found: Found = notebook.watch(work, listen or silent, table=table, **said)
        return found
    if progress is None and not sys.stderr.isatty():
        return work(listen or silent)
    with closing(ProgressLine(f"{what} by {estimator}", trains)) as line:

        def both(event: Event) -> bool:
            line(event)
            return bool(listen and listen(event))

        found = work(both)
    remark = remark_on_stop(found)
    if remark:
        print(remark, file=sys.stderr)
    return found


def session_kernel() -> Any:
    """The kernel of the notebook in which this runs; None elsewhere. Does not import IPython."""
    ipython = sys.modules.get("IPython")
    ask = getattr(ipython, "get_ipython", None)  # missing while IPython is being imported
    return getattr(ask(), "kernel", None) if ask is not None else None


def in_marimo() -> bool:
    """Whether a cell of marimo runs this. Does not import marimo."""
    ask = getattr(sys.modules.get("marimo"), "running_in_notebook", None)
    return ask is not None and bool(ask())


def _is_wanted(listen: Listener | None, progress: bool | None) -> bool:
    if progress is not None:
        return progress
    off = os.environ.get(SETTING, "").strip().lower() in ("0", "false", "no", "off")
    # The cells of an app of marimo run in a thread of their session.
    here = threading.current_thread() is threading.main_thread() or in_marimo()
    return listen is None and not off and here and sys.stderr is not None
