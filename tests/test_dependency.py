"""The dependency map: its numbers, its notes and its drawing."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import re
import signal
import time

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.api import prepare
from mmg_nb.errors import MMGError
from mmg_nb.plots.axes import axes_png
from mmg_nb.polling import Stopped
from mmg_nb.questions import asked_table
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.side_by_side import outcomes

N = 400
RNG = np.random.default_rng(0)
CAUSE = RNG.normal(size=N)
TABLE = pd.DataFrame(
    {
        "cause": CAUSE,
        "effect": CAUSE + 0.3 * RNG.normal(size=N),
        "other": -CAUSE + 0.3 * RNG.normal(size=N),
        "sign": np.where(CAUSE > 0, "up", "down"),
        "noise": RNG.normal(size=N),
    }
)


@pytest.fixture(scope="module")
def whole():
    return mmg_nb.dependency_map(TABLE)


def test_each_cell_is_the_estimate_of_its_pair(whole):
    assert whole.names == tuple(TABLE.columns)
    frame = whole.to_frame()
    for a, b in (("cause", "effect"), ("sign", "effect"), ("noise", "sign")):
        alone = mmg_nb.estimate(TABLE[[a]], TABLE[[b]], "ksg").mi
        assert frame.loc[a, b] == pytest.approx(alone, abs=1e-9)
        assert frame.loc[b, a] == frame.loc[a, b]
    assert np.isnan(np.diag(frame)).all()
    bits = whole.to_frame("bits").loc["cause", "effect"]
    assert bits == pytest.approx(frame.loc["cause", "effect"] / np.log(2))


def test_the_strongest_pairs_come_first(whole):
    values = [mi for *_, mi, _ in whole.ranked]
    assert values == sorted(values, reverse=True)
    assert {*whole.ranked[0][:2]} <= {"cause", "effect", "other"}
    assert repr(whole).startswith("DependencyMap(5 columns, 400 rows, ksg; mutual information, ")


def test_a_condition_changes_the_map_and_is_not_part_of_it(whole):
    known = mmg_nb.dependency_map(TABLE, given="cause")
    assert known.names == ("effect", "other", "sign", "noise")
    assert known.quantity == "mutual information given cause"
    assert whole.to_frame().loc["effect", "other"] > 0.5
    assert abs(known.to_frame().loc["effect", "other"]) < 0.1


def test_a_large_table_is_sampled_and_a_note_reports_it():
    found = mmg_nb.dependency_map(TABLE[["cause", "effect"]], rows=100)
    assert found.n_samples == 100
    assert found.notes == ("100 of 400 rows were drawn at random. rows=None uses all rows.",)


def test_options_reach_the_estimator():
    holes = TABLE[["cause", "noise"]].assign(level=np.arange(N) % 5 / 2)
    holes.iloc[3, 0] = np.nan
    found = mmg_nb.dependency_map(holes, missing="drop", discrete="level", k=3)
    assert any("cause and level: 1 of 400 rows" in note for note in found.notes)
    found = mmg_nb.dependency_map(holes)
    assert found.names == ("noise", "level")
    assert found.notes[0] == (
        "cause was left out because it has 1 missing value; missing='drop' or missing='category' "
        "keeps the column."
    )
    everything = mmg_nb.dependency_map(holes, missing="category")
    assert everything.names == ("cause", "noise", "level")
    assert not any("rows were dropped" in note for note in everything.notes)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        (TABLE.to_numpy(), {}, "table must be a DataFrame of pandas or Polars, .*; got ndarray"),
        (TABLE[["cause"]], {}, "least two columns that vary are needed"),
        (TABLE.iloc[:0, :0], {}, "got none"),
        (TABLE, {"given": "causes"}, "no column 'causes'.\nDid you mean 'cause'"),
        (TABLE, {"given": 3}, "no column '3'"),
        (TABLE, {"discrete": "signs"}, "no column 'signs'.\nDid you mean 'sign'"),
        (TABLE, {"seed": -1}, "seed must be"),
        (TABLE, {"rows": 2.5}, "rows must be a whole number of at least 50"),
        (TABLE, {"estimator": "cca", "k": 3}, "has no field 'k'"),
        (TABLE, {"missing": "fill"}, "cause and effect: missing must be one of"),
    ],
)
def test_what_cannot_be_mapped_is_refused(table, change, said):
    with pytest.raises(MMGError, match=said):
        mmg_nb.dependency_map(table, **change)


def test_discrete_names_columns_and_not_roles():
    table = TABLE[["cause", "noise"]].assign(level=np.arange(N) % 5 / 2)
    table.columns = ["y", "z", "x"]
    found = mmg_nb.dependency_map(table, discrete="x", estimator="ksg")
    y, z, x = table.to_numpy().T
    alone = mmg_nb.estimate(y, x, "ksg", discrete="y")
    assert found.to_frame().loc["y", "x"] == pytest.approx(alone.mi, abs=1e-12)
    numbers = mmg_nb.estimate(y, z, "ksg", discrete="none")
    assert found.to_frame().loc["y", "z"] == pytest.approx(numbers.mi, abs=1e-12)


def test_a_note_names_its_pairs():
    levels = pd.DataFrame(RNG.integers(0, 60, (N, 2)), columns=["zip", "shop"]).astype(str)
    table = levels.assign(copy=TABLE["cause"], cause=TABLE["cause"], same=1.0)
    found = mmg_nb.dependency_map(table)
    assert found.notes[0] == "same was left out because it is constant."
    said = "\n".join(found.notes)
    assert "zip and shop: All columns are categories, so the estimate is computed from" in said
    assert "copy and cause: With 400 rows and k=10 ksg cannot give more" in said
    at = [found.names.index(name) for name in ("zip", "shop")]
    assert found.mi[*at] < 2 * found.stderr[*at]


def test_columns_that_are_constant_in_the_rows_used_are_left_out():
    flag = np.zeros(N)
    flag[7] = 1
    table = TABLE[["cause", "effect"]].assign(flag=flag, gaps=np.where(flag, np.nan, 2.0))
    found = mmg_nb.dependency_map(table, rows=100, seed=1, missing="drop", discrete="flag")
    assert found.names == ("cause", "effect")
    assert found.notes[0] == "2 columns were left out. flag: it is constant; gaps: it is constant."


def test_odd_columns_do_not_stop_the_map():
    odd = {
        "lists": [[0]] * N,
        "empty": np.nan,
        "name": [f"patient {i}" for i in range(N)],
        "limit": np.r_[np.inf, CAUSE[1:]],
        "few": np.where(np.arange(N) < 30, CAUSE, np.nan),
    }
    found = mmg_nb.dependency_map(TABLE.assign(**odd), missing="drop")
    assert found.names == (*TABLE.columns, "few")
    plain = found.to_frame().loc["cause", "effect"]
    assert plain == pytest.approx(mmg_nb.dependency_map(TABLE).to_frame().loc["cause", "effect"])
    assert np.isnan(found.to_frame()["few"]).all()
    for name, why in {
        "lists": "not usable .*Python objects",
        "empty": "empty",
        "name": "not usable .*identifier",
        "limit": "not usable .*infinite",
    }.items():
        assert re.search(f"{name}: it is {why}", found.notes[0])
    assert any("cause and few" in n and "No estimate. At least 50 rows" in n for n in found.notes)
    numbers = mmg_nb.dependency_map(TABLE, estimator="cca")
    assert numbers.names == ("cause", "effect", "other", "noise")
    assert numbers.notes[0] == ("sign was left out because cca takes numbers only (categories).")


def test_codes_are_codes_in_every_pair():
    shop = RNG.integers(100, 140, N)
    mean = np.random.default_rng(5).normal(size=140)
    table = TABLE.assign(shop=shop, sales=mean[shop] + 0.3 * RNG.normal(size=N))
    found = mmg_nb.dependency_map(table)
    assert found.to_frame().loc["shop", "sales"] > 0.5
    for other in ("sales", "noise"):
        named = mmg_nb.estimate(table[["shop"]], table[[other]], "ksg", discrete="x").mi
        assert found.to_frame().loc["shop", other] == pytest.approx(named, abs=1e-12)
    read = "shop is read as codes of categories: 40 levels"
    said = [note for note in found.notes if note.startswith(read)]
    assert len(said) == 1
    assert said[0].endswith("To read it as numbers, use discrete='none'.")
    numbers = mmg_nb.dependency_map(table, discrete="none")
    assert numbers.to_frame().loc["shop", "sales"] < found.to_frame().loc["shop", "sales"] / 2


def test_an_interrupt_stops_the_map(monkeypatch):
    asked = []

    def interrupted(*args, **options):
        asked.append(args)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGINT)
        return prepare(*args, **options)

    monkeypatch.setattr(asked_table, "prepare", interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(signal.SIGINT)
    found = mmg_nb.dependency_map(TABLE)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(asked) == 3
    assert len(found.ranked) == 2  # the third pair was stopped at once
    assert found.notes == ()
    assert found.stopped_after == "2 of 10 pairs"
    assert len(found.plot().texts) == 4


def test_several_processes_give_the_same_numbers():
    fields = {"steps": 20, "folds": 2, "draws": 4}
    table = TABLE[["cause", "noise", "effect"]].head(70).assign(broken=np.inf)
    one, two = (mmg_nb.dependency_map(table, "mmg", workers=k, **fields) for k in (1, 2))
    np.testing.assert_array_equal(one.mi, two.mi)
    np.testing.assert_array_equal(one.stderr, two.stderr)
    assert one.notes == two.notes
    with pytest.raises(mmg_nb.MMGError, match="whole number of at least 1"):
        mmg_nb.dependency_map(table, workers=0)


def sleeps(listen):
    time.sleep(60)


def test_a_stop_ends_the_processes():
    parts = [sleeps] * 3
    asked = iter([False, False])
    began = time.monotonic()
    with pytest.raises(Stopped):
        list(outcomes(parts, 2, lambda event: next(asked, True)))
    # An ended process counts as active until the pool's own thread has noticed its end, too.
    while multiprocessing.active_children() and time.monotonic() - began < 30:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


def test_any_names_can_be_drawn():
    names = ["$x^$", "a name of very many letters " * 3]
    drawn = mmg_nb.dependency_map(TABLE[["cause", "noise"]].set_axis(names, axis=1)).plot()
    texts = [label.get_text() for label in drawn.get_yticklabels()]
    assert texts == ["$x^$", names[1][:23] + "…"]
    drawn.get_figure().savefig(io.BytesIO())


def test_it_is_drawn_and_displayed(whole):
    axes = whole.plot(unit="bits")
    assert [label.get_text() for label in axes.get_xticklabels()] == list(TABLE.columns)
    assert len(axes.texts) == 20
    shown = axes.images[0].get_array()
    assert float(shown.max()) == pytest.approx(np.nanmax(whole.to_frame("bits")))
    data, meta = whole._repr_mimebundle_()
    assert data["text/html"].count("<img") == 1
    assert meta["image/png"]["width"] == 560


def test_names_of_many_columns_do_not_overlap():
    names = tuple(f"measurement {k}" for k in range(60))
    found = DependencyMap(names, np.full((60, 60), 0.1), np.full((60, 60), 0.01), "ksg", 100)
    axes = found.plot()
    axes.get_figure().draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(below.y1 < above.y0 for above, below in itertools.pairwise(boxes))
    assert found.bundle()[1]["image/png"]["width"] == 1160


@pytest.mark.parametrize("name", ["glucose", "a very long name of it"])
def test_no_name_is_cut(name):
    names = ("bmi", "target", name, "sex", "noise")
    mi = np.where(np.eye(5) > 0, np.nan, 0.3)
    axes = DependencyMap(names, mi, 0.1 * mi, "ksg", 100).plot()
    axes_png(axes)
    figure = axes.get_figure()
    for label in (*axes.get_yticklabels(), *axes.get_xticklabels()):
        extent = label.get_window_extent()
        assert min(extent.x0, extent.y0) >= 0
        assert extent.x1 <= figure.bbox.x1


def test_a_map_is_saved_and_read_again(whole, tmp_path):
    table = TABLE.assign(same=1.0)
    for found in (whole, mmg_nb.dependency_map(table, "ksg", given="noise", k=4)):
        read = DependencyMap.load(found.save(tmp_path / "map.json"))
        assert read == found
        assert read.to_frame().equals(found.to_frame())
        assert (read.names, read.given, read.left_out) == (
            found.names,
            found.given,
            found.left_out,
        )
        assert repr(read) == repr(found)
    assert found.left_out
    assert whole != found


@pytest.mark.parametrize("damage", [[[0.1, 0.2]] * 5, [0.1] * 5, [[0.1] * 4] * 4, [[0.1], []]])
def test_a_damaged_map_is_refused(whole, damage):
    with pytest.raises(MMGError, match="this one is damaged"):
        DependencyMap.from_dict({**whole.to_dict(), "stderr": damage})
    with pytest.raises(MMGError, match=r"DependencyMap/1; got 'mmg_nb\.Ranking/1'"):
        DependencyMap.from_dict({**whole.to_dict(), "format": "mmg_nb.Ranking/1"})
