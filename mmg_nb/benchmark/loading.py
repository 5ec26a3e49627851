"""Records as a tidy pandas frame, with one row per cell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmg_nb.benchmark.labelling import labels
from mmg_nb.benchmark.tables import read_all
from mmg_nb.results.curves import MMSECurve

if TYPE_CHECKING:
    from pandas import DataFrame

    from mmg_nb.benchmark.worker import Record

__all__ = ["load"]


def load(paths: str | Path | Iterable[str | Path]) -> DataFrame:
    """Read files of records.

    Args:
        paths: One or several files. If a cell is in several files, the last file is used.

    Returns:
        One row per cell. The columns are `id`, `estimator`, `label`, `task`, `n`, `seed`, `mi`,
        `stderr`, `mi_true`, `error` (estimate minus truth), `low`, `high`, `covered`, `status`,
        `seconds`, `device`, and others. Each form of the gap adds `mi_<form>` and
        `stderr_<form>`. Missing numbers and unknown true values are NaN. `fields`, `versions`,
        `tags` and `notes` are Python objects. `curve` is an `MMSECurve` in records made with
        `curves`.

    Raises:
        MMGError: A file does not exist, or it is not a file of records.
    """
    import pandas as pd

    records = read_all(paths)
    names = labels(records)
    frame = pd.DataFrame([_flat(record) | {"label": names[record["id"]]} for record in records])
    numbers = [c for c in frame.columns if c.startswith(("mi", "stderr"))]
    numbers += [c for c in ("low", "high", "error", "seconds") if c in frame.columns]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _flat(record: Record) -> dict[str, Any]:
    nested = ("forms", "interval", "format")
    row = {key: value for key, value in record.items() if key not in nested}
    if record.get("curve") is not None:
        row["curve"] = MMSECurve.from_dict(record["curve"])
    low, high = record["interval"] or (None, None)
    known = record["mi"] is not None and record["mi_true"] is not None
    row["error"] = record["mi"] - record["mi_true"] if known else None
    row |= {"low": low, "high": high}
    checked = low is not None and record["mi_true"] is not None
    row["covered"] = low <= record["mi_true"] <= high if checked else None
    for form, value in record["forms"].items():
        row |= {f"mi_{form}": value["mi"], f"stderr_{form}": value["stderr"]}
    return row
