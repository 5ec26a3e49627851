"""The grid of a sweep. One cell is an estimator, a task, a number of rows and a seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmg_nb.api import MAX_SEED
from mmg_nb.benchmark import task, task_ids
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.registry import build, check_is_no_data, estimator_class
from mmg_nb.fields import FieldInfo, field_infos, parse

__all__ = ["Cell", "Estimators", "Spec", "grid", "read_spec", "read_specs", "read_tasks"]

Estimators = str | Iterable[str | tuple[str, Mapping[str, Any]]]
"""Texts such as `"gcmi,mmg:steps=1000"`, or pairs such as `("mmg", {"steps": 1000})`."""

MAX_ROWS = 10**9  # more do not fit into memory
MAX_SEEDS = 10**5
_ID_DIGITS = 10  # hexadecimal digits of the fields' checksum in a cell id


@dataclass(frozen=True, kw_only=True)
class Spec:
    """An estimator with all its fields.

    Attributes:
        estimator: Name in the registry.
        fields: Value of every field, including defaults.
        label: The name and the fields that differ from their defaults, e.g. `mmg:steps=1000`.
    """

    estimator: str
    fields: Mapping[str, Any]
    label: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a sweep. Its result is one record.

    Attributes:
        spec: The estimator.
        task: Task id.
        n: Number of rows to draw.
        seed: Seed of the data. The seed of the estimator is derived from it.
        tags: Groups of the task.
    """

    spec: Spec
    task: str
    n: int
    seed: int
    tags: tuple[str, ...] = ()

    @cached_property
    def cell_id(self) -> str:
        """Unique id. It depends on the values of all fields, not on the current defaults."""
        text = json.dumps(dict(self.spec.fields), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]
        return f"{self.spec.estimator}-{digest}/{self.task}/{self.n}/{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """The cell as a dictionary: what a worker gets, and how its record begins."""
        return {
            "id": self.cell_id,
            "estimator": self.spec.estimator,
            "label": self.spec.label,
            "fields": dict(self.spec.fields),
            "task": self.task,
            "n": self.n,
            "seed": self.seed,
            "tags": list(self.tags),
        }


def grid(
    tasks: str | Iterable[str],
    estimators: Estimators,
    n: int | Iterable[int],
    seeds: int | Iterable[int],
) -> tuple[Cell, ...]:
    """List the cells of a sweep without repetitions.

    The seed varies slowest and the estimator fastest. An unfinished sweep therefore already
    compares all estimators on many tasks.

    Args:
        tasks: Suites, patterns or ids, as a list or separated by commas.
        estimators: Names with or without fields.
        n: One or several numbers of rows.
        seeds: A number k for the seeds 0 … k − 1, or a list of seeds.

    Returns:
        The cells.

    Raises:
        MMGError: A task, estimator, field, n or seed is invalid, or one of them is empty.
    """
    specs, ids = read_specs(estimators), read_tasks(tasks)
    rows = _whole_numbers("n", [n] if isinstance(n, int) else n, MIN_SAMPLES, MAX_ROWS)
    if isinstance(seeds, int) and seeds > MAX_SEEDS:
        what = f"At most {MAX_SEEDS} seeds can be used; got {brief(seeds)}."
        raise MMGError(what, f"For one seed with a large number, try seeds=[{brief(seeds, 20)}].")
    several = range(seeds) if isinstance(seeds, int) else seeds
    chosen = _whole_numbers("seeds", several, 0, MAX_SEED)
    tags = {task_id: tuple(sorted(task(task_id).tags)) for task_id in ids}
    cells = (
        Cell(spec=spec, task=task_id, n=count, seed=seed, tags=tags[task_id])
        for seed in chosen
        for count in rows
        for task_id in ids
        for spec in specs
    )
    return tuple({cell.cell_id: cell for cell in cells}.values())


def _whole_numbers(name: str, values: Iterable[int], least: int, most: int) -> list[int]:
    numbers = list(values)
    for value in numbers:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            limits = f"at least {least}" if not whole or value < least else f"at most {most}"
            what = f"{name} must be whole numbers of {limits}; got {brief(value)}."
            raise MMGError(what, f"Try {name}={max(least, 3)}.")
    if not numbers:
        raise MMGError(
            f"{name} is empty, so there is nothing to run.", f"Try {name}={max(least, 3)}."
        )
    return numbers


def read_tasks(tasks: str | Iterable[str]) -> tuple[str, ...]:
    """Resolve suites, patterns and ids of tasks.

    Args:
        tasks: For example `"bmi,outside-ring-0.2"` or `["high_mi-spiral-5-650"]`.

    Returns:
        Ids, each once.

    Raises:
        MMGError: A word is neither a suite, nor a matching pattern, nor the id of a task.
    """
    words = tasks.split(",") if isinstance(tasks, str) else list(tasks)
    ids = dict.fromkeys(i for word in words if word.strip() for i in _ids(word.strip()))
    if not ids:
        raise MMGError(
            "tasks must name at least one task; got none.",
            "Try 'bmi', 'outside' or an id from task_ids().",
        )
    return tuple(ids)


def _ids(word: str) -> tuple[str, ...]:
    try:
        return task_ids(word)
    except MMGError:
        return (
            task(word).task_id,
        )  # a member of a family; otherwise raises an error that lists all


def read_specs(estimators: Estimators) -> tuple[Spec, ...]:
    """Read estimators with their fields.

    Args:
        estimators: For example `"mmg:steps=1000,gap=inner,gcmi"` or
            `["gcmi", ("mmg", {"steps": 1000})]`.

    Returns:
        One `Spec` per estimator, in order.

    Raises:
        MMGError: A name, field or value is invalid.
    """
    several = isinstance(estimators, Iterable) and not isinstance(estimators, str)
    items: list[Any] = list(estimators) if several else [estimators]
    if not all(map(_is_spec, items)):
        check_is_no_data(estimators, "estimators")
        what = f"estimators must be names, with or without fields; got {brief(estimators)}."
        raise MMGError(what, "Try 'gcmi,mmg:steps=1000', or [('mmg', {'steps': 1000})].")
    specs: list[Spec] = []
    for item in items:
        if isinstance(item, str):
            specs += [read_spec(text) for text in _split(item)]
        else:
            specs.append(_spec(*item))
    if not specs:
        raise MMGError(
            "estimators must name at least one; got none.", "Try 'gcmi' or 'mmg:steps=1000'."
        )
    return tuple(specs)


def _is_spec(item: Any) -> bool:
    pair = isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[1], Mapping)
    return isinstance(item, str) or pair


def _split(text: str) -> list[str]:
    """Split at commas, except at commas between the fields of one estimator."""
    parts: list[str] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        continues = parts and "=" in piece and ":" not in piece
        if continues:
            parts[-1] += ("," if ":" in parts[-1] else ":") + piece
        else:
            parts.append(piece)
    return parts


def read_spec(text: str) -> Spec:
    """Read one estimator, e.g. `mmg:steps=1000,gap=inner`.

    Raises:
        MMGError: The name, a field or a value is invalid.
    """
    name, _, rest = text.partition(":")
    infos = {info.name: info for info in field_infos(estimator_class(name))}
    fields: dict[str, Any] = {}
    for piece in filter(None, rest.split(",")):
        key, equals, value = piece.partition("=")
        if not equals or key not in infos:
            what = f"Expected field=value of {name!r}; got {brief(piece)}."
            raise MMGError(what, one_of(key, infos, "Fields"))
        if key in fields:
            raise MMGError(f"{key} of {name!r} is given twice.", "Leave one of them out.")
        fields[key] = parse(infos[key], value)
    return _spec(name, fields)


def _spec(name: str, fields: Mapping[str, Any]) -> Spec:
    chosen: Any = build(
        name, fields
    )  # every estimator is a dataclass; a protocol cannot express this
    infos = field_infos(type(chosen))
    every = {info.name: _canonical(info, getattr(chosen, info.name)) for info in infos}
    changed = [
        f"{info.name}={_text(every[info.name])}"
        for info in infos
        if every[info.name] != info.default
    ]
    label = f"{name}:{','.join(changed)}" if changed else name
    return Spec(estimator=name, fields=every, label=label)


def _canonical(info: FieldInfo, value: Any) -> Any:
    """Convert integers of float fields, because 3 and 3.0 would give two ids."""
    return float(value) if info.kind is float and value is not None else value


def _text(value: Any) -> str:
    """The text from which `mmg_nb.fields.parse` restores the value."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
