"""Runs in the background: all states, all ways to end, and no thread or memory left."""

from __future__ import annotations

import _thread
import asyncio
import gc
import math
import os
import random
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from fake_estimator import make_result, snapshot

import mmg_nb
from mmg_nb import Run, RunState
from mmg_nb.api import prepare, reopen
from mmg_nb.errors import MMGError
from mmg_nb.jupyter import handle
from mmg_nb.jupyter.progress import NoView
from mmg_nb.jupyter.running import run_in_cell
from mmg_nb.jupyter.runs import Runs, RunTable
from mmg_nb.polling import Stopped
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Finished, Phase, Snapshot, Started, StateChanged, Step

pytestmark = pytest.mark.usefixtures("predicted_once")
PATIENCE = 20
X, Y = np.random.default_rng(0).normal(size=(2, 60))


@pytest.fixture
def begin(fake):
    """Start a run of the fake estimator. It takes ten seconds unless it is stopped."""

    def start(**fields):
        return mmg_nb.start(X, Y, fake, **({"steps": 1000, "delay": 0.01} | fields))

    return start


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_run_goes_from_running_to_finished(begin):
    run = begin(steps=5, delay=0)
    result = run.wait()
    assert run.state is RunState.FINISHED
    assert run.result is result is run.wait(0.1)
    assert result.status is Status.CONVERGED
    assert run.traceback == ""
    assert run.log[-1].endswith("finished")
    assert result.summary in repr(run)


def test_a_stopped_run_keeps_its_partial_result(begin):
    run = begin()
    until(lambda: run.progress.step is not None)
    run.stop()
    run.stop()
    assert run.state in (RunState.STOPPING, RunState.STOPPED)
    assert run.wait().status is Status.INTERRUPTED
    assert run.state is RunState.STOPPED


def test_a_paused_run_stands_still_until_it_is_resumed(begin):
    run = begin()
    until(lambda: run.progress.step is not None)
    run.pause()
    assert run.state is RunState.PAUSED
    time.sleep(0.1)
    step, seconds = run.progress.step, run.seconds
    time.sleep(0.2)
    assert run.progress.step == step
    assert run.seconds == seconds
    run.resume()
    assert run.state is RunState.RUNNING
    until(lambda: run.progress.step != step)
    run.pause()
    run.stop()  # also ends a run that is paused
    assert run.wait(PATIENCE).status is Status.INTERRUPTED


def test_wait_has_a_timeout_and_a_running_run_has_no_result(begin):
    run = begin()
    assert run.wait(0.05) is None
    with pytest.raises(MMGError, match="no result yet"):
        _ = run.result
    run.stop()
    run.wait()


def test_a_run_can_be_awaited(begin):
    run = begin(steps=5, delay=0)

    async def cell():
        return await run

    assert asyncio.run(cell()) is run.result


def test_outside_of_a_cell_a_timeout_is_a_timeout(begin, monkeypatch):
    monkeypatch.setattr(handle, "_in_cell", lambda: False)
    run = begin()

    async def script():
        async with asyncio.timeout(0.1):
            await run

    with pytest.raises(TimeoutError):
        asyncio.run(script())
    assert run.wait().status is Status.INTERRUPTED


def test_a_listener_that_raises_at_every_event_ends_only_the_run(fake):
    heard = []
    run = Run(prepare(X, Y, fake).run, listen=lambda event: event.nothing)
    run.subscribe(heard.append)
    run.start()
    with pytest.raises(AttributeError):
        run.wait()
    assert run.state is RunState.FAILED
    assert heard[-1].state is RunState.FAILED
    assert "at the end" in run.log[-1]


@pytest.mark.parametrize(
    ("moment", "trained"),
    [
        ("True", False),  # torch is being imported
        ("len(begun) == 2", False),
        pytest.param("all(run.inspect().step for run in runs)", True, marks=pytest.mark.accuracy),
        pytest.param(
            "all(run.inspect().step for run in runs) and [run.pause() for run in runs]",
            True,
            marks=pytest.mark.accuracy,
        ),
    ],
    ids=["import", "anchor", "training", "paused"],
)
def test_the_end_of_the_process_ends_all_runs(tmp_path, fresh_python, moment, trained):
    """With status 0, at once, and a checkpoint of the steps so far."""
    code = f"""
import time
import numpy as np
import mmg_nb
x, y = np.random.default_rng(0).normal(size=(2, 300, 3))
files = [{str(tmp_path)!r} + "/run%d.mmg" % k for k in range(2)]
begun = []
def listen(event):  # the first fits of both runs begin together, and last
    if getattr(event, "name", "") == "anchor":
        begun.append(event)
        while len(begun) < 2:
            time.sleep(0.01)
        time.sleep(0.5)
fields = dict(steps=100_000, width=16, blocks=1, folds=1, listen=listen)
runs = [mmg_nb.start(x, y, checkpoint=file, every=1000, **fields) for file in files]
while all(not run.state.ended for run in runs):
    try:
        if {moment}:
            break
    except mmg_nb.MMGError:  # not yet validated
        pass
    time.sleep(0.01)  # let the runs work
"""
    fresh_python(code)
    for k in range(2):
        trainings = reopen(tmp_path / f"run{k}.mmg").keep._trainings
        assert bool(trainings and trainings[-1][0]["step"]) is trained


def test_a_run_stopped_before_anything_was_estimated_is_stopped_and_has_no_result():
    def work(listen):
        raise Stopped

    run = Run(work, what="I(x; y)", estimator="mmg").start()
    with pytest.raises(Stopped, match="before anything was estimated"):
        run.wait()
    assert run.state is RunState.STOPPED
    assert not run.has_result
    assert repr(run) == "<Run: I(x; y) by mmg, stopped>"


def test_the_result_raises_the_error_of_a_failed_run(fake):
    def work(listen):
        raise ZeroDivisionError("a defect")

    run = Run(work, estimator=fake).start()
    with pytest.raises(ZeroDivisionError, match="a defect"):
        run.wait()
    assert run.state is RunState.FAILED
    assert "raise ZeroDivisionError" in run.traceback
    with pytest.raises(ZeroDivisionError):
        _ = run.result


def test_bad_arrays_are_refused_at_once(fake):
    before = threading.active_count()
    with pytest.raises(MMGError, match="equal numbers of rows"):
        mmg_nb.start(X, Y[:-1], fake)
    assert threading.active_count() == before


def test_the_arrays_may_be_changed_once_it_runs():
    x = np.random.default_rng(1).normal(size=(200, 1))
    y = x + 0.5 * np.random.default_rng(2).normal(size=(200, 1))
    small = {"steps": 40, "width": 16, "blocks": 1, "draws": 4, "folds": 3}
    expected = mmg_nb.estimate(x, y, **small)
    run = mmg_nb.start(x, y, **small)
    x[:], y[:] = 0, 0
    assert run.wait().mi == expected.mi


def test_inspecting_shows_validation_only_and_lets_the_run_go_on():
    x = np.random.default_rng(1).normal(size=(300, 1))
    seen = []
    y = x + np.random.default_rng(2).normal(size=(300, 1))
    run = mmg_nb.start(x, y, "mmg", steps=100_000, width=16, blocks=1, folds=1)
    run.subscribe(lambda event: seen.append(event))
    until(lambda: any(isinstance(event, Snapshot) for event in seen))
    interim = run.inspect()
    assert repr(interim).startswith("preliminary validation estimate ")
    assert interim.mi == interim.estimates[-1]
    assert run.state is RunState.RUNNING
    asked = time.monotonic()
    run.stop()
    assert run.wait().status is Status.INTERRUPTED
    assert time.monotonic() - asked < PATIENCE


def test_inspecting_shows_the_current_number_of_planned_steps():
    """Training may be extended beyond its first plan."""
    inspected = []

    def work(listen):
        listen(Started("fake", 10, 1, 1, "cpu", 10))
        listen(Phase("training"))
        for step, total in ((5, 10), (10, 40)):
            listen(Step(step, total))
            listen(snapshot(make_result(), step))
            inspected.append((run.inspect().step, run.inspect().total_steps))
        return make_result()

    run = Run(work)
    run.start()
    run.wait()
    assert inspected == [(5, 10), (10, 40)]


def test_thirty_ends_at_random_moments_leave_usable_results():
    """Alternately, an interrupt of the waiting cell and a stop from another thread."""
    x = np.random.default_rng(1).normal(size=(100, 1))
    y = x + np.random.default_rng(2).normal(size=(100, 1))
    fields = {"steps": 60, "width": 8, "blocks": 1, "batch": 16, "draws": 4, "folds": 1}
    took = min(mmg_nb.estimate(x, y, **fields).provenance["seconds"] for _ in range(3))
    before, moment, statuses = threading.active_count(), random.Random(0), []
    for k in range(30):
        run = Run(prepare(x, y, **fields).run)
        end = run.stop if k % 2 else _thread.interrupt_main
        timer = threading.Timer(moment.uniform(0, took), end)

        def listen(event, timer=timer):
            if isinstance(event, Started):
                timer.start()
            elif isinstance(event, Finished):  # a later interrupt would reach the test itself
                timer.cancel()
                timer.join()

        run.subscribe(listen)
        try:
            result, _ = run_in_cell(run, NoView())
        except Stopped:  # before anything was estimated
            continue
        assert math.isfinite(result.mi)
        assert result.stderr > 0
        assert np.isfinite(result.curve.mse).all()
        statuses.append(result.status)
    assert statuses.count(Status.INTERRUPTED) > 6
    assert Status.DIVERGED not in statuses
    assert threading.active_count() == before


@pytest.mark.accuracy
def test_a_stop_is_prompt_at_full_size():
    """10 000 rows with defaults: training halts within 0.5 s; the result follows within 3 s."""
    x = np.random.default_rng(1).normal(size=(10_000, 5))
    y = x + np.random.default_rng(2).normal(size=(10_000, 5))
    for steps in (50, 220, 290):
        at = {}
        run = mmg_nb.start(x, y)

        def listen(event, at=at):
            if event == Phase("evaluation"):
                at["halt"] = time.monotonic()

        run.subscribe(listen)
        until(
            lambda r=run, s=steps: (
                r.progress.phase == "training" and r.progress.fraction * 4000 > s
            )
        )
        asked = time.monotonic()
        run.stop()
        run.wait()
        print(
            f"halt {at['halt'] - asked:.2f} s, result {time.monotonic() - at['halt']:.2f} s later"
        )
        assert at["halt"] - asked < 0.5
        assert time.monotonic() - at["halt"] < 3


def test_views_receive_every_event_and_a_broken_one_is_removed(begin):
    run = begin(steps=50, delay=0.002)
    seen = []

    def broken(event):
        raise RuntimeError("a broken view")

    run.subscribe(seen.append)
    run.subscribe(broken)
    run.wait()
    assert isinstance(seen[-1], StateChanged)
    assert seen[-1].state is RunState.FINISHED
    assert sum(isinstance(event, Step) for event in seen) > 10
    assert sum("a broken view" in line for line in run.log) == 1


def test_two_hundred_runs_leave_no_thread_and_no_data(fake):
    before = threading.active_count()
    kept = []
    for _ in range(200):
        run = mmg_nb.start(X, Y, fake, steps=1000, delay=0.001)
        kept.append(weakref.ref(run))
        run.stop()
        run.wait()
    del run
    until(lambda: threading.active_count() == before)
    gc.collect()
    assert not any(reference() for reference in kept)


def resident():
    """Resident memory of this process, bytes."""
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_fifty_runs_release_their_memory(fake):
    x, y = np.random.default_rng(0).normal(size=(2, 1000, 40))
    grown = []
    for k in range(60):
        run = mmg_nb.start(x, y, fake, steps=1000, delay=0.001)
        run.stop()
        run.wait()
        if k in (9, 59):
            gc.collect()
            grown.append(resident())
    # A run copies 640 kB of data. If runs kept it, 50 runs would use 32 MB more.
    assert grown[1] - grown[0] < 15e6


def test_the_list_of_runs_says_which_need_more_steps(result):
    table = Runs()
    for status in (Status.CONVERGED, Status.STEP_LIMIT):
        ended = replace(result, status=status)
        run = Run(lambda listen, ended=ended: ended, what="I(x; y)", estimator="fake")
        run.start().wait()
        table.add(run)
    states = [line[2] for line in RunTable.of(table).lines]
    assert states == ["finished", "finished, needs more steps"]


def test_the_magics_list_steer_and_name_runs(shell, fake):
    shell.run_cell(f"%mmg config estimator={fake}")
    shell.push({"x": X, "y": Y})
    run = shell.run_cell("run = %mmg estimate x y --background --steps 1000 --delay 0.01\nrun")
    assert run.number == 1
    until(lambda: run.progress.step is not None)
    assert "running" in repr(shell.run_cell("%mmg runs"))
    assert shell.run_cell("%mmg pause").state is RunState.PAUSED
    assert shell.run_cell("%mmg resume 1").state is RunState.RUNNING
    assert shell.run_cell("%mmg stop") is run
    assert run.wait().status is Status.INTERRUPTED
    assert "stopped" in repr(shell.run_cell("%mmg runs"))
    with pytest.raises(MMGError, match="No run is running"):
        shell.run_cell("%mmg stop")
    with pytest.raises(MMGError, match="There is no run '7'"):
        shell.run_cell("%mmg stop 7")
