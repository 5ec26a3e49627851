"""A Python call that was stopped leaves a visible line in place of its progress."""

from __future__ import annotations

import io
import signal
import time
from contextlib import redirect_stderr
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher

import mmg_nb
from mmg_nb.jupyter import views
from mmg_nb.jupyter.marimo import LiveOutput
from mmg_nb.jupyter.place import NOTHING, remark_of
from mmg_nb.questions import asked_table
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

REMARK = "Stopped early. The result is not final: it holds what is known so far."
TABLE = pd.DataFrame(np.random.default_rng(5).normal(size=(80, 4)), columns=list("abct"))
A, B = TABLE["a"], TABLE["b"]


class StopAt:
    """A listener that stops at a step."""

    def __init__(self, step):
        self._step = step

    def __call__(self, event):
        return isinstance(event, Step) and event.step == self._step


def estimate():
    return mmg_nb.estimate(A, B, "fake", steps=40, listen=StopAt(7), progress=True)


def ranking():
    return mmg_nb.rank(TABLE, "t", "gcmi", listen=StopAt(2), progress=True)


def independence():
    return mmg_nb.independence_test(A, B, "gcmi", listen=StopAt(3), progress=True)


def transfer():
    return mmg_nb.transfer_entropy(A, B, "gcmi", listen=StopAt(4), progress=True)


def comparison():
    return mmg_nb.compare(A, B, "gcmi,fake:steps=20", listen=StopAt(4), progress=True)


CALLS = [estimate, ranking, independence, transfer, comparison]


@pytest.fixture
def interrupted_map(monkeypatch):
    """Calls `dependency_map`, which is stopped at its third pair."""
    count, prepare = [], asked_table.prepare

    def prepared(*args, **options):
        count.append(1)
        if len(count) == 3:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.5)  # until the main thread has noticed it
        return prepare(*args, **options)

    monkeypatch.setattr(asked_table, "prepare", prepared)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return lambda: mmg_nb.dependency_map(TABLE, "gcmi", progress=True)


@pytest.fixture
def notebook(shell, monkeypatch):
    """The displayed MIME bundles of a notebook without widgets."""
    monkeypatch.setattr(shell, "kernel", SimpleNamespace(shell=shell), raising=False)
    monkeypatch.setattr(shell, "display_pub", CapturingDisplayPublisher())
    return shell.display_pub.outputs


def last(outputs):
    return outputs[-1]["data"]["text/plain"], outputs[-1]["data"].get("text/html")


@pytest.mark.parametrize("call", CALLS)
def test_a_notebook_shows_a_line_in_place_of_the_progress(call, fake, notebook):
    assert call().status is Status.INTERRUPTED
    assert last(notebook) == (REMARK, f"<p>{REMARK}</p>")
    assert len({each["transient"]["display_id"] for each in notebook}) == 1


def test_a_stopped_map_shows_it_too(interrupted_map, notebook):
    assert interrupted_map().status is Status.INTERRUPTED
    assert last(notebook)[0] == REMARK


def test_a_stop_before_the_view_opens_is_shown_too(fake, notebook, monkeypatch):
    monkeypatch.setattr("mmg_nb.jupyter.running.SLICE", 20)
    found = mmg_nb.estimate(A, B, fake, steps=3, listen=StopAt(2), progress=True)
    assert found.status is Status.INTERRUPTED
    assert [each["data"]["text/plain"] for each in notebook] == [REMARK]


@pytest.mark.parametrize("call", CALLS)
def test_a_terminal_shows_it_below(call, fake):
    with redirect_stderr(io.StringIO()) as written:
        call()
    assert written.getvalue().endswith(f"\r{REMARK}\n")


def test_a_terminal_shows_it_of_a_map(interrupted_map):
    with redirect_stderr(io.StringIO()) as written:
        assert interrupted_map().status is Status.INTERRUPTED
    assert written.getvalue().endswith(f"\r{REMARK}\n")


def test_printed_progress_ends_with_it(fake, notebook, monkeypatch, capsys):
    monkeypatch.setattr(views, "_parent_command", lambda: "python3 /usr/bin/jupyter-console")
    estimate()
    assert capsys.readouterr().out.splitlines()[-1] == REMARK
    mmg_nb.estimate(A, B, fake, steps=3, progress=True)
    assert "Stopped" not in capsys.readouterr().out


def test_marimo_shows_it_in_place_of_the_view(result, monkeypatch):
    marimo = pytest.importorskip("marimo")
    shown = []
    monkeypatch.setattr(marimo.output, "replace", lambda value: shown.append(value.text))
    view = LiveOutput(SimpleNamespace())
    view.finish(remark_of(result))
    assert remark_of(result) is NOTHING
    assert shown == []
    view.finish(remark_of(SimpleNamespace(status=Status.INTERRUPTED)))
    assert REMARK in shown[0]


def test_a_complete_call_leaves_nothing(fake, notebook):
    mmg_nb.rank(TABLE, "t", "gcmi", listen=lambda _: None, progress=True)
    assert last(notebook)[0] == ""
