"""Checks of the estimates, on data with known mutual information."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, cast

import numpy as np

from mmg_nb.results.status import Status
from mmg_nb.runs.events import FirstEstimate, Started
from mmg_nb.testing.contract_error import require
from mmg_nb.testing.subject import TRUTH, Subject, shown

__all__ = [
    "adds_up_its_error",
    "answers_in_nats",
    "finds_a_gaussian_pair",
    "finds_nothing_in_independent_data",
    "ignores_the_order_of_rows",
    "says_what_it_found",
]

ERRORS = 3  # standard errors; the truth must lie within, wrong values outside
BITS = TRUTH / math.log(2)


def says_what_it_found(subject: Subject) -> None:
    """The result is finite, complete and of the data given; events begin and end the run."""
    result = subject.first
    what = f"{subject.name} gives mi={result.mi!r}, stderr={result.stderr!r}"
    require(math.isfinite(result.mi), f"{what}; expected a number.", "Return nats as a float.")
    good = result.stderr is None or (math.isfinite(result.stderr) and result.stderr > 0)
    remedy = "Without a standard error, return Finding(mi=mi); 0 would claim an exact answer."
    require(good, f"{what}; expected a standard error above 0.", remedy)
    x, y = subject.pair
    expected = (subject.name, len(x), math.prod(x.shape[1:]), y.shape[1], 0)
    sizes = (result.estimator, result.n_samples, result.dim_x, result.dim_y)
    found = (*sizes, result.provenance.get("seed"))
    what = f"The result says (estimator, rows, dim_x, dim_y, seed) = {found}; expected {expected}."
    require(found == expected, what, "Return an Estimate or a Finding, to which this is added.")
    fields = dataclasses.asdict(cast(Any, subject.estimator))
    what = f"The result says the fields are {result.fields}; expected {fields}."
    require(result.fields == fields, what, "Return an Estimate or a Finding.")
    what = f"The run ended with status {result.status}, and nobody had stopped it."
    remedy = "Return the status interrupted only once the answer to a Step is true."
    require(result.status is not Status.INTERRUPTED, what, remedy)
    own = [event for event in subject.events if not isinstance(event, FirstEstimate)]
    begun = [isinstance(event, Started) for event in own]
    what = f"The run sent {sum(begun)} events Started; expected one, as the first."
    require(begun[0] and sum(begun) == 1, what, "Send it first and once, or leave it out.")


def answers_in_nats(subject: Subject) -> None:
    """The estimate of a Gaussian pair is nearer to the truth in nats than to that in bits."""
    mi = subject.first.mi
    what = f"{shown(subject.first)}, as if in bits; expected {TRUTH:.3f} nats ({BITS:.3f} bits)."
    remedy = "Use natural logarithms, or multiply by ln 2."
    require(abs(mi - TRUTH) < abs(mi - BITS), what, remedy)


def finds_a_gaussian_pair(subject: Subject) -> None:
    """The truth lies within 3 standard errors; 0, half and double lie outside.

    Without a standard error: the estimate is off by less than a quarter of the true value.
    """
    result = subject.first
    if result.stderr is None:
        what = f"{shown(result)}; expected {TRUTH:.3f} within a quarter."
        require(abs(result.mi - TRUTH) < TRUTH / 4, what, "Train longer, or correct the estimate.")
        return
    reach = ERRORS * result.stderr
    what = f"{shown(result)}; expected {TRUTH:.3f} within {ERRORS} standard errors."
    remedy = "Correct the estimate, or include its bias in the standard error."
    require(abs(result.mi - TRUTH) < reach, what, remedy)
    for wrong in (0.0, TRUTH / 2, 2 * TRUTH):
        near = f"lies within {ERRORS} standard errors"
        what = f"{shown(result)}; the wrong value {wrong:.3f} {near}."
        remedy = "The standard error is too large: train longer, or estimate it better."
        require(abs(result.mi - wrong) > reach, what, remedy)


def finds_nothing_in_independent_data(subject: Subject) -> None:
    """With the rows of y shuffled, the estimate is 0 within 4 standard errors, which are small.

    Without a standard error: it lies between ± a quarter of the mutual information of the pair.
    """
    x, y = subject.pair
    result = subject.run(x, np.random.default_rng(1).permutation(y))
    reach = TRUTH / 4 if result.stderr is None else 4 * result.stderr
    what = f"{shown(result)} for independent x and y; expected 0 within {reach:.3f}."
    remedy = "Remove the bias, or include it in the standard error."
    require(abs(result.mi) < reach, what, remedy)
    small = result.stderr is None or result.stderr < TRUTH / 8
    what = f"{shown(result)} for independent x and y; expected an error below {TRUTH / 8:.3f}."
    require(small, what, "The standard error is too large: estimate it better.")


def adds_up_its_error(subject: Subject) -> None:
    """The squares of the parts of the error add up to the square of the standard error."""
    parts, stderr = subject.first.error_parts, subject.first.stderr
    if not parts:
        return
    total = math.hypot(*parts.values())
    what = f"The parts of the error add up to {total:.4g}; expected the standard error, {stderr}."
    same = stderr is not None and math.isclose(total, stderr, rel_tol=1e-6)
    require(same, what, "Return parts whose squares add up to that of the standard error.")


def ignores_the_order_of_rows(subject: Subject) -> None:
    """Shuffling the rows of x and y together changes the estimate by at most 3 standard errors.

    Without a standard error: by at most a quarter of the true value.
    """
    x, y = subject.pair
    order = np.random.default_rng(2).permutation(len(x))
    found, first = subject.run(x[order], y[order]), subject.first
    reach = TRUTH / 4
    if found.stderr is not None and first.stderr is not None:
        reach = ERRORS * math.hypot(found.stderr, first.stderr)
    what = f"{shown(found)} with the rows in another order, before {first.mi:.3f}."
    remedy = "Treat rows as independent draws, and split them at random by run.rng()."
    require(abs(found.mi - first.mi) <= reach, what, remedy)
