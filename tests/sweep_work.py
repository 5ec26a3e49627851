"""What the tests of sweeps let workers do; importable in any process."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_info

from mmg_nb.estimators.base import Estimator
from mmg_nb.fields import field
from mmg_nb.results.curves import MMSECurve
from mmg_nb.results.finding import Estimate
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Started, Step


def slow(cell, attempt):
    time.sleep(0.05)
    return {**cell, "attempt": attempt, "status": "converged"}


def die_once(cell, attempt):
    if cell["seed"] == 3 and attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return slow(cell, attempt)


def die_always(cell, attempt):
    if cell["seed"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3)  # long enough to be dragged along by seed 3 beside it
    return slow(cell, attempt)


def blas_threads():
    """The threads of the BLAS libraries here, which are the same for all."""
    (count,) = {m["num_threads"] for m in threadpool_info() if m["user_api"] == "blas"}
    return count


def prepared():
    """What a worker process finds."""
    return signal.getsignal(signal.SIGINT), os.environ["OMP_NUM_THREADS"]


@dataclass(frozen=True, kw_only=True)
class Told(Estimator):
    """An estimator that does as it is told."""

    name: ClassVar[str] = "told"
    summary: ClassVar[str] = "Does as it is told"

    do: str = field(
        "answer", "what", choices=("answer", "blas", "deaf", "interrupt", "nan", "seed", "threads")
    )
    sharp: bool = field(True, "nothing")
    scale: float = field(1.0, "nothing", low=0)
    limit: int | None = field(None, "nothing", low=0)

    def estimate(self, pairs, run):
        seed, listen = run.seed, run.listen
        mi, status = 0.4, Status.CONVERGED
        if self.do == "threads":
            import torch
        listen(Started(self.name, pairs.n_samples, pairs.dim_x, pairs.dim_y, "cpu", 1))
        if self.do == "threads":
            mi = float(torch.get_num_threads())
        if self.do == "blas":
            mi = float(blas_threads())
        if self.do == "seed":
            mi = float(seed)
        if self.do == "nan":
            mi, status = float("nan"), Status.DIVERGED
        if self.do == "deaf":
            signal.raise_signal(signal.SIGINT)
        if self.do == "interrupt":
            signal.raise_signal(signal.SIGINT)
            status = Status.INTERRUPTED if listen(Step(1, 1)) else status
        return MIResult(
            mi,
            0.1,
            self.name,
            pairs.n_samples,
            1,
            1,
            gap="inner",
            curve=MMSECurve(*np.array([[0, 1], [1, 1], [0.5, mi], [0.5, mi]]), {}, {}),
            forms={"inner": Estimate(mi, 0.1), "difference": Estimate(0.3, 0.2)},
            status=status,
            notes=("told",),
            provenance=provenance(seed, "cpu", 0.5),
        )


@dataclass(frozen=True, kw_only=True)
class Trained(Told):
    """The same, as one of those that train."""

    name: ClassVar[str] = "trained"
    trains: ClassVar[bool] = True

    steps: int = field(1, "nothing", low=0)
