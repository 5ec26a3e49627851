"""Tasks that are kept for reported figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mmg_nb.benchmark.cells import Cell
from mmg_nb.benchmark.tasks import REPORTING_TAG
from mmg_nb.errors import MMGError

__all__ = ["check_reporting"]


def check_reporting(cells: Sequence[Cell], path: Path, *, allowed: bool) -> None:
    """Refuse tasks that are kept for reported figures, or note that they are used.

    A use is one line of JSON beside the file of records.

    Args:
        cells: The cells of a sweep.
        path: Its file of records.
        allowed: Whether the user has asked for such tasks.

    Raises:
        MMGError: A cell is of such a task, and `allowed` is false.
    """
    kept = sorted({cell.task for cell in cells if REPORTING_TAG in cell.tags})
    if not kept:
        return
    if not allowed:
        what = f"{kept[0]} is kept for reported figures: a method must not be tuned on it."
        raise MMGError(
            what,
            "Use smaller numbers, or pass reporting=True (--reporting) when the method is final.",
        )
    use = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": [kept[0], kept[-1], len(kept)],
        "estimators": sorted({cell.spec.label for cell in cells}),
        "n": sorted({cell.n for cell in cells}),
        "seeds": sorted({cell.seed for cell in cells}),
    }
    with path.with_suffix(".reporting.log").open("a", encoding="utf-8") as file:
        file.write(json.dumps(use) + "\n")
