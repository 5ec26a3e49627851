"""`%mmg config unit=bits`: what a session shows is in bits, and carries its unit."""

from __future__ import annotations

import re
from math import log
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.utils.capture import capture_output

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.jupyter import history
from mmg_nb.jupyter.explore_view import file_of
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.live import picture, state_of
from mmg_nb.plots.result import KINDS

BIT = log(2)  # nats


@pytest.fixture
def cell(shell):
    """Run a cell in a session of bits; its outputs are captured."""
    rng = np.random.default_rng(3)
    cause = rng.normal(size=120)
    shell.user_ns["df"] = pd.DataFrame({"cause": cause, "effect": cause + rng.normal(size=120)})
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()

    def run(text):
        with capture_output(display=False):
            return shell.run_cell(text)

    run("%mmg config unit=bits")
    yield run
    shell.display_pub = before


def first_number(text):
    return float(re.search(r"-?\d+\.\d+", text)[0])


def test_a_map_is_in_the_unit_of_its_session(cell, shell):
    explorer = cell("e = %mmg explore df\ne")
    explorer.wait()
    mi = explorer.to_frame().loc["cause", "effect"]
    assert explorer._widget.unit == "bits"
    assert "strongest in bits" in repr(explorer)
    assert first_number(repr(explorer)) == pytest.approx(mi / BIT, abs=6e-4)
    shown = explorer._record().data
    assert "strongest in bits" in shown["text/plain"]
    svg, csv = (file_of(explorer._pairs, kind, [0, 1], "bits") for kind in ("svg", "csv"))
    assert b"bits" in svg
    assert b"nats" in csv.splitlines()[1]
    cell("%mmg config unit=nats")
    assert explorer._widget.unit == "nats"
    explorer.close()


def test_the_runs_of_a_panel_are_in_the_unit_of_its_session(cell, shell):
    panel = cell("p = %mmg panel x y --estimator fake --curves\np")
    panel.start().wait()
    panel.choose(beside="gcmi")
    panel.start().wait()
    one, two = panel._entries
    mi = one.outcome.mi
    assert one.brief.endswith(" bits")
    assert first_number(one.brief) == pytest.approx(mi / BIT, abs=6e-4)
    assert re.fullmatch(r"-?\d\.\d{3} to \d\.\d{3} bits", two.brief)
    assert first_number(one.estimate) == pytest.approx(mi / BIT, abs=6e-4)
    assert "bits" in two.estimate
    assert f"{mi / BIT:.3f} ± " in history.shown_html(one)
    together = history.comparison([one, two])
    assert "nats" not in together
    assert re.search(r"95 % interval, -?0\.\d\d to \d\.\d\d bits", together)
    assert "nats" not in history.history_html(panel._entries)
    panel.close()


def test_runs_and_their_handles_are_in_the_unit_of_the_session(cell, shell):
    run = cell("run = %mmg estimate x y -b --estimator fake\nrun")
    mi = run.wait().mi
    for text in (cell("%mmg runs").lines[0][1], repr(run).partition("finished")[2]):
        assert first_number(text) == pytest.approx(mi / BIT, abs=6e-4)
    assert run.progress.estimate.endswith(" bits")
    assert picture(run)["said"]["unit"] == "bits"
    assert first_number(repr(run.inspect())) == pytest.approx(run.inspect().bits, abs=6e-4)
    assert not any("nats" in line and "bits" not in line for line in run.log)
    cell("%mmg compare x y --estimators ksg,cca -b -o both")
    both = shell.user_ns["both"]
    both.wait()
    assert cell("%mmg runs").lines[1][1].endswith(" bits")
    assert "bits" in state_of(both, steerable=True)["standing"]
    assert "nats" not in state_of(both, steerable=True)["standing"]


def test_outside_ipython_a_run_is_in_nats(monkeypatch):
    monkeypatch.setattr("mmg_nb.jupyter.session.current_shell", lambda: None)
    result = SimpleNamespace(status=None, summary_in=lambda unit: f"1 {unit}")
    run = Run(lambda listen: result).start()
    run.wait()
    assert repr(run).endswith("finished, 1 nats>")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_has_the_unit_of_the_session(cell, shell, kind, result):
    shell.user_ns["res"] = result
    cell(f"%mmg plot res --kind {kind}")
    alt = shell.display_pub.outputs[-1]["metadata"]["image/png"]["alt"]
    assert first_number(alt.partition(";")[2]) == pytest.approx(result.bits, abs=6e-4)
    assert "Nats" not in alt


def texts(axes):
    figure = axes.get_figure(root=True)
    words = [axis.get_ylabel() for axis in figure.axes] + [each.get_text() for each in axes.texts]
    return words + [each.get_text() for each in axes.legend_.texts] if axes.legend_ else words


@pytest.mark.parametrize("kind", ["gap", "integrand", "training", "pointwise"])
def test_a_plot_in_bits_says_so_everywhere(result, kind):
    said = " ".join(texts(result.plot(kind=kind, unit="bits")))
    assert "bits" in said
    assert "nats" not in said
    assert "nats" in " ".join(texts(result.plot(kind=kind)))


def test_what_is_drawn_is_in_bits(result):
    for kind, count in (("integrand", 1), ("training", 0)):
        bits, nats = (
            result.plot(kind=kind, unit=unit).lines[count].get_ydata() for unit in ("bits", "nats")
        )
        assert bits == pytest.approx(np.asarray(nats) / BIT)
    bits, nats = (
        result.plot(kind="pointwise", unit=unit).collections[0].get_array()
        for unit in ("bits", "nats")
    )
    assert np.asarray(bits) == pytest.approx(np.asarray(nats) / BIT)
    scale = result.plot(kind="pointwise", unit="bits").get_figure(root=True).axes[1]
    assert scale.get_ylabel().startswith("log₂ ")
    with pytest.raises(MMGError, match="unit must be one of"):
        result.plot(unit="Hart")


def test_answers_say_their_summary_in_a_unit():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 3)).cumsum(axis=1), columns=["a", "b", "c"])
    answers = [
        mmg_nb.independence_test(table.a, table.b, "gcmi", permutations=19),
        mmg_nb.rank(table, "c", "gcmi"),
        mmg_nb.total_correlation(table, "gcmi"),
        mmg_nb.transfer_entropy(table.a, table.b, "gcmi", surrogates=19),
        mmg_nb.lagged(table.a, table.b, "gcmi", lags="-1:1"),
    ]
    for found in answers:
        assert "nats" not in found.summary_in("bits")
        assert found.summary_in("nats") == found.summary
        assert found.plot(unit="bits").alt == found.alt("bits") == found.summary_in("bits")
