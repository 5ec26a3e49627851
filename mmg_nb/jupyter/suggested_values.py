"""The values that Tab offers after an option, and the operands of each subcommand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmg_nb.estimators.registry import names
from mmg_nb.fields import FieldInfo
from mmg_nb.jupyter.commands import QUESTIONS
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.namespace import arrays, columns
from mmg_nb.jupyter.runs import Runs, is_result
from mmg_nb.runs.events import RunState

__all__ = ["STEERED", "Suggestion", "of_arrays", "of_files", "of_results", "of_runs", "values"]

Suggestion = tuple[str, str]
"""Text to insert, and its kind in one or two words, because front ends leave little space."""
MAX_FILES = 20
OF_TABLE = ("rank", "total", "explore")  # subcommands whose options name columns of a table
GOING = (RunState.RUNNING, RunState.PAUSED, RunState.STOPPING)
STEERED = {"pause": (RunState.RUNNING,), "resume": (RunState.PAUSED,), "stop": GOING}
"""Subcommand -> states of the runs that it can steer."""


def values(
    info: FieldInfo, command: str, operands: Sequence[str], variables: Mapping[str, Any]
) -> list[Suggestion]:
    """All values of an option that can be listed, or else its default.

    Args:
        info: The option.
        command: The subcommand.
        operands: The operands before it.
        variables: The user's variables.
    """
    of_table = command in OF_TABLE
    if info.name == "discrete" or info.name == "target" or (info.name == "given" and of_table):
        words = [("auto", "automatic"), ("none", "no column")] if info.name == "discrete" else []
        return words + _columns(command, operands, variables)
    if info.name in ("groups", "given", "series"):
        return of_arrays(variables)
    if info.name == "output":
        return [*of_results(variables), ("res", "new variable")]
    if info.name == "checkpoint":
        if command in QUESTIONS:
            return [("answers", "folder")]
        return [*of_files("*.mmg"), ("run.mmg", "new file")]
    if info.name == "save":
        return [(f"figure.{ending}", "file") for ending in ("pdf", "svg", "png")]
    if info.name == "estimators" or (info.name == "estimator" and not info.choices):
        return [(name, "estimator") for name in names()]
    if info.kind is bool:
        return [("true", info.name), ("false", info.name)]
    if info.choices:
        return [(str(choice), info.name) for choice in info.choices]
    return [("none" if info.default is None else str(info.default), "default")]


def _columns(
    command: str, operands: Sequence[str], variables: Mapping[str, Any]
) -> list[Suggestion]:
    """Columns of the table, or x and y, of which `discrete` can name columns."""
    if command not in OF_TABLE:
        return [("x", "all of x"), ("y", "all of y")]
    # Several operands are the columns themselves: `%mmg total a b c`. The target of `rank` is not.
    several = command == "total" and len(operands) > 1
    labels = operands if several else columns(variables.get(operands[0])) if operands else ()
    return [(label, "column") for label in map(str, labels) if " " not in label]


def of_arrays(variables: Mapping[str, Any]) -> list[Suggestion]:
    """Arrays and tables with their shapes."""
    return [(name, f"array {shape}") for name, shape in arrays(variables).items()]


def of_results(variables: Mapping[str, Any]) -> list[Suggestion]:
    """Variables that hold results or runs."""
    kinds = ((name, _kind(value)) for name, value in variables.items() if name[:1] != "_")
    return [(name, kind) for name, kind in kinds if kind]


def _kind(value: Any) -> str:
    if isinstance(value, Run):
        return "run"
    return "result" if is_result(value) and not isinstance(value, type) else ""


def of_runs(runs: Runs | None, command: str) -> list[Suggestion]:
    """Numbers of the runs that a subcommand can steer, or whose result it can show."""
    states = STEERED.get(command)
    fitting = (
        run
        for run in runs or ()
        if (run.state in states if states is not None else is_result(run.outcome))
    )
    return [(str(run.number), f"run, {run.state}") for run in fitting]


def of_files(pattern: str) -> list[Suggestion]:
    """Files of the working folder."""
    found = sorted(Path().glob(pattern))[:MAX_FILES]
    return [(file.name, "file") for file in found if " " not in file.name]
