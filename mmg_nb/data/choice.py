"""Which columns are categories: the option `discrete` of the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmg_nb.errors import MMGError, brief

__all__ = ["Choice", "names_of", "read_choice"]

ALIASES = {"given": "z"}


@dataclass(frozen=True)
class Choice:
    """Which columns are categories.

    Attributes:
        auto: Whether columns of few whole numbers or of truth values become categories.
        named: Variables (`x`) and columns (`sex`, `x[2]`) that the user declared as categories.
    """

    auto: bool = True
    named: frozenset[str] = frozenset()

    def names(self, variable: str, label: str, index: int) -> bool:
        """Whether the user named this column. A label that is a number is not a name."""
        names = {*names_of(variable, index)} | ({label} if not label.isdigit() else set())
        return bool(self.named & names)


def names_of(variable: str, index: int) -> tuple[str, ...]:
    """Names of a variable and of one of its columns: `x`, `x[2]`. `z` also means `given`."""
    names = (variable, ALIASES.get(variable, variable))
    return (*names, *(f"{name}[{index}]" for name in names))


def read_choice(discrete: Any) -> Choice:
    """Read the user's option `discrete`.

    Args:
        discrete: `auto`, `none`, or names of variables and columns. The names are a list, or one
            text with commas; `auto` may be among them.

    Returns:
        The choice.

    Raises:
        MMGError: `discrete` has another type.
    """
    words = discrete.split(",") if isinstance(discrete, str) else discrete
    if not isinstance(words, Sequence) or not all(isinstance(w, str) for w in words):
        what = f"discrete must be auto, none, or names of columns; got {brief(discrete)}."
        raise MMGError(what, 'Try discrete="y" or discrete="sex,x[2]".')
    named = frozenset(w.strip() for w in words if w.strip())
    return Choice("auto" in named, named - {"auto", "none"})
