"""Several estimators side by side: in Python, with the magic, stopped, in the background."""

from __future__ import annotations

import gc
import re
import signal
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from IPython.utils.capture import capture_output

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.jupyter.comparing import LiveTable
from mmg_nb.jupyter.progress import Progress
from mmg_nb.plots.forest import plot_estimates
from mmg_nb.questions.compare import prepare_comparison
from mmg_nb.questions.comparison import WHICH, Comparison, Line
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Finished, Phase, Step, silent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 2))
Y = X[:, 0] + RNG.normal(size=200)


def compared(estimators="fake,gcmi,ksg", **options) -> Comparison:
    return mmg_nb.compare(X, Y, estimators, **options)


def test_each_result_is_that_of_the_estimator_alone(fake):
    found = compared("gcmi,ksg:k=5")
    assert list(found.results) == ["gcmi", "ksg:k=5"]
    alone = mmg_nb.estimate(X, Y, "ksg", k=5)
    assert (found["ksg:k=5"].mi, found["ksg:k=5"].stderr) == (alone.mi, alone.stderr)
    with pytest.raises(MMGError, match="no result for 'mmg'"):
        found["mmg"]


def test_estimators_that_train_run_last_and_the_lines_keep_the_requested_order(fake):
    heard = []
    found = compared(listen=heard.append)
    assert [event.name for event in heard if isinstance(event, Phase)][:2] == ["gcmi", "ksg"]
    assert [line.label for line in found.lines] == ["fake", "gcmi", "ksg"]
    assert found.status is Status.CONVERGED
    assert len(found) == 3


def test_the_table_as_a_data_frame(fake):
    frame = compared().frame
    assert list(frame.index) == ["fake", "gcmi", "ksg"]
    assert (frame["low"] < frame["mi"]).all()
    assert (frame["high"] > frame["mi"]).all()
    assert frame.loc["gcmi", "seconds"] > 0


def test_a_line_gives_the_reason_why_its_estimator_failed():
    wide = RNG.normal(size=(60, 80))
    found = mmg_nb.compare(wide, Y[:60], "gcmi,ksg")
    assert list(found.results) == ["ksg"]
    assert "gcmi needs more rows than columns" in repr(found)
    assert np.isnan(found.frame.loc["gcmi", "mi"])


def test_mistakes_raise_errors_before_any_estimator_runs(fake):
    heard = []
    for estimators, said in (
        ("gcmi,nothing", "no estimator 'nothing'"),
        ("gcmi:k=1", "Expected field=value of 'gcmi'"),
    ):
        with pytest.raises(MMGError, match=said):
            compared(estimators, listen=heard.append)
    assert not heard


def test_a_stop_keeps_the_results_so_far(fake):
    def stop(event):
        return isinstance(event, Step) and event.total_steps == 10  # of the fake

    found = compared("gcmi,fake,fake:steps=20", listen=stop)
    assert found.status is Status.INTERRUPTED
    assert found["fake"].status is Status.INTERRUPTED
    assert found.lines[2].status == "not run"
    assert found["gcmi"].status is Status.CONVERGED


def test_an_interrupt_stops_the_comparison_even_if_the_estimator_ignores_it(fake):
    def interrupt(event):
        if isinstance(event, Finished) and event.result.estimator == "gcmi":
            signal.raise_signal(signal.SIGINT)

    found = compared("gcmi,cca,fake", listen=interrupt)
    assert list(found.results) == ["gcmi"]
    assert [line.status for line in found.lines[1:]] == ["not run", "not run"]


def test_an_ended_comparison_holds_no_data():
    job = prepare_comparison(X, Y, "gcmi,ksg").with_own_data()
    data = weakref.ref(next(iter(job._jobs.values())).pairs)
    job.run(silent)
    gc.collect()
    assert data() is None


def test_text_without_times_and_html_with_each_note_once(fake):
    found = compared("gcmi,cca,fake")
    assert repr(found).splitlines()[0].split() == ["estimator", "estimate,", "nats", "status"]
    assert " s" not in repr(found).replace(" status", "").splitlines()[1]
    x = np.round(X, 1)
    bundle, _ = mmg_nb.compare(x, Y, "gcmi,cca")._repr_mimebundle_()
    assert bundle["text/html"].count("repeated values") == 1
    assert "<strong>gcmi, cca</strong>" in bundle["text/html"]
    assert bundle["text/html"].count('data-varies="time"') == 2
    assert "script" not in bundle["text/html"]
    assert bundle["image/png"]


def test_it_says_what_the_methods_are_and_which_to_trust(fake):
    """`gcmi` sees nothing of a parabola, with the smallest error bar of all."""
    x = RNG.normal(size=300)
    bent = mmg_nb.compare(x, x**2 + 0.5 * RNG.normal(size=300), "gcmi,ksg")
    page = bent.bundle()[0]["text/html"]
    for text in (repr(bent), page):
        assert WHICH in text
        assert "misses any other dependence" in text
    assert bent.differ
    assert WHICH not in repr(Comparison((*bent.lines, Line("mmg", reason="running"))))
    assert not mmg_nb.compare(X, Y, "gcmi,ksg").differ
    limit = replace(bent.lines[0].result, status=Status.STEP_LIMIT)
    assert Status.STEP_LIMIT.remedy in repr(Comparison((Line("gcmi", limit),)))


def test_the_forest_shows_every_estimate_and_the_truth(fake):
    found = compared("gcmi,fake")
    axes = found.plot(truth=0.35)
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [r.mi for r in found]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gcmi", "fake"]
    assert any(list(line.get_xdata()) == [0.35, 0.35] for line in axes.lines)
    spans = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() != "o"]
    assert all(result.interval() in spans for result in found)
    with pytest.raises(MMGError, match="no estimate to draw"):
        plot_estimates({})


def test_the_forest_marks_what_is_not_final(fake):
    found = compared("gcmi,fake")
    early = replace(found["fake"], status=Status.INTERRUPTED)
    axes = Comparison((found.lines[0], Line("fake", early))).plot()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["gcmi", "fake\n(stopped early)"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == line.get_color() for line in points] == [True, False]
    assert axes.alt.endswith("; fake stopped early")
    assert found.alt().endswith("intervals")


def test_the_magic_returns_stores_and_shows_a_comparison(shell, capsys):
    found = shell.run_cell("%mmg compare x y --estimators gcmi,fake:delay=0.05")
    assert list(found.results) == ["gcmi", "fake:delay=0.05"]
    assert "gcmi: " in capsys.readouterr().out
    with capture_output() as shown:
        assert shell.run_cell("%mmg compare x y --estimators gcmi --seed 3 -o c") is None
    assert "gcmi" in shown.outputs[0].data["text/plain"]
    assert shell.user_ns["c"]["gcmi"].provenance["seed"] == 3
    with pytest.raises(MMGError, match="%mmg compare takes two expressions"):
        shell.run_cell("%mmg compare x")
    with pytest.raises(MMGError, match="no option --steps"):
        shell.run_cell("%mmg compare x y --steps 3")
    shell.run_cell("%mmg compare -h")
    assert "--estimators" in capsys.readouterr().out


def test_tables_and_maps_are_in_the_unit_of_the_session(shell):
    shell.run_line_magic("mmg", "config unit=bits")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(100, 2)) + rng.normal(size=(100, 1)), columns=["a", "b"])
    compared = mmg_nb.compare(table["a"], table["b"], "gcmi,ksg")
    found = mmg_nb.dependency_map(table)
    shown = [shell.display_formatter.format(each)[0] for each in (compared, found)]
    mi = compared["ksg"].mi
    assert all(f"{mi / np.log(2):.3f}" in each["text/plain"] for each in shown)
    assert all(" bits" in each["text/plain"] for each in shown)
    assert f"{mi / np.log(2):.3f} ± " in shown[0]["text/html"]
    assert "nats" not in shown[0]["text/html"]
    assert f"{mi:.3f}" in repr(compared) + repr(found)
    axes = compared.plot(unit="bits")
    assert axes.get_xlabel() == "bits, with 95 % intervals"
    assert axes.lines[-1].get_xdata()[0] == pytest.approx(mi / np.log(2))


def test_in_the_background_with_a_handle(shell):
    run = shell.run_cell("%mmg compare x y --estimators gcmi,fake:delay=0.01,steps=500 -b")
    assert "I(x; y)" in repr(run)
    shell.run_cell("%mmg stop")
    found = run.wait()
    assert found.status is Status.INTERRUPTED
    assert "gcmi" in found.results or found.lines[0].status == "not run"
    assert run.standing == found
    assert str(run.state) == "stopped"


def test_the_live_table_fills_and_ends_as_the_comparison(shell, monkeypatch):
    job = prepare_comparison(X, Y, "gcmi,fake")
    shown = []

    class Handle:
        def update(self, what):
            shown.append(what)

    def display(what, display_id):
        shown.append(what)
        return Handle()

    monkeypatch.setattr("mmg_nb.jupyter.place.display", display)
    clock = iter(range(100))
    view, progress = LiveTable(job, lambda: next(clock)), Progress()

    def listen(event):
        progress(event)
        view.tick(progress)

    found = job.run(listen)
    assert view.finish(found)
    assert re.search(r"gcmi.*running\n.*fake.*not run", repr(shown[0]))
    assert "fake: training" in "".join(map(repr, shown))
    assert any("running" in repr(each) for each in shown)
    assert all(repr(each).count(" running") <= 1 for each in shown)
    assert "running" not in repr(found)
    assert shown[-1] is found


def test_completion_offers_arrays_and_estimators(shell):
    from mmg_nb.jupyter.completion import suggest

    variables = shell.user_ns
    assert ("x", "array 100×2") in suggest("compare ", "gcmi", variables)
    assert ("ksg", "estimator") in suggest("compare x y --estimators ", "gcmi", variables)


def test_a_comparison_is_saved_and_read_again(tmp_path):
    found = Comparison((*compared("gcmi,ksg:k=5").lines, Line("mmg", reason="not run")))
    read = Comparison.load(found.save(tmp_path / "compared.json"))
    assert read == found
    assert read["ksg:k=5"] == found["ksg:k=5"]
    assert read.frame.equals(found.frame)
    assert read.status is Status.INTERRUPTED
    assert repr(read) == repr(found)
    assert read != Comparison(found.lines[:2])
    data = found.to_dict()
    data["lines"][0]["result"]["mi"] = "much"
    with pytest.raises(MMGError, match="this one is damaged"):
        Comparison.from_dict(data)
