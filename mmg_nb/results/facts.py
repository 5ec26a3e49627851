"""What is said of a result, in plain words: every format shows these facts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from mmg_nb.errors import MMGError, brief
from mmg_nb.results.finding import Estimate
from mmg_nb.results.held_out_test import CLEAR
from mmg_nb.results.status import Status
from mmg_nb.results.unfinished import headline_so_far

__all__ = [
    "CEILING",
    "IN_SERIES",
    "NATS_PER_BIT",
    "NEIGHBOURS",
    "OTHER_COLUMNS",
    "UNITS",
    "Badge",
    "Facts",
    "amount",
    "badge",
    "facts",
    "found_by_test",
    "number",
    "precision",
    "unit_size",
]

NATS_PER_BIT = math.log(2.0)
NEIGHBOURS = "nearest neighbours"  # the part of the error that they detect
CEILING = "beyond the entropy"  # the part of the error that an impossible estimate adds
OTHER_COLUMNS = "other columns"  # the part of the error: what those that were left out may add
IN_SERIES = "rows in series"  # the part of the error that they add
UNITS = {"nats": 1.0, "bits": NATS_PER_BIT}
"""Unit -> nats in it."""
WIDE = 0.1  # nats; a narrower half interval is precise enough. Not measured
WIDE_SHARE = 0.5  # of the estimate; the same. Not measured
ALMOST_ONE = 0.9999  # correlations above it are not written out


class Told(Protocol):
    """The attributes of a result that facts are made of; `MIResult` explains them."""

    @property
    def mi(self) -> float: ...
    @property
    def stderr(self) -> float | None: ...
    @property
    def estimator(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def terms(self) -> dict[str, Estimate]: ...
    @property
    def error_parts(self) -> dict[str, float]: ...
    @property
    def entropies(self) -> dict[str, float]: ...

    @property
    def size(self) -> str: ...
    @property
    def called(self) -> tuple[str, str, str]: ...
    @property
    def correlation(self) -> float: ...
    @property
    def share(self) -> float | None: ...
    @property
    def distinguishable(self) -> bool: ...
    @property
    def p_value(self) -> float | None: ...
    @property
    def provenance(self) -> dict[str, Any]: ...
    def interval(self) -> tuple[float, float]: ...


class Badge(StrEnum):
    """How far a result can be trusted, in one word or two."""

    RELIABLE = "reliable"
    STOPPED = Status.INTERRUPTED.words
    FAILED = Status.DIVERGED.words
    INFINITE = "may be infinite"
    LARGER = "may be larger"
    MORE_STEPS = Status.STEP_LIMIT.words
    MORE_DATA = "needs more data"
    NO_ERROR = "no error bar"

    @property
    def advice(self) -> str:
        """What to do; empty if there is nothing to do, or if a note says it."""
        return _ADVICE.get(self, "")


_ADVICE = {
    Badge.STOPPED: Status.INTERRUPTED.remedy,
    Badge.FAILED: Status.DIVERGED.remedy,
    Badge.MORE_STEPS: Status.STEP_LIMIT.remedy,
    Badge.MORE_DATA: "The interval is wide. More rows make it narrower.",
    Badge.NO_ERROR: "This estimator gives no standard error. Use mmg or ksg for an interval.",
}
_TOO_LOW = "may be larger", "estimate is too low"  # words of notes
_BADGES = {
    Status.INTERRUPTED: Badge.STOPPED,
    Status.DIVERGED: Badge.FAILED,
    Status.STEP_LIMIT: Badge.MORE_STEPS,
}


_TEST = (
    "To test whether there is any dependence, fewer rows are enough: %mmg test, or "
    "mmg_nb.independence_test."
)
_SERIES = (
    "The interval is wide, mostly because neighbouring rows are alike. If their order has no "
    "meaning, as in a table sorted by class, use rows='independent' (--rows independent)."
)


@dataclass(frozen=True)
class Facts:
    """What is said of a result.

    Attributes:
        headline: Who tells how much about whom.
        badge: How far the result can be trusted.
        meaning: How strong the dependence is, in words; empty if that is unknown.
        interval: Lower and upper end of the 95 % interval in `unit`; None without an error, if
            the run was stopped, or if the truth may be larger or infinite.
        value: The estimate in `unit`.
        unit: `nats` or `bits`.
        method: Estimator and size of the data.
        notes: What to check, and what to do; each once.
        details: Names and texts: how the run ended, the parts of the error, the terms.
        remedy: What to do; empty for the advice of the badge.
    """

    headline: str
    badge: Badge
    meaning: str
    interval: tuple[float, float] | None
    value: float
    unit: str
    method: str
    notes: tuple[str, ...]
    details: tuple[tuple[str, str], ...]
    remedy: str = ""

    @property
    def advice(self) -> str:
        """What to do; empty if there is nothing to do, or if a note says it."""
        return self.remedy or self.badge.advice

    @property
    def range(self) -> str:
        """The interval in words; empty without one."""
        if self.interval is None:
            return ""
        low, high = map(number, self.interval)
        return f"95 % interval: {low} to {high} {self.unit}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Meaning, interval and advice, without those that are empty."""
        return tuple(filter(None, (self.meaning, self.range, self.advice)))


def number(value: float) -> str:
    """Three decimals, without a minus sign before zeros."""
    text = f"{value:.3f}"
    return text.removeprefix("-") if text == "-0.000" else text


def unit_size(unit: str) -> float:
    """A unit in nats.

    Raises:
        MMGError: The unit does not exist.
    """
    if unit not in UNITS:
        what = f"unit must be one of {', '.join(UNITS)}; got {brief(unit)}."
        raise MMGError(what, "Leave it out for nats.")
    return UNITS[unit]


def amount(mi: float, stderr: float | None, unit: str = "nats") -> str:
    """An estimate in nats with its error, in a unit, e.g. `0.192 ± 0.028 nats`."""
    size = unit_size(unit)
    if stderr is None:
        return f"{number(mi / size)} {unit}"
    return f"{number(mi / size)} ± {number(stderr / size)} {unit}"


def badge(result: Told) -> Badge:
    """How far a result can be trusted: the most serious reservation."""
    if result.status in (Status.INTERRUPTED, Status.DIVERGED):
        return _BADGES[result.status]
    notes = " ".join(result.notes)
    if "infinite" in notes:
        return Badge.INFINITE
    if any(words in notes for words in _TOO_LOW):
        return Badge.LARGER
    if result.status in _BADGES:
        return _BADGES[result.status]
    if result.stderr is None:
        return Badge.NO_ERROR
    return precision(result.mi, result.interval())


def precision(mi: float, interval: tuple[float, float]) -> Badge:
    """Whether an interval is narrow enough, or more data would help.

    Args:
        mi: The estimate, nats.
        interval: Its 95 % interval, nats.
    """
    wide = interval[1] - interval[0] > 2 * max(WIDE, WIDE_SHARE * abs(mi))
    return Badge.MORE_DATA if wide else Badge.RELIABLE


def facts(result: Told, unit: str = "nats") -> Facts:
    """What is said of a result.

    Args:
        result: The result.
        unit: `nats` or `bits`.

    Returns:
        The facts.
    """
    found, size = badge(result), UNITS[unit]
    stopped = found is Badge.STOPPED
    low, high = result.interval()
    larger = found in (Badge.INFINITE, Badge.LARGER)
    known = math.isfinite(high - low) and not stopped and not larger
    return Facts(
        headline=_headline(result, unit),
        badge=found,
        meaning="" if stopped else _meaning(result, unit),
        interval=(low / size, high / size) if known else None,
        value=result.mi / size,
        unit=unit,
        method=f"{result.estimator}, {result.size}",
        notes=tuple(dict.fromkeys(result.notes)),
        details=_details(result, unit),
        remedy=_remedy(result, found),
    )


def _remedy(result: Told, found: Badge) -> str:
    """What to do about a stop or a wide interval, where the result itself shows it."""
    parts = result.error_parts
    if found is Badge.MORE_DATA:
        series = IN_SERIES in parts and parts[IN_SERIES] == max(parts.values())
        wide = _SERIES if series else found.advice
        return f"{wide} {_TEST}" if _is_nothing(result) else wide
    if found is not Badge.STOPPED:
        return ""
    file = result.provenance.get("checkpoint")
    if file is None:
        # Nobody knows here whether it was started by a magic, in the panel or in Python.
        return f"{found.advice} Only a run that keeps a checkpoint file can be continued."
    here = Path(file).name
    file = here if Path(here).exists() else file
    return (
        "The run was stopped before its end, so the estimate is preliminary. To continue it: "
        f"%mmg resume {file!r}, or mmg_nb.resume({file!r})."
    )


def _headline(result: Told, unit: str) -> str:
    x, y, z = result.called
    given = f", given {z}" if z else ""
    value = amount(result.mi, result.stderr, unit)
    verb = "tell" if ", " in x or " and " in x else "tells"
    if result.status is Status.INTERRUPTED:
        return headline_so_far(f"{x} {verb} {value} about {y}{given}")
    if _is_nothing(result) and badge(result) is Badge.RELIABLE:
        return f"{x} {verb} nothing measurable about {y}{given}: {value}"
    return f"{x} {verb} {value} about {y}{given}"


def _is_nothing(result: Told) -> bool:
    known = result.stderr is not None and result.status.complete
    return known and not result.distinguishable and not found_by_test(result)


def found_by_test(result: Told) -> bool:
    """Whether the test of a complete run finds dependence, although its error bar reaches 0.

    Given z, the test is approximate, so it does not overrule the estimate. Neither does it if the
    estimate is as good as 0.
    """
    p, stderr = result.p_value, result.stderr
    if p is None or p > CLEAR or result.called[2] or stderr is None or result.mi <= stderr:
        return False
    return result.status.complete and not result.distinguishable


def _meaning(result: Told, unit: str) -> str:
    """The other unit, and how strong such a dependence is."""
    other = "nats" if unit == "bits" else "bits"
    if not math.isfinite(result.mi):
        return ""
    if _is_nothing(result):
        if badge(result) is Badge.LARGER:
            return "Not distinguishable from 0, but too low to exclude dependence."
        most = amount(max(0.0, result.interval()[1]), None, unit)
        return f"Not distinguishable from 0; at most about {most}."
    if found_by_test(result):
        most = amount(max(0.0, result.interval()[1]), None, unit)
        return f"A test finds dependence (p = {result.p_value:.3g}), of at most about {most}."
    z = result.called[2]
    words = [amount(result.mi, None, other)]
    share = _share_of_entropy(result)
    if share:
        words.append(share)
    elif result.mi > 0:
        rho = result.correlation
        size = f"{rho:.2f}" if rho < 0.995 else f"{rho:.4f}"
        size = "almost 1" if rho > ALMOST_ONE else size
        kind = "partial correlation" if z else "correlation"
        words.append(f"as strong as a {kind} of {size} between normal variables")
    return f"That is {', '.join(words)}."


def _share_of_entropy(result: Told) -> str:
    if result.share is None:
        return ""
    x, y, _ = result.called
    name = y if result.entropies.get("y", 0.0) > 0 else x
    return f"{100 * result.share:.0f} % of the entropy of {name}"


def _details(result: Told, unit: str) -> tuple[tuple[str, str], ...]:
    told = result.status.remedy == badge(result).advice
    rows = [] if told else [("how it ended", result.status.remedy)]
    if result.error_parts:
        size = UNITS[unit]
        parts = (f"{name} {number(part / size)}" for name, part in result.error_parts.items())
        rows.append(("standard error", f"from {', '.join(parts)} {unit}"))
    rows += [(name, amount(each.mi, each.stderr, unit)) for name, each in result.terms.items()]
    return tuple(rows)
