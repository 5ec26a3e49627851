"""What files of records hold: which tasks, rows, seeds and estimators, on what, for how long."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from mmg_nb.benchmark import SUITES
from mmg_nb.benchmark.labelling import labels
from mmg_nb.benchmark.records import latest, read_records
from mmg_nb.benchmark.worker import Record
from mmg_nb.errors import MMGError

__all__ = ["inventory", "put_into"]

BEGIN, END = "<!-- kept results: begin -->", "<!-- kept results: end -->"
_HEADER = ("file", "tasks", "n", "seeds", "estimators", "cells", "device", "hours")


def inventory(paths: Iterable[str | Path], folder: str | Path | None = None) -> str:
    """A Markdown table of what files hold, a row for each file and n.

    `cells` are those with an estimate, of all that tasks × estimators × seeds would make; the
    others failed or have not been run. `hours` are the wall times of all cells together.

    Args:
        paths: Files of records.
        folder: Where the document with the table is: links are relative to it. None: links are
            the paths as given.

    Returns:
        The table.

    Raises:
        MMGError: A file is not there, or holds something else.
    """
    lines = [_HEADER, ("---",) * len(_HEADER)]
    for path in sorted(map(Path, paths)):
        records = tuple(latest(read_records(path)).values())
        names = labels(records)
        by_n: defaultdict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_n[record["n"]].append(record)
        link = path.as_posix() if folder is None else _relative(path, folder)
        lines += [_line(f"[{path.stem}]({link})", n, by_n[n], names) for n in sorted(by_n)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _relative(path: Path, folder: str | Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()  # may climb, unlike Path.relative_to


def _line(link: str, n: int, records: list[Record], names: dict[str, str]) -> tuple[str, ...]:
    suites = {record["task"]: _suite(record) for record in records}
    estimators = dict.fromkeys(names[record["id"]] for record in records)
    seeds = {record["seed"] for record in records}
    good = [record for record in records if record["mi"] is not None]
    hours = sum(record["seconds"] for record in good) / 3600
    return (
        link,
        ", ".join(f"{count} {suite}" for suite, count in Counter(suites.values()).items()),
        f"{n:,}".replace(",", " "),
        str(len(seeds)),
        ", ".join(f"`{name}`" for name in estimators),
        f"{len(good)} of {len(suites) * len(estimators) * len(seeds)}",
        ", ".join(dict.fromkeys(str(record["device"]) for record in good)),
        f"{hours:.2f}",
    )


def _suite(record: Record) -> str:
    return next((suite for suite in SUITES if suite in record["tags"]), "other")


def put_into(document: str, table: str) -> str:
    """A document with the table between its two marks.

    Args:
        document: Text with the lines `BEGIN` and `END`.
        table: What belongs between them.

    Returns:
        The new text.

    Raises:
        MMGError: The marks are missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        what = "The document has no place for the table."
        raise MMGError(what, f"Put the lines {BEGIN} and {END} where it belongs.")
    return f"{before}{begin}\n{table}\n{end}{after}"
