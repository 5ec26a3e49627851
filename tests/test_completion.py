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


@pytest.fixture
def table(shell):
    pd = pytest.importorskip("pandas")
    shell.user_ns["df"] = pd.DataFrame({"c0": [1.0], "c1": [2.0], "d e": [3.0], 7: [1.0]})


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('%mmg estimate df[["', {"c0", "c1", "d e"}),
        ('%mmg estimate df[["c0","c', {"c1"}),
        ("res = %mmg estimate x df[['c0', 'd e', 'c", {"c1"}),
        ('%mmg explore df[["c0", "d', {"d e"}),
    ],
)
def test_columns_inside_a_list(complete, table, line, names):
    assert complete(line) == dict.fromkeys(names, "column")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%mmg estimate x y --discrete ", {"auto", "none", "x", "y"}),
        ("%mmg explore df --discrete ", {"auto", "none", "c0", "c1", "7"}),
        ("%mmg explore df --target ", {"c0", "c1", "7"}),
        ("%mmg rank df c0 --given ", {"c0", "c1", "7"}),
        ("%mmg total df --given ", {"c0", "c1", "7"}),
        ("%mmg total u w s --given ", {"u", "w", "s"}),
        ("%mmg total u w --discrete ", {"auto", "none", "u", "w"}),
        ("%mmg estimate x y -o ", {"res"}),
        ("%mmg estimate x y --seed ", {"0"}),
        ("%mmg estimate x y --limit ", {"none"}),
        ("%mmg rank df c0 --checkpoint ", {"answers"}),
        ("%mmg plot --save ", {"figure.pdf", "figure.svg", "figure.png"}),
        ("%mmg stop ", {"-h"}),
        ("%mmg runs ", {"-h"}),
    ],
)
def test_every_place_has_words_of_its_own(complete, table, line, words):
    """Without any, IPython would offer all magics."""
    assert set(complete(line)) == words


def test_files_to_continue(complete, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.mmg").touch()
    assert set(complete("%mmg resume ")) == {"night.mmg"}
    assert set(complete("%mmg estimate x y --checkpoint ")) == {"night.mmg", "run.mmg"}


def test_runs_and_their_results(complete, shell):
    shell.run_cell("%mmg estimate x y -b --steps 1000 --delay 0.01 -o slow")
    shell.run_cell("%mmg estimate x y -o res")
    assert complete("%mmg stop ") == {"1": "run, running"}
    assert complete("%mmg pause ") == {"1": "run, running"}
    assert complete("%mmg show ") == {"slow": "run", "res": "result", "2": "run, finished"}
    assert {"slow", "res"} <= set(complete("%mmg estimate x y -o "))
    shell.user_ns["slow"].stop()
    shell.user_ns["slow"].wait()
    assert set(complete("%mmg stop ")) == {"-h"}
    assert set(complete("%mmg plot ")) == {"slow", "res", "1", "2"}


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
