"""The panel: its form, its runs, its history, and its output in a saved notebook."""

from __future__ import annotations

import threading
import time

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.utils.capture import capture_output

import mmg_nb
from mmg_nb import RunState
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import names
from mmg_nb.fields import field_infos
from mmg_nb.jupyter.form import describe, read_form, variables
from mmg_nb.jupyter.history import shown_html
from mmg_nb.results.status import Status

PATIENCE = 20


@pytest.fixture
def notebook(shell):
    """A shell with arrays and a table; `display_pub` captures its outputs."""
    rng = np.random.default_rng(1)
    shell.user_ns["df"] = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b c", 7])
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell
    shell.display_pub = before


@pytest.fixture
def panel(notebook):
    """A panel for the fake estimator. A run takes ten seconds unless it is stopped."""
    made = notebook.run_cell("p = %mmg panel x y --steps 1000 --delay 0.01\np")
    yield made
    made.close()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def form(**changes):
    """The form that the browser sends with Start."""
    sent = {
        "roles": {"x": {"name": "x", "columns": []}, "y": {"name": "y", "columns": []}},
        "estimator": "fake",
        "settings": {"seed": "0", "device": "auto"},
        "fields": {"steps": "3"},
    }
    return {**sent, **changes}


def finished(panel, runs):
    """Wait until the panel shows that many runs as ended."""
    until(lambda: len(panel._widget.rows) == runs and all(r["done"] for r in panel._widget.rows))
    until(lambda: panel._widget.view == "result")


# --- the form


def test_every_field_of_every_estimator_has_a_control(fake):
    for shown in describe()["estimators"]:
        infos = field_infos(mmg_nb.estimators.registry.estimator_class(shown["name"]))
        assert [control["name"] for control in shown["fields"]] == [info.name for info in infos]
        assert all(control["help"] for control in shown["fields"])
    assert {shown["name"] for shown in describe()["estimators"]} == set(names())


def test_default_values_of_the_controls_change_no_field(notebook):
    for shown in describe()["estimators"]:
        texts = {control["name"]: control["default"] for control in shown["fields"]}
        asked = read_form(form(estimator=shown["name"], fields=texts), notebook.user_ns)
        assert asked.fields == {}


def test_variables_have_shapes_and_columns(notebook):
    found = {each["name"]: each for each in variables(notebook.user_ns)}
    assert found["x"] == {"name": "x", "shape": "100×2", "columns": [], "kinds": []}
    assert found["df"]["columns"] == ["a", "b c", "7"]
    table = pd.DataFrame({"n": [1, 2], "b": [True, False], "c": ["u", "v"]})
    assert variables({"t": table})[0]["kinds"] == ["number", "yes/no", "category"]


def test_a_table_opens_its_columns(notebook):
    panel = notebook.run_cell("%mmg panel df df[['a']]")
    roles = panel._widget.chosen["roles"]
    assert roles["x"] == {"expression": "df", "name": "df", "columns": [0, 1, 2]}
    assert roles["y"] == {"expression": "df[['a']]", "name": "df", "columns": [0]}
    roles = panel.choose(y="df")._widget.chosen["roles"]
    assert roles["x"]["columns"] == roles["y"]["columns"] == []  # to be divided
    assert panel.choose(x="df.iloc[:, :1]")._widget.chosen["roles"]["x"] == {
        "expression": "df.iloc[:, :1]"
    }
    panel.close()


def test_runs_have_the_numbers_of_the_session(notebook):
    notebook.run_line_magic("mmg", "estimate x y --estimator gcmi")
    panel = notebook.run_cell("%mmg panel x y --estimator ksg")
    run = panel.start().wait() and panel.run
    assert [line[0] for line in notebook.run_line_magic("mmg", "runs").lines] == ["1", "2"]
    panel.show(2)
    assert panel._widget.rows[0]["number"] == run.number == 2
    with pytest.raises(MMGError, match="no run 1"):
        panel.show(1)
    panel.close()


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"name": "x"}, "x"),
        ({"name": "df", "columns": [1]}, "df['b c']"),
        ({"name": "df", "columns": [0, 2]}, "df[['a', 7]]"),
        ({"expression": " x[:, :1] "}, "x[:, :1]"),
    ],
)
def test_a_choice_becomes_an_expression(notebook, chosen, text):
    y = {"name": "y"}
    asked = read_form(form(roles={"x": chosen, "y": y}), notebook.user_ns)
    assert asked.texts == {"x": text, "y": "y"}
    assert asked.what == f"I({text}; y)"


@pytest.mark.parametrize(
    "chosen",
    [
        {"name": "df", "columns": [0, 1]},
        {"expression": "x + 1"},
        {"expression": "x - y[0]"},
        {"expression": "-x"},
        {"name": "x"},
    ],
)
def test_the_line_requests_the_same_estimate(notebook, chosen):
    roles = {"x": chosen, "y": {"name": "y"}, "groups": {"expression": "np.arange(100) // 2"}}
    notebook.user_ns["np"] = np
    texts = {"steps": "4", "polish": "false", "learning_rate": "0.5", "limit": ""}
    asked = read_form(
        form(roles=roles, fields=texts, settings={"seed": "3", "device": "cpu"}), notebook.user_ns
    )
    by_panel = asked.start(notebook.user_ns).wait()
    with capture_output():
        by_line = notebook.run_cell(f"r = {asked.line}\nr")
    assert by_line == by_panel
    assert by_panel.fields["polish"] is False
    assert by_panel.provenance["seed"] == 3


def test_the_line_requests_the_same_comparison(notebook):
    chosen = form(beside=["gcmi", "cca"], fields={"steps": "4"}, settings={"seed": "3"})
    asked = read_form(chosen, notebook.user_ns)
    assert asked.line.startswith("%mmg compare x y --estimators gcmi,cca,fake:steps=4 --seed 3 ")
    by_panel = asked.start(notebook.user_ns).wait()
    with capture_output():
        by_line = notebook.run_cell(f"r = {asked.line}\nr")
    assert list(by_panel.results) == ["gcmi", "cca", "fake:steps=4"]
    assert [r.mi for r in by_line] == [r.mi for r in by_panel]
    assert by_panel["fake:steps=4"].provenance["seed"] == 3


def test_an_estimator_is_not_compared_with_itself(notebook):
    asked = read_form(form(beside=["fake", "gcmi", "gcmi"]), notebook.user_ns)
    assert asked.beside == ("gcmi",)
    with pytest.raises(MMGError, match="gcmj"):
        read_form(form(beside=["gcmj"]), notebook.user_ns)


@pytest.mark.parametrize("discrete", ["given", "kind, given", ""])
def test_a_condition_categories_and_missing_values_can_be_chosen(notebook, discrete):
    notebook.user_ns["df"]["kind"] = np.arange(100) % 3
    notebook.user_ns["df"].loc[4, "a"] = np.nan
    roles = {
        "x": {"name": "df", "columns": [0]},
        "y": {"name": "y"},
        "given": {"name": "df", "columns": [3]},
    }
    settings = {"discrete": discrete, "missing": "drop"}
    fields = {"steps": "5", "draws": "4"}
    chosen = form(estimator="mmg", roles=roles, settings=settings, fields=fields)
    asked = read_form(chosen, notebook.user_ns)
    assert asked.what == "I(df['a']; y | df['kind'])"
    by_panel = asked.start(notebook.user_ns).wait()
    with capture_output():
        by_line = notebook.run_cell(f"r = {asked.line}\nr")
    assert (by_line.mi, by_line.notes) == (by_panel.mi, by_panel.notes)
    assert (by_panel.quantity, by_panel.n_samples) == ("I(x; y | z)", 99)
    wanted = {"discrete": discrete} if discrete else {}
    assert asked.changed == {"steps": 5, "draws": 4, "missing": "drop", **wanted}


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        ({"roles": {}}, "Choose a variable for x.", "Arrays here: x (100×2)"),
        ({"roles": {"x": {"name": "df"}}}, "at least one column of df for x", "'b c'"),
        ({"estimator": "magic"}, "no estimator 'magic'", "Estimators: mmg"),
        ({"fields": {"steps": "few"}}, "steps must be a whole number", "training steps"),
        ({"fields": {"steps": ""}}, "steps must be a whole number", "training steps"),
        ({"fields": {"stesp": "1"}}, "no field 'stesp'", "Did you mean 'steps'?"),
        ({"settings": {"seed": "-1"}}, "seed must be a whole number", "seed"),
        (
            {"roles": {"x": {"name": "x"}, "y": {"expression": "y[:60]"}}},
            "equal numbers of rows",
            "Select the rows",
        ),
        (
            {"roles": {"x": {"expression": "nothing"}, "y": {"name": "y"}}},
            "no variable 'nothing'",
            "Arrays here",
        ),
    ],
)
def test_an_invalid_choice_shows_the_short_message(panel, change, what, remedy):
    panel._on_message(None, {"action": "start", "form": form(**change)}, [])
    assert what in panel._widget.message["what"]
    assert remedy in panel._widget.message["remedy"]
    assert panel.run is None
    assert panel._widget.view == "empty"
    panel._on_message(None, {"action": "start", "form": form()}, [])
    assert panel._widget.message == {}  # the next start removes it
    panel.run.wait()


# --- runs


def test_start_uses_the_values_that_come_with_it(panel):
    panel._on_message(None, {"action": "start", "form": form(settings={"seed": "5"})}, [])
    result = panel.run.wait()
    assert result.fields["steps"] == 3
    assert result.provenance["seed"] == 5
    finished(panel, 1)
    assert result.summary in repr(panel)
    assert "0.511" in panel._widget.shown


def test_a_run_is_shown_steered_and_stopped(panel):
    run = panel.start()
    assert panel._widget.view == "live"
    until(lambda: panel._widget.curves)
    panel._on_message(None, {"action": "pause"}, [])
    until(lambda: panel._widget.said["state"] == "paused")
    panel._on_message(None, {"action": "resume"}, [])
    panel._on_message(None, {"action": "stop"}, [])
    assert run.wait().status is Status.INTERRUPTED
    finished(panel, 1)
    assert "stopped early" in panel._widget.shown
    assert panel._widget.rows[0]["cells"][2] == "stopped early"


def test_one_run_at_a_time_in_a_panel(panel):
    panel.start()
    panel._on_message(None, {"action": "start", "form": form()}, [])
    assert "Run 1 of this panel is running" in panel._widget.message["what"]
    panel.run.stop()
    panel.run.wait()


def test_two_panels_do_not_disturb_each_other(panel):
    other = mmg_nb.panel("x[:, :1]", "y", estimator="fake", steps=7)
    long = panel.start()
    assert other.start().wait().dim_x == 1
    finished(other, 1)
    assert panel._widget.view == "live"
    assert panel._widget.rows == [] or panel._widget.rows[0]["cells"][3] == "I(x; y)"
    assert len(other.results) == 1
    assert panel.results == ()
    assert long.state is RunState.RUNNING
    other.close()
    assert long.state is RunState.RUNNING


def test_runs_of_a_panel_are_runs_of_the_session(panel, notebook):
    run = panel.start()
    assert run.number == 1
    assert notebook.run_cell("%mmg stop") is run
    run.wait()


def test_the_panel_shows_the_error_of_a_run(panel):
    panel.choose(steps=3, ending="defect").start()
    until(lambda: panel._widget.message)
    assert panel._widget.message["what"] == "ZeroDivisionError: a defect of the estimator"
    assert panel._widget.view == "empty"


# --- history


def test_a_comparison_after_a_run_is_shown_after_its_result(panel):
    for seed in (1, 2):
        panel.choose(steps=3, seed=seed).start().wait()
    panel.compare()
    time.sleep(0.5)
    assert "Comparison" in panel._widget.shown
    assert len(panel._widget.rows) == 2


def test_a_result_that_is_drawn_slowly_replaces_no_later_one(panel, monkeypatch):
    def slowly(entry):
        time.sleep(0.5 if entry.number == 1 else 0)
        return shown_html(entry)

    monkeypatch.setattr("mmg_nb.jupyter.panel.shown_html", slowly)
    for seed in (1, 2):
        panel.choose(steps=3, seed=seed).start().wait()
    panel.compare()
    time.sleep(1)
    assert "Comparison" in panel._widget.shown


def test_results_are_shown_again_and_compared(panel):
    for seed in (1, 2):
        panel.choose(steps=3, curves=True, seed=seed).start().wait()
        finished(panel, seed)
    assert panel._widget.shown.count("<img") == 2  # the interval and the curves
    panel._on_message(None, {"action": "show", "number": 1}, [])
    assert "Run 1: I(x; y) by fake" in panel._widget.shown
    panel._on_message(None, {"action": "compare", "numbers": [1, 2]}, [])
    assert "seed 1" in panel._widget.shown
    assert "steps" not in panel._widget.shown  # the same in both
    panel._on_message(None, {"action": "compare", "numbers": [1]}, [])
    assert "two results" in panel._widget.message["what"]
    panel._on_message(None, {"action": "show", "number": 9}, [])
    assert "no run 9" in panel._widget.message["what"]


def test_a_comparison_shows_how_each_run_ended(panel):
    panel.choose(steps=3).start().wait()
    finished(panel, 1)
    run = panel.choose(steps=1000).start()
    until(lambda: run.has_result or run.progress.estimate)
    run.stop()
    run.wait()
    finished(panel, 2)
    panel.compare()
    first, second = panel._widget.shown.split("<tr>")[2:]
    assert ">reliable<" in first
    assert 'alt="interval from' in first
    assert ">stopped early<" in second
    assert 'alt="preliminary interval from' in second
    assert [row["cells"][2] for row in panel._widget.rows] == ["reliable", "stopped early"]


def test_several_estimators_run_side_by_side(panel):
    run = panel.choose(steps=1000, beside="gcmi, cca").start()
    until(lambda: "running" in panel._widget.shown and "gcmi" in panel._widget.shown)
    until(lambda: panel._widget.rows and "training" in panel._widget.said["phase"])
    assert panel._widget.view == "live"
    panel._on_message(None, {"action": "stop"}, [])
    assert list(run.wait().results) == ["gcmi", "cca", "fake:steps=1000,delay=0.01"]
    finished(panel, 1)
    assert panel._widget.shown.count("<img") == 1
    label = "gcmi, cca, fake:steps=1000,delay=0.01"
    assert f"Run 1: I(x; y) by {label}" in panel._widget.shown
    assert panel._widget.rows[0]["cells"][4] == label
    assert panel._widget.rows[0]["cells"][5] == "defaults"  # the label includes the fields
    assert panel._widget.rows[0]["cells"][1].endswith(" to 0.511 nats")
    assert [r.estimator for r in panel.results] == ["gcmi", "cca", "fake"]
    panel.choose(beside=[], steps=3).start().wait()
    finished(panel, 2)
    panel.compare()
    assert panel._widget.shown.count("data:image/svg+xml") == 4
    assert panel._widget.rows[1]["line"].startswith("%mmg estimate")


def test_a_shown_result_stays_while_a_comparison_runs(panel):
    panel.choose(steps=3).start().wait()
    finished(panel, 1)
    panel.choose(steps=1000, beside="gcmi").start()
    until(lambda: "running" in panel._widget.shown and "not run" not in panel._widget.shown)
    panel.show(1)
    until(lambda: panel._widget.curves)
    assert "Run 1" in panel._widget.shown
    panel.run.stop()
    panel.run.wait()


def test_a_comparison_that_fails_keeps_its_results(panel):
    run = panel.choose(steps=5, ending="defect", beside="gcmi").start()
    until(lambda: run.state.ended and panel._widget.view == "result")
    until(lambda: "ZeroDivisionError" in panel._widget.message.get("what", ""))
    assert [each.estimator for each in panel.results] == ["gcmi"]
    assert panel._widget.rows[0]["done"]
    assert "not run" in panel._widget.shown
    assert panel._shown == panel._widget.shown


def test_an_empty_beside_runs_one_estimator(panel):
    panel.choose(beside="gcmi")
    panel.choose(beside=None, steps=3).start().wait()
    finished(panel, 1)
    assert panel._widget.rows[0]["line"].startswith("%mmg estimate")
    with pytest.raises(MMGError, match="beside must be names"):
        panel.choose(beside=3)


# --- variables, outputs and closing


def test_variables_are_refreshed_after_each_cell(panel, notebook):
    notebook.run_cell("later = x[:60]; del df")
    shapes = {each["name"]: each["shape"] for each in panel._widget.variables}
    assert shapes["later"] == "60×2"
    assert "df" not in shapes


def test_a_notebook_keeps_plain_html_with_the_result(panel, notebook):
    outputs = notebook.display_pub.outputs
    panel._ipython_display_()
    panel.choose(steps=3, curves=True).start().wait()
    finished(panel, 1)
    until(lambda: "<img" in str(outputs[-1]["data"]))
    assert all(set(each["data"]) == {"text/plain", "text/html"} for each in outputs)
    assert outputs[-1]["update"]
    assert outputs[-1]["transient"] == outputs[0]["transient"]
    assert outputs[-1]["data"]["text/plain"].splitlines()[0] == "Panel"
    assert "0.511" in outputs[-1]["data"]["text/plain"]


def test_the_panel_answers_the_browser(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(panel._widget, "send", sent.append)
    panel._widget._handle_custom_msg({"action": "hello"}, [])
    assert sent == [{"here": True}]
    assert panel.run is None


def test_in_front_ends_that_isolate_outputs_the_widget_is_in_the_output(notebook):
    notebook.user_ns["__vsc_ipynb_file__"] = "a.ipynb"
    panel = mmg_nb.panel("x", "y", estimator="fake")
    panel._ipython_display_()
    view = "application/vnd.jupyter.widget-view+json"
    assert view in notebook.display_pub.outputs[-1]["data"]
    panel.close()
    assert view not in notebook.display_pub.outputs[-1]["data"]


def test_closing_leaves_no_thread_no_widget_and_no_callback(notebook):
    callbacks = list(notebook.events.callbacks["post_run_cell"])
    threads, widgets = threading.active_count(), len(ipywidgets.widgets.widget._instances)
    for _ in range(20):
        panel = mmg_nb.panel("x", "y", estimator="fake", steps=1000, delay=0.01)
        panel.start()
        panel.close()
        panel.close()
    until(lambda: threading.active_count() == threads)
    assert len(ipywidgets.widgets.widget._instances) == widgets
    assert notebook.events.callbacks["post_run_cell"] == callbacks
    with pytest.raises(MMGError, match="closed"):
        panel.start()


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"x": 3}, "x must be the name of a variable"),
        ({"stesp": 3}, "no choice 'stesp'"),
        ({"beside": "gcmj"}, "gcmj"),
        ({"steps": "few"}, "steps must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"estimator": "magic"}, "no estimator 'magic'"),
    ],
)
def test_an_invalid_choice_raises_an_error(panel, values, what):
    with pytest.raises(MMGError, match=what):
        panel.choose(**values)


def test_a_panel_outside_ipython_raises_an_error(fresh_python):
    code = (
        "import mmg_nb\ntry:\n    mmg_nb.panel()\nexcept mmg_nb.MMGError as e:\n    print(e.what)"
    )
    assert "A panel needs IPython" in fresh_python(code)


def test_the_magic_takes_two_variables_or_none(notebook):
    made = notebook.run_cell("p = %mmg panel\np")
    assert repr(made) == "<Panel without runs yet>"
    made.close()
    with capture_output(), pytest.raises(MMGError, match="%mmg panel takes two expressions"):
        notebook.run_cell("%mmg panel x")
    with capture_output() as caught:
        notebook.run_cell("%mmg panel -h")
    assert "--steps" in caught.stdout
    assert "--output" not in caught.stdout
