"""Send registered estimators and tasks to worker processes.

An estimator is sent as `module:class`, which the worker imports. A task is pickled.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
from collections.abc import Iterable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from mmg_nb.benchmark import own_tasks
from mmg_nb.benchmark.cells import Cell
from mmg_nb.errors import MMGError
from mmg_nb.estimators import registry

if TYPE_CHECKING:
    from mmg_nb.benchmark.tasks import Task
    from mmg_nb.estimators.base import Estimator

__all__ = ["packed", "unpack"]

_REMEDY = (
    "Move it into a file, say own.py, and import it from there; or leave workers= and executor= "
    "out, so that the cells run in this process."
)


def packed(cells: Iterable[Cell]) -> bytes:
    """Pack the estimators and tasks of cells that were registered in this process.

    Args:
        cells: The cells.

    Returns:
        Bytes for `unpack`; empty if the cells use built-in and installed ones only.

    Raises:
        MMGError: Worker processes cannot import an estimator, or a class or function of a task.
    """
    cells = tuple(cells)
    owners = {cell.spec.estimator: registry.registered(cell.spec.estimator) for cell in cells}
    made = {cell.task: own_tasks.registered(cell.task) for cell in cells}
    homes = [_home(owner) for owner in owners.values() if owner is not None]
    tasks = [_pickled(task) for task in made.values() if task is not None]
    return pickle.dumps((homes, tasks)) if homes or tasks else b""


def unpack(data: bytes) -> None:
    """Register estimators and tasks in this process.

    Args:
        data: Output of `packed`.

    Raises:
        ImportError: A module is not there.
        AttributeError: A class is not in its module.
    """
    if not data:
        return
    homes, tasks = pickle.loads(data)
    for home in homes:
        registry.register(registry.imported(home))
    for task in tasks:
        own_tasks.register(pickle.loads(task))


def _home(owner: type[Estimator]) -> str:
    """`module:class` of an estimator.

    Raises:
        MMGError: Worker processes cannot import it.
    """
    if not _importable(owner):
        raise MMGError(f"{_lost(owner)}, so worker processes cannot import it.", _REMEDY)
    return f"{owner.__module__}:{owner.__qualname__}"


def _pickled(task: Task) -> bytes:
    whole = io.BytesIO()
    try:
        _Strict(whole, pickle.HIGHEST_PROTOCOL).dump(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        what = f"The task {task.task_id!r} cannot be sent to worker processes: {error}."
        raise MMGError(what, _REMEDY) from error
    return whole.getvalue()


class _Strict(pickle.Pickler):
    """Refuses classes and functions that worker processes cannot import."""

    def reducer_override(self, obj: Any) -> Any:
        """Check each object, then pickle it in the usual way."""
        if isinstance(obj, (type, FunctionType)) and not _importable(obj):
            raise pickle.PicklingError(_lost(obj))
        return NotImplemented


def _importable(obj: type | FunctionType) -> bool:
    if obj.__module__ == "__main__" or "<" in obj.__qualname__:
        return False
    try:
        return importlib.util.find_spec(obj.__module__) is not None
    except (ImportError, ValueError):
        return False


def _lost(obj: type | FunctionType) -> str:
    return f"{obj.__qualname__} is defined in a notebook cell, a script or a function"
