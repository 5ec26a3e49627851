"""Benchmark tasks with exact mutual information.

`run` compares estimators on tasks. `table` and `load` read its records. `register` adds tasks.
May import `api` and the layers below it.

Suites:

* `bmi`: the 40 tasks of arXiv 2306.11078;
* `high_mi`: strong dependence (arXiv 2509.20609);
* `staircase`: 20 correlated pairs (arXiv 1910.06222);
* `outside`: dependence other than a Gaussian copula;
* `consistency`: ratios of estimates with a known value, for images;
* `generated`: tasks drawn by a number, `generated-0` and so on.

>>> task_ids("staircase-cubic-*")[0]
'staircase-cubic-2'
>>> round(task("high_mi-spiral-5-650").mi_true, 4)
12.2608
"""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmg_nb.benchmark.own_tasks import own_ids, own_task, register
from mmg_nb.benchmark.suites import SUITES, built_in, families, suite_ids
from mmg_nb.errors import MMGError, brief

if TYPE_CHECKING:
    from mmg_nb.benchmark.loading import load
    from mmg_nb.benchmark.sweep import run
    from mmg_nb.benchmark.tables import table
    from mmg_nb.benchmark.tasks import Task

__all__ = ["SUITES", "Task", "load", "register", "run", "table", "task", "task_ids"]

# Imported on first use, because they need `task` and because a worker must start fast.
_HOMES = {"Task": "tasks", "load": "loading", "run": "sweep", "table": "tables"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def task(task_id: str) -> Task:
    """Build one benchmark task.

    Args:
        task_id: An id from `task_ids()`, or any member of a parametrised family, e.g.
            `"high_mi-spiral-5-650"` or `"staircase-cubic-3"`.

    Returns:
        The task: a sampler, and its exact mutual information in nats.

    Raises:
        MMGError: No suite has this id, or its parameters contradict each other.
    """
    found = built_in(task_id) or own_task(task_id)
    if found is not None:
        return found
    close = get_close_matches(task_id, task_ids(), n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    known = "; ".join((*families(), *own_ids()))
    raise MMGError(f"There is no task {brief(task_id)}.", f"{hint}Valid tasks: {known}.")


def task_ids(pattern: str = "*") -> tuple[str, ...]:
    """List the ids of the standard tasks and of those that were registered.

    Args:
        pattern: A suite (`"bmi"`, `"high_mi"`, `"staircase"`, `"outside"`, `"consistency"`,
            `"generated"`), or a shell-style pattern for ids, e.g. `"*student*"`.

    Returns:
        The matching ids, suite by suite. No task is built.

    Raises:
        MMGError: No id matches.
    """
    if pattern in SUITES:
        return suite_ids(pattern)
    every = (*(i for name in SUITES for i in suite_ids(name)), *own_ids())
    matching = tuple(i for i in every if fnmatchcase(i, pattern))
    if not matching:
        suites = ", ".join(SUITES)
        raise MMGError(
            f"No task id matches {brief(pattern)}.",
            f"Use a suite ({suites}) or a pattern such as '*student*'. "
            f"task_ids() lists all {len(every)} ids.",
        )
    return matching
