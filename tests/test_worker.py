"""A run in a thread: watching, stopping, abandoning."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
import traceback
import weakref

import numpy as np
import pytest

from mmg_nb import estimate
from mmg_nb.jupyter.progress import Progress
from mmg_nb.jupyter.worker import Worker
from mmg_nb.results.status import Status
from mmg_nb.runs.events import (
    Finished,
    Phase,
    RunState,
    Snapshot,
    Started,
    StateChanged,
    Step,
    Working,
    silent,
)

PATIENCE = 20


@pytest.fixture
def work(fake):
    """The run of a fake estimate. It takes ten seconds unless it is stopped."""
    x = np.random.default_rng(0).normal(size=(60, 2))

    def run(listen):
        return estimate(x[:, 0], x[:, 1], fake, listen=listen, steps=1000, delay=0.01)

    return run


def test_a_stopped_run_has_a_result(work):
    worker = Worker(work, silent).start()
    assert not worker.wait(0.05)
    assert not worker.done
    worker.stop()
    worker.stop()
    assert worker.state is RunState.STOPPING or worker.done
    result = worker.result()
    assert result.status is Status.INTERRUPTED
    assert worker.done
    assert worker.state is not RunState.STOPPING
    assert worker.result() is result


def test_events_come_in_order_and_from_the_worker(work):
    events, threads = [], set()

    def listen(event):
        events.append(event)
        threads.add(threading.current_thread().name)
        return isinstance(event, Step) and event.step == 3

    assert Worker(work, listen).start().result().provenance["steps"] == 3
    assert [e.state for e in events if isinstance(e, StateChanged)] == ["running", "stopped"]
    assert isinstance(events[1], Started)
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2, 3]
    assert threads == {"mmg-run"}


def test_an_error_is_raised_with_its_traceback():
    def work(listen):
        raise ZeroDivisionError("a defect")

    worker = Worker(work, silent).start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="a defect") as caught:
            worker.result()
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert "raise ZeroDivisionError" in frames[-1].line


def test_an_abandoned_run_ends_and_reports_no_more(work):
    steps = []
    worker = Worker(work, steps.append).start()
    assert not worker.wait(0.05)
    worker.abandon()
    assert worker.wait(PATIENCE)
    assert len(steps) < 100
    assert not any(isinstance(event, Finished) for event in steps)


def test_a_kept_worker_keeps_no_arrays(fake):
    x = np.random.default_rng(0).normal(size=(60, 2))
    dead = weakref.ref(x)

    def work(listen, x=x):
        return estimate(x[:, 0], x[:, 1], fake, listen=listen)

    worker = Worker(work, silent).start()
    worker.result()
    del x, work
    gc.collect()
    assert dead() is None
    assert worker.done


def test_the_thread_has_the_context_of_the_cell(result):
    cell = contextvars.ContextVar("cell", default="another")
    cell.set("this")
    seen = []

    def work(listen):
        seen.append(cell.get())
        return result

    Worker(work, silent).start().result()
    assert seen == ["this"]


# --- progress of a run


def snapshot(step, mi):
    nothing = np.zeros(1)
    return Snapshot(step, mi, 1.0, nothing, nothing, nothing, nothing, nothing)


def test_progress_shows_phase_step_time_and_estimate():
    now = [0.0]
    progress = Progress(lambda: now[0])
    assert (progress.doing, progress.estimate, progress.subject) == (
        "computing",
        "",
        "mmg_nb",
    )
    progress(Started("mmg", 1000, 2, 1, "cpu", 400))
    progress(Phase("anchor"))
    progress(Working(0.2))
    assert progress.doing == "fitting a first regression, 20 %"
    progress(Phase("evaluation"))
    for step, at in ((1, 10.0), (101, 20.0)):
        now[0] = at
        progress(Step(step, 401))
    progress(snapshot(100, -0.0001))
    assert progress.subject == "mmg, 1000 rows, 2×1, cpu"
    assert progress.doing == "evaluating held-out rows, step 101 of 401, about 30 s left"
    assert progress.estimate == "so far 0.000 nats"
    assert progress.fraction == pytest.approx(101 / 401)
    progress.stopping = True
    assert progress.doing == "stopping, step 101 of 401"


def test_only_the_first_training_of_a_session_says_that_it_loads_pytorch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    progress = Progress(trains=True)
    assert progress.doing == "loading PyTorch"
    assert Progress().doing == "computing"
    monkeypatch.setitem(sys.modules, "torch", object())
    assert (progress.doing, Progress(trains=True).doing) == ("loading PyTorch", "computing")
    progress(Phase("training"))
    assert progress.doing == "training"


def test_the_time_left_is_that_of_the_usual_stopping_step():
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress(Phase("training"))
    for step in (1, 101, 501):
        now[0] = step / 10
        progress(Step(step, 1000))
        if step == 101:
            assert progress.doing == "training, step 101, about 25 s left (at most 90 s)"
            assert progress.pace == pytest.approx(0.1)
    assert progress.doing == "training, step 501, at most 50 s left"


def test_the_bar_never_falls_and_ends_full():
    progress, seen = Progress(), []
    events = [Phase("anchor"), *(Working(share) for share in (0.5, 1.0))]
    events += [Phase("training"), *(Step(step, 900) for step in range(1, 600, 10))]
    events += [Step(601, 1800), Phase("canonical pairs"), Step(1, 50), Phase("training")]
    events += [Step(602, 1800), Phase("evaluation"), Step(1, 2), Step(2, 2)]
    for event in [Started("mmg", 100, 1, 1, "cpu", 900), *events]:
        progress(event)
        seen.append(progress.bar)
    assert seen == sorted(seen)
    assert 0 < seen[2] < seen[3] < 0.5 < seen[-4] < 1
    assert seen[-1] == 1
    progress(Started("ksg", 100, 1, 1, "cpu", 0))  # the next estimator of a comparison
    assert progress.bar < 0.1


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (89, "89 s"), (150, "2 min"), (7200, "2.0 h")]
)
def test_long_times_are_rounded(seconds, said):
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress(Step(1, 102))
    now[0] = seconds / 100
    progress(Step(2, 102))
    assert progress.doing.endswith(f"about {said} left")
