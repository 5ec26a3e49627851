"""The subcommands of `%mmg`, their options and their help."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmg_nb.benchmark.options import SweepOptions
from mmg_nb.errors import MMGError, brief, closest, listed, one_of
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import FieldInfo, field_infos
from mmg_nb.jupyter.options import (
    CompareOptions,
    ExploreOptions,
    IndependenceOptions,
    LagOptions,
    PlotOptions,
    RankOptions,
    ResumeOptions,
    RunOptions,
    ShowOptions,
    TotalOptions,
    TransferOptions,
)
from mmg_nb.jupyter.settings import SETTING_INFOS, setting_infos

__all__ = [
    "CALLS",
    "COMMANDS",
    "QUESTIONS",
    "SHORT_FLAGS",
    "TOPICS",
    "Command",
    "command",
    "command_help",
    "estimator_help",
    "flag",
    "help_on",
    "overview",
]


ROOM_FOR_TOPICS = 120  # characters, of the names of one kind in a message
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
    ("How strongly do x and y depend on each other?", "%mmg estimate x y"),
    ("How strongly, given z?", "%mmg estimate x y --given z"),
    ("Do x and y depend on each other at all?", "%mmg test x y"),
    ("At which lag is dependence strongest?", "%mmg lag x y --lags -20:20"),
    ("Does the past of x help to predict y?", "%mmg transfer x y"),
    ("Which columns does a target depend on?", "%mmg rank df target"),
    ("Which five columns are best together?", "%mmg rank df target --most 5"),
    ("Which pairs of columns depend on each other?", "%mmg explore df"),
    ("What do several variables share?", "%mmg total a b c"),
    ("How much does each row contribute?", "%mmg plot result --kind pointwise"),
    ("Do other methods agree?", "%mmg compare x y"),
    ("How is a figure saved, e.g. for a paper?", "%mmg plot result --save figure.pdf"),
)
"""Which question is answered by which call."""
MEANT = {
    **dict.fromkeys(("map", "heatmap", "matrix", "pairs", "dependency_map"), "explore"),
    **dict.fromkeys(("mi", "run", "start", "mutual_info"), "estimate"),
    **dict.fromkeys(("select", "features", "importance"), "rank"),
    **dict.fromkeys(("figure", "draw", "save"), "plot"),
    **dict.fromkeys(("display", "print", "result", "results"), "show"),
    **dict.fromkeys(("cancel", "abort", "kill", "interrupt"), "stop"),
    **dict.fromkeys(("set", "settings", "options", "unit"), "config"),
    **dict.fromkeys(("list", "ls", "status", "jobs"), "runs"),
    **dict.fromkeys(("gui", "form", "widget"), "panel"),
    **dict.fromkeys(("independence", "independence_test"), "test"),
    **{name: word for word, name in QUESTIONS.items() if name not in QUESTIONS},
    "continue": "resume",
}
"""Other words that a user may try -> the subcommand."""
WITH_OPTIONS = (
    *("estimate", "compare", "resume", "explore", "panel", "plot", "show", "benchmark"),
    *QUESTIONS,
)


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
        Command("estimate", "X Y", "estimate the mutual information of two variables"),
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
            "show a map of all pairs of columns of a table; explore it with mouse and keys",
            (*field_infos(ExploreOptions), *(SETTING_INFOS[name] for name in ("seed", "device"))),
        ),
        Command(
            "rank",
            "TABLE TARGET",
            "rank columns by their dependence on a target, and select the best ones",
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
            "[RESULT | RUN]",
            "draw a result (default: the last), also as a PDF or SVG file",
            field_infos(PlotOptions),
        ),
        Command(
            "show",
            "[RESULT | RUN]",
            "display a result (default: the last), also that of a run, and store it with -o",
            field_infos(ShowOptions),
        ),
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
            "explain a subcommand, an estimator or a topic: questions, estimators",
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
        meant = f"Did you mean {MEANT[name]!r}? " if name in MEANT else ""
        known = one_of(name, COMMANDS, "Subcommands")
        raise MMGError(what, f"{meant}{known} %mmg help questions says which is for what.")
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
    if target.name == "estimate":
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


def help_on(topic: str, estimator: str, settings: Mapping[str, Any]) -> str:
    """The text of `%mmg help TOPIC`.

    Args:
        topic: A subcommand, an estimator, or one of `TOPICS`.
        estimator: Estimator whose fields are options of `estimate`.
        settings: Current settings, see `command_help`.

    Raises:
        MMGError: There is no such topic.
    """
    if topic in names():
        return estimator_help(topic)
    if topic in TOPICS:
        return TOPICS[topic]()
    if topic in COMMANDS:
        return command_help(command(topic, estimator), settings)
    near = f"Did you mean {MEANT[topic]!r}? " if topic in MEANT else ""
    near = near or closest(topic, [*COMMANDS, *TOPICS, *names()])
    kinds = (("Topics", TOPICS), ("estimators", names()), ("subcommands", COMMANDS))
    known = "; ".join(f"{kind}: {listed(each, topic, ROOM_FOR_TOPICS)}" for kind, each in kinds)
    raise MMGError(f"There is no help on {brief(topic)}.", f"{near}{known}.")


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
