"""The options of the subcommands of `%mmg`, as dataclasses of fields."""

from __future__ import annotations

from dataclasses import dataclass

from mmg_nb.api import EVERY
from mmg_nb.data.make_pairs import MISSING
from mmg_nb.data.series import ROWS
from mmg_nb.fields import field
from mmg_nb.plots.result import KINDS
from mmg_nb.questions.compare import DEFAULT_ESTIMATORS

__all__ = [
    "MAP_ROWS",
    "CompareOptions",
    "DataOptions",
    "ExploreOptions",
    "IndependenceOptions",
    "LagOptions",
    "PlotOptions",
    "RankOptions",
    "ResumeOptions",
    "RunOptions",
    "ShowOptions",
    "TotalOptions",
    "TransferOptions",
]

MAP_ROWS = 2000  # of a map of a table
TABLE_ROWS_HELP = "maximum number of rows, which are drawn at random; `none` keeps all rows"


ROWS_HELP = "auto: test whether neighbouring rows depend on each other; independent: no test"
NO_ROWS = "drop: leave out rows with missing values"
CATEGORY = "category: missing is a category"
MISSING_HELP = f"refuse: missing values are an error; {NO_ROWS}; {CATEGORY}"
TABLE_CATEGORIES = "columns that are categories: auto, none, or e.g. sex,ward"


@dataclass(frozen=True, kw_only=True)
class _OutputOptions:
    """Options for the output of a run: its variable, and whether the cell waits for it."""

    output: str | None = field(None, "variable that stores the result; also -o")
    background: bool = field(
        False, "run in the background and return at once, with a handle to stop it; also -b"
    )


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options for the data of an estimate, in addition to x and y."""

    groups: str | None = field(
        None, "label of each row: rows with one label may depend on each other, e.g. df.patient"
    )
    given: str | None = field(None, "condition z of I(x; y | z), e.g. df.age")
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,sex,x[2]")
    missing: str = field("refuse", MISSING_HELP, choices=MISSING)
    rows: str = field("auto", ROWS_HELP, choices=ROWS)


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions, _OutputOptions):
    """Options of `%mmg estimate`, without settings and fields of the estimator."""

    checkpoint: str | None = field(None, "file that stores the run; %mmg resume FILE continues it")
    every: float = field(EVERY, "seconds between two writes of the checkpoint", low=0)


@dataclass(frozen=True, kw_only=True)
class CompareOptions(DataOptions, _OutputOptions):
    """Options of `%mmg compare`, without settings."""

    estimators: str = field(
        DEFAULT_ESTIMATORS,
        "names, also with fields, e.g. ksg,mmg:steps=1000; %mmg help estimators lists all",
    )


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(_OutputOptions):
    """Options of `%mmg resume FILE`, without the setting `live`."""

    every: float | None = field(
        None, "seconds between two writes of the checkpoint; default: as in the first run", low=0
    )


@dataclass(frozen=True, kw_only=True)
class ExploreOptions:
    """Options of `%mmg explore`, without settings."""

    target: str | None = field(
        None, "column to begin with; the others are ranked by their dependence on it"
    )
    rows: int | None = field(MAP_ROWS, TABLE_ROWS_HELP, low=50)
    discrete: str = field("auto", TABLE_CATEGORIES)


ESTIMATOR = "an estimator, perhaps with fields, e.g. ksg or mmg:effort=quick"


@dataclass(frozen=True, kw_only=True)
class _QuestionOptions(_OutputOptions):
    """Options of all questions that take many estimates, without settings."""

    estimator: str = field("ksg", ESTIMATOR)
    checkpoint: str | None = field(
        None,
        "folder that stores each estimate; after a stop or a crash, the same line goes on from it",
    )


@dataclass(frozen=True, kw_only=True)
class TotalOptions(_QuestionOptions):
    """Options of `%mmg total`, without settings."""

    given: str | None = field(None, "columns to condition on, e.g. age,sex")
    rows: int | None = field(MAP_ROWS, TABLE_ROWS_HELP, low=50)
    discrete: str = field("auto", TABLE_CATEGORIES)
    missing: str = field(
        "refuse",
        f"refuse: leave out columns with missing values; {NO_ROWS}; {CATEGORY}",
        choices=MISSING,
    )


@dataclass(frozen=True, kw_only=True)
class RankOptions(TotalOptions):
    """Options of `%mmg rank`, without settings."""

    pairs: bool | None = field(
        None,
        "try pairs of columns where no single column adds anything; default: if there are at "
        "most 200 pairs",
    )
    most: int = field(10, "maximum number of columns to select", low=1)


@dataclass(frozen=True, kw_only=True)
class _SeriesOptions(_QuestionOptions):
    """Options of the questions about series, without settings."""

    given: str | None = field(None, "condition z: a series at the times of x and y")
    series: str | None = field(
        None, "label of each row, if a table holds several series, e.g. df.station"
    )
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,x[2]")
    missing: str = field(
        "refuse", f"refuse: missing values are an error; {NO_ROWS}", choices=("refuse", "drop")
    )


@dataclass(frozen=True, kw_only=True)
class LagOptions(_SeriesOptions):
    """Options of `%mmg lag`, without settings."""

    lags: str = field(
        "-20:20", "lags in rows, e.g. -20:20, 0:24:6 or 0,1,12; if positive, x is earlier than y"
    )


@dataclass(frozen=True, kw_only=True)
class TransferOptions(_SeriesOptions):
    """Options of `%mmg transfer`, without settings."""

    history: str = field(
        "1,1", "numbers of past values, e.g. 2,1: two of the predicted series, one of the other"
    )
    surrogates: int | None = field(
        None,
        "number of shifted copies of a series, for the p-value; default: 99, or 19 for an "
        "estimator that trains",
        low=19,
    )


@dataclass(frozen=True, kw_only=True)
class IndependenceOptions(_QuestionOptions):
    """Options of `%mmg test`, without settings."""

    given: str | None = field(None, "condition z of I(x; y | z), e.g. df.age")
    groups: str | None = field(
        None, "label of each row; the first row of each label is used, e.g. df.patient"
    )
    permutations: int | None = field(
        None,
        "number of permutations; default: 199, or 19 for an estimator that trains; mmg trains "
        "only once, unless you give a number",
        low=19,
    )
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,x[2]")
    missing: str = field("refuse", MISSING_HELP, choices=MISSING)
    rows: str = field("auto", ROWS_HELP, choices=ROWS)


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Options of `%mmg show`."""

    output: str | None = field(None, "variable that stores the result; also -o")


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """Options of `%mmg plot`."""

    kind: str = field("gap", "plot to draw", choices=tuple(KINDS))
    save: str | None = field(None, "file for the figure, e.g. figure.pdf, figure.svg, figure.png")
