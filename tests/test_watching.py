"""Calls of plain Python show their progress where somebody can see it, and nowhere else."""

from __future__ import annotations

import io
import sys
import threading
import time
from contextlib import redirect_stderr

import numpy as np
import pandas as pd
import pytest
from fake_estimator import Fake
from IPython.core.displaypub import CapturingDisplayPublisher

import mmg_nb
from mmg_nb.jupyter import views
from mmg_nb.results.status import Status
from mmg_nb.runs.watching import SETTING

PATIENCE = 20
X, Y = np.random.default_rng(0).normal(size=(2, 60))
TABLE = pd.DataFrame({"age": X, "bmi": Y, "target": X + Y})


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def estimate(fake, **options):
    return mmg_nb.estimate(
        TABLE.bmi, TABLE.target, fake, **({"steps": 40, "delay": 0.01} | options)
    )


def shown(call, stream=Terminal):
    """What a call writes to stderr; pytest would replace a stream that a fixture sets."""
    with redirect_stderr(stream()) as written:
        call()
    return written.getvalue()


def test_a_terminal_shows_one_line_that_goes_at_the_end(fake):
    line = shown(lambda: estimate(fake))
    assert line.startswith("\rI(bmi; target) by fake")
    assert "computing" in line
    assert "training, step" in line
    assert "\n" not in line
    assert line.split("\r")[-2].strip() == ""


@pytest.mark.parametrize(
    "options", [{"progress": False}, {"listen": lambda event: None}], ids=["asked", "listens"]
)
def test_a_caller_can_turn_it_off(fake, options):
    assert shown(lambda: estimate(fake, steps=1, **options)) == ""


def test_a_setting_other_threads_and_pipes_turn_it_off(fake, monkeypatch):
    def in_a_thread():
        thread = threading.Thread(target=estimate, args=(fake,), kwargs={"steps": 1})
        thread.start()
        thread.join()

    assert shown(in_a_thread) == ""
    assert shown(lambda: estimate(fake, steps=1), io.StringIO) == ""
    assert shown(lambda: estimate(fake, steps=1, progress=True), io.StringIO) != ""
    monkeypatch.setenv(SETTING, "0")
    assert shown(lambda: estimate(fake, steps=1)) == ""


def test_maps_and_comparisons_are_shown_too(fake):
    line = shown(lambda: mmg_nb.dependency_map(TABLE, estimator="gcmi"))
    assert "mutual information of 3 columns by gcmi" in line
    assert f"by gcmi, {fake}" in shown(lambda: mmg_nb.compare(X, Y, f"gcmi,{fake}"))


class Kernel:
    """The attributes of a kernel that are used; without widgets."""

    def __init__(self, shell):
        self.shell = shell


@pytest.fixture
def notebook(shell, monkeypatch):
    """The displayed MIME bundles of a notebook without widgets."""
    monkeypatch.setattr(shell, "kernel", Kernel(shell), raising=False)
    monkeypatch.setattr(shell, "display_pub", CapturingDisplayPublisher())
    return shell.display_pub.outputs


def texts(outputs):
    return [each["data"]["text/plain"] for each in outputs]


def test_a_notebook_shows_a_view_that_leaves_nothing(fake, notebook, monkeypatch):
    monkeypatch.setattr(Fake, "trains", True)  # the view of a training opens before it begins
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = estimate(fake)
    assert found.status is Status.CONVERGED
    first, *_, last = texts(notebook)
    assert (first, last) == ("I(bmi; target) by fake; loading PyTorch", "")
    assert any("so far 0." in text for text in texts(notebook))
    assert len({each["transient"]["display_id"] for each in notebook}) == 1


def test_maps_and_comparisons_leave_nothing_either(fake, notebook):
    found = mmg_nb.dependency_map(TABLE, estimator="ksg")
    assert np.isfinite(found.mi).sum() == 6
    assert "mutual information of 3 columns by ksg" in texts(notebook)[0]
    assert texts(notebook)[-1] == ""
    notebook.clear()
    compared = mmg_nb.compare(X, Y, f"gcmi,{fake}:steps=10,delay=0.01")
    assert len(compared) == 2
    assert texts(notebook)[0].startswith("estimator")
    assert texts(notebook)[-1] == ""


def test_the_setting_of_the_session_turns_it_off(fake, notebook, shell):
    shell.run_line_magic("mmg", "config live=none")
    estimate(fake)
    assert notebook == []


def test_a_view_that_never_opened_leaves_no_output(notebook, fake, monkeypatch):
    monkeypatch.setattr("mmg_nb.jupyter.running.SLICE", PATIENCE)
    mmg_nb.estimate(X, Y, "cca")
    assert notebook == []


def test_an_error_of_the_run_is_raised_and_ends_the_view(fake, notebook):
    with pytest.raises(ZeroDivisionError):
        estimate(fake, ending="defect")
    assert texts(notebook)[-1] == "Ended without a result (ZeroDivisionError)."


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_handle_is_its_live_view_and_then_its_result(fake, notebook, shell):
    run = mmg_nb.start(TABLE.bmi, TABLE.target, fake, steps=30, delay=0.01)
    shell.display_formatter.format(run)
    assert "fake" in texts(notebook)[0]
    result = run.wait()
    card = result.bundle()[0]["text/plain"]
    until(lambda: texts(notebook)[-1] == card)
    shell.display_formatter.format(run)
    assert texts(notebook).count(card) == 2


def test_a_console_prints_the_result(fake, notebook, shell, monkeypatch, capsys):
    monkeypatch.setattr(views, "_parent_command", lambda: "python3 /usr/bin/jupyter-console")
    found = shell.run_cell("%mmg estimate x y --steps 2")
    assert texts(notebook) == []
    assert "reliable" in shell.display_formatter.format(found)[0]["text/plain"]
    assert capsys.readouterr().out.startswith("I(x; y) by fake. Interrupt (Ctrl-C)")
