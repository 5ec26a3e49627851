"""The command line of the benchmark. `%mmg benchmark` accepts the same arguments."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from mmg_nb.benchmark.cells import read_tasks
from mmg_nb.benchmark.exact import add_exact
from mmg_nb.benchmark.inventory import inventory, put_into
from mmg_nb.benchmark.options import SweepOptions
from mmg_nb.benchmark.progress import SweepListener
from mmg_nb.benchmark.sweep import Sweep, run
from mmg_nb.benchmark.tables import Table, table
from mmg_nb.errors import MMGError, brief
from mmg_nb.fields import field_infos, from_fields, parse, whole_number

__all__ = [
    "main",
    "run_sweep",
    "show_table",
    "sweep_parser",
    "table_parser",
]

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130  # exit codes


class _Parser(ArgumentParser):
    """Raises `MMGError` for wrong arguments. `ArgumentParser` would exit the kernel."""

    def error(self, message: str) -> NoReturn:
        raise MMGError(f"{self.prog}: {message}.", f"{self.prog} -h lists all arguments.")


class _Once(Action):
    """Stores an option; refuses it if it is given twice."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None
    ) -> None:
        given = vars(namespace).setdefault("given", set())
        if self.dest in given:
            raise MMGError(f"{option} is given twice.", "Leave one of them out.")
        given.add(self.dest)
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)


def sweep_parser(prog: str) -> ArgumentParser:
    """Make the parser of a sweep's arguments.

    Args:
        prog: Name of the command in help and error messages.

    Returns:
        A parser for `run_sweep`. It raises `MMGError` for wrong arguments.
    """
    parser = _Parser(prog=prog, description="Run or continue a sweep.")
    parser.add_argument("tasks", help="suites, patterns or ids, separated by commas: bmi,outside")
    for info in field_infos(SweepOptions):
        flag = "--" + info.name.replace("_", "-")
        text = info.help + (f" (default: {info.default})" if info.default else "")
        if info.kind is bool:
            parser.add_argument(
                flag, action=_Once, nargs=0, const="true", default=SUPPRESS, help=text
            )
        else:
            name = info.name.upper()
            parser.add_argument(flag, action=_Once, default=SUPPRESS, metavar=name, help=text)
    return parser


def run_sweep(arguments: Namespace, listen: SweepListener | None = None) -> Sweep:
    """Run a sweep from parsed arguments.

    Args:
        arguments: Output of `sweep_parser`.
        listen: See `mmg_nb.benchmark.run`.

    Returns:
        The sweep.

    Raises:
        MMGError: An argument is invalid.
    """
    texts = vars(arguments)
    infos = [info for info in field_infos(SweepOptions) if info.name in texts]
    options = asdict(
        from_fields(SweepOptions, {info.name: parse(info, texts[info.name]) for info in infos})
    )
    seeds = _whole_numbers("seeds", options["seeds"])
    return run(
        texts["tasks"],
        options.pop("estimators"),
        _whole_numbers("n", options.pop("n")),
        seeds if "," in options.pop("seeds") else seeds[0],
        options.pop("out"),
        listen=listen,
        **options,
    )


def _whole_numbers(name: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        numbers = [whole_number(part) for part in parts]
    except (ValueError, OverflowError):
        numbers = []
    if not numbers:
        what = f"{name} must be whole numbers separated by commas; got {brief(text)}."
        one, two = ("1000", "1000,1e4") if name == "n" else ("3", "3,4")
        raise MMGError(what, f"Try --{name} {one} or --{name} {two}.")
    return numbers


def table_parser(prog: str) -> ArgumentParser:
    """Make the parser of a table's arguments, for `show_table`; see `sweep_parser`."""
    parser = _Parser(
        prog=prog, description="Show accuracy, coverage and time from files of records."
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--by", action=_Once, choices=("group", "task"), default="group")
    return parser


def show_table(arguments: Namespace) -> Table:
    """Make a table from the output of `table_parser`."""
    return table(arguments.files, arguments.by)


def _inventory_parser(prog: str) -> ArgumentParser:
    parser = _Parser(prog=prog, description="List the contents of files of records.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--into", help="write the list between the markers in this document")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `python -m mmg_nb.benchmark`.

    Args:
        arguments: Words of the command line. Default: `sys.argv`.

    Returns:
        Exit code: 0 for success, 1 if cells failed, 2 for wrong arguments, 130 after an
        interrupt.
    """
    try:
        return _main(list(sys.argv[1:] if arguments is None else arguments))
    except MMGError as error:
        sys.stderr.write(f"{error}\n")
        return _MISUSED
    except KeyboardInterrupt:  # before the first cell, or a second interrupt in a row
        return _INTERRUPTED


def _main(words: list[str]) -> int:
    parser = _Parser(prog="python -m mmg_nb.benchmark", description="Run and compare sweeps.")
    commands = ("run", "table", "inventory", "budgets", "exact")
    parser.add_argument("command", choices=commands, help="COMMAND --help shows its options")
    command = parser.parse_args(words[:1]).command
    prog = f"{parser.prog} {command}"
    if command == "run":
        return _run(sweep_parser(prog).parse_args(words[1:]))
    if command == "budgets":
        return _budgets(_budgets_parser(prog).parse_args(words[1:]))
    if command == "exact":
        return _exact(_exact_parser(prog).parse_args(words[1:]))
    if command == "inventory":
        return _inventory(_inventory_parser(prog).parse_args(words[1:]))
    shown = show_table(table_parser(prog).parse_args(words[1:]))
    sys.stdout.write(shown.to_markdown() + "\n")
    return 0


def _inventory(arguments: Namespace) -> int:
    if arguments.into is None:
        sys.stdout.write(inventory(arguments.files) + "\n")
        return 0
    document = Path(arguments.into)
    rows = inventory(arguments.files, document.parent)
    document.write_text(put_into(document.read_text(encoding="utf-8"), rows), encoding="utf-8")
    return 0


def _budgets_parser(prog: str) -> ArgumentParser:
    text = "Train the paper's set-up for several numbers of steps. Repeat the command to continue."
    parser = _Parser(prog=prog, description=text)
    parser.add_argument("tasks", help="suites, patterns or ids, separated by commas")
    parser.add_argument("--steps", required=True, help="numbers of steps: 1000,3000,10000")
    parser.add_argument("--n", default="110000", help="number of rows (default: 110000)")
    parser.add_argument("--seeds", default="100", help="seeds of the data (default: 100)")
    parser.add_argument("--out", required=True, help="file of records")
    parser.add_argument("--folder", required=True, help="folder of the checkpoints")
    parser.add_argument("--minutes", default="1e9", help="time after which it stops")
    parser.add_argument("--device", default="auto", help="device of the trainings")
    return parser


def _budgets(arguments: Namespace) -> int:
    # Imported here, because it loads torch.
    from mmg_nb.benchmark.budgets import run_budgets

    missing = run_budgets(
        read_tasks(arguments.tasks),
        _whole_numbers("steps", arguments.steps),
        _whole_numbers("seeds", arguments.seeds),
        60 * _whole_numbers("minutes", arguments.minutes)[0],
        n=_whole_numbers("n", arguments.n)[0],
        out=Path(arguments.out),
        folder=Path(arguments.folder),
        device=arguments.device,
    )
    sys.stdout.write(f"{missing} records are missing.\n")
    return _INTERRUPTED if missing else 0


def _exact_parser(prog: str) -> ArgumentParser:
    text = "Add the estimate by the exact density for each task, n and seed in the files."
    parser = _Parser(prog=prog, description=text)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--out", required=True, help="file of records to append to")
    return parser


def _exact(arguments: Namespace) -> int:
    added = add_exact(arguments.files, arguments.out)
    sys.stdout.write(f"{added} records were added to {arguments.out}.\n")
    return 0


def _run(arguments: Namespace) -> int:
    sweep = run_sweep(arguments)
    sys.stdout.write(f"{sweep.table().to_markdown()}\n\n{sweep!r}\n")
    if sweep.stopped:
        return _INTERRUPTED
    return _FAILED if sweep.failed else 0
