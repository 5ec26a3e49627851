"""`%mmg rank` and other questions that take many estimates: from the line to a run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import mmg_nb
from mmg_nb.benchmark.cells import read_specs
from mmg_nb.errors import MMGError, cut
from mmg_nb.jupyter.commands import COMMANDS, QUESTIONS
from mmg_nb.jupyter.namespace import columns, in_words, joined, resolve
from mmg_nb.jupyter.tokens import has_comma
from mmg_nb.runs.events import Listener

__all__ = ["Question", "read_question"]


@dataclass(frozen=True)
class Question:
    """A question that is ready to be answered.

    Attributes:
        what: The question in a few words.
        estimator: Name in the registry.
        function: The function of the package that answers it.
        arguments: Its first arguments.
        options: Its keyword arguments.
    """

    what: str
    estimator: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def run(self, listen: Listener) -> Any:
        """Answer it."""
        return self.function(*self.arguments, listen=listen, progress=False, **self.options)

    def with_own_data(self) -> Question:
        """The same on copies of the data. The originals may then be changed or deleted."""
        return replace(
            self,
            arguments=copy.deepcopy(self.arguments),
            options=copy.deepcopy(self.options),
        )


def read_question(
    name: str, operands: Sequence[str], options: dict[str, Any], namespace: dict[str, Any]
) -> Question:
    """Evaluate the operands and options of a question.

    Args:
        name: The subcommand.
        operands: Its operands.
        options: Its typed options.
        namespace: The user's variables.

    Returns:
        The question.

    Raises:
        MMGError: An operand is missing or cannot be evaluated, or the estimator is unknown.
    """
    _check_operands(name, operands, namespace)
    options = dict(options)
    (spec,) = _one_estimator(options.pop("estimator", "ksg"))
    if name in ("rank", "total") and options.get("given"):
        options["given"] = [each.strip() for each in options["given"].split(",")]
    if name == "total":
        arguments: tuple[Any, ...] = (_table(operands, namespace),)
        what = f"what {', '.join(operands)} share"
    elif name == "rank":
        arguments = (resolve(operands[0], namespace), operands[1])
        what = f"columns of {operands[0]} for {operands[1]}"
    else:
        arguments = tuple(_named(resolve(text, namespace), text) for text in operands)
        for key in ("given", "groups", "series"):
            if options.get(key) is not None:
                options[key] = _named(resolve(options[key], namespace), options[key])
        what = f"{name} of {', '.join(operands)}"
    if "history" in options:
        options["history"] = tuple(_whole(part) for part in options["history"].split(","))
    function = getattr(mmg_nb, QUESTIONS[name])
    fields = {"estimator": spec.estimator, **spec.fields}
    return Question(what, spec.estimator, function, arguments, {**options, **fields})


def _whole(text: str) -> Any:
    """The number that a text names, or else the text, which the question then refuses."""
    return int(text) if text.strip().isdecimal() else text


def _table(texts: Sequence[str], namespace: dict[str, Any]) -> Any:
    """One table as it is, or several columns as a table."""
    values = [resolve(text, namespace) for text in texts]
    if len(values) == 1:
        return values[0]
    import pandas as pd

    for text, value in zip(texts, values, strict=True):
        if getattr(value, "ndim", 1) != 1:
            what = f"%mmg total takes one table or several single columns; got {cut(text, 80)}."
            raise MMGError(what, "Put all columns in one table: df[['a', 'b', 'c']].")
    return pd.DataFrame({text: np.asarray(each) for text, each in zip(texts, values, strict=True)})


def _named(value: Any, text: str) -> Any:
    """An array as a table whose column has the name of the expression; tables as they are."""
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        return value
    import pandas as pd

    return pd.Series(value, name=text if not text.isdigit() else None)


def _one_estimator(text: str) -> Sequence[Any]:
    specs = read_specs(text)
    if len(specs) != 1:
        what = f"--estimator takes one estimator; got {cut(text, 80)}."
        raise MMGError(what, "Write one name, with or without fields: mmg:effort=quick.")
    return specs


def _check_operands(name: str, operands: Sequence[str], namespace: dict[str, Any]) -> None:
    wanted = COMMANDS[name].operands
    count, more = len(wanted.split()), wanted.endswith("...")
    got = " ".join(operands)
    if any(map(has_comma, operands)):
        what = f"%mmg {name} takes {wanted} separated by spaces; got a comma: {cut(got, 80)}."
        raise MMGError(what, f"Write %mmg {name} {cut(got.replace(',', ' '), 80)}.")
    if len(operands) < (1 if more else count) or (len(operands) > count and not more):
        what = f"%mmg {name} takes {wanted}; got {cut(got, 80) or 'nothing'}."
        raise MMGError(what, _quotes(name, operands, namespace) or in_words(namespace))


def _quotes(name: str, operands: Sequence[str], namespace: dict[str, Any]) -> str:
    """How to write the name of a target that has spaces; empty if that is not what went wrong."""
    if name != "rank" or len(operands) < 3:
        return ""
    table, *target = joined(operands, set(map(str, columns(namespace.get(operands[0])))))
    if len(target) > 1:
        return "Put quotes around a name with spaces, e.g. 'body mass'."
    return f"Write %mmg rank {table} {target[0]!r}."
