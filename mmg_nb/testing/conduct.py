"""Checks of side effects, random numbers, stops and JSON."""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import prepare
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Event, Step
from mmg_nb.testing.contract_error import ContractError, require
from mmg_nb.testing.subject import Subject, soon

__all__ = [
    "leaves_global_random_state_alone",
    "leaves_its_input_alone",
    "repeats_itself_for_equal_seeds",
    "stops_when_asked",
    "survives_json",
]


def leaves_its_input_alone(subject: Subject) -> None:
    """Neither the arrays of the caller nor those that the estimator is given are changed."""
    x, y = (values.copy() for values in subject.pair)
    job = prepare(x, y, subject.estimator, device="cpu", given=subject.given(None, len(x)))
    names = [part.name for part in dataclasses.fields(job.pairs)]
    values = {name: getattr(job.pairs, name) for name in names}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    before = {name: value.copy() for name, value in arrays.items()}
    job.run(soon)
    arrays |= {"x of the caller": x, "y of the caller": y}
    before |= {"x of the caller": subject.pair[0], "y of the caller": subject.pair[1]}
    changed = [name for name in arrays if not _same(arrays[name], before[name])]
    what = f"{subject.name} changes its input: {', '.join(changed)}."
    require(not changed, what, "Work on a copy: x = pairs.x.copy().")


def _same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")


def leaves_global_random_state_alone(subject: Subject) -> None:
    """The global generators of Python, numpy and torch are as they were."""
    before = _global_state()
    subject.run(listen=soon)
    after = _global_state()
    changed = [name for name, state in before.items() if after[name] != state]
    what = f"{subject.name} changes the global random state of {', '.join(changed)}."
    require(not changed, what, "Draw random numbers from run.rng() only, and seed nothing.")


def repeats_itself_for_equal_seeds(subject: Subject) -> None:
    """A second run with the same seed gives the same, whatever the global random state is."""
    first = subject.first
    with _other_global_state():
        again = subject.run()
    found = [(r.mi, r.stderr, r.status, r.notes) for r in (first, again)]
    what = f"Two runs with seed 0 give {found[0]} and {found[1]}; expected the same."
    remedy = "Draw random numbers from run.rng() only; make it once in a run."
    require(found[0] == found[1], what, remedy)


def _global_state() -> dict[str, bytes]:
    """The state of the generators that everybody shares."""
    state = {
        "random": pickle.dumps(random.getstate()),
        "numpy": pickle.dumps(np.random.get_state()),  # noqa: NPY002  # it is what is checked
    }
    torch = sys.modules.get("torch")
    return state | ({} if torch is None else {"torch": torch.get_rng_state().numpy().tobytes()})


@contextmanager
def _other_global_state() -> Iterator[None]:
    """Other global generators for a while, so that what depends on them shows."""
    torch = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch_before = None if torch is None else torch.get_rng_state()
    random.seed(12345)
    np.random.seed(12345)  # noqa: NPY002
    if torch is not None:
        torch.manual_seed(12345)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(torch_before)


def stops_when_asked(subject: Subject) -> None:
    """After a true answer to a `Step` the run ends soon, and says that it was interrupted.

    An estimator that trains must send events `Step`; another may leave them out.
    """
    steps = subject.steps
    what = f"{subject.name} trains and sends no Step."
    remedy = "Call run.listen(Step(done, total)) after each step, and stop at a true answer."
    require(steps > 0 or not subject.estimator.trains, what, remedy)
    if steps < 2:
        return
    stop, heard = min(3, steps - 1), 0

    def listen(event: Event) -> bool:
        nonlocal heard
        heard += isinstance(event, Step)
        return isinstance(event, Step) and heard == stop

    result = subject.run(listen=listen)
    late, allowed = heard - stop, max(3, steps // 10)
    what = f"Asked to stop at step {stop}, {subject.name} does {late} more of {steps} steps"
    remedy = "Leave the loop: if run.listen(Step(done, total)): break."
    require(late <= allowed, f"{what}; expected at most {allowed}.", remedy)
    what = f"Asked to stop, {subject.name} returns the status {result.status}."
    remedy = "Return Finding(mi=mi, stderr=stderr, status=Status.INTERRUPTED)."
    require(result.status is Status.INTERRUPTED, what, remedy)
    what = f"Asked to stop, {subject.name} returns {result.mi!r}; expected what is known so far."
    require(math.isfinite(result.mi), what, "Return the estimate of the steps that were done.")


def survives_json(subject: Subject) -> None:
    """The result, written as JSON and read, is the same result."""
    result = subject.first
    try:
        again = MIResult.from_json(result.to_json())
    except (TypeError, ValueError) as error:
        remedy = "Return plain numbers and texts: float(mi), not an array or a tensor."
        raise ContractError(f"The result is no JSON: {error}.", remedy) from error
    what = f"The result of {subject.name} differs once it is written as JSON and read."
    require(again == result, what, "Return plain numbers and texts: float(mi), not an array.")
