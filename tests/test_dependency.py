"""The map of all pairs: its numbers, its notes and one drawing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError

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


def test_a_condition_leaves_the_map_and_changes_it(whole):
    known = mmg_nb.dependency_map(TABLE, given="cause")
    assert known.names == ("effect", "other", "sign", "noise")
    assert known.quantity == "mutual information given cause"
    assert whole.to_frame().loc["effect", "other"] > 0.5
    assert abs(known.to_frame().loc["effect", "other"]) < 0.1


def test_many_rows_are_thinned_and_it_is_said():
    found = mmg_nb.dependency_map(TABLE[["cause", "effect"]], rows=100)
    assert found.n_samples == 100
    assert found.notes == ("100 of 400 rows, drawn at random; rows=None takes all.",)


def test_choices_are_passed_on():
    holes = TABLE[["cause", "noise"]].assign(level=np.arange(N) % 5 / 2)
    holes.iloc[3, 0] = np.nan
    found = mmg_nb.dependency_map(holes, missing="drop", discrete="level", k=3)
    assert any(note.startswith("cause and level: 1 of 400 rows") for note in found.notes)
    with pytest.raises(MMGError, match="cause and noise: x must be finite"):
        mmg_nb.dependency_map(holes)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        (TABLE.to_numpy(), {}, "table must be a pandas DataFrame; got ndarray"),
        (TABLE[["cause"]], {}, "two columns or more"),
        (TABLE, {"given": "causes"}, "no column 'causes'.\nDid you mean 'cause'"),
        (TABLE, {"estimator": "cca"}, "cause and sign: cca takes numbers only"),
    ],
)
def test_what_cannot_be_mapped_is_refused(table, change, said):
    with pytest.raises(MMGError, match=said):
        mmg_nb.dependency_map(table, **change)


def test_it_draws_and_shows_itself(whole):
    axes = whole.plot(unit="bits")
    assert [label.get_text() for label in axes.get_xticklabels()] == list(TABLE.columns)
    assert len(axes.texts) == 20
    shown = axes.images[0].get_array()
    assert float(shown.max()) == pytest.approx(np.nanmax(whole.to_frame("bits")))
    data, meta = whole._repr_mimebundle_()
    assert data["text/html"].count("<img") == 1
    assert meta == {"image/png": {"width": 560}}
