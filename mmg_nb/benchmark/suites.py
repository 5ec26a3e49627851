"""The suites of tasks in this package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from mmg_nb.benchmark.tasks import Task

__all__ = ["SUITES", "built_in", "families", "suite_ids"]

SUITES = {
    "bmi": "bmi40",
    "high_mi": "high_mi",
    "staircase": "staircase",
    "outside": "outside",
    "consistency": "consistency",
    "generated": "generated.suite",
}
"""Name of a suite -> its module."""


def built_in(task_id: str) -> Task | None:
    """The task of a suite, or None if no suite has this id.

    Raises:
        MMGError: If the parameters in the id contradict each other.
    """
    for name in SUITES:
        found: Task | None = _suite(name).build(task_id)
        if found is not None:
            return found
    return None


def families() -> tuple[str, ...]:
    """The forms of valid ids, for error messages."""
    return tuple(form for name in SUITES for form in _suite(name).FAMILIES)


def suite_ids(name: str) -> tuple[str, ...]:
    """Ids of the standard tasks of a suite. No task is built."""
    ids: tuple[str, ...] = _suite(name).IDS
    return ids


def _suite(name: str) -> ModuleType:
    return import_module(f"mmg_nb.benchmark.{SUITES[name]}")
