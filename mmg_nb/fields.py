"""Descriptions of parameters, shared by Python, magics, panels, sweeps and results."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, TypeVar

from mmg_nb.errors import MMGError, brief, listed, one_of

__all__ = [
    "FieldInfo",
    "check_fields",
    "field",
    "field_infos",
    "from_fields",
    "parse",
    "whole_number",
]

T = TypeVar("T")


@dataclass(frozen=True)
class FieldInfo:
    """The description of one field of an estimator or of a set of options.

    Attributes:
        name: Name of the field, of its flag (`--name`) and of its JSON key.
        kind: `int`, `float`, `str` or `bool`.
        default: Value used when none is given.
        help: One line for flags, tooltips and docs.
        choices: Allowed values; empty if they cannot be listed.
        low: Smallest allowed value, or None.
        high: Largest allowed value, or None.
        optional: Whether None is allowed. The value is then chosen from the data.
        check: Raises `MMGError` for other values that are not allowed, or None.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    check: Callable[[Any], None] | None = None

    @property
    def expected(self) -> str:
        """The allowed values in words, e.g. `a whole number of at least 1 or none`."""
        if self.choices:
            return "one of " + listed(self.choices)
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        text = words[self.kind]
        if self.low is not None and self.high is not None:
            text += f" from {_short(self.low)} to {_short(self.high)}"
        elif self.low is not None:
            text += f" of at least {_short(self.low)}"
        return text + (" or none" if self.optional else "")


def _meaning(info: FieldInfo) -> str:
    """Name, help and default in one line."""
    default = "" if info.default is None else f" (default: {info.default!r})"
    return f"{info.name}: {info.help}{default}."


def _short(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def field(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
    check: Callable[[Any], None] | None = None,
) -> Any:
    """A dataclass field that carries its help, choices and range.

    Args:
        default: Value used when none is given.
        help: One line for flags, tooltips and docs.
        choices: Allowed values, if they can be listed.
        low: Smallest allowed value.
        high: Largest allowed value.
        check: Raises `MMGError` for other values that are not allowed.

    Returns:
        What `dataclasses.field` returns.
    """
    metadata = {"help": help, "choices": choices, "low": low, "high": high, "check": check}
    return dataclasses.field(default=default, metadata=metadata)


def field_infos(owner: type) -> tuple[FieldInfo, ...]:
    """The fields of a dataclass, in order, with their types resolved.

    Args:
        owner: A dataclass whose fields were made by `field`.

    Returns:
        One `FieldInfo` per field.
    """
    return _field_infos(owner)


@functools.cache  # resolving types takes milliseconds
def _field_infos(owner: Any) -> tuple[FieldInfo, ...]:
    hints = typing.get_type_hints(owner)
    return tuple(
        _info(f, hints[f.name])
        for f in dataclasses.fields(owner)
        if f.init and "help" in f.metadata
    )


def _info(f: dataclasses.Field[Any], hint: Any) -> FieldInfo:
    args = typing.get_args(hint)
    kind = next((a for a in args if a is not type(None)), hint)
    default = None if f.default is MISSING else f.default
    return FieldInfo(f.name, kind, default, optional=type(None) in args, **f.metadata)


def check_fields(obj: Any) -> None:
    """Check every field of a dataclass instance against its description.

    Raises:
        MMGError: A value has the wrong type, is not one of the choices, or is out of range.
    """
    for info in field_infos(type(obj)):
        value = getattr(obj, info.name)
        if not _fits(info, value):
            what = f"{info.name} must be {info.expected}; got {brief(value)}."
            raise MMGError(what, _meaning(info))
        if info.check is not None:
            info.check(value)


def _fits(info: FieldInfo, value: Any) -> bool:
    if value is None:
        return info.optional
    if not _is_kind(info.kind, value):
        return False
    if info.choices:
        return value in info.choices
    if info.kind not in (int, float):
        return True
    above = info.low is None or value >= info.low
    return math.isfinite(value) and above and (info.high is None or value <= info.high)


def _is_kind(kind: type, value: Any) -> bool:
    if kind is bool or isinstance(value, bool):  # in Python, True is an int
        return kind is bool and isinstance(value, bool)
    return isinstance(value, (int, float) if kind is float else kind)


def from_fields(
    owner: type[T],
    values: Mapping[str, Any],
    besides: Iterable[str] = (),
    hint: Callable[[str], str] = lambda name: "",
) -> T:
    """Build a dataclass from named values; refuse unknown names.

    Args:
        owner: A dataclass whose fields were made by `field`.
        values: Field names and values.
        besides: Other names that the caller takes. One of them may be what was meant.
        hint: An unknown name -> what else may be meant, in a sentence; empty if nothing is.

    Returns:
        The instance.

    Raises:
        MMGError: A name is unknown, or the dataclass refuses a value.
    """
    known = [info.name for info in field_infos(owner)]
    for name in values:
        if name not in known:
            what = f"{owner.__name__} has no field {brief(name)}."
            if said := hint(name):
                raise MMGError(what, f"{said} Fields: {listed(known, name)}.")
            raise MMGError(what, one_of(name, known, "Fields", besides))
    return owner(**{name: _plain_number(value) for name, value in values.items()})


def _plain_number(value: Any) -> Any:
    """A NumPy number as a Python number, because JSON cannot hold the former."""
    if isinstance(value, (bool, int, float)) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def parse(info: FieldInfo, text: str) -> Any:
    """Convert the text of a flag to the value of a field.

    Args:
        info: The field.
        text: The text that the user wrote.

    Returns:
        The typed value.

    Raises:
        MMGError: The text is not a value of this field.
    """
    if info.optional and text.lower() in ("none", "auto"):
        return None
    try:
        value = _PARSERS[info.kind](text)
    except (KeyError, ValueError, OverflowError):
        value = None
    if value is not None and _fits(info, value):
        if info.check is not None:
            info.check(value)
        return value
    what = f"{info.name} must be {info.expected}; got {brief(text)}."
    raise MMGError(what, _meaning(info))


def whole_number(text: str) -> int:
    """Convert a text to a whole number, also if it is written as `4e3`.

    Raises:
        ValueError: It is no whole number.
        OverflowError: It is infinite.
    """
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(text) if text.lstrip("+-").isdigit() else int(number)


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_PARSERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: _BOOLEANS[text.lower()],
    int: whole_number,
    float: float,
    str: str,
}
