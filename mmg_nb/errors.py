"""Errors that a user can correct: what was expected, what came, and what to do."""

from __future__ import annotations

import difflib
import reprlib
import traceback
from collections.abc import Iterable
from typing import Any

__all__ = ["MMGError", "brief", "closest", "cut", "listed", "one_of"]

ROOM = 400  # characters of a message
ROOM_FOR_WHAT = 240  # of them for what was expected and what came; the rest is for the remedy
ROOM_FOR_NAME = 40
ROOM_FOR_NAMES = 260
ROOM_FOR_VALUE = 80
CONDITIONS = ("z", "cond", "condition", "conditional")  # what others call `given`
MAX_COMPARED = 5000  # names that are compared with the one that came

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = ROOM_FOR_VALUE


class MMGError(ValueError):
    """A user's mistake, reported in two lines of at most 400 characters together.

    IPython prints what `_render_traceback_` returns instead of the traceback. A notebook user
    then reads two lines. The cell still fails, and "Run All" stops. Errors that are not a user's
    mistake keep their traceback.

    Args:
        what: What was expected and what came. Abbreviated in the middle if it is too long.
        remedy: What to do. Abbreviated likewise.

    Attributes:
        full_traceback: Whether IPython prints the whole traceback.
    """

    full_traceback = False

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = cut(what, ROOM_FOR_WHAT)
        self.remedy = cut(remedy, ROOM - 1 - len(self.what))
        super().__init__(self.what, self.remedy)

    def __str__(self) -> str:
        return f"{self.what}\n{self.remedy}" if self.remedy else self.what

    def _render_traceback_(self) -> list[str]:
        if self.full_traceback:
            return "".join(traceback.format_exception(self)).splitlines()
        return [f"\x1b[31mmmg_nb:\x1b[0m {self.what}", *([self.remedy] if self.remedy else [])]


def cut(text: str, room: int) -> str:
    """The text on one line, abbreviated in the middle to at most `room` characters."""
    line = " ".join(text.split())
    if len(line) <= room:
        return line
    end = room // 3
    return f"{line[: room - end - 1]}…{line[len(line) - end :]}"


def brief(value: Any, room: int = ROOM_FOR_VALUE) -> str:
    """The `repr` of a value on one line, abbreviated to at most `room` characters."""
    try:
        return cut(_REPR.repr(value), room)
    except Exception:  # the repr of a user's object may raise any error
        return f"<{cut(type(value).__name__, room - 2)}>"


def listed(names: Iterable[object], near: str = "", room: int = ROOM_FOR_NAMES) -> str:
    """Names separated by commas; if there are too many, a few of them and a count.

    Args:
        names: The names.
        near: The name that came. The three that are closest to it are then preferred.
        room: The most characters.

    Returns:
        For example `a, b` or `a, b, c and 1997 more`.
    """
    words = [cut(str(name), ROOM_FOR_NAME) for name in names]
    if len(", ".join(words)) <= room:
        return ", ".join(words)
    if near:
        few = difflib.get_close_matches(cut(near, ROOM_FOR_NAME), words[:MAX_COMPARED], 3, 0.0)
    else:
        few = words[:1]
        while len(", ".join([*few, words[len(few)]])) < room - len(" and 9999 more"):
            few.append(words[len(few)])
    return f"{', '.join(few)} and {len(words) - len(few)} more"


def closest(word: str, known: Iterable[str]) -> str:
    """A "did you mean" sentence, or an empty string.

    Args:
        word: The word that came.
        known: The valid words.

    Returns:
        The sentence with a trailing space, or "".
    """
    words = list(known)[:MAX_COMPARED]
    near = difflib.get_close_matches(cut(word, ROOM_FOR_NAME), words, n=1, cutoff=0.6)
    near = ["given"] if word in CONDITIONS and "given" in words else near
    return f"Did you mean {brief(near[0], ROOM_FOR_NAME)}? " if near else ""


def one_of(word: str, known: Iterable[str], kind: str, besides: Iterable[str] = ()) -> str:
    """The remedy for an unknown name: the closest one, and the valid ones.

    Args:
        word: The name that came.
        known: The valid names.
        kind: What they are, e.g. `Fields`.
        besides: Valid names of another kind, which are suggested but not listed.

    Returns:
        For example `Did you mean 'steps'? Fields: effort, steps.`
    """
    words = list(known)
    room = ROOM_FOR_NAMES - 2 * ROOM_FOR_NAME
    return f"{closest(word, [*words, *besides])}{kind}: {listed(words, word, room)}."
