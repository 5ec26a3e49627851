"""The live view: its curves, its update rate, its buttons, and that it is removed."""

from __future__ import annotations

import gc
import threading
import time

import ipywidgets
import numpy as np
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher

import mmg_nb
from mmg_nb import RunState
from mmg_nb.jupyter.live import Feed, LiveView, LiveWidget, picture, steer
from mmg_nb.jupyter.running import run_in_cell
from mmg_nb.jupyter.views import view_for
from mmg_nb.runs.events import Snapshot

PATIENCE = 20
X, Y = np.random.default_rng(0).normal(size=(2, 60))


class Kernel:
    """The attributes of a kernel that are used."""

    comm_manager = object()
    kernel_info = {"supported_features": ["kernel subshells"]}  # noqa: RUF012


@pytest.fixture
def begin(fake):
    """Start a run of the fake estimator. It takes ten seconds unless it is stopped."""

    def start(**fields):
        return mmg_nb.start(X, Y, fake, **({"steps": 1000, "delay": 0.01} | fields))

    return start


@pytest.fixture
def outputs(shell):
    """The displayed MIME bundles."""
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    shell.display_pub = before


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_curves_are_those_of_the_latest_validation(begin):
    run, seen = begin(steps=10, delay=0), []
    run.subscribe(lambda event: seen.append(event) if isinstance(event, Snapshot) else None)
    run.wait()
    shown, last = picture(run), run.inspect()
    rows = np.frombuffer(shown["curves"], "<f4").reshape(5, -1)
    expected = (last.logsnr, last.mse, last.mse_given_y, last.gap, last.density)
    np.testing.assert_allclose(rows, np.stack(expected), rtol=1e-6)
    track = np.frombuffer(shown["track"], "<f4").reshape(2, -1)
    np.testing.assert_allclose(track, [[5, 10], last.estimates], rtol=1e-6)
    assert shown["said"]["estimate"].startswith("validation estimate")
    assert shown["said"]["state"] == "finished"


def test_before_the_first_validation_there_are_no_curves(begin):
    run = begin()
    shown = picture(run)
    assert (shown["curves"], shown["track"], shown["said"]["estimate"]) == (b"", b"", "")
    run.stop()
    run.wait()


def test_at_most_five_updates_a_second_and_the_last_state_always(begin):
    run, shown = begin(delay=0.001, steps=1500), []
    feed = Feed(run, lambda: shown.append((time.monotonic(), run.state))).start()
    run.wait()
    feed.close()
    times = [moment for moment, _ in shown]
    assert len(times) > 5
    assert min(np.diff(times[:-1])) > 0.18
    assert shown[-1][1] is RunState.FINISHED


def test_an_update_takes_less_than_three_per_cent_of_the_time_between_two(begin):
    run = begin(steps=500, delay=0)
    run.wait()
    widget = LiveWidget()
    began = time.thread_time()
    for step in range(50):
        shown = picture(run)
        widget.put(**{**shown, "said": {**shown["said"], "step": step}})
    assert (time.thread_time() - began) / 50 < 0.03 * 0.2
    widget.close()


def test_a_run_that_has_ended_is_shown_too(begin):
    run, shown = begin(steps=1, delay=0), []
    run.wait()
    Feed(run, lambda: shown.append(run.state)).start().close()
    assert set(shown) == {RunState.FINISHED}


def test_the_buttons_steer_and_other_messages_do_nothing(begin):
    run = begin()
    until(lambda: run.progress.step is not None)
    for message in ({"action": "abandon"}, {"action": "__init__"}, {}, "stop", None):
        steer(run, message)
    assert run.state is RunState.RUNNING
    for action, state in (("pause", RunState.PAUSED), ("resume", RunState.RUNNING)):
        steer(run, {"action": action})
        assert run.state is state
    steer(run, {"action": "stop"})
    run.wait()
    assert run.state is RunState.STOPPED


def test_a_pause_is_shown_without_another_event(begin):
    run = begin(steps=2, delay=0.6)
    states = []
    feed = Feed(run, lambda: states.append(str(run.state))).start()
    run.pause()
    until(lambda: "paused" in states)
    run.stop()
    run.wait()
    feed.close()


def unstarted(work, fake):
    return mmg_nb.Run(work, estimator=fake)


def test_the_result_takes_the_place_of_the_view(shell, fake, outputs):
    before = set(ipywidgets.widgets.widget._instances)
    run = unstarted(
        lambda listen: mmg_nb.estimate(X, Y, fake, listen=listen, steps=20, delay=0.01), fake
    )
    result, shown = run_in_cell(run, LiveView(run, steerable=True))
    assert shown
    first, last = outputs[0], outputs[-1]
    assert "application/vnd.jupyter.widget-view+json" in first["data"]
    assert "card" in first["data"]["text/html"]
    assert last["update"]
    assert last["transient"] == first["transient"]
    assert set(last["data"]) == {"text/plain", "text/html"}
    assert last["data"]["text/plain"] == repr(result)
    assert set(ipywidgets.widgets.widget._instances) == before


def test_the_error_of_a_run_replaces_the_view(shell, fake, outputs):
    run = unstarted(
        lambda listen: mmg_nb.estimate(
            X, Y, fake, listen=listen, steps=20, delay=0.01, ending="defect"
        ),
        fake,
    )
    with pytest.raises(ZeroDivisionError):
        run_in_cell(run, LiveView(run, steerable=True))
    assert outputs[-1]["data"]["text/plain"] == "Ended without a result (ZeroDivisionError)."
    assert outputs[-1]["update"]


def test_many_views_leave_no_thread_and_no_widget(shell, fake, outputs):
    before, widgets = threading.active_count(), len(ipywidgets.widgets.widget._instances)
    for _ in range(20):
        run = unstarted(
            lambda listen: mmg_nb.estimate(X, Y, fake, listen=listen, steps=2, delay=0.06), fake
        )
        run_in_cell(run, LiveView(run, steerable=True))
    assert sum("widget-view" in str(each["data"]) for each in outputs) == 20
    gc.collect()
    until(lambda: threading.active_count() == before)
    assert len(ipywidgets.widgets.widget._instances) == widgets


def test_the_view_is_the_richest_that_the_front_end_supports(fake, monkeypatch):
    run = unstarted(lambda listen: None, fake)

    def chosen(live, kernel):
        return type(view_for(run, live, kernel)).__name__

    assert chosen("auto", None) == chosen("widget", None) == "TextView"
    assert chosen("auto", object()) == "CardView"  # no comm
    assert chosen("auto", Kernel()) == chosen("widget", Kernel()) == "LiveView"
    assert [chosen(live, Kernel()) for live in ("card", "text", "none")] == [
        "CardView",
        "TextView",
        "NoView",
    ]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert chosen("auto", Kernel()) == "CardView"  # no anywidget


def test_the_repr_of_a_widget_names_its_quantity():
    widget = LiveWidget(said={"what": "I(x; y)"})
    assert repr(widget) == "live view of I(x; y)"
    widget.close()
