"""Frozen dataclasses with arrays: equality, and conversion to plain values for JSON."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayRecord", "as_plain", "from_plain"]

DEPTH = 20  # of dictionaries and lists in each other
LARGEST = 2**63 - 1


class ArrayRecord:
    """Base of frozen dataclasses with arrays; two are equal if all their values are equal."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        # Compared as text, because NaN is not equal to itself.
        return json.dumps(as_plain(self)) == json.dumps(as_plain(other))

    __hash__ = None  # type: ignore[assignment]


def as_plain(value: Any) -> Any:
    """Convert dataclasses to dictionaries, arrays and tuples to lists, enums to their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {k: as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return value.value if isinstance(value, Enum) else value


def from_plain(hint: Any, value: Any, name: str = "it") -> Any:
    """Build what a type hint says from plain values, which may come from a damaged file.

    The inverse of `as_plain`. In lists of numbers, None stands for NaN. Arrays stay as they are;
    other ones have one axis, or two if the hint has the shape `tuple[int, int]`.
    Unknown values of a dataclass are left out, and missing ones get their default, so files of
    other versions can be read.

    Args:
        hint: A dataclass, an enum, `float`, `int`, `str`, `bool`, `Any`, or a union, tuple, list,
            dictionary or array of these.
        value: The plain value.
        name: Its name, for the message.

    Returns:
        The object.

    Raises:
        ValueError: The value is of another type, a number is too large, arrays of one dataclass
            differ in length, or values are nested too deeply.
    """
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        kinds = [part for part in parts if part is not NoneType]
        return None if value is None else from_plain(kinds[0], value, name)
    if origin is np.ndarray and isinstance(value, (list, np.ndarray)):
        return _array(get_args(parts[1])[0], value, name, _axes(parts[0]))
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _record(cast(type, hint), value, name)
    if origin in (list, tuple) and isinstance(value, list):
        return origin(from_plain(parts[0], each, name) for each in value)
    if origin is dict and isinstance(value, dict):
        return {key: from_plain(parts[1], each, f"{name}.{key}") for key, each in value.items()}
    if hint is Any:
        if not _is_shallow(value, DEPTH):
            raise ValueError(f"{name} is nested too deeply")
        return value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    kinds = {float: (int, float)}.get(hint, hint)
    right = isinstance(kinds, (type, tuple)) and isinstance(value, kinds)
    if not right or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{name} is of type {type(value).__name__}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{name} is too large")
    return value


def _record(kind: type, values: dict[str, Any], name: str) -> Any:
    hints = get_type_hints(kind)
    made = {}
    for each in dataclasses.fields(kind):
        if each.name in values:
            made[each.name] = from_plain(hints[each.name], values[each.name], each.name)
        elif each.default is each.default_factory is dataclasses.MISSING:
            raise ValueError(f"{each.name} is missing in {name}")
    arrays = [v for value in made.values() for v in _parts(value) if isinstance(v, np.ndarray)]
    if len({len(each) for each in arrays}) > 1:
        raise ValueError(f"the arrays of {name} differ in length")
    return kind(**made)


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [value]


def _axes(shape: Any) -> int:
    """How many axes an array has: two if the hint says `tuple[int, int]`, else one."""
    lengths = get_args(shape)
    return 1 if Ellipsis in lengths else max(1, len(lengths))


def _array(
    kind: type[np.generic], value: list[Any] | NDArray[Any], name: str, axes: int
) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        if value.dtype != kind or value.ndim == 0:
            raise ValueError(f"{name} is an array of {value.ndim} dimensions, {value.dtype}")
        return value
    array = np.asarray(value, dtype=np.float64 if None in value else None if value else kind)
    kinds = "iu" if issubclass(kind, np.integer) else "iuf"
    if array.ndim != axes or array.dtype.kind not in kinds:
        raise ValueError(f"{name} is no {'list' if axes == 1 else 'table'} of numbers")
    return array


def _is_shallow(value: Any, depth: int) -> bool:
    parts = _parts(value) if isinstance(value, dict) else value if isinstance(value, list) else []
    return depth > 0 and all(_is_shallow(part, depth - 1) for part in parts)
