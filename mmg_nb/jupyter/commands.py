"""The subcommands of `%mmg`, their options and their help."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmg_nb.api import EVERY
from mmg_nb.benchmark.options import SweepOptions
from mmg_nb.data.pairs import MISSING
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.fields import FieldInfo, closest, field, field_infos
from mmg_nb.jupyter.settings import setting_infos
from mmg_nb.plots.result import KINDS
from mmg_nb.questions.comparison import DEFAULT_ESTIMATORS

__all__ = [
    "COMMANDS",
    "SHORT_FLAGS",
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
WITH_OPTIONS = ("estimate", "compare", "resume", "panel", "plot", "benchmark")


@dataclass(frozen=True, kw_only=True)
class _WayToRun:
    """Where a run goes on and where its result goes."""

    output: str | None = field(None, "variable that gets the result; also -o")
    background: bool = field(False, "return a handle at once and run beside the cells; also -b")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What else there is to say about the data of an estimate."""

    groups: str | None = field(None, "labels of rows that depend on each other, e.g. df.patient")
    given: str | None = field(None, "what is conditioned on, for I(x; y | z), e.g. df.age")
    discrete: str = field("auto", "columns that are categories: auto, none, or e.g. y,sex,x[2]")
    missing: str = field("refuse", "what to do about rows with a missing value", choices=MISSING)


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions, _WayToRun):
    """Options of `%mmg estimate` beside the settings and the estimator's fields."""

    checkpoint: str | None = field(None, "file that keeps the run; %mmg resume FILE goes on")
    every: float = field(EVERY, "seconds between two writes of the checkpoint", low=0)


@dataclass(frozen=True, kw_only=True)
class CompareOptions(DataOptions, _WayToRun):
    """Options of `%mmg compare` beside the settings."""

    estimators: str = field(DEFAULT_ESTIMATORS, "names with or without fields: ksg,mmg:steps=1000")


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(_WayToRun):
    """Options of `%mmg resume FILE`, beside how it shows itself."""

    every: float | None = field(None, "seconds between two writes; none: as before", low=0)


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """Options of `%mmg plot`."""

    kind: str = field("gap", "what to draw", choices=tuple(KINDS))


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        name: The word after `%mmg`.
        operands: What it takes, as written in the synopsis.
        help: What it does, in one line.
        options: What can be set by flags.
        estimator: Whose fields are among the options.
    """

    name: str
    operands: str
    help: str
    options: tuple[FieldInfo, ...] = ()
    estimator: str = ""

    @property
    def synopsis(self) -> str:
        """How it is called."""
        options = " [options]" if self.name in WITH_OPTIONS else ""
        return f"%mmg {self.name} {self.operands}{options}".rstrip()


def _shared_settings(*names: str) -> tuple[FieldInfo, ...]:
    return tuple(info for info in setting_infos().values() if info.name in names)


COMMANDS = {
    each.name: each
    for each in (
        Command("estimate", "X Y", "how much two variables tell about each other, in nats"),
        Command(
            "compare",
            "X Y",
            "several estimators side by side, in a table that fills while they run",
            (*field_infos(CompareOptions), *_shared_settings("seed", "device", "live")),
        ),
        Command("panel", "[X Y]", "choose variables and settings, train and compare by widgets"),
        Command("plot", "[RESULT]", "draw a result, or the last one", field_infos(PlotOptions)),
        Command("show", "[RESULT]", "show a result, or the last one"),
        Command(
            "benchmark",
            "TASKS",
            "compare estimators on tasks with known answers; `table FILE...` reads such files",
            field_infos(SweepOptions),
        ),
        Command("runs", "", "list the runs of this session"),
        Command("pause", "[RUN]", "hold a run, or the latest one that runs"),
        Command(
            "resume",
            "[RUN | FILE]",
            "let a paused run go on, or one that was kept in a file",
            (*field_infos(ResumeOptions), setting_infos()["live"]),
        ),
        Command("stop", "[RUN]", "end a run, or the latest one, and keep what it has learnt"),
        Command("config", "[KEY=VALUE ...]", "show or change what calls take by default"),
        Command("help", "[SUBCOMMAND | ESTIMATOR]", "explain a subcommand or an estimator"),
    )
}


def command(name: str, estimator: str) -> Command:
    """A subcommand with its options.

    Args:
        name: One of `COMMANDS`.
        estimator: Whose fields `estimate` and `panel` take.

    Returns:
        The subcommand.

    Raises:
        MMGError: There is no such subcommand or estimator.
    """
    if name not in COMMANDS:
        known = "Subcommands: " + ", ".join(COMMANDS) + "."
        raise MMGError(f"There is no subcommand {name!r}.", closest(name, COMMANDS) + known)
    found = COMMANDS[name]
    if name not in ("estimate", "panel"):
        return found
    # A panel shows itself and runs in the background in any case.
    needless = ("traceback",) if name == "estimate" else ("traceback", "live", *ONLY_ESTIMATE)
    general = [*field_infos(RunOptions), *setting_infos().values()]
    options = (
        *(info for info in general if info.name not in needless),
        *field_infos(estimator_class(estimator)),
    )
    return Command(found.name, found.operands, found.help, options, estimator)


def flag(info: FieldInfo) -> str:
    """How an option is written: `--learning-rate`."""
    return "--" + info.name.replace("_", "-")


def overview() -> str:
    """One line for each subcommand."""
    width = max(len(each.synopsis) for each in COMMANDS.values())
    lines = (f"{each.synopsis:<{width}}  {each.help}" for each in COMMANDS.values())
    return "\n".join(lines)


def command_help(target: Command, defaults: Mapping[str, Any]) -> str:
    """What a subcommand does and takes.

    Args:
        target: The subcommand, with its options.
        defaults: Values in force now that differ from an option's own default.

    Returns:
        The text.
    """
    lines = [target.synopsis, f"    {target.help}", ""]
    own = estimator_class(target.estimator) if target.estimator else None
    fields = {info.name for info in field_infos(own)} if own else set()
    general = [info for info in target.options if info.name not in fields]
    lines += _table(general, defaults)
    if own is not None:
        lines += ["", f"fields of the estimator {target.estimator}"]
        lines += _table(field_infos(own), {})
        lines += ["", "In a cell: %%mmg estimate X Y, then one 'field: value' a line."]
    return "\n".join(lines)


def estimator_help(name: str) -> str:
    """What an estimator is and which fields it has."""
    owner: Any = estimator_class(name)
    return "\n".join([f"{name}: {owner.summary}", *_table(field_infos(owner), {})])


def estimators_in_words() -> str:
    """One line for each estimator."""
    lines = ((name, getattr(estimator_class(name), "summary", "")) for name in names())
    return "\n".join(f"{name:<10}  {summary}" for name, summary in lines)


def _table(infos: Iterable[FieldInfo], defaults: Mapping[str, Any]) -> list[str]:
    lines = []
    for info in infos:
        value = defaults.get(info.name, info.default)
        expected = "" if info.kind is str and not info.choices else f"; {info.expected}"
        default = "" if value is None else f" (default {value})"
        text = f"{flag(info):<18} {info.help}{expected}{default}"
        lines.append(textwrap.fill(text, 99, initial_indent="  ", subsequent_indent=" " * 21))
    return lines
