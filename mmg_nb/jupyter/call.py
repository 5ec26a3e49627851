"""One call of `%mmg`: the text after the subcommand, and what it names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmg_nb.errors import MMGError, cut
from mmg_nb.estimators.registry import names
from mmg_nb.jupyter.arguments import Arguments, read_tokens
from mmg_nb.jupyter.commands import Command, command_help
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.namespace import columns_in_words, in_words, resolve
from mmg_nb.jupyter.runs import Runs, is_number, is_result
from mmg_nb.jupyter.tokens import Token, has_comma

__all__ = ["Call"]


@dataclass(frozen=True)
class Call:
    """The text after the subcommand, and the variables that it can use.

    Attributes:
        tokens: The rest of the line.
        body: The rest of the cell; empty for `%mmg`.
        namespace: The user's variables. Local variables take precedence.
        silent: Whether the line ended with `;`.
    """

    tokens: tuple[Token, ...]
    body: str
    namespace: dict[str, Any]
    silent: bool

    def arguments(
        self, target: Command, defaults: Mapping[str, Any] | None = None
    ) -> Arguments | None:
        """Operands and typed options; None if the call requests help, which is then printed.

        Args:
            target: The subcommand.
            defaults: Current settings, which help gives as defaults of the options.

        Raises:
            MMGError: See `read_tokens`.
        """
        asked = read_tokens(target, self.tokens)
        if asked.help:
            print(command_help(target, defaults or {}))
            return None
        return asked

    def two(self, name: str, words: Sequence[str]) -> tuple[str, str]:
        """The expressions of x and y.

        Args:
            name: The subcommand.
            words: Its operands.

        Raises:
            MMGError: These are not two expressions.
        """
        if len(words) == 2 and not any(map(has_comma, words)):
            return words[0], words[1]
        what = f"%mmg {name} takes two expressions, X and Y; got {len(words)}."
        remedy = in_words(self.namespace)
        methods = re.split("[ ,]+", " ".join(words[2:]))
        if len(words) > 2 and set(methods) <= set(names()):
            option = "--estimators" if name == "compare" else "--estimator"
            remedy = f"Write %mmg {name} {words[0]} {words[1]} {option} {','.join(methods)}."
        elif any(map(has_comma, words)):
            what = f"%mmg {name} takes X and Y separated by a space; got a comma: "
            what += cut(" ".join(words), 80) + "."
            words = " ".join(words).replace(",", " ").split()
            remedy = f"Write %mmg {name} {' '.join(words)}. For I(x; y | z), add --given Z."
        elif len(words) > 2:
            remedy = columns_in_words(words, self.namespace) + (
                "Put an expression with spaces in parentheses. For I(x; y | z), add --given Z."
            )
        raise MMGError(what, remedy)

    def variables(self, texts: tuple[str, str], options: dict[str, Any]) -> tuple[Any, Any, str]:
        """x, y and the estimated quantity; also evaluates the expressions in `options`."""
        x, y = (resolve(text, self.namespace) for text in texts)
        condition = options.get("given")
        for name in ("groups", "given"):
            if options.get(name) is not None:
                options[name] = resolve(options[name], self.namespace)
        given = f" | {condition}" if condition else ""
        return x, y, f"I({texts[0]}; {texts[1]}{given})"

    def result(self, words: Sequence[str], runs: Runs) -> Any:
        """The result that the call names, or else the last one. It has a card and a plot.

        Args:
            words: The operands: at most one, the number of a run or an expression. The value of
                the expression is a result, a run, or what has a run: a panel or a map.
            runs: The runs of the session.

        Raises:
            MMGError: There is no such result.
        """
        if len(words) > 1:
            what = f"Expected one result; got {' '.join(words)}."
            remedy = "Name one variable or run, or none for the last result."
            raise MMGError(what, f"{remedy} %mmg plot res --save figure.pdf writes a file.")
        if not words:
            return runs.last_result()
        if is_number(words[0]):
            return runs.result_of(runs.find(words[0], ()))
        found = resolve(words[0], self.namespace)
        run = getattr(found, "run", found)
        if isinstance(run, Run):
            return runs.result_of(run)
        if not is_result(found):
            what = f"{words[0]} is not a result; its type is {type(found).__name__}."
            remedy = "Name a variable set by 'res = %mmg estimate …' or by -o res"
            raise MMGError(what, f"{remedy}, or the number of a run; %mmg runs lists them.")
        return found
