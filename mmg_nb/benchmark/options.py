"""What a sweep can be told; apart, because help and completion must load no sweep."""

from __future__ import annotations

from dataclasses import dataclass

from mmg_nb.fields import field

__all__ = ["SweepOptions"]


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of a sweep, in the command line and in the notebook."""

    estimators: str = field("mmg", "for example mmg:steps=1000,gap=inner,gcmi")
    n: str = field("10000", "rows, for example 1000,1e4")
    seeds: str = field("1", "how many from 0 on, or a list such as 3,4 or 7,")
    out: str = field("benchmark.jsonl", "the file; what it has is kept and not run again")
    workers: int | None = field(None, "processes to run in; none: in this one", low=1)
    threads: int = field(1, "threads of numerical libraries in a cell", low=1)
    device: str = field("auto", "where a cell computes: auto, cpu, cuda or cuda:<index>")
    retry_failed: bool = field(False, "run cells again that failed")
    curves: bool = field(False, "keep the error curves, too")
