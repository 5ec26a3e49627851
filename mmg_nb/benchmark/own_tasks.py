"""Tasks from outside this package: registered, or of installed packages."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from mmg_nb.benchmark.suites import SUITES, built_in
from mmg_nb.errors import MMGError, brief

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from mmg_nb.benchmark.tasks import Task

__all__ = ["GROUP", "own_ids", "own_task", "register", "registered"]

GROUP = "mmg_nb.tasks"  # of entry points, by which packages that are installed add tasks

_ID = re.compile(r"\w[\w.+-]*")
_REGISTERED: dict[str, Task] = {}


def register(made: Task) -> Task:
    """Make a task available to `task`, `task_ids` and sweeps, also in worker processes.

    Registering the same id again replaces the task. An installed package adds a task by an entry
    point in the group `mmg_nb.tasks`. The name of the entry point is the id. Its object is the
    task, or a function without arguments that builds the task.

    Args:
        made: The task. It is pickled for worker processes.

    Returns:
        The task.

    Raises:
        MMGError: The argument is not a task, or its id is invalid or belongs to a built-in task
            or suite.
    """
    _check(made)
    if made.task_id in SUITES or built_in(made.task_id) is not None:
        what = f"The id {made.task_id!r} belongs to a built-in task or suite."
        raise MMGError(what, "Choose another.")
    _REGISTERED[made.task_id] = made
    return made


def registered(task_id: str) -> Task | None:
    """The task that was registered in this process under an id, or None."""
    return _REGISTERED.get(task_id)


def own_ids() -> tuple[str, ...]:
    """Ids of all tasks from outside. No task is built."""
    return tuple({**_installed(), **_REGISTERED})


def own_task(task_id: str) -> Task | None:
    """The task from outside with this id, or None.

    Raises:
        MMGError: An installed package names this task, and it cannot be loaded.
    """
    if task_id in _REGISTERED:
        return _REGISTERED[task_id]
    return _loaded(_installed()[task_id]) if task_id in _installed() else None


@cache
def _installed() -> dict[str, EntryPoint]:
    """Tasks of packages that are installed, by id."""
    # Imported here because loading the extension must take no time for it.
    from importlib.metadata import entry_points

    return {each.name: each for each in entry_points(group=GROUP)}


@cache
def _loaded(entry: EntryPoint) -> Task:
    from mmg_nb.benchmark.tasks import Task

    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        what = f"The task {entry.name!r} of an installed package cannot be loaded: {error}."
        remedy = f"Update or remove that package; its entry point is {entry.value!r}."
        raise MMGError(what, remedy) from error
    made = found if isinstance(found, Task) else found()
    _check(made)
    if made.task_id != entry.name:
        what = f"The entry point {entry.name!r} gives a task with the id {made.task_id!r}."
        raise MMGError(what, "Give both the same name.")
    return made


def _check(made: Any) -> None:
    """Refuse what is not a task.

    Raises:
        MMGError: The argument is not a task, or its id is invalid.
    """
    from mmg_nb.benchmark.tasks import Task

    if not isinstance(made, Task):
        what = f"Expected a task; got {brief(made)}."
        remedy = "Give Task(task_id=…, title=…, base=…), see mmg_nb.benchmark.Task."
        raise MMGError(what, remedy)
    if not _ID.fullmatch(made.task_id):
        remedy = "Use only letters, digits and the characters _ . + - in an id."
        raise MMGError(f"{brief(made.task_id)} cannot be the id of a task.", remedy)
