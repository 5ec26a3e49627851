"""Convert tokens to typed arguments of a subcommand, with the same fields as in Python."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

from mmg_nb.errors import MMGError, brief, closest, cut, listed
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import FieldInfo, field_infos, parse
from mmg_nb.jupyter.commands import SHORT_FLAGS, Command, flag
from mmg_nb.jupyter.tokens import Token, unquoted, without_comment

__all__ = ["Arguments", "chosen_estimator", "read_body", "read_tokens"]


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call.

    Attributes:
        operands: Words that are neither options nor their values.
        values: Name of each given option -> typed value.
        help: Whether the call requests help.
    """

    operands: tuple[str, ...] = ()
    values: Mapping[str, Any] = dataclass_field(default_factory=dict)
    help: bool = False


def chosen_estimator(tokens: Sequence[Token], body: str, default: str) -> str:
    """The estimator that a call names. It decides which fields the call may have.

    Args:
        tokens: The tokens of the call.
        body: Its lines `field: value`.
        default: Estimator if the call names none.

    Returns:
        The name. It may be unknown.
    """
    words = [word for token in tokens for word in _dashed(token.text).split("=", 1)]
    words += [word for line in body.splitlines() for word in ("--" + line).split(":", 1)]
    for word, following in itertools.pairwise(words):
        if word.strip() == "--estimator":
            return unquoted(following.partition("#")[0].strip())
    return default


def read_tokens(target: Command, tokens: Sequence[Token]) -> Arguments:
    """Read the arguments of a call.

    Args:
        target: The subcommand.
        tokens: The tokens after its name.

    Returns:
        Operands and typed options.

    Raises:
        MMGError: An option is unknown or given twice, or its value is missing or invalid.
    """
    operands: list[str] = []
    values: dict[str, Any] = {}
    left = deque(tokens)
    while left:
        token = left.popleft()
        dashed = _dashed(token.text)
        if not token.quoted and dashed != token.text and _find(target, dashed.split("=")[0]):
            token = replace(token, text=dashed)
        if token.quoted or not token.text.startswith("-"):
            operands.append(token.text)
        elif token.text in ("-h", "--help"):
            return Arguments(help=True)
        else:
            info, value = _option(target, token.text, left)
            if info.name in values:
                raise MMGError(f"{flag(info)} is given twice.", "Leave one of them out.")
            values[info.name] = value
    return Arguments(tuple(operands), values)


def _dashed(text: str) -> str:
    """`--rows='independent'` for `rows='independent'`, as notes and errors spell it."""
    name, assigned, value = text.partition("=")
    is_call = assigned and name.isidentifier() and not value.startswith("=")
    return f"--{text}" if is_call else text


def _option(target: Command, text: str, left: deque[Token]) -> tuple[FieldInfo, Any]:
    written, assigned, value = text.partition("=")
    info = _find(target, written)
    if info is None:
        raise _unknown(target, written)
    if assigned:
        return info, parse(info, unquoted(value))
    if info.kind is bool:
        return info, not written.startswith("--no-")
    if not left or left[0].text.startswith("--"):
        raise MMGError(f"{written} needs a value: {info.expected}.", f"{info.name}: {info.help}.")
    return info, parse(info, left.popleft().text)


def _find(target: Command, written: str) -> FieldInfo | None:
    """The option of `--steps`, `--learning_rate`, `-o`, `-b` or `--no-…`; None if unknown."""
    known = {flag(info): info for info in target.options}
    dashed = SHORT_FLAGS.get(written, written.replace("_", "-"))
    negated = known.get(dashed.replace("--no-", "--", 1))
    return known.get(dashed) or (negated if negated and negated.kind is bool else None)


def _unknown(target: Command, written: str) -> MMGError:
    flags = [flag(info) for info in target.options]
    what = f"%mmg {target.name} has no option {cut(written, 80)}."
    if not flags:
        return MMGError(what, f"This subcommand has no options: {target.synopsis}")
    name = written.removeprefix("--").replace("-", "_")
    owners = _owners(name)
    if owners and target.estimator:
        return MMGError(_not_of(target, written), _owned(owners))
    known = {info.name for info in target.options}
    option = next((each for each in ("estimators", "estimator") if each in known), None)
    if owners and option:
        remedy = f"Write it with its estimator: --{option} {owners[0]}:{name}=…"
        return MMGError(what, remedy)
    near = closest(written, flags)
    if near:
        return MMGError(what, f"{near}All options: %mmg {target.name} -h")
    remedy = f"Options: {listed(flags)}. Put an expression that begins with - in parentheses."
    return MMGError(what, remedy)


def _not_of(target: Command, written: str) -> str:
    return f"The estimator {target.estimator} has no option {cut(written, 80)}."


def _owned(owners: Sequence[str]) -> str:
    """Which estimators have an option, and what to do."""
    have = f"These estimators have it: {listed(owners)}."
    return f"{have} Add --estimator {owners[0]}, or leave it out."


def _owners(field: str) -> list[str]:
    """The estimators that have a field."""
    return [
        name
        for name in names()
        if field in (info.name for info in field_infos(estimator_class(name)))
    ]


def read_body(target: Command, body: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the lines `field: value` of a cell.

    Args:
        target: The subcommand.
        body: The cell without its first line.
        values: Options given in the first line.

    Returns:
        All typed options.

    Raises:
        MMGError: A line is invalid. The message gives its number in the cell.
    """
    known = {info.name: info for info in target.options}
    values = dict(values)
    for number, line in enumerate(body.splitlines(), start=2):
        try:
            _read_line(without_comment(line).strip(), known, values)
        except MMGError as error:
            raise MMGError(f"Line {number}: {error.what}", error.remedy) from error
    return values


def _read_line(line: str, known: Mapping[str, FieldInfo], values: dict[str, Any]) -> None:
    if not line:
        return
    key, _, text = (part.strip() for part in line.partition(":"))
    if not text:
        raise MMGError(f"Expected 'field: value'; got {brief(line)}.", _fields(known))
    name = key.replace("-", "_")
    if name not in known:
        raise MMGError(f"There is no field {brief(key)}.", _instead(name, known))
    if name in values:
        raise MMGError(f"{key} is given twice.", "Leave one of them out.")
    values[name] = parse(known[name], unquoted(text))


def _instead(name: str, known: Mapping[str, FieldInfo]) -> str:
    """What to write in place of a field that the estimator of a cell does not have."""
    owners = _owners(name)
    return _owned(owners) if owners else closest(name, known) or _fields(known)


def _fields(known: Mapping[str, FieldInfo]) -> str:
    return f"Fields: {listed(known)}."
