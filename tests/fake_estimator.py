"""An estimator that only pretends, for tests of everything around estimators."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.base import Estimator
from mmg_nb.fields import field
from mmg_nb.results.curves import MMSECurve, PointwiseMI, TrainingHistory
from mmg_nb.results.finding import Estimate
from mmg_nb.results.result import MIResult
from mmg_nb.results.sample import Sample
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Phase, Snapshot, Started, Step


def gaussian_curve(rho: float = 0.8, dim: int = 1) -> MMSECurve:
    """Exact curves of one Gaussian pair among `dim` coordinates, and two forms of the gap."""
    logsnr = np.linspace(-9.75, 9.75, 40)
    snr = np.exp(logsnr)
    given = (1 - rho**2) * snr
    alone, known = snr / (1 + snr), given / (1 + given)
    gap = alone - known
    gaps = {"inner": gap, "orthogonal": 1.3 * gap}
    stderrs = {form: 0.05 * gap + 1e-3 for form in gaps}
    width = np.full(40, 0.5)
    return MMSECurve(logsnr, width, dim * alone, dim * alone - gap, gaps, stderrs)


def make_result(rho: float = 0.8, dim: int = 1) -> MIResult:
    """A result with everything in it."""
    mi = -0.5 * float(np.log(1 - rho**2))
    return MIResult(
        mi=mi,
        stderr=0.02,
        error_parts={"sampling": 0.016, "members": 0.012},
        estimator="fake",
        n_samples=100,
        dim_x=dim,
        dim_y=1,
        gap="inner",
        forms={
            "orthogonal": Estimate(1.3 * mi, 0.03),
            "inner": Estimate(mi, 0.02),
        },
        curve=gaussian_curve(rho, dim),
        pointwise=PointwiseMI(np.arange(5), np.linspace(-1, 1, 5), np.full(5, 0.1)),
        history=TrainingHistory(np.array([0, 10]), np.array([2.0, 1.5]), np.array([0.1, 0.4])),
        sample=Sample(np.arange(5), np.arange(5.0), np.arange(5.0) % 3, ("", "")),
    )


@dataclass(frozen=True, kw_only=True)
class Fake(Estimator):
    """An estimator that sleeps, counts and makes up its result."""

    name: ClassVar[str] = "fake"
    summary: ClassVar[str] = "Pretends to estimate"

    steps: int = field(10, "training steps", low=0, high=1_000_000)
    delay: float = field(0.0, "seconds a step takes", low=0, high=10)
    learning_rate: float = field(1e-3, "does nothing", low=0, high=1)
    limit: int | None = field(None, "does nothing; none: by the data", low=1)
    ending: str = field("result", "how it ends", choices=("result", "defect"))
    offset: float = field(0.0, "does nothing")
    rounds: int = field(3, "does nothing", choices=(1, 3, 5))
    polish: bool = field(True, "does nothing")
    curves: bool = field(False, "whether the result has curves, which take time to draw")

    def estimate(self, pairs: Pairs, run: RunContext) -> MIResult:
        """Count to `steps`, stop when asked to."""
        listen = run.listen
        listen(Started(self.name, pairs.n_samples, pairs.dim_x, pairs.dim_y, "cpu", self.steps))
        listen(Phase("training"))
        result = make_result()
        status, done = Status.CONVERGED, 0
        while done < self.steps and status is Status.CONVERGED:
            time.sleep(self.delay)
            done += 1
            if listen(Step(done, self.steps)):
                status = Status.INTERRUPTED
            if done % 5 == 0:
                listen(snapshot(result, done))
        if self.ending == "defect":
            raise ZeroDivisionError("a defect of the estimator")
        listen(Phase("evaluation"))
        return replace(
            result,
            status=status,
            n_samples=pairs.n_samples,
            dim_x=pairs.dim_x,
            dim_y=pairs.dim_y,
            curve=result.curve if self.curves else None,
            fields=asdict(self),
            provenance={"seed": run.seed, "device": run.device, "steps": done},
        )


def snapshot(result: MIResult, step: int) -> Snapshot:
    curve = result.curve
    assert curve is not None
    flat = np.full_like(curve.logsnr, 0.05)
    mi = result.mi * step / (step + 5)
    return Snapshot(
        step, mi, 1.5, curve.logsnr, curve.mse, curve.mse_given_y, curve.gaps["inner"], flat
    )
