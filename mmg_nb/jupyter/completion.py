"""Completion of subcommands, options, their values and arrays after `%mmg`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mmg_nb.benchmark import SUITES
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import names
from mmg_nb.fields import FieldInfo
from mmg_nb.jupyter.arguments import chosen_estimator
from mmg_nb.jupyter.commands import (
    COMMANDS,
    QUESTIONS,
    SHORT_FLAGS,
    TOPICS,
    Command,
    command,
    flag,
)
from mmg_nb.jupyter.namespace import arrays, columns
from mmg_nb.jupyter.runs import Runs
from mmg_nb.jupyter.settings import SETTING_INFOS, SessionSettings, setting_infos
from mmg_nb.jupyter.suggested_values import (
    STEERED,
    Suggestion,
    of_arrays,
    of_files,
    of_results,
    of_runs,
    values,
)
from mmg_nb.jupyter.tokens import Token, tokenize

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Completion", "suggest", "suggest_in_body"]

# `%mmg …`, `%%mmg …`, `res = %mmg …`
LINE = re.compile(r"^\s*(?:[^=%]+=\s*)?%{1,2}mmg\s(?P<rest>.*)$")
CELL = re.compile(r"^%%mmg\s+estimate\b(?P<rest>.*)$")
# The word being typed: the end of the line, from the last space or the = of an option.
FRAGMENT = re.compile(r"[^\s=]*$")

# The columns in `df[["a", "b` or `df[['a`: the table, those before, the name being typed.
COLUMNS = re.compile(
    r"""(?P<table>[^\W\d]\w*)\[\[(?P<before>(?:\s*(?:"[^"]*"|'[^']*')\s*,)*)\s*"""
    r"""(?P<quote>["'])(?P<typed>[^"']*)$"""
)


def suggest(
    rest: str, estimator: str, variables: Mapping[str, Any], runs: Runs | None = None
) -> list[Suggestion]:
    """All words that can follow; the caller filters them by the word being typed.

    Args:
        rest: The line after `%mmg`, up to the cursor and without the word being typed.
        estimator: Estimator if the line names none.
        variables: The user's variables.
        runs: The runs of the session; None for none.

    Returns:
        Texts and their kinds.
    """
    try:
        tokens = tokenize(rest).tokens
        if not tokens:
            return [(name, "subcommand") for name in COMMANDS]
        target = command(tokens[0].text, _known_estimator(tokens, estimator))
    except MMGError:  # unfinished or invalid; the call itself reports it
        return []
    before = tokens[-1].text.rstrip("=") if len(tokens) > 1 else ""
    pending = _option(target, before)
    if pending is not None and pending.kind is not bool:
        return values(pending, target.name, _operand_words(target, tokens), variables)
    found = [*_operands(target, tokens, variables, runs), *_flags(target, tokens)]
    return found or [("-h", "help")]


def _known_estimator(tokens: tuple[Token, ...], default: str) -> str:
    chosen = chosen_estimator(tokens, "", default)
    return chosen if chosen in names() else default


def _option(target: Command, written: str) -> FieldInfo | None:
    known = {flag(info): info for info in target.options}
    return known.get(SHORT_FLAGS.get(written, written.replace("_", "-")))


def _operands(
    target: Command, tokens: tuple[Token, ...], variables: Mapping[str, Any], runs: Runs | None
) -> list[Suggestion]:
    if target.name == "rank" and len(_operand_words(target, tokens)) == 1:
        labels = map(str, columns(variables.get(tokens[1].text)))
        return [(label, "column") for label in labels if " " not in label]
    if target.name == "explore" or (target.name == "rank" and len(tokens) == 1):
        tables = ((name, f"table {shape}") for name, shape in arrays(variables).items())
        return [each for each in tables if columns(variables[each[0]])]
    if target.name in QUESTIONS:
        return of_arrays(variables) if target.name != "rank" else []
    if target.name in ("estimate", "compare", "panel"):
        return of_arrays(variables) if len(_operand_words(target, tokens)) < 2 else []
    if target.name == "help":
        topics = [(name, "subcommand") for name in COMMANDS]
        topics += [(name, "topic") for name in TOPICS]
        return topics + [(name, "estimator") for name in names()]
    if target.name == "benchmark":
        return [(suite, "suite of tasks") for suite in SUITES]
    if target.name == "config":
        setting = setting_infos().get(tokens[-1].text.rstrip("="))
        if setting is not None:
            return values(setting, "config", (), variables)
        return [(f"{name}=", "setting") for name in SETTING_INFOS]
    files = of_files("*.mmg") if target.name == "resume" else []
    if target.name in STEERED:
        return [*of_runs(runs, target.name), *files]
    if target.name == "runs":
        return []
    return [*of_results(variables), *of_runs(runs, target.name)]


def _operand_words(target: Command, tokens: tuple[Token, ...]) -> list[str]:
    """The words that are neither options nor their values."""
    words = ["", *(token.text for token in tokens[1:])]
    found = []
    for before, word in itertools.pairwise(words):
        info = _option(target, before)
        is_value = info is not None and info.kind is not bool
        if not (is_value or word.startswith("-")):
            found.append(word)
    return found


def _flags(target: Command, tokens: tuple[Token, ...]) -> list[Suggestion]:
    given = {token.text.partition("=")[0] for token in tokens}
    flags = (flag(info) for info in target.options)
    return [(each, "option") for each in flags if each not in given]


def suggest_in_body(
    first: str, line: str, estimator: str, variables: Mapping[str, Any]
) -> list[Suggestion]:
    """All words that can follow in a line `field: value` of a cell.

    Args:
        first: The cell's first line after `%%mmg estimate`.
        line: The line up to the cursor.
        estimator: Estimator if the first line names none.
        variables: The user's variables.

    Returns:
        Texts and their kinds.
    """
    try:
        target = command("estimate", _known_estimator(tokenize(first).tokens, estimator))
    except MMGError:
        return []
    key, colon, _ = line.partition(":")
    name = key.strip().replace("-", "_")
    if colon:
        infos = [info for info in target.options if info.name == name]
        return values(infos[0], "estimate", (), variables) if infos else []
    return [(f"{info.name}: ", "field") for info in target.options]


class Completion:
    """The completion matcher of one shell. It does nothing if IPython is older than 8.6.

    Args:
        shell: The shell.
        settings: Settings of the shell; they give the default estimator.
        runs: The runs of the shell.
    """

    def __init__(self, shell: InteractiveShell, settings: SessionSettings, runs: Runs) -> None:
        self._shell = shell
        self._runs = runs
        self._settings = settings
        self._matcher: Any = None

    def install(self) -> None:
        """Add the matcher to the shell."""
        try:
            from IPython.core.completer import context_matcher
        except ImportError:
            return

        # A function, because IPython sets attributes on it, which methods do not accept.
        def match(context: CompletionContext) -> Any:
            return self._match(context)

        self._matcher = context_matcher(identifier="mmg_nb")(match)
        self._shell.Completer.custom_matchers.append(self._matcher)

    def uninstall(self) -> None:
        """Remove the matcher from the shell."""
        if self._matcher is not None:
            self._shell.Completer.custom_matchers.remove(self._matcher)
            self._matcher = None

    def _match(self, context: CompletionContext) -> Any:
        from IPython.core.completer import SimpleCompletion

        text = context.text_until_cursor
        found, typed = self._columns(text)
        if not found:
            fragment = FRAGMENT.search(text)
            typed = fragment.group() if fragment else ""
            found = self._suggestions(context, text[: len(text) - len(typed)])
        return {
            "completions": [
                SimpleCompletion(text=insert, type=kind)
                for insert, kind in _narrowed(found, typed)
            ],
            "matched_fragment": typed,
            "suppress": True,
        }

    def _columns(self, text: str) -> tuple[list[Suggestion], str]:
        """Columns of a table that is indexed by a list, and the name being typed."""
        inside = COLUMNS.search(text) if LINE.match(text) else None
        if inside is None:
            return [], ""
        labels = columns(self._shell.user_ns.get(inside["table"]))
        listed = re.findall(r"""["']([^"']*)["']""", inside["before"])
        names = [each for each in labels if isinstance(each, str) and each not in listed]
        return [(each, "column") for each in names], inside["typed"]

    def _suggestions(self, context: CompletionContext, before: str) -> list[Suggestion]:
        estimator, variables = self._settings.estimator, self._shell.user_ns
        cell = CELL.match(context.full_text.partition("\n")[0])
        if cell and context.cursor_line > 0:
            return suggest_in_body(cell["rest"], before, estimator, variables)
        line = LINE.match(before)
        return suggest(line["rest"], estimator, variables, self._runs) if line else []


def _narrowed(found: Iterable[Suggestion], typed: str) -> list[Suggestion]:
    """Suggestions that begin with the typed text.

    If nothing is typed yet, options are suggested only when there are no other words.
    """
    fitting = [each for each in found if each[0].startswith(typed)]
    words = [each for each in fitting if not each[0].startswith("-")]
    return words if words and not typed else fitting
