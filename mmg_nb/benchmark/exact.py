"""What the exact density finds in the rows of a sweep: the mean exact log-ratio.

An estimator that knew the density would still be wrong by the error of the sample. These records
show how much of an error that is. The command `exact` writes them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import NormalDist

from mmg_nb.benchmark import task
from mmg_nb.benchmark.cells import Cell, Spec
from mmg_nb.benchmark.records import RecordFile, latest, records_path
from mmg_nb.benchmark.tables import read_all
from mmg_nb.benchmark.worker import Record, blank_record

__all__ = ["EXACT", "add_exact", "exact_record"]

EXACT = "exact density"
"""Label of these records."""


def add_exact(paths: str | Path | Iterable[str | Path], out: str | Path) -> int:
    """Append the record of the exact density for every task, n and seed of files of records.

    Args:
        paths: One or several files of records.
        out: The file to append to, which may be one of them. What it has is not computed again.

    Returns:
        Number of records that were added.

    Raises:
        MMGError: A file does not exist, cannot be written, or is not a file of records.
    """
    spec = Spec(estimator=EXACT, fields={}, label=EXACT)
    asked = {(r["task"], r["n"], r["seed"]): tuple(r["tags"]) for r in read_all(paths)}
    cells = (
        Cell(spec=spec, task=name, n=n, seed=seed, tags=tags)
        for (name, n, seed), tags in asked.items()
    )
    with RecordFile(records_path(out)) as file:
        done = latest(file.records)
        missing = [cell for cell in cells if cell.cell_id not in done]
        for cell in missing:
            file.append(exact_record(cell))
    return len(missing)


def exact_record(cell: Cell) -> Record:
    """The record of the exact density for one task, n and seed.

    Args:
        cell: The cell; its estimator is not used.

    Returns:
        The mean exact log-ratio of the rows, its standard error, and a 95 % interval, in nats.
        These are None if the density or the true value is not known.
    """
    began = time.perf_counter()
    chosen = task(cell.task)
    values = chosen.sample_pointwise(cell.n, cell.seed)[2]
    mi, stderr = float(values.mean()), float(values.std() / math.sqrt(cell.n))
    record = blank_record(cell.to_dict(), 1) | {"status": "failed", "device": "cpu"}
    if math.isfinite(mi) and math.isfinite(chosen.mi_true):
        half = NormalDist().inv_cdf(0.975) * stderr
        record |= {"mi": mi, "stderr": stderr, "interval": [mi - half, mi + half]}
        record |= {"mi_true": float(chosen.mi_true), "status": "exact"}
    return record | {"seconds": time.perf_counter() - began}
