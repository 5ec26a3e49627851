"""Evaluate the user's expressions in the namespace of the notebook."""

from __future__ import annotations

import builtins
import inspect
import keyword
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmg_nb.data.tables import column_names
from mmg_nb.errors import MMGError, brief, closest, cut, listed

__all__ = ["arrays", "check_name", "columns", "columns_in_words", "in_words", "joined", "resolve"]

ROOM_FOR_ARRAYS = 180  # characters, of the arrays in a message


def resolve(text: str, namespace: dict[str, Any]) -> Any:
    """Evaluate an expression such as `x[:, :2]` or `df[["a", "b"]]`.

    Args:
        text: The expression.
        namespace: The user's variables. Evaluation adds `__builtins__` if it is missing.

    Returns:
        Its value.

    Raises:
        MMGError: The text is not an expression, a name is unknown, or the evaluation fails.
    """
    try:
        code = compile(text, "<%mmg>", "eval")
    except (SyntaxError, ValueError) as error:
        what = f"Expected a variable or an expression; got {brief(text)}."
        remedy = "Put an expression with spaces in parentheses, e.g. (x + 1)."
        raise MMGError(what, columns_in_words([text], namespace) or remedy) from error
    try:
        return eval(code, namespace)
    except NameError as error:
        raise _unknown(str(error.name), namespace) from error
    except Exception as error:
        what = f"{cut(text, 80)} could not be evaluated: {type(error).__name__}: {error}."
        raise MMGError(what, _hint(text, namespace)) from error


def _unknown(name: str, namespace: Mapping[str, Any]) -> MMGError:
    near = columns_in_words([name], namespace) or closest(name, arrays(namespace))
    return MMGError(f"There is no variable {brief(name)}.", near + in_words(namespace))


def _hint(text: str, namespace: Mapping[str, Any]) -> str:
    """The columns of the table at the start of the expression, or else the arrays."""
    owner = text.replace(".", "[").partition("[")[0]
    labels = columns(namespace.get(owner))
    if labels:
        return f"Columns of {owner}: {listed(map(repr, labels), text.partition(owner)[2])}."
    return in_words(namespace)


def columns(value: Any) -> list[Any]:
    """The column labels of a table; empty for any other value."""
    return column_names(value)


def columns_in_words(words: Sequence[str], namespace: Mapping[str, Any]) -> str:
    """A "did you mean" sentence if columns are named without their table; otherwise empty.

    Args:
        words: Names of columns, perhaps after that of their table.
        namespace: The user's variables.

    Returns:
        For example `Did you mean df['mean radius'] df['age']? `, with a trailing space.
    """
    for table in arrays(namespace):
        known = set(map(str, columns(namespace[table])))
        names = [word for word in joined(words, known) if word != table]
        if names and set(names) <= known:
            return f"Did you mean {' '.join(f'{table}[{name!r}]' for name in names)}? "
    return ""


def joined(words: Sequence[str], known: Collection[str]) -> list[str]:
    """The words; those side by side that are one known name with spaces are joined."""
    rest, found = list(words), []
    while rest:
        size = next((k for k in range(len(rest), 1, -1) if " ".join(rest[:k]) in known), 1)
        found.append(" ".join(rest[:size]))
        rest = rest[size:]
    return found


def kinds(value: Any) -> list[str]:
    """What the columns of a table hold by their types: number, yes/no, time or category."""
    types_: Any = getattr(getattr(value, "schema", None), "types", None)  # PyArrow
    if hasattr(value, "data_vars"):
        types_ = [each.dtype for each in value.data_vars.values()]
    elif types_ is None:
        types_ = getattr(value, "dtypes", ())
    return [_kind(str(each).lower()) for each in types_] if columns(value) else []


def _kind(dtype: str) -> str:
    for kind, words in _KINDS.items():
        if any(word in dtype for word in words):
            return kind
    return "category"


_KINDS = {
    "yes/no": ("bool",),
    "time": ("date", "time", "duration"),
    "number": ("int", "float", "double", "decimal"),
}


def arrays(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Names of arrays and tables, with shapes such as `1000×2`.

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
        if hasattr(value, "data_vars"):  # an xarray Dataset
            return next(iter(value.sizes.values()), 0), len(value.data_vars)
        shape = value.shape
    except Exception:  # a property of a user's object may raise any error
        return ()
    return tuple(shape) if isinstance(shape, tuple) else ()


def _in_words(shape: tuple[Any, ...]) -> str:
    return "×".join(map(str, shape))


def in_words(namespace: Mapping[str, Any]) -> str:
    """A sentence that lists the arrays with their shapes."""
    found = [f"{name} ({shape})" for name, shape in arrays(namespace).items()]
    if not found:
        return "There are no arrays here yet."
    return f"Arrays here: {listed(found, room=ROOM_FOR_ARRAYS)}."


def check_name(name: str, namespace: Mapping[str, Any]) -> None:
    """Check the name of the variable that will store a result.

    Args:
        name: The name.
        namespace: The user's variables.

    Raises:
        MMGError: The name is not valid, is a Python builtin, or already holds an array, a
            table, a module, a class or a function.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        what = f"Expected the name of a variable; got {brief(name)}."
        raise MMGError(what, "Use letters, digits and underscores, e.g. -o res.")
    held = namespace.get(name)
    shape = _shape(held)
    if hasattr(builtins, name):
        what = f"{name!r} is a Python builtin; the result would hide it."
    elif shape:
        what = f"{name!r} holds data ({_in_words(shape)}); the result would overwrite them."
    elif isinstance(held, (types.ModuleType, type)) or inspect.isroutine(held):
        kind = "module" if isinstance(held, types.ModuleType) else type(held).__name__
        what = f"{name!r} is a {kind}; the result would overwrite it."
    else:
        return
    raise MMGError(what, "Choose another name, e.g. -o res.")
