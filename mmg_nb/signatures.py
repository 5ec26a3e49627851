"""Keyword arguments that a `TypedDict` describes: filled in, checked, and shown in `help`."""

from __future__ import annotations

import functools
import inspect
import textwrap
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, TypeVar, cast

from mmg_nb.errors import MMGError, brief, one_of

__all__ = ["Keyword", "complete", "keywords_of", "only", "shows"]

_WIDTH = 91  # of a line of help, without its indent

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K")


@dataclass(frozen=True)
class Keyword:
    """What a keyword argument is when it is left out, and what it means."""

    default: Any
    help: str


def keywords_of(owner: type) -> dict[str, Keyword]:
    """The keyword arguments that a `TypedDict` describes, by name."""
    return _keywords_of(owner)


@functools.cache  # resolving types takes milliseconds
def _keywords_of(owner: Any) -> dict[str, Keyword]:
    hints = typing.get_type_hints(owner, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def complete(owner: type[K], given: Mapping[str, Any]) -> tuple[K, dict[str, Any]]:
    """Fill in the defaults of what was left out.

    Args:
        owner: The `TypedDict` of the keyword arguments.
        given: What a caller has given.

    Returns:
        All keyword arguments of `owner`, and whatever else was given.
    """
    known = {name: each.default for name, each in keywords_of(owner).items()}
    rest = {name: value for name, value in given.items() if name not in known}
    return cast(K, {name: given.get(name, default) for name, default in known.items()}), rest


def only(owner: type[K], given: Mapping[str, Any], function: str) -> K:
    """The same where nothing else may be given.

    Raises:
        MMGError: Something else was given.
    """
    asked, rest = complete(owner, given)
    for name in rest:
        what = f"{function} has no keyword argument {brief(name)}."
        raise MMGError(what, one_of(name, keywords_of(owner), "Keyword arguments"))
    return asked


def shows(owner: type, rest: str = "") -> Callable[[F], F]:
    """Let `help`, `?` and Tab show the keyword arguments of a function one by one.

    Args:
        owner: The `TypedDict` of its keyword arguments.
        rest: Name of the others that it takes, if it takes any.

    Returns:
        A decorator. It changes the signature and the docstring that are shown, nothing else.
    """
    keywords = keywords_of(owner)
    shown = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=each.default)
        for name, each in keywords.items()
    ]
    if rest:
        shown.append(Parameter(rest, Parameter.VAR_KEYWORD))

    def decorated(function: F) -> F:
        own = inspect.signature(function)
        first = [each for each in own.parameters.values() if each.kind != each.VAR_KEYWORD]
        function.__signature__ = own.replace(parameters=[*first, *shown])  # type: ignore[attr-defined]
        before, returns, after = inspect.cleandoc(function.__doc__ or "").partition("Returns:\n")
        function.__doc__ = f"{before}{_section(keywords)}\n\n{returns}{after}"
        return function

    return decorated


def _section(keywords: Mapping[str, Keyword]) -> str:
    """A section of a docstring."""
    lines = ["Keyword Args:"]
    for name, each in keywords.items():
        text = " ".join(f"{name}: {each.help}".split())
        lines += textwrap.wrap(text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
    return "\n".join(lines)
