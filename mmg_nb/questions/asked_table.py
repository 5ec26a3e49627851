"""A table as a question about its columns uses it: rows drawn, columns read, some left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmg_nb.api import check_seed, prepare
from mmg_nb.data.choice import Choice, read_choice
from mmg_nb.data.columns import read_variable
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.description import describe
from mmg_nb.data.make_pairs import without_missing
from mmg_nb.data.missing import dependence_notes
from mmg_nb.data.readings import Reading
from mmg_nb.data.tables import KINDS_OF_TABLE, frame_of
from mmg_nb.errors import MMGError, brief, listed, one_of
from mmg_nb.estimators.acceptance import accepts
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import build
from mmg_nb.keywords import MapKeywords
from mmg_nb.questions.kept_estimates import KeptEstimates, kept_in
from mmg_nb.questions.table_notes import of_readings, without_readings
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener

__all__ = ["AskedTable", "check_column", "check_rows", "read_asked"]

KEEPS = "missing='drop' or missing='category' keeps"


@dataclass(frozen=True, eq=False)
class AskedTable:
    """The rows and columns that a question uses.

    Attributes:
        frame: The rows as a DataFrame, with names as texts.
        names: The columns that can be used, without those of the condition.
        condition: Names of the condition's columns.
        choice: Which columns are categories.
        estimator: Name in the registry.
        options: The other arguments of `mmg_nb.estimate`.
        notes: What the user should know about rows and columns.
        kept: Stores the estimates.
        left_out: Name -> reason, of the columns that cannot be used.
        on_readings: What columns are read as; of little weight, so it is said last.
    """

    frame: Any
    names: tuple[str, ...]
    condition: tuple[str, ...]
    choice: Choice
    estimator: str
    options: dict[str, Any]
    notes: tuple[str, ...]
    kept: KeptEstimates
    left_out: dict[str, str]
    on_readings: tuple[str, ...]

    @property
    def n_samples(self) -> int:
        """Rows that are used."""
        return len(self.frame)

    def estimate(
        self, x: Sequence[str], y: Sequence[str], listen: Listener, given: Sequence[str] = ()
    ) -> MIResult:
        """Estimate I(x; y | given, condition), each named by columns.

        Notes on the readings of columns are left out, because `on_readings` says them once.
        """
        condition = [*given, *self.condition]
        roles = {"x": [*x], "y": [*y]} | ({"given": condition} if condition else {})
        # By position, because a column may have the name of another column's role.
        named = [
            f"{role}[{k}]"
            for role, columns in roles.items()
            for k, column in enumerate(columns)
            if column in self.choice.named
        ]
        asked = self.options | {role: self.frame[columns] for role, columns in roles.items()}
        if self.choice.auto:
            asked["discrete"] = ["auto", *named] if named else "auto"
        else:
            asked["discrete"] = named or "none"
        job = prepare(asked.pop("x"), asked.pop("y"), self.estimator, **asked)
        found = self.kept.result(job, listen)
        return replace(found, notes=without_readings(found.notes))

    def by(self, estimator: str, fields: Mapping[str, Any]) -> AskedTable:
        """The same question for another estimator.

        Args:
            estimator: Name in the registry.
            fields: Its fields.
        """
        kept = {name: self.options[name] for name in ("missing", "seed")}
        return replace(self, estimator=estimator, options={**kept, **fields})

    def shuffled(self, columns: Sequence[str], generator: np.random.Generator) -> AskedTable:
        """The same question with the rows of some columns in random order, all in the same."""
        order = generator.permutation(self.n_samples)
        moved = self.frame[[*columns]].iloc[order].set_axis(self.frame.index)
        return replace(self, frame=self.frame.assign(**{name: moved[name] for name in columns}))


def read_asked(
    table: Any,
    estimator: str,
    asked: MapKeywords,
    fields: Mapping[str, Any],
    *,
    together: int | None = None,
) -> AskedTable:
    """Read a table for a question.

    Args:
        table: The user's table; see `dependency_map`.
        estimator: Name in the registry.
        asked: All keyword arguments.
        fields: Fields of the estimator.
        together: Maximum number of columns, if all estimates need the same rows. Then
            `missing="drop"` leaves out the rows in which any column that can be used is missing.

    Returns:
        The table. Columns that cannot be used are left out, with a note each.

    Raises:
        MMGError: The table, a name or an option cannot be used, or fewer than two columns can, or
            too many.
    """
    rows, seed = asked["rows"], asked["seed"]
    check_seed(seed)
    check_rows(rows)
    table, condition = _read_table(table, asked["given"])
    choice = read_choice(asked["discrete"])
    for name in choice.named:
        check_column(name, table.columns)
    _names(table, condition, {})
    drawn: tuple[str, ...] = ()
    if rows is not None and len(table) > rows:
        chosen = np.sort(np.random.default_rng(seed).choice(len(table), rows, replace=False))
        drawn = (f"{rows} of {len(table)} rows were drawn at random. rows=None uses all rows.",)
        table = table.iloc[chosen]
    built = build(estimator, dict(fields), besides=asked)
    categorical = accepts(built, "discrete")
    readings, lost = _readings(table, asked, choice, built)
    names = _names(table, condition, lost)
    if together is not None and len(names) > together:
        what = f"At most {together} columns can be used; got {len(names)}."
        raise MMGError(what, "Select columns: df[[...]].")
    if together is not None and asked["missing"] == "drop":
        table, dropped = _complete(table[[*names, *condition]], choice)
        drawn += dropped
        readings, constant = _readings(table, asked, choice, built)
        lost |= constant
        names = _names(table, condition, lost)
    notes = _said_of(lost) + drawn
    used = {*names, *condition}
    codes = [r for r in readings if r.kind == "codes" and r.name in used and categorical]
    notes += tuple(
        f"{r.name} is read as codes of categories: {r.evidence}. To read it as numbers, use "
        f"{r.change}."
        for r in codes
    )
    read = of_readings([r for r in readings if r.name in used], len(table), choice, categorical)
    choice = replace(choice, named=choice.named | {each.name for each in codes})
    options = {"missing": asked["missing"], "seed": seed, **fields}
    kept = kept_in(asked["checkpoint"])
    return AskedTable(table, names, condition, choice, estimator, options, notes, kept, lost, read)


def _read_table(table: Any, given: Any) -> tuple[Any, tuple[str, ...]]:
    """The table with its column names as strings, and the names of the condition's columns."""
    frame = None if getattr(table, "ndim", 2) != 2 else frame_of(table, "table")
    if frame is None:
        what = f"table must be {KINDS_OF_TABLE}; got {type(table).__name__}."
        raise MMGError(what, "Convert it: pandas.DataFrame(values, columns=[...]).")
    table = frame
    known = [str(name) for name in table.columns]
    if len(set(known)) < len(known):
        what = f"Column names must differ from each other; got {listed(known)}."
        raise MMGError(what, "Rename the repeated columns.")
    single = isinstance(given, str) or not isinstance(given, Iterable)
    condition = () if given is None else tuple(map(str, [given] if single else given))
    for name in condition:
        check_column(name, known)
    return table.set_axis(known, axis=1), condition


def _readings(
    table: Any, asked: MapKeywords, choice: Choice, estimator: Estimator
) -> tuple[tuple[Reading, ...], dict[str, str]]:
    """What each column is read as, and which ones cannot be used: name -> reason."""
    categorical = accepts(estimator, "discrete")
    # Without support for categories, whole numbers are numbers.
    discrete = asked["discrete"] if categorical or not choice.auto else "none"
    readings = describe(table, discrete=discrete).readings
    numbers_only = "" if categorical else f"{estimator.name} takes numbers only"
    return readings, _left_out(readings, asked["missing"], numbers_only)


def _complete(table: Any, choice: Choice) -> tuple[Any, tuple[str, ...]]:
    """The rows in which no column is missing, and notes on the others."""
    read = {name: read_variable(table[[name]], name, choice) for name in table.columns}
    notes = dependence_notes(read, None)
    _, _, keep, dropped = without_missing(read, None)
    return table[keep], notes + dropped


def _left_out(readings: Sequence[Reading], missing: str, numbers_only: str) -> dict[str, str]:
    """The columns that cannot be used -> the reason."""
    lost = {}
    for each in readings:
        if each.kind == "constant":
            lost[each.name] = "it is constant"
        elif not each.usable:
            lost[each.name] = f"it is {each.kind} ({each.evidence.rstrip('.')}){_keeps(each)}"
        elif numbers_only and each.discrete:
            lost[each.name] = f"{numbers_only} ({each.kind}){_keeps(each)}"
        elif each.missing and missing == "refuse":
            values = f"missing value{'s' if each.missing > 1 else ''}"
            lost[each.name] = f"it has {each.missing} {values}; {KEEPS} the column"
    return lost


def _said_of(lost: Mapping[str, str]) -> tuple[str, ...]:
    """One note on all columns that are left out."""
    if len(lost) < 2:
        return tuple(f"{name} was left out because {reason}." for name, reason in lost.items())
    reasons = {name: reason.removesuffix(f"; {KEEPS} the column") for name, reason in lost.items()}
    each = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    remedy = "" if reasons == lost else f" {KEEPS} those with missing values."
    return (f"{len(lost)} columns were left out. {each}.{remedy}",)


def _keeps(reading: Reading) -> str:
    return f"; {reading.change} keeps it" if "column" in reading.change else ""


def _names(table: Any, condition: Sequence[str], lost: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of the map."""
    for name in condition:
        if name in lost:
            what = f"The condition {brief(name)} cannot be used: {lost[name]}."
            raise MMGError(what, "Name other columns in given=.")
    names = tuple(name for name in table.columns if name not in {*condition, *lost})
    if len(names) < 2:
        what = f"At least two columns that vary are needed; got {listed(names) or 'none'}."
        why = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        raise MMGError(what, f"Left out: {why}." if why else "Add columns, or condition on fewer.")
    return names


def check_rows(rows: Any) -> None:
    """Refuse an invalid number of rows.

    Raises:
        MMGError: It is neither None nor a whole number of at least 50.
    """
    whole = isinstance(rows, (int, np.integer)) and not isinstance(rows, bool)
    if rows is not None and not (whole and rows >= MIN_SAMPLES):
        what = (
            f"rows must be a whole number of at least {MIN_SAMPLES}, or None; got {brief(rows)}."
        )
        raise MMGError(what, "Try rows=2000. rows=None uses all rows.")


def check_column(name: str, known: Sequence[str]) -> None:
    """Refuse the name of a column that does not exist.

    Raises:
        MMGError: It does not. The message names the closest ones.
    """
    if name not in known:
        what = f"The table has no column {brief(name)}."
        raise MMGError(what, one_of(name, known, "Columns"))
