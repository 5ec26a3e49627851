"""The work of a worker: it turns a cell into a record. Both consist of plain values."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mmg_nb.polling import Stopped

if TYPE_CHECKING:
    from mmg_nb.results.result import MIResult

__all__ = [
    "ESTIMATOR_SEED_OFFSET",
    "FORMAT",
    "Record",
    "blank_record",
    "compute",
    "failed_record",
    "record_of",
]

Record = dict[str, Any]
"""A cell with its results, as in the file of records."""

FORMAT = "mmg_nb.cell/1"
ESTIMATOR_SEED_OFFSET = 1_000_000  # added to the seed of a cell; see `compute`


def compute(
    cell: Mapping[str, Any],
    attempt: int = 1,
    *,
    device: str = "auto",
    threads: int = 1,
    curves: bool = False,
    registered: bytes = b"",
) -> Record:
    """Run one cell.

    The data are `task(cell["task"]).sample(n, seed)`. The seed of the estimator is the seed of
    the cell plus `ESTIMATOR_SEED_OFFSET`. With equal seeds, the splits would be drawn from the
    same random numbers as the data.

    Args:
        cell: Output of `Cell.to_dict`.
        attempt: Number of times this cell has been submitted, including this time.
        device: Device to use; see `mmg_nb.estimate`.
        threads: Threads of torch. The previous number is restored afterwards.
        curves: Whether to add the key `curve`, with the error curves. It is None if the
            estimator has none.
        registered: Registered estimators and tasks, as `mmg_nb.benchmark.portable.packed` packs
            them. They are registered in this process.

    Returns:
        The record. An exception gives a record with status `failed` and the traceback.
    """
    record = blank_record(cell, attempt)
    began = time.perf_counter()
    try:
        if registered:
            from mmg_nb.benchmark.portable import unpack

            unpack(registered)
        # Only estimators that train need torch. The others should not load it.
        with _torch_threads(threads) if _trains(record["estimator"]) else nullcontext():
            result = _fill(record, device)
        if curves:
            record["curve"] = _rounded(result.curve.to_dict()) if result.curve else None
    except Stopped:
        record |= {"status": "interrupted"}
    except Exception:  # an error in one cell must not stop the others
        record |= {"status": "failed", "traceback": traceback.format_exc()}
        record |= _origin(record["seed"], device, time.perf_counter() - began)
    return record | {"ended": _now()}


def _trains(estimator: str) -> bool:
    from mmg_nb.estimators.registry import estimator_class

    return estimator_class(estimator).trains


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _origin(seed: int, device: str, seconds: float) -> Record:
    from mmg_nb.results.provenance import provenance

    origin = provenance(seed, device, seconds)
    return {key: origin[key] for key in ("device", "seconds", "versions")}


def blank_record(cell: Mapping[str, Any], attempt: int) -> Record:
    """A record without results. All records have the same keys in the same order."""
    unknown = ("mi", "stderr", "mi_true", "interval", "gap", "status", "device", "seconds")
    more: Record = {"forms": {}, "error_parts": {}, "notes": [], "versions": {}, "traceback": None}
    return {"format": FORMAT, **cell, "attempt": attempt, **dict.fromkeys(unknown), **more}


def _rounded(value: Any) -> Any:
    """Round a curve to six digits for JSON. Full digits add no accuracy and triple the file."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_number(float(f"{each:.6g}")) for each in value]
    return value


def _fill(record: Record, device: str) -> MIResult:
    from mmg_nb.api import estimate
    from mmg_nb.benchmark import task

    seed = record["seed"]
    chosen = task(record["task"])
    record["mi_true"] = _number(chosen.mi_true)
    x, y = chosen.sample(record["n"], seed)
    result = estimate(
        x,
        y,
        record["estimator"],
        seed=ESTIMATOR_SEED_OFFSET + seed,
        device=device,
        progress=False,
        **record["fields"],
    )
    record |= _results(result)
    return result


def record_of(cell: Mapping[str, Any], mi_true: float, result: MIResult) -> Record:
    """Make the record of a cell whose result is known.

    Args:
        cell: Output of `Cell.to_dict`.
        mi_true: True mutual information of its task, nats; NaN if unknown.
        result: The result.

    Returns:
        The record.
    """
    known = {"mi_true": _number(mi_true), **_results(result), "ended": _now()}
    return blank_record(cell, 1) | known


def _results(result: MIResult) -> Record:
    interval = [_number(end) for end in result.interval()]
    return {
        "mi": _number(result.mi),
        "stderr": _number(result.stderr),
        "interval": None if None in interval else interval,
        "gap": result.gap,
        "forms": {
            form: {"mi": _number(value.mi), "stderr": _number(value.stderr)}
            for form, value in result.forms.items()
        },
        "error_parts": {part: _number(value) for part, value in result.error_parts.items()},
        "status": result.status.value,
        "notes": list(result.notes),
        **{key: result.provenance[key] for key in ("device", "seconds", "versions")},
    }


def _number(value: float | None) -> float | None:
    """Convert to a number of JSON, which has neither NaN nor infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Set the number of threads of torch while a cell runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def failed_record(cell: Mapping[str, Any], attempt: int, error: Exception) -> Record:
    """Make the record of a cell whose workers died.

    Args:
        cell: Output of `Cell.to_dict`.
        attempt: Number of workers that died.
        error: Exception of the executor.

    Returns:
        A record with status `failed`.
    """
    details = "".join(traceback.format_exception(error))
    why = (
        f"The worker ended {attempt} times without a result for this cell. "
        f"The last time, no other cell was running.\n{details}"
    )
    return blank_record(cell, attempt) | {"status": "failed", "traceback": why, "ended": _now()}
