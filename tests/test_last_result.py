"""`%mmg show` and `%mmg plot`: which result they find, and in which words they refuse."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.utils.capture import capture_output

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.jupyter.watching import watch
from mmg_nb.questions.comparison import Comparison
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.results.result import MIResult


@pytest.fixture
def cell(shell):
    """Run a cell; its outputs are captured."""
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()

    def run(text):
        with capture_output(display=False):
            return shell.run_cell(text)

    yield run
    shell.display_pub = before


@pytest.fixture
def shown(cell, shell):
    """What `%mmg show WORDS` finds."""

    def show(words=""):
        cell(f"%mmg show {words} -o found")
        return shell.user_ns["found"]

    return show


def wait(shell, name):
    shell.user_ns[name].wait()


def test_a_result_in_the_background_is_the_last_one(cell, shell, shown):
    cell("%mmg estimate x y -b --estimator ksg -o run")
    wait(shell, "run")
    result = shell.user_ns["run"].result
    assert shown() is shown("1") is shown("run") is result
    cell("%mmg plot --kind pointwise")
    cell("%mmg plot 1 --kind pointwise")
    assert "image/png" in shell.display_pub.outputs[-1]["data"]


def test_the_last_result_is_that_of_the_run_that_ended_last(cell, shell, shown):
    cell("%mmg estimate x y -b --steps 1000 --delay 0.01 -o slow")
    cell("%mmg estimate x y --estimator ksg -o fast")
    assert shown() is shell.user_ns["fast"]
    with pytest.raises(MMGError, match="run 1 has no result yet; its state is running") as caught:
        shown("1")
    assert "%mmg stop 1" in caught.value.remedy
    cell("%mmg stop")
    wait(shell, "slow")
    assert shown() is shell.user_ns["slow"].result


def test_results_of_a_panel_and_of_a_comparison_count(cell, shell, shown):
    cell("p = %mmg panel x y --estimator ksg")
    cell("p.start().wait()")
    assert shown() is shown("p") is shell.user_ns["p"].results[0]
    cell("%mmg compare x y --estimators ksg,cca -b -o both")
    wait(shell, "both")
    assert isinstance(shown("2"), Comparison)
    assert shown() is shown("2")
    assert shown("1") is shell.user_ns["p"].results[0]
    shell.user_ns["p"].close()


def test_maps_and_their_pairs_count(cell, shell, shown):
    rng = np.random.default_rng(2)
    shell.user_ns["df"] = pd.DataFrame(rng.normal(size=(90, 3)), columns=list("abc"))
    cell("e = %mmg explore df")
    wait(shell, "e")
    found = shown()
    assert isinstance(found, DependencyMap)
    assert found.names == shown("e").names == ("a", "b", "c")
    cell("from mmg_nb.jupyter.explore_pairs import Question")
    cell("e._asked.ask(Question((0, 1, 2), 'ksg')); e.wait()")
    assert shown().dim_z == 1
    assert isinstance(shown("1"), DependencyMap)
    shell.user_ns["e"].close()


def test_a_call_of_python_in_a_notebook_counts(cell, shell, shown, monkeypatch):
    monkeypatch.setattr(shell, "kernel", SimpleNamespace(), raising=False)
    result = mmg_nb.estimate(shell.user_ns["x"], shell.user_ns["y"], "ksg", progress=False)
    found = watch(lambda _: result, lambda _: False, what="I", estimator="ksg", slow=False)
    assert shown() is found is result


def test_a_run_without_a_result_is_refused(cell, shell, shown):
    cell("%mmg estimate x y -b --ending defect -o bad")
    with pytest.raises(ZeroDivisionError):
        wait(shell, "bad")
    with pytest.raises(MMGError, match="run 1 has no result; its state is failed"):
        shown("1")
    with pytest.raises(MMGError, match="There is no result yet") as caught:
        shown()
    assert "Runs: 1 (failed)." in caught.value.remedy
    with pytest.raises(MMGError, match="There is no run '7'"):
        shown("7")
    with pytest.raises(MMGError, match="x is not a result; its type is ndarray"):
        shown("x")


def test_a_shown_result_is_stored(cell, shell):
    cell("%mmg estimate x y")
    cell("%mmg show 1 --output kept")
    assert isinstance(shell.user_ns["kept"], MIResult)
    with pytest.raises(MMGError, match="holds data"):
        cell("%mmg show 1 -o x")
