"""The subcommands of `%mmg`, their options and their help."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmg_nb.api import EVERY
from mmg_nb.benchmark.options import SweepOptions
from mmg_nb.data.pairs import MISSING
from mmg_nb.data.series import ROWS
from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import FieldInfo, field, field_infos
from mmg_nb.jupyter.settings import SETTING_INFOS, setting_infos
from mmg_nb.plots.result import KINDS
from mmg_nb.questions.comparison import DEFAULT_ESTIMATORS

__all__ = [
    "CALLS",
    "COMMANDS",
    "QUESTIONS",
    "SHORT_FLAGS",
    "TOPICS",
    "Command",
    "DataOptions",
    "command",
    "command_help",
    "estimator_help",
    "flag",
    "overview",
]


SHORT_FLAGS = {"-b": "--background", "-o": "--output"}
ONLY_ESTIMATE = ("output", "background", "checkpoint", "every")
QUESTIONS = {
    "rank": "rank",
    "lag": "lagged",
    "transfer": "transfer_entropy",
    "test": "independence_test",
    "total": "total_correlation",
}
"""Subcommand that takes many estimates -> name of its function in the package."""
CALLS = (
    ("How much does x tell about y?", "%mmg estimate x y"),
    ("How much, once z is known?", "%mmg estimate x y --given z"),
    ("Is there anything at all?", "%mmg test x y"),
    ("When does one series tell about another?", "%mmg lag x y --lags -20:20"),
    ("Does the past of one help to predict another?", "%mmg transfer x y"),
    ("Which columns tell about a target?", "%mmg rank df target"),
    ("Which five of them are best together?", "%mmg rank df target --most 5"),
    ("Which pairs of columns depend on each other?", "%mmg explore df"),
    ("What do several variables share?", "%mmg total a b c"),
    ("Which rows carry the information?", "%mmg plot result --kind pointwise"),
    ("Do other methods agree?", "%mmg compare x y"),
    ("What can be drawn, also for a paper?", "%mmg plot result --save figure.pdf"),
)
"""Which question is answered by which call."""
WITH_OPTIONS = (
    *("estimate", "compare", "resume", "explore", "panel", "plot", "benchmark"),
    *QUESTIONS,
)


MAP_ROWS = 2000  # of a map of a table


ROWS_HELP = "auto: test whether neighbouring rows depend on each other; independent: no test"
MISSING_HELP = "refuse missing values, drop their rows, or treat missing as a category"
TABLE_CATEGORIES = "columns that are categories: auto, none, or e.g. sex,ward"


@dataclass(frozen=True, kw_only=True)
class _OutputOptions:
    """Options for the output of a run: its variable, and whether the cell waits for it."""

    output: str | None = field(None, "variable that stores the result; also -o")
    background: bool = field(False, "run in the background and return a handle at once; also -b")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options for the data of an estimate, in addition to x and y."""

    groups: str | None = field(None, "labels of dependent rows, e.g. df.patient")
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
        "names with or without fields, e.g. ksg,mmg:steps=1000; %mmg help estimators lists them",
    )


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(_OutputOptions):
    """Options of `%mmg resume FILE`, without the setting `live`."""

    every: float | None = field(
        None, "seconds between two writes of the checkpoint (default: as the run had)", low=0
    )


@dataclass(frozen=True, kw_only=True)
class ExploreOptions:
    """Options of `%mmg explore`, without settings."""

    target: str | None = field(None, "column to begin with: the others are ranked by it")
    rows: int | None = field(MAP_ROWS, "maximum number of rows of the map; none: all", low=50)
    discrete: str = field("auto", TABLE_CATEGORIES)


ESTIMATOR = "name with or without fields, e.g. ksg or mmg:effort=quick"


@dataclass(frozen=True, kw_only=True)
class _QuestionOptions(_OutputOptions):
    """Options of all questions that take many estimates, without settings."""

    estimator: str = field("ksg", ESTIMATOR)
    checkpoint: str | None = field(
        None, "folder that stores each estimate; the same line goes on after a stop or a crash"
    )


@dataclass(frozen=True, kw_only=True)
class TotalOptions(_QuestionOptions):
    """Options of `%mmg total`, without settings."""

    given: str | None = field(None, "columns of the condition, e.g. age,sex")
    rows: int | None = field(MAP_ROWS, "maximum number of rows; none: all", low=50)
    discrete: str = field("auto", TABLE_CATEGORIES)
    missing: str = field(
        "refuse",
        "leave out columns with missing values, drop their rows, or treat missing as a category",
        choices=MISSING,
    )


@dataclass(frozen=True, kw_only=True)
class RankOptions(TotalOptions):
    """Options of `%mmg rank`, without settings."""

    pairs: bool | None = field(None, "try pairs of columns where no single one adds anything")
    most: int = field(10, "columns to select at most; fewer, if no other adds anything", low=1)


@dataclass(frozen=True, kw_only=True)
class _SeriesOptions(_QuestionOptions):
    """Options of the questions about series, without settings."""

    given: str | None = field(None, "condition, a series like x and y")
    series: str | None = field(None, "labels of several series below each other, e.g. df.station")
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,x[2]")
    missing: str = field(
        "refuse", "refuse missing values, or drop their rows", choices=("refuse", "drop")
    )


@dataclass(frozen=True, kw_only=True)
class LagOptions(_SeriesOptions):
    """Options of `%mmg lag`, without settings."""

    lags: str = field("-20:20", "rows that x is before y: -20:20, 0:24:6 or 0,1,12")


@dataclass(frozen=True, kw_only=True)
class TransferOptions(_SeriesOptions):
    """Options of `%mmg transfer`, without settings."""

    history: str = field("1,1", "past values of the target and of the source, e.g. 2,1")
    surrogates: int | None = field(None, "number of surrogates (default: 99)", low=19)


@dataclass(frozen=True, kw_only=True)
class IndependenceOptions(_QuestionOptions):
    """Options of `%mmg test`, without settings."""

    given: str | None = field(None, "condition z, e.g. df.age")
    permutations: int | None = field(None, "number of permutations (default: 199)", low=19)
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,x[2]")
    missing: str = field("refuse", MISSING_HELP, choices=MISSING)
    rows: str = field("auto", ROWS_HELP, choices=ROWS)


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """Options of `%mmg plot`."""

    kind: str = field("gap", "plot to draw", choices=tuple(KINDS))
    save: str | None = field(None, "file for the figure, e.g. figure.pdf, figure.svg, figure.png")


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        name: The word after `%mmg`.
        operands: Its operands, as in the synopsis.
        help: What it does, in one line.
        options: Its options.
        estimator: Estimator whose fields are among the options; empty if there is none.
    """

    name: str
    operands: str
    help: str
    options: tuple[FieldInfo, ...] = ()
    estimator: str = ""

    @property
    def synopsis(self) -> str:
        """How to call it, e.g. `%mmg plot [RESULT] [options]`."""
        options = " [options]" if self.name in WITH_OPTIONS else ""
        return f"%mmg {self.name} {self.operands}{options}".rstrip()


_RUN_SETTINGS = tuple(SETTING_INFOS[name] for name in ("seed", "device", "live"))

COMMANDS = {
    each.name: each
    for each in (
        Command("estimate", "X Y", "estimate the mutual information of two variables, in nats"),
        Command(
            "compare",
            "X Y",
            "run several estimators on the same data, with a live table",
            (
                *field_infos(CompareOptions),
                *_RUN_SETTINGS,
            ),
        ),
        Command(
            "explore",
            "TABLE",
            "map all pairs of columns of a table, to be explored with the mouse and the keys",
            (*field_infos(ExploreOptions), *(SETTING_INFOS[name] for name in ("seed", "device"))),
        ),
        Command(
            "rank",
            "TABLE TARGET",
            "rank columns by what they tell about a target, and select the best ones",
            (*field_infos(RankOptions), *_RUN_SETTINGS),
        ),
        Command(
            "lag",
            "X Y",
            "estimate the mutual information of two series at several lags",
            (*field_infos(LagOptions), *_RUN_SETTINGS),
        ),
        Command(
            "transfer",
            "X Y",
            "estimate the transfer entropy of two series, in both directions",
            (*field_infos(TransferOptions), *_RUN_SETTINGS),
        ),
        Command(
            "test",
            "X Y",
            "test by permutations whether two variables are independent",
            (*field_infos(IndependenceOptions), *_RUN_SETTINGS),
        ),
        Command(
            "total",
            "A B ...",
            "estimate what several variables share: total correlation and O-information",
            (*field_infos(TotalOptions), SETTING_INFOS["seed"], SETTING_INFOS["live"]),
        ),
        Command("panel", "[X Y]", "choose data and settings with widgets, run and compare"),
        Command(
            "plot",
            "[RESULT]",
            "draw a result (default: the last), also as a PDF or SVG file",
            field_infos(PlotOptions),
        ),
        Command("show", "[RESULT]", "display a result (default: the last)"),
        Command(
            "benchmark",
            "TASKS",
            "run estimators on tasks with known answers; `table FILE...` shows saved results",
            field_infos(SweepOptions),
        ),
        Command("runs", "", "list the runs of this session"),
        Command("pause", "[RUN]", "pause a run (default: the latest running one)"),
        Command(
            "resume",
            "[RUN | FILE]",
            "continue a paused run, or a run from its checkpoint file",
            (*field_infos(ResumeOptions), SETTING_INFOS["live"]),
        ),
        Command(
            "stop", "[RUN]", "end a run early with the estimate so far (default: the latest run)"
        ),
        Command("config", "[KEY=VALUE ...]", "show or change the default settings"),
        Command(
            "help",
            "[TOPIC]",
            "explain a subcommand or an estimator; also: questions (which call), estimators",
        ),
    )
}


def command(name: str, estimator: str) -> Command:
    """A subcommand with its options.

    Args:
        name: One of `COMMANDS`.
        estimator: Estimator whose fields are options of `estimate` and `panel`.

    Returns:
        The subcommand.

    Raises:
        MMGError: There is no such subcommand or estimator.
    """
    if name not in COMMANDS:
        what = f"There is no subcommand {brief(name)}."
        known = one_of(name, COMMANDS, "Subcommands")
        raise MMGError(what, f"{known} %mmg help questions says which is for what.")
    found = COMMANDS[name]
    if name not in ("estimate", "panel"):
        return found
    # A panel has its own live view and always runs in the background.
    unused: tuple[str, ...] = ("traceback", "unit")
    if name == "panel":
        unused += ("live", *ONLY_ESTIMATE)
    general = [*field_infos(RunOptions), *setting_infos().values()]
    options = (
        *(info for info in general if info.name not in unused),
        *field_infos(estimator_class(estimator)),
    )
    return Command(found.name, found.operands, found.help, options, estimator)


def flag(info: FieldInfo) -> str:
    """The flag of an option, e.g. `--learning-rate`."""
    return "--" + info.name.replace("_", "-")


def overview() -> str:
    """One line for each subcommand."""
    width = max(len(each.synopsis) for each in COMMANDS.values())
    lines = (f"{each.synopsis:<{width}}  {each.help}" for each in COMMANDS.values())
    return "\n".join(lines)


def _questions_in_words() -> str:
    """One line for each question: the question, and the call that answers it."""
    width = max(len(question) for question, _ in CALLS)
    return "\n".join(f"{question:<{width}}  {call}" for question, call in CALLS)


def command_help(target: Command, defaults: Mapping[str, Any]) -> str:
    """The help text of a subcommand.

    Args:
        target: The subcommand, with its options.
        defaults: Current settings, which replace the defaults of the options.

    Returns:
        The text.
    """
    if target.name in QUESTIONS:  # these have an estimator of their own
        defaults = {name: value for name, value in defaults.items() if name != "estimator"}
    lines = [target.synopsis, f"    {target.help}", ""]
    own = estimator_class(target.estimator) if target.estimator else None
    fields = {info.name for info in field_infos(own)} if own else set()
    general = [info for info in target.options if info.name not in fields]
    lines += _table(general, defaults)
    if own is not None:
        lines += ["", f"fields of the estimator {target.estimator}"]
        lines += _table(field_infos(own), {})
        lines += ["", "In a cell: %%mmg estimate X Y, then one 'field: value' per line."]
    return "\n".join(lines)


def estimator_help(name: str) -> str:
    """The help text of an estimator: its summary and its fields."""
    owner: Any = estimator_class(name)
    return "\n".join([f"{name}: {owner.summary}", *_table(field_infos(owner), {})])


def estimators_in_words() -> str:
    """One line for each estimator."""
    lines = ((name, getattr(estimator_class(name), "summary", "")) for name in names())
    return "\n".join(f"{name:<10}  {summary}" for name, summary in lines)


TOPICS = {"questions": _questions_in_words, "estimators": estimators_in_words}
"""Topic of help, besides subcommands and estimators -> its text."""


def _table(infos: Iterable[FieldInfo], defaults: Mapping[str, Any]) -> list[str]:
    lines = []
    for info in infos:
        value = defaults.get(info.name, info.default)
        expected = "" if info.kind is str and not info.choices else f"; {info.expected}"
        default = "" if value is None else f" (default: {value})"
        text = f"{flag(info):<18} {info.help}{expected}{default}"
        lines.append(textwrap.fill(text, 99, initial_indent="  ", subsequent_indent=" " * 21))
    return lines
