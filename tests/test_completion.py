"""Completions after `%mmg`."""

from __future__ import annotations

import warnings

import pytest

from mmg_nb.plots.result import KINDS


@pytest.fixture
def complete(shell):
    def run(text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # completions are provisional, says IPython
            found = list(shell.Completer.completions(text, len(text)))
        return {each.text: each.type for each in found}

    return run


@pytest.mark.parametrize("start", ["%mmg ", "%%mmg ", "res = %mmg ", "a, b = %mmg "])
def test_subcommands_and_nothing_else(complete, start):
    words = {"estimate", "compare", "panel", "plot", "show", "benchmark", "config", "help"}
    words |= {
        "runs",
        "pause",
        "resume",
        "stop",
        "explore",
        "rank",
        "lag",
        "transfer",
        "test",
        "total",
    }
    assert set(complete(start)) == words
    assert set(complete(start + "es")) == {"estimate"}


def test_arrays_come_with_their_shapes(complete, shell):
    shell.user_ns.update(n=3, text="x", kind=int, _hidden=shell.user_ns["x"])
    assert complete("%mmg estimate ") == {"x": "array 100×2", "y": "array 100"}
    assert set(complete("%mmg estimate x y --groups ")) == {"x", "y"}


def test_options_of_the_chosen_estimator(complete):
    assert "--polish" in complete("%mmg estimate x y ")
    assert complete("%mmg estimate x y --de") == {
        "--device": "option",
        "--delay": "option",
    }
    others = complete("%mmg estimate x y --estimator gcmi --")
    assert "--correct-bias" in others
    assert "--delay" not in others


def test_an_option_is_offered_once(complete):
    assert "--seed" not in complete("%mmg estimate x y --seed 3 --")


@pytest.mark.parametrize("joint", [" ", "="])
def test_choices(complete, joint):
    assert set(complete(f"%mmg estimate x y --ending{joint}")) == {"result", "defect"}
    assert set(complete(f"%mmg estimate x y --ending{joint}d")) == {"defect"}
    assert "fake" in complete(f"%mmg estimate x y --estimator{joint}")


def test_lines_of_a_cell(complete):
    first = "%%mmg estimate x y\n"
    assert set(complete(first + "steps: 3\nlearn")) == {"learning_rate: "}
    assert set(complete(first + "ending: ")) == {"result", "defect"}


def test_settings_and_their_values(complete):
    assert "live=" in complete("%mmg config ")
    assert set(complete("%mmg config live=")) == {"auto", "widget", "card", "text", "none"}


def test_topics_of_help(complete):
    assert {"lag", "gcmi", "questions"} <= set(complete("%mmg help "))


def test_results_to_plot(complete, shell, result):
    shell.user_ns["res"] = result
    assert "res" in complete("%mmg plot ")
    assert set(complete("%mmg plot res --kind ")) == set(KINDS)


@pytest.mark.parametrize("text", ["%mmgx es", "mmg_es", "# %mmg es", "%mmg nonsense --", "x = y."])
def test_other_lines_are_not_completed(complete, text):
    assert not {"estimate", "--steps"} & set(complete(text))


def test_ipython_completes_columns(complete, shell):
    pd = pytest.importorskip("pandas")
    shell.user_ns["df"] = pd.DataFrame({"age": [1.0], "bmi": [2.0]})
    assert set(complete('%mmg estimate df["')) == {"age", "bmi"}


def test_unloading_ends_completion(complete, shell):
    shell.run_line_magic("unload_ext", "mmg_nb")
    assert "estimate" not in complete("%mmg es")
    assert not shell.Completer.custom_matchers


def test_an_older_ipython_works_without_completion(shell, monkeypatch):
    shell.run_line_magic("unload_ext", "mmg_nb")
    monkeypatch.delattr("IPython.core.completer.context_matcher")
    shell.run_line_magic("load_ext", "mmg_nb")
    assert not shell.Completer.custom_matchers
    assert shell.run_line_magic("mmg", "estimate x y --estimator fake").mi > 0
