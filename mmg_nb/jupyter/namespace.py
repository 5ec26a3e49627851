"""Expressions of the user -> values in the notebook's namespace."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping
from typing import Any

from mmg_nb.errors import MMGError
from mmg_nb.fields import closest

__all__ = ["arrays", "check_name", "columns", "in_words", "resolve"]

MOST_NAMED = 8


def resolve(text: str, namespace: dict[str, Any]) -> Any:
    """Evaluate an expression such as `x[:, :2]` or `df[["a", "b"]]`.

    Args:
        text: The expression.
        namespace: The user's variables; gets `__builtins__` if it has none.

    Returns:
        Its value.

    Raises:
        MMGError: It is no expression, a name is unknown, or evaluating it fails.
    """
    try:
        code = compile(text, "<%mmg>", "eval")
    except (SyntaxError, ValueError) as error:
        what = f"Expected a variable or an expression; got {text!r}."
        remedy = "Put an expression with blanks in brackets, e.g. (x + 1)."
        raise MMGError(what, remedy) from error
    try:
        return eval(code, namespace)
    except NameError as error:
        raise _unknown(str(error.name), namespace) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise MMGError(
            f"{text} could not be evaluated: {reason}.", _hint(text, namespace)
        ) from error


def _unknown(name: str, namespace: Mapping[str, Any]) -> MMGError:
    near = closest(name, arrays(namespace))
    return MMGError(f"There is no variable {name!r}.", near + in_words(namespace))


def _hint(text: str, namespace: Mapping[str, Any]) -> str:
    """The columns of the table that the expression begins with, or the arrays at hand."""
    owner = text.replace(".", "[").partition("[")[0]
    labels = columns(namespace.get(owner))
    if labels:
        return f"Columns of {owner}: " + ", ".join(map(repr, labels)) + "."
    return in_words(namespace)


def columns(value: Any) -> list[Any]:
    """The labels of a table's columns; empty for anything but a table."""
    is_table = hasattr(value, "columns") and hasattr(value, "iloc")
    return list(value.columns) if is_table and not isinstance(value, type) else []


def arrays(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Names of arrays and tables, with their shapes such as `1000×2`.

    Args:
        namespace: The user's variables.

    Returns:
        Name -> shape, in the order of the namespace.
    """
    shapes = {
        name: _shape(value)
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, type)
    }
    return {name: _in_words(shape) for name, shape in shapes.items() if shape}


def _shape(value: Any) -> tuple[Any, ...]:
    try:
        shape = value.shape
    except Exception:  # a property of an object we do not know may raise anything
        return ()
    return tuple(shape) if isinstance(shape, tuple) else ()


def _in_words(shape: tuple[Any, ...]) -> str:
    return "×".join(map(str, shape))


def in_words(namespace: Mapping[str, Any]) -> str:
    """A sentence that names the arrays at hand, with shapes."""
    found = [f"{name} ({shape})" for name, shape in arrays(namespace).items()]
    if not found:
        return "There are no arrays here yet."
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return "Arrays here: " + ", ".join(found[:MOST_NAMED]) + more + "."


def check_name(name: str, namespace: Mapping[str, Any]) -> None:
    """Check the name of a variable to be set.

    Args:
        name: The name.
        namespace: The user's variables.

    Raises:
        MMGError: It cannot be the name of a variable, would hide a builtin, or holds an array or
            a table.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        what = f"A result is stored under the name of a variable; got {name!r}."
        raise MMGError(what, "Use letters, digits and underscores, e.g. -o res.")
    shape = _shape(namespace.get(name))
    if hasattr(builtins, name):
        what = f"{name!r} is a builtin of Python, which a result would hide."
    elif shape:
        what = f"{name!r} holds data ({_in_words(shape)}), which a result would replace."
    else:
        return
    raise MMGError(what, "Choose another name, e.g. -o res.")
