"""The magic in a shell: its return values, variables, outputs and errors."""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
import weakref

import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.utils.capture import capture_output

from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import names
from mmg_nb.jupyter.commands import QUESTIONS
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status


@pytest.fixture
def run(shell):
    """Run a cell in the shell and return its value."""
    return shell.run_cell


@pytest.fixture
def said(run):
    """Run a cell and return its printed text."""

    def show(cell):
        with capture_output(display=False) as caught:
            run(cell)
        return caught.stdout

    return show


@pytest.fixture
def refused(run):
    """Run a cell that must fail, and return both lines of its error."""

    def show(cell):
        with capture_output(), pytest.raises(MMGError) as caught:
            run(cell)
        return caught.value.what, caught.value.remedy

    return show


@pytest.fixture
def notebook(shell):
    """The shell as in a notebook; returns each output as (text/plain, whether it is an update)."""
    shell.kernel = object()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()

    def shown():
        outputs = shell.display_pub.outputs
        return [(each["data"]["text/plain"], bool(each.get("update"))) for each in outputs]

    yield shown
    shell.display_pub = before
    del shell.kernel


# --- estimate: what it returns and stores


def test_the_result_is_the_value(run, shell):
    result = run("res = %mmg estimate x y\nres")
    assert isinstance(result, MIResult)
    assert shell.user_ns["res"] is result
    assert (result.n_samples, result.dim_x, result.dim_y) == (100, 2, 1)


def test_output_stores_and_returns_nothing(run, shell):
    assert run("got = %mmg estimate x y -o res\ngot") is None
    assert isinstance(shell.user_ns["res"], MIResult)


@pytest.mark.parametrize("option", ["-o res", "--output res", "--output=res"])
def test_output_has_three_spellings(run, shell, option):
    run(f"%mmg estimate x y {option}")
    assert isinstance(shell.user_ns["res"], MIResult)


def test_flags_reach_the_estimator_typed(run):
    line = "--steps 4e1 --learning-rate 0.5 --limit 3 --no-polish --seed 7 --device cpu"
    result = run(f"res = %mmg estimate x y {line}\nres")
    fields = {"steps": 40, "learning_rate": 0.5, "limit": 3, "polish": False}
    assert fields.items() <= result.fields.items()
    assert result.provenance == {"seed": 7, "device": "cpu", "steps": 40}


@pytest.mark.parametrize(
    "written", ["--learning-rate=0.5", "--learning_rate 0.5", "learning_rate=0.5"]
)
def test_flags_have_several_spellings(run, written):
    assert run(f"r = %mmg estimate x y {written}\nr").fields["learning_rate"] == 0.5


def test_a_remedy_in_the_spelling_of_python_can_be_pasted(run, shell):
    shell.user_ns["seed"] = shell.user_ns["y"]
    line = "estimate x seed estimator='fake' rows='independent' polish=False steps=9"
    fields = run(f"r = %mmg {line}\nr").fields
    assert {"steps": 9, "polish": False}.items() <= fields.items()
    assert run("r = %mmg estimate x y*(seed==seed)\nr").fields["steps"] != 9
    with pytest.raises(MMGError, match="got 3"):
        run("%mmg estimate x y depth=3")


def test_a_bare_flag_switches_on(run):
    assert run("r = %mmg estimate --polish x y\nr").fields["polish"] is True


def test_a_cell_gives_one_field_a_line(run, shell):
    run(
        "%%mmg estimate x y -o res\n\n# how long\nsteps: 7  # few\nlearning-rate: 0.5\n"
        "seed: 3\npolish: no\n"
    )
    fields = {"steps": 7, "learning_rate": 0.5, "polish": False}
    assert fields.items() <= shell.user_ns["res"].fields.items()
    assert shell.user_ns["res"].provenance["seed"] == 3


def test_a_cell_may_name_the_estimator(run):
    assert run("%%mmg estimate x y\ncorrect_bias: no\nestimator: gcmi").estimator == "gcmi"


def test_expressions_are_evaluated_in_the_scope_of_the_call(run, shell):
    pd = pytest.importorskip("pandas")
    shell.user_ns["df"] = pd.DataFrame({"a": np.arange(60.0), "b": 1.0, "c d": np.arange(60.0)})
    shell.user_ns["df"]["b"] = np.sin(shell.user_ns["df"]["a"])
    assert run('r = %mmg estimate df[["a","b"]] df["c d"]\nr').dim_x == 2
    assert run("r = %mmg estimate 'x + 1' (y[:, None] * [1, 2])\nr").dim_x == 2
    assert (
        run("def f(x):\n    r = %mmg estimate x x[:,0]\n    return r\nf(x[:60])").n_samples == 60
    )


def test_braces_are_not_expanded_by_ipython(run):
    assert run("r = %mmg estimate x[:, [*{0}]] y\nr").dim_x == 1


def test_groups_are_an_expression(refused):
    what, _ = refused("%mmg estimate x y --groups y[:5]")
    assert "groups" in what


def test_user_arrays_are_not_kept(run, shell):
    shell.user_ns["big"] = np.random.default_rng(0).normal(size=(100, 3))
    dead = weakref.ref(shell.user_ns["big"])
    run("%mmg estimate big y -o res")
    del shell.user_ns["big"]
    gc.collect()
    assert dead() is None


# --- estimate: what it shows


def test_the_live_card_becomes_the_result_and_is_shown_once(run, notebook, capsys):
    result = run("%mmg estimate x y --delay 0.05")
    shown = notebook()
    assert shown[0][0] == "I(x; y) by fake; computing"
    assert any(text.startswith("fake, 100 rows, 2×1, cpu; training") for text, _ in shown)
    assert not shown[0][1]
    assert all(update for _, update in shown[1:])
    card = result.bundle()[0]["text/plain"]
    assert shown[-1] == (card, True)
    assert sum(text == card for text, _ in shown) == 1
    assert card not in capsys.readouterr().out


def test_the_result_can_be_shown_again(run, notebook, capsys):
    run("res = %mmg estimate x y")
    result = run("res")
    assert result.bundle()[0]["text/plain"] in capsys.readouterr().out


def test_the_unit_of_the_session_is_that_of_its_cards(run, notebook, capsys):
    run("%mmg config unit=bits")
    result = run("%mmg estimate x y")
    assert notebook()[-1][0].startswith("x tells 0.737 ± 0.029 bits about y")
    assert repr(result).startswith("MIResult(0.511 ± 0.020 nats")


def test_a_card_labels_the_estimate_as_a_validation_estimate(shell, run, notebook):
    run("%mmg estimate x y --delay 0.06;")
    assert notebook() == []
    run("%mmg estimate x y --delay 0.06")
    cards = [output["data"] for output in shell.display_pub.outputs[:-1]]
    assert any("so far 0." in card["text/plain"] for card in cards)
    assert all("Interrupt the kernel" in card["text/html"] for card in cards)
    assert all('role="progressbar"' in card["text/html"] for card in cards)
    assert all("<style" not in card["text/html"] for card in cards)


def test_at_most_five_updates_a_second(run, notebook):
    run("%mmg estimate x y --steps 200 --delay 0.005")
    assert 4 <= len(notebook()) <= 9


@pytest.mark.parametrize("live", ["none", "text"])
def test_without_a_card_the_result_is_shown_at_the_end(run, notebook, capsys, live):
    run(f"%mmg estimate x y --delay 0.02 --live {live} -o res")
    assert [update for _, update in notebook()] == [False]
    assert ("training" in capsys.readouterr().out) is (live == "text")


def test_a_terminal_gets_lines(said):
    text = said("%mmg estimate x y --delay 0.02")
    assert text.splitlines()[0].startswith("I(x; y) by fake. Interrupt (Ctrl-C)")
    assert "training, step" in text
    assert "\r" not in text


def test_a_semicolon_shows_nothing(run, notebook, capsys):
    result = run("%mmg estimate x y;")
    assert isinstance(result, MIResult)
    assert notebook() == []
    assert repr(result) not in capsys.readouterr().out


def test_a_defect_keeps_its_traceback_and_ends_the_card(run, notebook):
    with pytest.raises(ZeroDivisionError, match="a defect of the estimator") as caught:
        run("%mmg estimate x y --delay 0.03 --ending defect")
    assert any("fake_estimator" in str(entry.path) for entry in caught.traceback)
    assert notebook()[-1] == ("Ended without a result (ZeroDivisionError).", True)


# --- interrupts


def interrupt_after(seconds):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_an_interrupt_still_gives_a_result(run):
    interrupt_after(0.3)
    result = run("r = %mmg estimate x y --steps 1000 --delay 0.01\nr")
    assert result.status is Status.INTERRUPTED
    assert 1 <= result.provenance["steps"] < 1000


def test_a_second_interrupt_raises(run, notebook):
    for seconds in (0.2, 0.4):
        interrupt_after(seconds)
    with pytest.raises(KeyboardInterrupt):
        run("%mmg estimate x y --steps 3 --delay 3")
    assert notebook()[-1] == ("Ended without a result (KeyboardInterrupt).", True)


def test_the_interrupt_handler_is_restored(run):
    before = signal.getsignal(signal.SIGINT)
    run("%mmg estimate x y")
    assert signal.getsignal(signal.SIGINT) is before


# --- mistakes


@pytest.mark.parametrize(
    ("cell", "what", "remedy"),
    [
        ("%mmg estimat x y", "no subcommand 'estimat'", "Did you mean 'estimate'?"),
        ("%mmg x y", "'x'; 'x' is a variable", "Did you mean '%mmg estimate x y'?"),
        ("%mmg estimate x", "takes two expressions, X and Y; got 1", "Arrays here: x (100×2), y"),
        ("%mmg estimate x + 1 y", "got 4", "in parentheses"),
        ("%mmg estimate x z", "no variable 'z'", "Arrays here: x (100×2), y (100)."),
        ("%mmg estimate x[:, y", "never closed", "It is the last character here: estimate x["),
        ("%mmg estimate x[:,9] y", "x[:,9] could not be evaluated: IndexError", "Arrays here"),
        ("%mmg estimate x= y", "Expected a variable or an expression; got 'x='", "parentheses"),
        ("%mmg estimate x y --stesp 3", "no option --stesp", "Did you mean '--steps'?"),
        ("%mmg estimate x y --correct-bias", "no option --correct-bias", "have it: gcmi, cca."),
        ("%mmg compare x y --steps 3", "no option --steps", "--estimators mmg:steps=…"),
        ("%mmg estimate x y --step 3", "no option --step.", "Did you mean '--steps'?"),
        ("%mmg estimate x y -x", "no option -x", "Options: --output"),
        ("%mmg estimate x y --steps", "--steps needs a value: a whole number", "training steps"),
        ("%mmg estimate x y --steps --polish", "--steps needs a value", "training steps"),
        ("%mmg estimate x y --steps few", "steps must be a whole number", "training steps"),
        ("%mmg estimate x y --seed 1 --seed 2", "--seed is given twice", "Leave one"),
        ("%mmg estimate x y --no-seed", "no option --no-seed", "Did you mean '--seed'?"),
        ("%mmg estimate x y --estimator magic", "no estimator 'magic'", "Estimators: mmg"),
        ("%mmg estimate x y -o 2res", "got '2res'", "-o res"),
        ("%mmg estimate x y -o class", "got 'class'", "-o res"),
        ("%mmg estimate x y -o print", "'print' is a Python builtin", "another name"),
        ("%mmg estimate x y -o x", "'x' holds data (100×2)", "another name"),
        ("%mmg compare x y -o y", "'y' holds data (100)", "another name"),
        ("%mmg estimate x y --given x", "fake estimates I(x; y) only", "These can: "),
        ("%mmg estimate x y[:7]", "rows", ""),
        ("%mmg plot", "no result yet", "Run %mmg estimate X Y first"),
        ("%mmg plot x", "x is not a result; its type is ndarray", "by -o res"),
        ("%mmg plot x y", "Expected one result", "one variable"),
        ("%mmg plot x a.pdf", "Expected one result", "--save figure.pdf"),
        ("%mmg figure x", "no subcommand 'figure'", "Subcommands: estimate"),
        ("%mmg select x", "no subcommand 'select'", "%mmg help questions"),
        ("%mmg rank x y --max 3", "no option --max", "Options: --output"),
        ("%mmg compare x y ksg,gcmi", "got 3", "compare x y --estimators ksg,gcmi."),
        ("%mmg compare x y ksg gcmi", "got 4", "compare x y --estimators ksg,gcmi."),
        ("%mmg estimate x y ksg", "got 3", "estimate x y --estimator ksg."),
        ("%mmg show --kind gap", "show has no option --kind", "Options: --output"),
        ("%mmg config speed=3", "no setting 'speed'", "Did you mean 'seed'?"),
        ("%mmg config seed", "Expected key=value; got 'seed'", "seed=1"),
        ("%mmg config seed=-1", "seed must be a whole number of at least 0", "seed"),
        ("%mmg config live=loud", "one of auto, widget, card, text, none", "live"),
        ("%mmg help everything", "no help on 'everything'", "Topics: questions, estimators"),
        ("%mmg help heatmap", "no help on 'heatmap'", "Did you mean 'explore'?"),
        ("%mmg help kgs", "no help on 'kgs'", "Did you mean 'ksg'?"),
        ("%mmg map df", "no subcommand 'map'", "Did you mean 'explore'?"),
        ("%mmg lagged x y", "no subcommand 'lagged'", "Did you mean 'lag'?"),
        ("%mmg cancel", "no subcommand 'cancel'", "Did you mean 'stop'?"),
        (
            "%mmg estimate x y --effort=quick --estimator ksg",
            "The estimator ksg has no option --effort.",
            "have it: mmg, mmg_images. Add --estimator mmg, or leave it out.",
        ),
        ("%mmg panel x y --effort quick", "estimator fake has no option --effort", "have it: mmg"),
        ("%mmg lag y y --effort quick", "lag has no option --effort", "--estimator mmg:effort=…"),
        ("%%mmg estimate x y\neffort: quick", "no field 'effort'", "have it: mmg, "),
        ("%%mmg estimate x y\nsteps: 1\nstesp: 2", "Line 3: There is no field 'stesp'", "'steps'"),
        ("%%mmg estimate x y\nsteps 1", "Line 2: Expected 'field: value'", "Fields: output"),
        ("%%mmg estimate x y\n\nsteps: few", "Line 3: steps must be a whole number", "steps"),
        ("%%mmg estimate x y --seed 1\nseed: 2", "Line 2: seed is given twice", "Leave one"),
        ("%%mmg estimate x y\ngroups: x[", "Line 2: The [ is never closed", "groups: x["),
        (
            "%%mmg plot x\nkind: gap",
            "A %%mmg cell needs the subcommand estimate",
            "%%mmg estimate X Y",
        ),
        ("%%mmg\nsteps: 1", "A %%mmg cell needs the subcommand estimate", "%%mmg estimate X Y"),
    ],
)
def test_a_mistake_raises_an_error_of_two_lines(refused, cell, what, remedy):
    said, help = refused(cell)
    assert what in said
    assert remedy in help


def test_the_columns_of_a_table_are_named(refused, shell):
    pd = pytest.importorskip("pandas")
    shell.user_ns["df"] = pd.DataFrame({"age": [1.0], "bmi": [2.0]})
    for written in ('df["agee"]', "df.agee"):
        assert refused(f"%mmg estimate {written} y")[1] == "Columns of df: 'age', 'bmi'."


def test_a_mistake_shows_no_traceback_by_default(shell):
    error = MMGError("What.", "Remedy.")
    assert error._render_traceback_() == ["\x1b[31mmmg_nb:\x1b[0m What.", "Remedy."]
    shell.run_cell("%mmg config traceback=yes")
    with capture_output(), pytest.raises(MMGError) as caught:
        shell.run_cell("%mmg estimate x nothing")
    assert "Traceback (most recent call last):" in caught.value._render_traceback_()


# --- plot, show, help


def test_plot_draws_the_last_result_or_a_named_one(run, shell, notebook):
    run("%mmg estimate x y --curves -o res")
    run("%mmg plot --kind training")
    run("%mmg plot res")
    bundles = [output["data"] for output in shell.display_pub.outputs[-2:]]
    assert all("image/png" in bundle for bundle in bundles)
    said = [re.search('alt="([^"]*)"', bundle["text/html"])[1] for bundle in bundles]
    metadata = [output["metadata"]["image/png"] for output in shell.display_pub.outputs[-2:]]
    assert [each["alt"] for each in metadata] == said
    assert said[0].startswith("Validation estimate against training steps; ")
    assert f'alt="{said[1]}"' in shell.user_ns["res"].bundle()[0]["text/html"]
    assert "training steps" in bundles[0]["text/plain"]
    assert "log-SNR" in bundles[1]["text/plain"]


def test_a_plot_without_data_names_those_that_work(run, refused):
    run("%mmg estimate x y --estimator ksg -o res")
    what, remedy = refused("%mmg plot res")
    assert "no data for kind='gap'" in what
    assert "It has data for kind='pointwise' and kind='data'" in remedy
    assert "--kind pointwise" in remedy
    with capture_output():
        run("%mmg plot res --kind pointwise")
    run("%mmg estimate x y --estimator cca -o res")
    assert "It has data for kind='data'; with %mmg plot: --kind data." in refused("%mmg plot")[1]


def test_a_test_names_its_condition(run, shell):
    rng = np.random.default_rng(1)
    shell.user_ns["df"] = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "weight"])
    line = "df.a df.b --given df.weight --estimator gcmi --permutations 19"
    found = run(f"res = %mmg test {line}\nres")
    assert "19 permutations among neighbours in weight; " in found.summary
    assert "neighbours in weight" in found.bundle()[0]["text/plain"]
    assert "in z" not in found.bundle()[0]["text/html"]


def test_show_shows_the_last_result(run, notebook):
    run("%mmg estimate x y -o res")
    run("%mmg show")
    assert notebook()[-1] == (run("res").bundle()[0]["text/plain"], False)


def test_without_arguments_it_lists_its_subcommands(said):
    words = [
        "estimate",
        "compare",
        "explore",
        "rank",
        "lag",
        "transfer",
        "test",
        "total",
        "panel",
        "plot",
        "show",
        "benchmark",
        "runs",
        "pause",
    ]
    words += ["resume", "stop", "config", "help"]
    lines = said("%mmg").splitlines()
    assert [line.split()[1] for line in lines] == words


def test_help_lists_every_field_and_estimator(said):
    text = said("%mmg estimate -h")
    assert text == said("%mmg help estimate")
    assert text.startswith("%mmg estimate X Y [options]")
    for option in ("--output", "--seed", "--delay", "--learning-rate"):
        assert option in text
    assert all(name in said("%mmg help") for name in names())
    assert "--correct-bias" in said("%mmg help gcmi")
    assert said("%mmg plot -h").startswith("%mmg plot [RESULT | RUN]")
    assert max(map(len, said("%mmg").splitlines())) <= 122
    assert max(map(len, text.splitlines())) <= 99


def test_a_column_without_its_table_is_found_in_the_table(shell, refused):
    shell.user_ns["cancer"] = pd.DataFrame({"mean radius": [1.0], "age": [2.0]})
    both = "Did you mean cancer['mean radius'] cancer['age']?"
    assert both in refused("%mmg estimate cancer 'mean radius' age")[1]
    assert "Did you mean cancer['mean radius']?" in refused("%mmg estimate 'mean radius' y")[1]
    assert "Did you mean cancer['age']?" in refused("%mmg compare age y")[1]
    assert "Did you mean" not in refused("%mmg estimate cancer.mean radius y")[1]


def test_any_result_is_drawn_and_saved(said, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said("%mmg compare x y --estimators gcmi -o both")
    assert said("%mmg plot both --save both.svg").endswith("Saved both.svg.\n")
    assert said("%mmg plot --save last.pdf").endswith("Saved last.pdf.\n")
    assert {file.name for file in tmp_path.iterdir()} == {"both.svg", "last.pdf"}
    assert "for results of estimate" in refused("%mmg plot both --kind gap")[0]
    assert "Formats: " in refused("%mmg plot both --save both")[1]


def test_the_methods_are_a_topic_of_help(said):
    lines = said("%mmg help estimators").splitlines()
    assert [line.split()[0] for line in lines] == list(names())


def test_the_guide_names_calls_that_exist(said):
    """Each question ends in a subcommand and flags that `help` knows."""
    lines = said("%mmg help questions").splitlines()
    calls = [re.split(r"  +", line)[1].split() for line in lines]
    assert {"estimate", *QUESTIONS} <= {words[1] for words in calls}
    for words in calls:
        about = said(f"%mmg help {words[1]}")
        assert all(word in about for word in words if word.startswith("--"))


def test_the_docstring_begins_with_examples(shell):
    lines = shell.find_line_magic("mmg").__doc__.splitlines()
    assert lines[2].strip().startswith("%mmg estimate x y")
    assert len(lines) <= 15


# --- config


def test_the_call_overrides_config_and_config_overrides_defaults(run):
    assert run("r = %mmg estimate x y\nr").provenance["seed"] == 0
    run("%config MMG.seed = 4")
    assert run("r = %mmg estimate x y\nr").provenance["seed"] == 4
    run("%mmg config seed=5 device = 'cpu'")
    assert run("r = %mmg estimate x y\nr").provenance == {"seed": 5, "device": "cpu", "steps": 10}
    assert run("r = %mmg estimate x y --seed 6\nr").provenance["seed"] == 6


def test_the_table_shows_the_origin_of_each_value(run, said):
    run("%config MMG.seed = 4")
    rows = {line.split()[0]: line for line in said("%mmg config").splitlines()}
    assert "%mmg config" in rows["estimator"]
    assert "4 " in rows["seed"]
    assert " %config" in rows["seed"]
    assert " default" in rows["live"]
    run("%mmg config seed=4")
    assert "%mmg config" in said("%mmg config").splitlines()[2]


def test_the_table_shows_values_from_a_configuration_file(shell, said):
    shell.run_line_magic("unload_ext", "mmg_nb")
    shell.config.MMG.seed = 9
    shell.run_line_magic("load_ext", "mmg_nb")
    assert "9        IPython config" in said("%mmg config")


def test_config_refuses_what_the_magic_refuses(shell, run, caplog):
    run("%config MMG.estimator = 'magic'")
    assert "estimator must be one of mmg" in caplog.text
    assert shell.magics_manager.registry["MMG"].estimator == "fake"


# --- loading


def test_loading_twice_changes_nothing(shell):
    magics = shell.magics_manager.registry["MMG"]
    shell.run_line_magic("reload_ext", "mmg_nb")
    shell.extension_manager.loaded.discard("mmg_nb")
    shell.run_line_magic("load_ext", "mmg_nb")
    assert [type(each).__name__ for each in shell.configurables].count("MMG") == 1
    assert len(shell.Completer.custom_matchers) == 1
    assert shell.magics_manager.registry["MMG"] is not magics


def test_unloading_leaves_nothing(shell):
    shell.run_line_magic("unload_ext", "mmg_nb")
    assert shell.find_line_magic("mmg") is None
    assert shell.find_cell_magic("mmg") is None
    assert "MMG" not in shell.magics_manager.registry
    assert "MMG" not in [type(each).__name__ for each in shell.configurables]
    formatter = shell.display_formatter.ipython_display_formatter
    assert ("mmg_nb.results.result", "MIResult") not in formatter.deferred_printers
    assert not any(kind.__name__ == "MIResult" for kind in formatter.type_printers)
    assert not any("Shown" in str(each) for each in shell.events.callbacks["post_run_cell"])


def test_a_condition_is_an_expression(run, shell):
    result = run("r = %mmg estimate x[:,0] y --given x[:,1:] --estimator gcmi\nr")
    assert result.dim_z == 1
    handle = run("b = %mmg estimate x[:,0] y --given x[:,1:] --estimator gcmi -b\nb")
    assert handle.what == "I(x[:,0]; y | x[:,1:])"
    assert handle.wait().mi == result.mi


@pytest.mark.parametrize(("command", "said"), [("estimate", True), ("panel", False)])
def test_help_tells_of_cells_where_a_cell_is_read(command, said, shell, capsys):
    shell.run_cell(f"%mmg {command} -h")
    text = capsys.readouterr().out
    assert "fields of the estimator" in text
    assert ("In a cell" in text) is said
