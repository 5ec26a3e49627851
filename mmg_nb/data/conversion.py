"""How to convert texts that are numbers or dates: the line of pandas that does it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mmg_nb.errors import brief

__all__ = ["Conversion", "conversion_of"]

MAX_TEXTS = 1000  # different texts that are looked at, spread over all of them
MIN_SHARE = 0.5  # of them that can be converted
MIN_NUMBERS = 3  # with fewer, the column may as well be categories

_SIGN = "[+\u2212-]?"
_SPACES = "[ \u00a0\u2009\u202f]"
_TO_POINT, _WITHOUT_SPACES = ".str.replace(',', '.')", r".str.replace(r'\s', '', regex=True)"


def _grouped(mark: str, point: str) -> str:
    """The pattern of a number with a mark between thousands."""
    return rf"{_SIGN}(0|[1-9]\d{{0,2}}({mark}\d{{3}})*)({point}\d*)?"


_FORMS = {
    rf"{_SIGN}(\d+\.?\d*|\.\d+)(e[+-]?\d+)?": "",
    _grouped(",", r"\."): ".str.replace(',', '')",
    rf"{_SIGN}(\d+,?\d*|,\d+)(e[+-]?\d+)?": _TO_POINT,
    _grouped(r"\.", ","): ".str.replace('.', '')" + _TO_POINT,
    _grouped("'", r"\."): '.str.replace("\'", "")',
    _grouped(_SPACES, r"\."): _WITHOUT_SPACES,
    _grouped(_SPACES, ","): _WITHOUT_SPACES + _TO_POINT,
}
"""Pattern of a number -> what makes pandas read it. The first of those that fit best is used."""

_DATES = {
    "%Y/%m/%d": "",
    "%d/%m/%Y": "dayfirst=True",
    "%m/%d/%Y": "",
    "%d/%m/%y": "dayfirst=True",
    "%m/%d/%y": "",
    "%d %b %Y": "",
    "%d-%b-%Y": "",
    "%d %B %Y": "",
    "%b %d, %Y": "",
    "%B %d, %Y": "",
}
"""Format of a date with slashes -> the argument of `pandas.to_datetime` that it needs."""


class Conversion(NamedTuple):
    """How to convert a column of texts.

    Attributes:
        evidence: How many of the texts can be converted, and one that cannot.
        code: A line of pandas for the Series `column`.
    """

    evidence: str
    code: str


def conversion_of(texts: Sequence[str], *, dates: bool) -> Conversion | None:
    """How to convert texts, most of which are numbers or dates.

    Args:
        texts: The different texts of a column, sorted.
        dates: Whether they may be dates.

    Returns:
        The conversion; None if most texts are neither.
    """
    seen = [str(text) for text in texts[:: -(-len(texts) // MAX_TEXTS) or 1]]
    if sum(any(map(str.isdigit, text)) for text in seen) < MIN_SHARE * len(seen):
        return None
    code, fits = _as_numbers(seen)
    kind = "numbers"
    if dates and sum(fits) < MIN_SHARE * len(seen):
        code, fits = _as_dates(seen)
        kind = "dates"
    count = sum(fits)
    if count < max(MIN_NUMBERS, MIN_SHARE * len(seen)):
        return None
    looked = "" if len(seen) == len(texts) else " that were looked at"
    evidence = f"{count} of {len(seen)} different texts{looked} are {kind}"
    if count < len(seen):
        evidence += f", {brief(seen[fits.index(False)], 30)} is not"
    else:
        evidence += f", such as {brief(seen[-1], 30)}"
    safe = count < len(seen) or bool(looked)
    if kind == "dates":
        rest = ["format='mixed'", "errors='coerce'"] if safe else []
        arguments = ", ".join(["column", *filter(None, [code]), *rest])
        return Conversion(evidence, f"pandas.to_datetime({arguments})")
    whole = f"pandas.to_numeric(column{code}, errors='coerce')"
    return Conversion(evidence, whole if safe else f"column{code}.astype(float)")


def _as_numbers(texts: Sequence[str]) -> tuple[str, list[bool]]:
    """Methods of a Series that leave plain numbers, and whether each text is then one."""
    rest = [text.strip() for text in texts]
    code = "" if rest == list(texts) else ".str.strip()"
    if any("\u2212" in text for text in rest):
        code += ".str.replace('\u2212', '-')"
    for pattern, name, strip in (
        (r"[^\w\s.,+\u2212'-]+\s*", "removeprefix", str.removeprefix),  # a sign of a currency
        (r"(?<=[\d.])[^\d.,'][^\d]{0,9}$", "removesuffix", str.removesuffix),  # %, or a unit
    ):
        find = re.match if name == "removeprefix" else re.search
        found = Counter(
            match[0] if (match := find(pattern, text)) else ""
            for text in rest
            if any(map(str.isdigit, text))
        )
        affix = found.most_common(1)[0][0] if found else ""
        if affix:
            code += f".str.{name}({affix!r})"
            rest = [strip(text, affix).strip() for text in rest]
    best: tuple[str, list[bool]] = ("", [False] * len(rest))
    for pattern, change in _FORMS.items():
        fits = [re.fullmatch(pattern, text, re.IGNORECASE) is not None for text in rest]
        if sum(fits) > sum(best[1]):
            best = change, fits
    return code + best[0], best[1]


def _as_dates(texts: Sequence[str]) -> tuple[str, list[bool]]:
    """The argument of `pandas.to_datetime`, and whether it reads each text."""
    # Imported here because reading an array must not load pandas.
    import pandas as pd

    days = [re.sub(r"[ T]\d{1,2}:\d\d.*", "", text.strip()) for text in texts]
    days = [re.sub(r"(?<=\d)[./-](?=\d)", "/", day) for day in days]
    best: tuple[str, list[bool]] = ("", [False] * len(days))
    for form, argument in _DATES.items():
        fits = pd.to_datetime(pd.Series(days), format=form, errors="coerce").notna().tolist()
        if sum(fits) > sum(best[1]):
            best = argument, fits
    return best
