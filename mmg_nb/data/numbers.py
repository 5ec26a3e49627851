"""The values of one column as float64, without losing the last digits of large integers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST_EXACT",
    "integers_of",
    "is_missing",
    "numbers_in_texts",
    "numbers_of",
    "times_of",
]

LARGEST_EXACT = 2**53  # float64 holds every integer up to this one
_MISSING = ("nan", "NaN", "None", "<NA>", "NaT")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE)
_DECIMALS = re.compile(r"\.|e-", re.IGNORECASE)  # not in 1E5: such texts may be codes
_NUMBERS = (int, float, np.integer, np.floating, Decimal, Fraction)

Array = NDArray[np.float64]


def numbers_of(values: NDArray[Any]) -> Array | None:
    """Convert numbers, truth values, times, or Python objects that are numbers.

    Args:
        values: `(n,)`, of any type but texts.

    Returns:
        The numbers, `(n,)`, NaN where missing; large integers as `integers_of` converts them.
        None if Python objects are no numbers.
    """
    kind = values.dtype.kind
    if kind in "fb":
        with np.errstate(over="ignore"):  # beyond float64 is infinite, and rejected later
            return np.asarray(values, dtype=np.float64)
    if kind in "mM":
        return integers_of(values.view(np.int64), ~np.isnat(values))
    if kind != "O":
        return integers_of(values, np.ones(len(values), dtype=bool))
    known = np.array([not is_missing(v) for v in values], dtype=bool)
    if not all(isinstance(v, _NUMBERS) and not isinstance(v, bool) for v in values[known]):
        return None
    return integers_of(values, known)


def integers_of(values: NDArray[Any], known: NDArray[np.bool_]) -> Array:
    """Convert integers.

    float64 cannot hold every integer beyond 2⁵³. If there are such integers, the smallest one is
    subtracted from all. Mutual information does not change by that.

    Args:
        values: `(n,)`, integers or Python numbers.
        known: Which of them are not missing, `(n,)`.

    Returns:
        The numbers, `(n,)`, NaN where missing.
    """
    found = np.full(len(values), np.nan)
    found[known] = _floats(values[known])
    return found


def _floats(values: NDArray[Any]) -> Array:
    """Integers or Python numbers, none missing."""
    if not len(values):
        return np.zeros(0)
    try:
        low, high = values.min(), values.max()
    except TypeError:  # Python numbers that cannot be compared, such as Decimal and Fraction
        return values.astype(np.float64)
    if low >= -LARGEST_EXACT and high <= LARGEST_EXACT:
        return values.astype(np.float64)
    if values.dtype.kind != "O":  # the difference modulo 2⁶⁴ is exact
        rest: NDArray[np.uint64] = values.astype(np.uint64) - np.uint64(int(low) % 2**64)
        return rest.astype(np.float64)
    if all(isinstance(v, (float, np.floating)) for v in values):
        return values.astype(np.float64)
    try:
        least = Fraction(_exact(low))
        return np.array([float(Fraction(_exact(v)) - least) for v in values])
    except (OverflowError, ValueError):  # beyond float64, or infinite
        return np.array([_float(v) for v in values])


def _exact(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def times_of(values: NDArray[Any]) -> NDArray[Any] | None:
    """Python objects that are dates, times or time spans as a NumPy array, `(n,)`; else None."""
    known = [not is_missing(v) for v in values]
    some = [v for v, there in zip(values, known, strict=True) if there]
    for kinds, dtype in (
        ((datetime.date, np.datetime64), "datetime64[us]"),
        ((datetime.timedelta, np.timedelta64), "timedelta64[us]"),
    ):
        if some and all(isinstance(v, kinds) for v in some):
            found = np.full(len(values), "NaT", dtype=dtype)
            found[known] = np.array([_in_utc(v) for v in some], dtype=dtype)
            return found
    return None


def _in_utc(time: Any) -> Any:
    if getattr(time, "tzinfo", None) is None:
        return time
    return time.astimezone(datetime.UTC).replace(tzinfo=None)


def numbers_in_texts(texts: Sequence[str]) -> tuple[Array | None, bool]:
    """Convert numbers that are written as text. Spaces around them do not count.

    Args:
        texts: The texts.

    Returns:
        First the numbers, `(n,)`, if all texts are numbers and some have decimals; else None.
        Then whether all texts are whole numbers. They may be codes, so they are not converted.
    """
    texts = [text.strip() for text in texts]
    if not all(map(_NUMBER.fullmatch, texts)):
        return None, False
    if any(map(_DECIMALS.search, texts)):
        return np.array([float(text) for text in texts]), False
    return None, any(text[-1].isdigit() for text in texts)


def is_missing(value: Any) -> bool:
    """Whether a Python object stands for a missing value: None, NaN, NaT or NA."""
    if isinstance(value, (int, float, np.number)):
        return bool(value != value)
    return not isinstance(value, (str, bytes)) and str(value) in _MISSING
