"""A stop, a pause, an interrupt or a cancellation takes effect at once, at any moment of a run."""

from __future__ import annotations

import _thread
import asyncio
import math
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.benchmark.worker import compute
from mmg_nb.data.whitening import Whiten
from mmg_nb.estimators.mmg import predictable_directions
from mmg_nb.polling import Asking, Stopped, asked, poll
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Started
from mmg_nb.runs.interrupts import first_interrupt

SOON, LATEST = 0.5, 1.0  # seconds of computing time: as a rule, and at most
PATIENCE = 300  # seconds; other processes may be busy


def columns(n, dim, noise=1.0):
    rng = np.random.default_rng(n + dim)
    x = rng.normal(size=(n, dim))
    return x, x + noise * rng.normal(size=(n, dim))


def with_categories(n):
    x, y = columns(n, 3)
    return pd.DataFrame({"a": x[:, 0], "b": np.where(x[:, 1] > 0, "u", "v"), "c": x[:, 2]}), y


def with_condition(n):
    x, y = columns(n, 5)
    return x, y, x[:, :3] + np.random.default_rng(n).normal(size=(n, 3))


def images(n):
    shown = np.random.default_rng(n).random((n, 10, 10))
    shown[:, 3:6, 3:6] += (np.arange(n) % 3)[:, None, None]
    return shown, np.arange(n) % 3


# Data, fields, and about how many seconds of computing time a whole run takes.
KINDS = {
    "one column": (lambda: columns(500, 1), {"steps": 400}, 2.0),
    "many rows": (lambda: columns(10_000, 2), {"steps": 200}, 4.0),
    "many columns": (lambda: columns(10_000, 100, 4.0), {"steps": 60}, 12.0),
    "categories": (lambda: with_categories(2000), {"steps": 200}, 5.0),
    "condition": (lambda: with_condition(3000), {"steps": 200}, 4.0),
    "images": (lambda: images(500), {"steps": 20, "width": 8, "batch": 32}, 5.0),
}


def arguments(kind):
    data, fields, _ = KINDS[kind]
    x, y, *given = data()
    return (x, y), fields | ({"given": given[0]} if given else {})


LOADED = ("one column", "categories", "condition", "images")


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """Imports take their time once in a process, and cannot be stopped."""
    for data, fields, _ in (KINDS[kind] for kind in LOADED):
        x, y, *given = (part[:100] for part in data())
        mmg_nb.estimate(x, y, given=given[0] if given else None, **(fields | {"steps": 2}))


def wait_for(seconds, run=None):
    """Wait until the process has computed for so long. Returns whether the run still goes on."""
    until, deadline = time.process_time() + seconds, time.monotonic() + PATIENCE
    while time.process_time() < until:
        assert time.monotonic() < deadline
        if run is not None and run.state.ended:
            return False
        time.sleep(0.002)
    return run is None or not run.state.ended


def begun(kind, listen=None):
    data, fields = arguments(kind)
    return mmg_nb.start(*data, listen=listen, **fields)


def checked(act):
    """The outcome of a run: a usable result, or the message that there is none."""
    try:
        result = act()
    except Stopped:
        return None
    assert math.isfinite(result.mi)
    assert result.stderr > 0
    return result


def stopped(kind, moment):
    run = begun(kind)
    wait_for(moment, run)
    began = time.process_time()
    run.stop()
    result = checked(lambda: run.wait(PATIENCE))
    took = time.process_time() - began
    assert run.state.ended
    return took, result


def cancelled(kind, moment):
    """Outside a cell a cancellation is raised, and in a cell the result is still returned."""
    run = begun(kind)

    async def awaited():
        return await run

    async def script():
        task = asyncio.create_task(awaited())
        until = time.process_time() + moment
        while time.process_time() < until and not run.state.ended:
            await asyncio.sleep(0.002)
        began = time.process_time()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at below
        return began

    began = asyncio.run(script())
    result = checked(lambda: run.wait(PATIENCE))
    return time.process_time() - began, result


def interrupted(kind, moment):
    """In the main thread, as in a script."""
    data, fields = arguments(kind)
    at: list[float] = []
    ended = threading.Event()

    def interrupt():
        until = time.process_time() + moment
        while time.process_time() < until and not ended.is_set():
            time.sleep(0.002)
        if not ended.is_set():
            at.append(time.process_time())
            _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)

    def listen(event):
        if not thread.ident:
            thread.start()
        return False

    def act():
        try:
            return mmg_nb.estimate(*data, listen=listen, **fields)
        finally:
            took.append(time.process_time())
            ended.set()

    took: list[float] = []
    result = checked(act)
    thread.join()
    return (took[0] - at[0] if at else 0.0), result


def paused(kind, moment):
    """A paused run stands still soon; a stop then ends it."""
    run = begun(kind)
    wait_for(moment, run)
    began = time.process_time()
    run.pause()
    standing = took = 0.0
    while standing < 0.3 and not run.state.ended:
        before = time.process_time()
        time.sleep(0.1)
        used = time.process_time() - before
        standing = standing + 0.1 if used < 0.02 else 0.0
        took = took if standing else time.process_time() - began
    began = time.process_time()
    run.stop()
    result = checked(lambda: run.wait(PATIENCE))
    return max(took, time.process_time() - began), result


ACTS = {"stop": stopped, "pause": paused, "interrupt": interrupted, "cancel": cancelled}


SWIFT = ("one column", "images")  # all acts in the usual checks; of the others, one


def checked_at_every_change(kind, act):
    return act == "stop" or kind in SWIFT


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        pytest.param(kind, act, marks=() if usual else pytest.mark.accuracy)
        for kind in KINDS
        for act in ACTS
        for usual in [checked_at_every_change(kind, act)]
    ],
)
def test_a_run_ends_within_half_a_second_of_any_moment(kind, act):
    moment = np.random.default_rng([len(kind), len(act)]).uniform(0, KINDS[kind][2])
    took, _ = ACTS[act](kind, moment)
    assert took < LATEST
    assert not [each for each in threading.enumerate() if each.name == "mmg-run"]


def test_a_comparison_skips_what_had_no_result_yet():
    (x, y), _ = arguments("one column")

    def listen(event):
        return isinstance(event, Started) and event.estimator == "infonce"

    found = mmg_nb.compare(x, y, "gcmi,infonce:steps=50,mmg:steps=50", listen=listen)
    assert list(found.results) == ["gcmi"]
    assert [line.status for line in found.lines][1:] == ["not run", "not run"]
    assert found.status is Status.INTERRUPTED


def test_a_cell_of_a_sweep_that_knows_nothing_yet_is_no_result():
    cell = {"id": "1", "estimator": "gcmi", "fields": {}, "task": "1v1-normal-0.75", "n": 200}
    with first_interrupt(lambda: None):
        signal.raise_signal(signal.SIGINT)
        assert compute(cell | {"seed": 0})["status"] == "interrupted"


def test_it_is_told_once_and_waits_for_the_listener():
    answers = [False, True, True]
    with asked(Asking(lambda share: answers.pop(0))):
        poll()
        poll()  # too soon to ask again
        assert len(answers) == 2
        time.sleep(0.06)
        with pytest.raises(Stopped):
            poll()
        time.sleep(0.06)
        poll(0.5)
        assert not answers
    poll()  # nobody is asked outside


def test_a_listener_may_compute_what_polls():
    with asked(Asking(lambda share: poll() is not None)):
        poll()


def test_a_wide_table_is_transformed_in_a_moment():
    began = time.process_time()
    values = np.random.default_rng(0).normal(size=(300, 5000))
    assert Whiten.fit(values)(values).shape == (300, 299)
    assert time.process_time() - began < 3


def test_a_forest_can_be_stopped_while_it_grows(monkeypatch):
    """It is the same, to the last bit, as one that is fitted at once."""
    asked_at = []
    monkeypatch.setattr(predictable_directions, "poll", lambda: asked_at.append(time.monotonic()))
    x, y = columns(400, 5)
    forest, whole = (predictable_directions._models(5)[0] for _ in range(2))
    grown = predictable_directions._fitted(forest, x, y)
    assert len(asked_at) == predictable_directions.TREES / predictable_directions.PORTION == 6
    assert (grown.predict(x[::-1]) == whole.fit(x, y).predict(x[::-1])).all()
