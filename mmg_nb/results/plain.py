"""Frozen dataclasses with arrays: equality, and conversion to plain values for JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

__all__ = ["ArrayRecord", "as_plain", "with_arrays"]


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


def with_arrays(kind: type, values: Mapping[str, Any]) -> Any:
    """Build the dataclass `kind`, whose values are arrays, dictionaries of arrays, or texts.

    The inverse of `as_plain` for such classes. In JSON, None stands for NaN.
    """

    def array(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: array(v) for k, v in value.items()}
        if isinstance(value, str):
            return value
        return np.asarray(value, dtype=np.float64 if None in value else None)

    return kind(**{k: array(v) for k, v in values.items()})
