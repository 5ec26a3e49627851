"""A table to explore: its columns, its estimates, what the browser asks for, and its code."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher

import mmg_nb
from mmg_nb.data.choice import read_choice
from mmg_nb.errors import MMGError
from mmg_nb.jupyter import explore_fill, explore_pairs
from mmg_nb.jupyter.background import start
from mmg_nb.jupyter.explore_view import answered
from mmg_nb.questions.clusters import clusters
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.pair_methods import CONFLICTS
from mmg_nb.questions.table_columns import MAX_COLUMNS, read_columns
from mmg_nb.questions.table_pairs import TablePairs
from mmg_nb.results.status import Status

N = 200
PATIENCE = 120  # seconds; a busy machine is slow, not wrong
RNG = np.random.default_rng(0)
CAUSE = RNG.normal(size=N)
TABLE = pd.DataFrame(
    {
        "cause": CAUSE,
        "noise 1": RNG.normal(size=N),
        "effect": CAUSE + 0.3 * RNG.normal(size=N),
        "square": CAUSE**2 + 0.1 * RNG.normal(size=N),
        "sign": np.where(CAUSE > 0, "up", "down"),
        "gaps": np.where(np.arange(N) % 5 == 0, np.nan, CAUSE + RNG.normal(size=N)),
        "same": 1.0,
        "id": [f"row {k}" for k in range(N)],
        "lists": [[k] for k in range(N)],
        "endless": np.where(np.arange(N) == 3, np.inf, CAUSE),
    }
)
NAMES = ("cause", "noise 1", "effect", "square", "sign", "gaps")


@pytest.fixture
def notebook(shell, monkeypatch):
    """A shell with the table; `display_pub` captures its outputs. Refinement is short."""
    shell.user_ns |= {"df": TABLE, "mmg_nb": mmg_nb}
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    short = {"mmg": {"steps": 20, "folds": 2}, "ksg": {}}

    def quick(x, y, estimator, **options):
        return start(x, y, estimator, **{**short[estimator], **options})

    monkeypatch.setattr(explore_pairs, "start", quick)
    yield shell
    shell.display_pub = before


@pytest.fixture
def opened(notebook):
    """A map that is filled."""
    made = notebook.run_cell("e = %mmg explore df --target effect\ne")
    yield made.wait()
    made.close()


def heard(explorer, monkeypatch):
    """What is sent to the browser beside the state, and an event set by it."""
    sent, arrived = [], threading.Event()

    def send(content, buffers=None):
        sent.append((content, buffers))
        arrived.set()

    monkeypatch.setattr(explorer._widget, "send", send)
    return sent, arrived


def say(explorer, **message):
    explorer._on_message(explorer._widget, message, [])


def values(explorer, name):
    return np.frombuffer(getattr(explorer._widget, name), "<f4").reshape(2, -1)


def test_cells_are_the_estimates_of_their_pairs(opened):
    frame = opened.to_frame()
    assert tuple(frame.columns) == NAMES
    for a, b in (("cause", "effect"), ("sign", "square"), ("gaps", "noise 1")):
        alone = mmg_nb.estimate(TABLE[[a]], TABLE[[b]], "ksg", missing="drop").mi
        assert frame.loc[a, b] == frame.loc[b, a] == pytest.approx(alone, abs=1e-12)
    first = opened.pairs().set_index(["a", "b"]).gcmi
    for a, b in (("cause", "effect"), ("noise 1", "gaps")):
        alone = mmg_nb.estimate(TABLE[[a]], TABLE[[b]], "gcmi", missing="drop").mi
        assert first[a, b] == pytest.approx(alone, abs=1e-9)
    assert np.isnan(first["effect", "sign"])  # a category has no ranks
    assert np.isnan(np.diag(frame)).all()
    assert_a_closed_form_that_is_lower_is_no_disagreement(opened)
    assert_notes_are_one_line_each(opened)
    assert_unusable_columns_are_listed(opened)


# Checked on one map, because each map takes a second.


def assert_a_closed_form_that_is_lower_is_no_disagreement(opened):
    frame = opened.pairs().set_index(["a", "b"])
    square = frame.loc[("cause", "square")]
    assert square.ksg > square.gcmi + 1  # not monotonic
    assert not frame.disagree.any()
    upper = np.triu_indices(len(NAMES), 1)
    sent = np.frombuffer(opened._widget.marks, np.uint8).astype(bool)
    assert (sent == opened._pairs.disagreeing[upper]).all()
    assert values(opened, "ksg")[0] == pytest.approx(opened.to_frame().to_numpy()[upper], abs=1e-6)


def assert_notes_are_one_line_each(opened):
    remarks = opened._widget.remarks
    assert len({each["text"] for each in remarks}) == len(remarks)
    (gaps,) = [each for each in remarks if "missing" in each["text"]]
    assert gaps["count"] == 5
    assert all(len(each["pairs"]) <= 200 for each in remarks)


def assert_unusable_columns_are_listed(opened):
    left = {each["name"]: each["why"] for each in opened._widget.table["left_out"]}
    assert left["same"] == "same is constant."
    assert "identifier" in left["id"]
    assert "Python objects" in left["lists"]
    assert "infinite" in left["endless"]
    with pytest.raises(MMGError, match="infinite"):
        opened.refine("cause", "endless")


def test_a_map_has_a_limit():
    wide = pd.DataFrame(RNG.normal(size=(60, MAX_COLUMNS + 1)))
    with pytest.raises(MMGError, match="2 to 200 columns"):
        read_columns(wide, read_choice("auto"))


@pytest.mark.accuracy
def test_the_code_gives_the_same_numbers(opened, notebook):
    opened.refine("effect", "cause", given="gaps", steps=10, folds=2).wait()
    (refined,) = opened.results
    *lines, last = opened.code().splitlines()
    found = notebook.run_cell("\n".join([*lines, f"again = {last}", "found"]))
    again = notebook.user_ns["again"]
    assert found.to_frame().equals(opened.to_frame())
    assert (again.mi, again.dim_z) == (refined.mi, 1)
    shown, asked = opened.code("lines").splitlines()
    assert shown == f"%mmg explore df[{list(NAMES)!r}]"
    result = notebook.run_cell(f"res = {asked}\nres")
    assert result.mi == refined.mi


def test_the_browser_asks_for_single_pairs(opened):
    say(opened, action="ask", columns=[0, 3], estimator="mmg")
    say(opened, action="ask", columns=[2, 0, 5], estimator="ksg")  # waits for the first
    opened.wait()
    first, second = opened._widget.answers
    assert (first["columns"], first["estimator"]) == ([0, 3], "mmg")
    assert [len(row) for row in first["curve"]] == [len(first["curve"][0])] * 3 != [0] * 3
    assert opened.pairs().set_index(["a", "b"]).mmg["cause", "square"] == first["mi"]
    assert (first["settled"], first["stopped"], first["long"]) == (False, False, False)
    assert "Refine longer" in first["notes"][0]
    assert not any("step_limit" in note or "effort" in note for note in first["notes"])
    assert np.isfinite(values(opened, "mmg")[0]).sum() == 1
    alone = mmg_nb.estimate(
        TABLE[["effect"]], TABLE[["cause"]], "ksg", given=TABLE[["gaps"]], missing="drop"
    )
    assert (second["mi"], second["curve"]) == (alone.mi, [])
    assert opened._widget.working == {}
    say(opened, action="ask", columns=[1, 1], estimator="mmg")
    assert "two different columns" in opened._widget.message["what"]
    for wrong in ([1, 99], ["a", "b"], None):
        say(opened, action="ask", columns=wrong)
        assert opened._widget.message


def test_a_longer_refinement_has_high_effort(opened):
    say(opened, action="ask", columns=[0, 1], estimator="mmg", long=True)
    opened.wait()
    (answer,) = opened._widget.answers
    assert answer["long"]
    assert opened.results[0].fields["effort"] == "high"
    assert "--effort high" in opened.code("lines")


@pytest.mark.parametrize("status", [Status.INTERRUPTED, Status.DIVERGED])
def test_a_refinement_that_ended_too_early_changes_no_map(opened, result, status):
    before = opened.to_frame()
    early = replace(result, estimator="mmg", status=status, mi=9.0, stderr=0.001)
    opened._pairs.keep((0, 2), early)
    assert opened.to_frame().equals(before)
    said = answered(early, ["Use more steps.", "Use more rows, or effort='high'."])
    assert said["stopped"]
    assert status not in " ".join(said["notes"])
    assert said["notes"][-2:] == ["Refine longer.", "Use more rows, or the button Refine longer."]
    assert not answered(replace(early, status=Status.CONVERGED), ["Try effort='high'."])["settled"]


def test_the_browser_gets_what_is_shown(opened, result):
    refined = replace(result, estimator="mmg", status=Status.CONVERGED, mi=9.0, stderr=0.001)
    opened._pairs.keep((0, 2), refined)  # far from that of neighbours, and complete
    opened._on_answer()
    assert values(opened, "best")[0][1] == 9.0
    assert opened._widget.marks[1] == CONFLICTS["neighbours and denoisers"]
    assert opened.pairs().set_index(["a", "b"]).disagree["cause", "effect"]


FILES = {"svg": b"<?xml", "png": b"\x89PNG", "csv": b"a,b,mi,stderr"}


def test_files_are_made_and_a_saved_notebook_keeps_a_picture(opened, notebook, monkeypatch):
    for kind, begins in FILES.items():
        sent, arrived = heard(opened, monkeypatch)
        say(opened, action="export", kind=kind, columns=[2, 0, 1])
        assert arrived.wait(PATIENCE)
        (content, (file,)) = sent[0]
        assert content["file"] == f"df_map.{kind}"
        assert file.startswith(begins)
        assert kind != "svg" or b"sign" not in file  # a hidden column
    shown = notebook.display_pub.outputs
    last = shown[-1]
    assert last["update"]
    assert set(last["data"]) == {"text/plain", "text/html", "image/png"}
    assert f'data-mmg-slot="{opened._slot}"' in last["data"]["text/html"]
    assert last["data"]["text/html"].count("<details>") == 2
    assert len(shown) <= 6  # a picture at the end of a phase, not one for each cell


def test_it_stops_goes_on_and_ends_when_it_is_closed(notebook, monkeypatch):
    many = pd.DataFrame(RNG.normal(size=(400, 40)))
    explorer = mmg_nb.explore(many)
    say(explorer, action="stop")
    explorer.run.wait()
    assert str(explorer.run.state) == "stopped"
    known = np.isfinite(explorer.to_frame().to_numpy()).sum() // 2
    assert known < 780
    say(explorer, action="resume")
    assert not explorer.run.state.ended
    explorer._widget.close()  # as a front end or another cell may do
    with pytest.raises(MMGError, match="abandoned"):
        explorer.run.wait()
    with pytest.raises(MMGError, match="closed"):
        explorer.refine("0", "1")
    explorer.close()


def test_a_stopped_map_says_so_with_its_notes(notebook, monkeypatch, tmp_path):
    counted = TablePairs._counted

    def twice(pairs, pair, done, total, listen):
        return done < 2 and counted(pairs, pair, done, total, listen)

    with monkeypatch.context() as patched:
        patched.setattr(TablePairs, "_counted", twice)
        explorer = mmg_nb.explore(TABLE)
        explorer.run.wait()
    shown = explorer.run.outcome
    assert (shown.status, str(explorer.run.state)) == (Status.INTERRUPTED, "stopped")
    assert shown.stopped_after == "2 of 15 pairs by nearest neighbours"
    assert "stopped after 2 of 15 pairs" in repr(shown)
    assert "stopped after 2 of 15 pairs" in repr(explorer)
    assert set(shown.left_out) == {"same", "id", "lists", "endless"}
    assert shown.left_out["same"] == "same is constant"
    assert shown.left_out["id"] == "column id holds 200 different categories in 200 rows"
    assert shown.notes[0].startswith("Left out: same is constant. id: ")
    assert "Not a final result" in shown.bundle()[0]["text/html"]
    explorer.resume()
    explorer.run.wait()
    whole = explorer.map()
    assert (whole.status, whole.stopped_after) == (Status.CONVERGED, "")
    assert any("missing" in note and " and gaps" in note for note in whole.notes)
    assert DependencyMap.load(whole.save(tmp_path / "map.json")) == whole
    explorer.close()


def test_a_map_that_is_still_filled_says_so(notebook, monkeypatch):
    go_on, counted = threading.Event(), TablePairs._counted

    def held(pairs, pair, done, total, listen):
        return go_on.wait(PATIENCE) and counted(pairs, pair, done, total, listen)

    monkeypatch.setattr(TablePairs, "_counted", held)
    explorer = mmg_nb.explore(TABLE)
    assert repr(explorer.wait(0.1)).startswith("<Map of df (preliminary, 0 of 15 pairs so far): ")
    go_on.set()
    assert repr(explorer.wait()).startswith("<Map of df: ")
    explorer.close()


def test_clusters_put_dependent_columns_side_by_side():
    mi = np.full((4, 4), 0.001)
    mi[0, 2] = mi[2, 0] = mi[1, 3] = mi[3, 1] = 1.0
    np.fill_diagonal(mi, np.nan)
    order, group = clusters(mi)
    assert sorted(map(sorted, (order[:2], order[2:]))) == [[0, 2], [1, 3]]
    assert group[0] == group[2] != group[1] == group[3]
    assert sorted(clusters(np.full((3, 3), np.nan))[1]) == [0, 1, 2]


def test_a_stop_keeps_what_is_known():
    pairs = TablePairs(
        read_columns(TABLE, read_choice("auto")), rows=60, seed=1, choice=read_choice("auto")
    )
    asked = []
    stop = functools.partial(lambda event: asked.append(event) or len(asked) > 8)
    assert not pairs.fill(stop)
    known = np.isfinite(pairs.best[0]).sum()
    assert 0 < known < 30
    assert pairs.fill(lambda event: False)
    drawn = np.sort(np.random.default_rng(1).choice(N, 60, replace=False))
    again = mmg_nb.dependency_map(TABLE[list(NAMES)], rows=60, seed=1, missing="drop")
    assert (pairs.rows == drawn).all()
    assert pairs.map().to_frame().equals(again.to_frame())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("explore", "takes one table"),
        ("explore df x", "takes one table"),
        ("explore x[:,0]", "table must be a DataFrame"),
        ("explore df --target nothing", "no column 'nothing'"),
        ("explore df --target same", "no column 'same'"),
        ("explore df --rows 20", "at least 50"),
        ("explore df --discrete nothing", "no column 'nothing'"),
    ],
)
def test_a_wrong_line_says_what_to_do(notebook, line, said):
    with pytest.raises(MMGError, match=said):
        notebook.run_line_magic("mmg", line)


@pytest.mark.parametrize(
    ("name", "why", "said"),
    [
        ("U.S. sales", "U.S. sales is constant. Leave it out.", "U.S. sales is constant"),
        ("key", "key: column key is text. Convert it.", "column key is text"),
    ],
)
def test_a_name_with_full_stops_is_not_cut(name, why, said):
    assert explore_fill._first(name, why) == said
