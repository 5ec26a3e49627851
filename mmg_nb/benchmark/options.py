"""Options of a sweep. Help and completion load them without loading the sweep."""

from __future__ import annotations

from dataclasses import dataclass

from mmg_nb.fields import field
from mmg_nb.runs.device_names import check_device

__all__ = ["SweepOptions"]


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of a sweep, on the command line and in the notebook."""

    estimators: str = field(
        "mmg", "estimators, with or without fields, for example mmg:steps=1000,gap=inner,gcmi"
    )
    n: str = field("10000", "numbers of rows, for example 1000,1e4")
    seeds: str = field(
        "1", "5: seeds 0 to 4; 3,4: these two seeds; 7, (with a comma): seed 7 only"
    )
    out: str = field(
        "benchmark.jsonl", "file of records; cells that it already has are not run again"
    )
    workers: int | None = field(
        None, "number of worker processes; default: run in this process", low=1, high=1024
    )
    threads: int = field(1, "threads of numerical libraries per cell", low=1, high=1024)
    device: str = field(
        "auto", "device of each cell: auto, cpu, cuda or cuda:<index>", check=check_device
    )
    retry_failed: bool = field(False, "run failed cells again")
    curves: bool = field(False, "store the error curves as well")
    reporting: bool = field(False, "allow tasks that are kept for reported figures")
