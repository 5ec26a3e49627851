"""What rows in series add to the standard error of any estimator."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.series import WINDOW
from mmg_nb.estimators.base import Estimator
from mmg_nb.polling import Stopped
from mmg_nb.results.facts import IN_SERIES
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.results.result import MIResult
from mmg_nb.runs.context import RunContext

__all__ = ["with_series_error"]

SHIFTS = 4  # of y against x, by which an estimator without training is run again

Found = Estimate | Finding | MIResult


def with_series_error(found: Found, estimator: Estimator, pairs: Pairs, seed: int) -> Found:
    """Add the part `rows in series` to the standard error, if rows are in series.

    Two independent series seem to depend on each other (Yule 1926, JRSS 89:1; Granger & Newbold
    1974, J. Econometrics 2:111). The part is what an estimator finds in such data. Estimators that
    train evaluate blocks of rows that were left out; their other parts come from blocks too. The
    other estimators assume independent rows, so their error is multiplied by √inflation.

    Args:
        found: What the estimator has found.
        estimator: The estimator.
        pairs: The data.
        seed: Seed of the run.

    Returns:
        The same with a larger standard error; unchanged for independent rows.
    """
    if pairs.inflation == 1 or isinstance(found, MIResult) or found.stderr is None:
        return found
    if isinstance(found, Estimate):
        found = Finding(mi=found.mi, stderr=found.stderr)
    chance = _by_chance(pairs)
    factor = 1.0
    if not estimator.trains:
        chance = max(chance, _shifted(estimator, pairs, seed))
        factor = math.sqrt(pairs.inflation)
    parts = found.error_parts or {"sampling": found.stderr or 0.0}
    parts = {**{name: factor * part for name, part in parts.items()}, IN_SERIES: chance}
    forms = {
        name: replace(form, stderr=math.hypot(form.stderr, chance))
        for name, form in found.forms.items()
    }
    return replace(found, stderr=math.hypot(*parts.values()), error_parts=parts, forms=forms)


def _by_chance(pairs: Pairs) -> float:
    """Standard error whose 95 % interval holds 0 for independent Gaussian series, nats.

    Twice the effective number of rows times the estimate is χ² there, as in
    `mmg_nb.mmse.standard_error.null_standard_error`. The inflation is uncertain itself.
    Its standard error is added, √(4·WINDOW / effective rows) of it (Madras & Sokal 1988,
    J. Stat. Phys. 50:109).
    """
    from scipy.stats import chi2, norm

    freedom = pairs.freedom_x * pairs.freedom_y
    rows = pairs.effective_rows / (1 + math.sqrt(4 * WINDOW / pairs.effective_rows))
    return float(chi2.ppf(0.95, freedom) / (2 * rows * norm.ppf(0.975)))


def _shifted(estimator: Estimator, pairs: Pairs, seed: int) -> float:
    """Root mean square of the estimates with y shifted in a circle, nats; 0 after a stop.

    A shift keeps the dependence between the rows, but removes that between x and y.
    """
    n = pairs.n_samples
    found = []
    try:
        for k in range(1, SHIFTS + 1):
            shifted = replace(pairs, y=np.roll(pairs.y, k * n // (SHIFTS + 1), axis=0))
            found.append(estimator.method_for(shifted)(shifted, RunContext(seed=seed)).mi)
    except Stopped:
        return 0.0
    return math.sqrt(math.fsum(mi**2 for mi in found) / len(found))
