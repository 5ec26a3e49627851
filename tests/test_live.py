"""The live view: its curves, its update rate, its buttons, and that it is removed."""

from __future__ import annotations

import gc
import re
import threading
import time
from contextlib import ExitStack

import ipywidgets
import numpy as np
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher

import mmg_nb
from mmg_nb import RunState
from mmg_nb.jupyter.comparing import ComparisonRun
from mmg_nb.jupyter.live import Feed, LiveWidget, picture, steer
from mmg_nb.jupyter.running import run_in_cell
from mmg_nb.jupyter.views import WidgetView, view_for
from mmg_nb.questions.compare import prepare_comparison
from mmg_nb.runs.events import FirstEstimate, Snapshot

PATIENCE = 20
X, Y = np.random.default_rng(0).normal(size=(2, 60))


class Kernel:
    """The attributes of a kernel that are used."""

    comm_manager = object()
    kernel_info = {"supported_features": ["kernel subshells"]}  # noqa: RUF012
    shell = None


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
    assert shown["said"]["estimate"].startswith("so far")
    assert shown["said"]["state"] == "finished"
    assert shown["said"]["percent"] == 100


def test_before_the_first_validation_there_are_no_curves(begin):
    run = begin()
    shown = picture(run)
    assert (shown["curves"], shown["track"], shown["said"]["estimate"]) == (b"", b"", "")
    until(lambda: re.fullmatch(r"\d s so far, \d+(\.\d)? steps/s", picture(run)["said"]["spent"]))
    run.stop()
    run.wait()


def test_the_curves_as_if_normal_are_shown_before(fake):
    run = mmg_nb.Run(lambda listen: None, estimator=fake)
    assert picture(run)["first"] == b""
    grid = np.linspace(-2, 2, 5)
    run.progress(FirstEstimate(0.5, 0.1, grid, grid + 3, grid + 2))
    rows = np.frombuffer(picture(run)["first"], "<f4").reshape(5, -1)
    np.testing.assert_allclose(rows, [grid, grid + 3, grid + 2, [1] * 5, [0] * 5], rtol=1e-6)


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


def test_the_first_estimate_is_shown_before_torch_is_loaded():
    grid, done = np.zeros(3), threading.Event()

    def work(listen):
        listen(FirstEstimate(0.5, 0.1, grid, grid, grid))
        shown.append("torch is loaded")
        done.wait(PATIENCE)

    run, shown = mmg_nb.Run(work), []
    feed = Feed(run, lambda: shown.append(run.progress.first is not None)).start()
    run.start()
    until(lambda: "torch is loaded" in shown)
    assert shown[shown.index("torch is loaded") - 1] is True
    done.set()
    feed.close()


def test_a_view_opens_completely_before_a_slow_run_starts(shell, fake, outputs, latest):
    kernel, seen = Kernel(), []
    kernel.shell = shell
    run = mmg_nb.Run(lambda listen: seen.append(live_widget()) or mmg_nb.estimate(X, Y, "gcmi"))
    run_in_cell(run, WidgetView(run, kernel, latest), slow=True)
    assert len(seen) == 1


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


@pytest.fixture
def latest():
    """Holds the widget of the latest run."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def shown_run(shell, fake, latest):
    """Run an estimate of the fake estimator with a live view."""

    def run_with_view(**fields):
        fields = {"steps": 20, "delay": 0.01} | fields
        run = mmg_nb.Run(
            lambda listen: mmg_nb.estimate(X, Y, fake, listen=listen, **fields), estimator=fake
        )
        kernel = Kernel()
        kernel.shell = shell
        return run_in_cell(run, WidgetView(run, kernel, latest))

    return run_with_view


def widgets():
    """The widgets that are open."""
    return set(ipywidgets.widgets.widget._instances.values())


def live_widget():
    """The only live widget that is open."""
    (widget,) = (each for each in widgets() if isinstance(each, LiveWidget))
    return widget


def test_the_result_takes_the_place_of_the_view(shown_run, outputs):
    result, shown = shown_run()
    assert shown
    first, last = outputs[0], outputs[-1]
    slot = first["transient"]["display_id"]
    assert f'data-mmg-slot="{slot}"' in first["data"]["text/html"]
    assert "live=card" in first["data"]["text/html"]
    assert last["update"]
    assert last["transient"] == first["transient"]
    for each in (first, last):  # no widget, which would be broken in a saved notebook
        assert "application/vnd.jupyter.widget-view+json" not in each["data"]
    assert last["data"]["text/plain"] == result.bundle()[0]["text/plain"]


def test_the_error_of_a_run_replaces_the_view(shown_run, outputs):
    with pytest.raises(ZeroDivisionError):
        shown_run(ending="defect")
    assert outputs[-1]["data"]["text/plain"] == "Ended without a result (ZeroDivisionError)."
    assert outputs[-1]["update"]
    assert live_widget().shown == outputs[-1]["data"]["text/html"]


def test_a_page_that_missed_the_end_finds_the_result_in_the_widget(shown_run, outputs):
    result, _ = shown_run(curves=True)
    widget = live_widget()
    assert widget.slot == outputs[0]["transient"]["display_id"]
    assert widget.shown == outputs[-1]["data"]["text/html"]
    assert result.summary.split()[0] in widget.shown
    assert "<img" in widget.shown


def test_front_ends_that_isolate_outputs_get_the_widget_itself(shown_run, shell, outputs):
    shell.user_ns["__vsc_ipynb_file__"] = "a.ipynb"
    shown_run()
    first, second, *_, last = (each["data"] for each in outputs)
    assert "live=card" in first["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in second
    assert "live=card" in second["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in last
    assert live_widget().slot == ""


@pytest.fixture
def sent(monkeypatch):
    """The messages to the browser that do not change the state."""
    messages = []
    monkeypatch.setattr(LiveWidget, "send", lambda widget, content: messages.append(content))
    return messages


def test_stop_ends_a_comparison_early_and_leaves_the_rest_out(shell, outputs, monkeypatch):
    monkeypatch.setattr(Kernel, "shell", shell)
    monkeypatch.setattr(shell, "kernel", Kernel(), raising=False)
    seen = []

    def stop():
        until(lambda: any("training" in w.said["doing"] for w in widgets() if "said" in w.keys))
        seen.append(live_widget().standing)
        live_widget()._handle_custom_msg({"action": "stop"}, [])

    clicks = threading.Thread(target=stop)
    clicks.start()
    line = "compare x y --estimators gcmi,fake:steps=1000,delay=0.01,fake:delay=0.02"
    found = shell.run_line_magic("mmg", line)
    clicks.join()
    assert re.findall(r"running|not run", seen[0]) == ["running", "not run"]
    verdicts = [line.status for line in found.lines]
    assert verdicts == ["converged", "stopped early", "not run"]
    assert outputs[-1]["data"]["text/plain"] == repr(found)
    shell.run_line_magic("unload_ext", "mmg_nb")


def test_an_error_leaves_the_results_of_a_comparison(shell, fake, outputs, latest):
    job = prepare_comparison(X, Y, f"gcmi,{fake}:ending=defect")
    run, kernel = ComparisonRun(job), Kernel()
    kernel.shell = shell
    with pytest.raises(ZeroDivisionError):
        run_in_cell(run, WidgetView(run, kernel, latest), slow=True)
    assert "gcmi" in outputs[-1]["data"]["text/plain"]


def test_a_page_hears_from_a_busy_kernel_in_which_nothing_happens(shown_run, outputs, sent):
    shown_run(steps=1, delay=1.5)
    assert 1 <= len(sent) <= 3


def test_a_page_that_is_opened_again_is_answered(shown_run, outputs, sent):
    shown_run()
    sent.clear()
    for message in ({"action": "hello"}, {"action": "stop"}, "hello", None):
        live_widget()._handle_custom_msg(message, [])
    assert len(sent) == 1


def test_many_views_leave_no_thread_and_only_the_latest_widget(shown_run, outputs, latest):
    before, known = threading.active_count(), widgets()
    for _ in range(20):
        shown_run(steps=2, delay=0.06)
    assert sum("data-mmg-slot" in str(each["data"]) for each in outputs) == 20
    gc.collect()
    until(lambda: threading.active_count() == before)
    assert widgets() - known == {live_widget(), live_widget().layout}
    latest.close()
    assert widgets() == known


def test_unloading_closes_the_latest_widget(shell, outputs, monkeypatch):
    monkeypatch.setattr(Kernel, "shell", shell)
    monkeypatch.setattr(shell, "kernel", Kernel(), raising=False)
    known = widgets()
    shell.run_line_magic("mmg", "estimate x y --steps 10 --delay 0.02")
    assert live_widget().shown
    shell.run_line_magic("unload_ext", "mmg_nb")
    assert widgets() == known


def test_the_view_is_the_richest_that_the_front_end_supports(fake, monkeypatch):
    run = mmg_nb.Run(lambda listen: None, estimator=fake)

    def chosen(live, kernel):
        return type(view_for(run, live, kernel, ExitStack())).__name__

    assert chosen("auto", None) == chosen("widget", None) == "TextView"
    assert chosen("auto", object()) == "CardView"  # no comm
    assert chosen("auto", Kernel()) == chosen("widget", Kernel()) == "WidgetView"
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
