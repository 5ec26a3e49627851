"""Split the line of a magic into tokens.

`shlex` would remove the quotes in `df["a"]` and the backslashes in paths, and split in brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmg_nb.errors import MMGError

__all__ = ["Line", "Token", "has_comma", "tokenize", "unquoted", "without_comment"]

SHOWN = 80  # characters up to the one that an error points at
CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Token:
    """One word or expression.

    Attributes:
        text: Its text, without quotes around the whole text.
        start: Position of its first character in the line.
        quoted: Whether quotes surrounded the whole text.
    """

    text: str
    start: int
    quoted: bool = False


@dataclass(frozen=True)
class Line:
    """The tokens of a line, and whether it ended with `;`, which suppresses the display."""

    tokens: tuple[Token, ...]
    silent: bool = False


def tokenize(line: str) -> Line:
    """Split at spaces outside quotes and brackets; remove a comment and a trailing `;`.

    Args:
        line: The line after `%mmg`.

    Returns:
        The tokens.

    Raises:
        MMGError: A quote or bracket is not balanced. The message shows its position.
    """
    code = without_comment(line).rstrip()
    silent = code.endswith(";") and _is_plain(code, len(code) - 1)
    if silent:
        code = code[:-1].rstrip()
    ends = [at for at, char, depth in _plain(code) if char.isspace() and depth == 0]
    tokens, start = [], 0
    for end in (*ends, len(code)):
        if end > start:
            text = code[start:end]
            tokens.append(Token(unquoted(text), start, unquoted(text) != text))
        start = end + 1
    return Line(tuple(tokens), silent)


def without_comment(line: str) -> str:
    """The line up to a `#` outside quotes.

    Raises:
        MMGError: A quote or bracket is not balanced.
    """
    for at, char, _ in _plain(line):
        if char == "#":
            return line[:at]
    return line


def unquoted(text: str) -> str:
    """The text without quotes that surround the whole text."""
    if len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1:
        return text[1:-1]
    return text


def has_comma(text: str) -> bool:
    """Whether a token has a comma outside quotes and brackets."""
    return any(char == "," and depth == 0 for _, char, depth in _plain(text))


def _is_plain(code: str, position: int) -> bool:
    return any(at == position and depth == 0 for at, _, depth in _plain(code))


def _plain(line: str) -> Iterator[tuple[int, str, int]]:
    """Position, character and bracket depth of each character outside quotes.

    Stops after a comment sign, because a comment need not be balanced.
    """
    opened: list[int] = []
    quote = -1
    for at, char in enumerate(line):
        if quote >= 0:
            if char == line[quote] and line[at - 1] != "\\":
                quote = -1
            continue
        if char in "'\"":
            quote = at
        elif char in CLOSERS:
            opened.append(at)
        elif char in CLOSERS.values() and (not opened or CLOSERS[line[opened.pop()]] != char):
            raise _unbalanced(line, at, f"The {char} has no matching opening bracket.")
        yield at, char, len(opened)
        if char == "#":
            break
    if quote >= 0:
        raise _unbalanced(line, quote, f"The quote {line[quote]} is never closed.")
    if opened:
        raise _unbalanced(line, opened[-1], f"The {line[opened[-1]]} is never closed.")


def _unbalanced(line: str, at: int, what: str) -> MMGError:
    begin = line[max(0, at + 1 - SHOWN) : at + 1]
    return MMGError(what, f"It is the last character here: {begin}")
