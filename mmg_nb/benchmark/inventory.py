"""A list of the contents of files of records: tasks, rows, seeds, estimators, devices, hours."""

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
    """Make a Markdown table of the contents of files, with one row per file and n.

    The column `cells` counts cells with an estimate, out of tasks × estimators × seeds. The
    other cells failed or were not run. The column `hours` is the total wall time of the cells.

    Args:
        paths: Files of records.
        folder: Folder of the document with the table. Links are relative to it. None: links are
            the paths as given.

    Returns:
        The table.

    Raises:
        MMGError: A file does not exist, or it is not a file of records.
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
    return Path(
        os.path.relpath(path, folder)
    ).as_posix()  # may contain .., unlike Path.relative_to


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
    """Insert the table between the two markers of a document.

    Args:
        document: Text with the lines `BEGIN` and `END`.
        table: The table. It replaces the text between these lines.

    Returns:
        The new text.

    Raises:
        MMGError: The markers are missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        what = "The document has no markers for the table."
        raise MMGError(what, f"Add the lines {BEGIN} and {END} where the table belongs.")
    return f"{before}{begin}\n{table}\n{end}{after}"
