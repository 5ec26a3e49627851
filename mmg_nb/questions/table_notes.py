"""Notes on estimates in the words of a table: its columns, and what its questions can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mmg_nb.data.choice import Choice
from mmg_nb.data.make_pairs import MIN_TIED_SHARE_FOR_NOTE
from mmg_nb.data.readings import Reading, is_identifier
from mmg_nb.data.series import IF_NO_ORDER, IF_WALKS
from mmg_nb.errors import listed

__all__ = ["named_too", "of_readings", "without_readings", "worded"]

_OF_READINGS = re.compile(
    r"(x|y|given): (repeated values in|\d+ column\(s\) of few whole numbers)"
)
_OTHER_ADVICE = {
    IF_NO_ORDER: "If the order of the rows has no meaning, shuffle the table first: "
    "df.sample(frac=1, random_state=0).",
    IF_WALKS: "If so, use the differences of these columns: df[[...]].diff().iloc[1:].",
}


def worded(note: str) -> str:
    """A note on an estimate, with advice that a question about a table can follow."""
    for advice, other in _OTHER_ADVICE.items():
        note = note.replace(advice, other)
    return note


def without_readings(notes: Iterable[str]) -> tuple[str, ...]:
    """Notes on an estimate, without those that `of_readings` says once for the table."""
    return tuple(worded(note) for note in notes if not _OF_READINGS.match(note))


def of_readings(
    readings: Sequence[Reading], rows: int, choice: Choice, categorical: bool
) -> tuple[str, ...]:
    """What few whole numbers and repeated values are read as, one note each for all columns.

    Args:
        readings: Those of the columns that are used.
        rows: Rows of the table.
        choice: Which columns the user declared as categories.
        categorical: Whether the estimator takes categories.
    """
    notes = []
    few = [f"{each.name}: {each.levels} values" for each in readings if each.kind == "levels"]
    if few:
        notes.append(
            f"{_columns(len(few))} of few whole numbers {'are' if len(few) > 1 else 'is'} treated "
            f"as categories ({listed(few)}). To treat them as numbers, use discrete='none'."
        )
    numbers = [each for each in readings if not (each.discrete or each.name in choice.named)]
    tied = {each.name: 1 - each.levels / (rows - each.missing) for each in numbers}
    tied = {name: share for name, share in tied.items() if share > MIN_TIED_SHARE_FOR_NOTE}
    if tied:
        where = listed(f"{name}: {share:.0%}" for name, share in tied.items())
        notes.append(
            f"Repeated values in {_columns(len(tied))} ({where}). They are treated as numbers, "
            "which is right for rounded measurements."
        )
        may = [e.name for e in numbers if not is_identifier(e.levels, rows - e.missing)]
        most = max(set(may) & {*tied}, key=lambda name: (tied[name], name), default="")
        if most and categorical:
            one = "one of them" if len(tied) > 1 else "it"
            notes[-1] += f" To treat {one} as categories, use {named_too(choice, most)}."
    return tuple(notes)


def _columns(count: int) -> str:
    return f"{count} column{'s' if count > 1 else ''}"


def named_too(choice: Choice, name: str) -> str:
    """The option that makes one more column categories, e.g. `discrete='auto,age'`."""
    words = [*(["auto"] if choice.auto else []), *sorted(choice.named), name]
    return f"discrete={words if any(',' in word for word in words) else ','.join(words)!r}"
