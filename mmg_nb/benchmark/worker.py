"""What a worker does: one cell in, one record out, plain values both ways.

Nothing heavy is imported here, so that a new process can still choose its number of threads.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmg_nb.results.result import MIResult

__all__ = ["ESTIMATOR_SEED_OFFSET", "FORMAT", "Record", "compute", "failed_record", "start_worker"]

Record = dict[str, Any]
"""A cell with its outcome, as written to the file."""

FORMAT = "mmg_nb.cell/1"
ESTIMATOR_SEED_OFFSET = 1_000_000
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def compute(
    cell: Mapping[str, Any],
    attempt: int = 1,
    *,
    device: str = "auto",
    threads: int = 1,
    curves: bool = False,
) -> Record:
    """Run one cell.

    The data are `task(cell["task"]).sample(n, seed)`. The estimator's seed is the cell's seed
    plus `ESTIMATOR_SEED_OFFSET`: with equal seeds its splits would be drawn from the very bits
    that made the data.

    Args:
        cell: What `Cell.to_dict` gave.
        attempt: How many times this cell has been handed to a worker, this time included.
        device: Where to compute, see `mmg_nb.estimate`.
        threads: Threads that torch may use; the caller's number is restored.
        curves: Add the key `curve`: the error curves, or None for an estimator without.

    Returns:
        The record; an exception becomes a record with status `failed` and its traceback.
    """
    record = _blank(cell, attempt)
    began = time.perf_counter()
    try:
        # Whatever trains needs torch, and for the others nobody should load it.
        with _torch_threads(threads) if "steps" in record["fields"] else nullcontext():
            result = _fill(record, device)
        if curves:
            record["curve"] = _rounded(result.curve.to_dict()) if result.curve else None
    except Exception:  # whatever went wrong in one cell, the others go on
        record |= {"status": "failed", "traceback": traceback.format_exc()}
        record |= _origin(record["seed"], device, time.perf_counter() - began)
    return record | {"ended": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _origin(seed: int, device: str, seconds: float) -> Record:
    from mmg_nb.results.provenance import provenance

    origin = provenance(seed, device, seconds)
    return {key: origin[key] for key in ("device", "seconds", "versions")}


def _blank(cell: Mapping[str, Any], attempt: int) -> Record:
    """The record before anything is known: every record has all keys, in one order."""
    unknown = ("mi", "stderr", "mi_true", "interval", "gap", "status", "device", "seconds")
    more: Record = {"forms": {}, "error_parts": {}, "notes": [], "versions": {}, "traceback": None}
    return {"format": FORMAT, **cell, "attempt": attempt, **dict.fromkeys(unknown), **more}


def _rounded(value: Any) -> Any:
    """A curve as JSON takes it. It has fewer than six digits, and all would triple the file."""
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
        **record["fields"],
    )
    interval = [_number(end) for end in result.interval()]
    record |= {
        "mi": _number(result.mi),
        "stderr": _number(result.stderr),
        "interval": None if None in interval else interval,
        "gap": result.gap,
        "forms": {
            form: {"mi": _number(value.mi), "stderr": _number(value.stderr)}
            for form, value in result.forms.items()
        },
        "error_parts": {part: _number(value) for part, value in result.error_parts.items()},
        "status": str(result.status),
        "notes": list(result.notes),
        **{key: result.provenance[key] for key in ("device", "seconds", "versions")},
    }
    return result


def _number(value: float | None) -> float | None:
    """A number of JSON, which knows neither NaN nor infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Limit torch while a cell runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def failed_record(cell: Mapping[str, Any], attempt: int, error: Exception) -> Record:
    """The record of a cell whose worker was lost.

    Args:
        cell: What `Cell.to_dict` gave.
        attempt: How many workers were lost with it.
        error: What the executor said.

    Returns:
        A record with status `failed`.
    """
    said = "".join(traceback.format_exception(error))
    why = f"The worker ended {attempt} times without an answer, the last time alone.\n{said}"
    return _blank(cell, attempt) | {"status": "failed", "traceback": why, "ended": _now()}


def start_worker(threads: int) -> None:
    """Prepare a new worker process.

    Args:
        threads: Threads that numerical libraries may start; one process per core needs one.
    """
    for name in _THREAD_VARIABLES:  # read when numpy and torch are first imported
        os.environ[name] = str(threads)
    # Ctrl-C reaches the whole process group; between two cells only the coordinator answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when the coordinator is killed, which a pool does not do by itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
