"""Which columns tell about a target: relevance, selection, pairs, and what is shown."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.questions.rank import _Search
from mmg_nb.questions.ranking import Gain, Relevance
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step
from mmg_nb.runs.progress import Progress

N = 400
RNG = np.random.default_rng(3)
A, B, P, Q, NOISE = RNG.normal(size=(5, N))
# Relevant: a and b; redundant: copy; only together: p and q; irrelevant: n0.
TABLE = pd.DataFrame(
    {
        "n0": RNG.normal(size=N),
        "copy": A + 0.3 * RNG.normal(size=N),
        "p": P,
        "b": B,
        "a": A,
        "q": Q,
        "t": A + 1.2 * np.abs(B) + np.sign(P * Q) + 0.5 * NOISE,
    }
)


@pytest.fixture(scope="module")
def ranking():
    return mmg_nb.rank(TABLE, "t")


def test_it_selects_what_tells_something_new(ranking):
    """Rejected: the copy, which is second alone; no pair; a column of noise; all columns."""
    assert ranking.names[:2] == ("a", "copy")
    assert ranking.selected[:2] == ("a", "b")
    assert ranking.steps[2].names == ("p", "q")
    assert len(ranking.steps) == 3
    alone = dict(zip(ranking.names, ranking.mi, strict=True))
    assert max(alone["p"], alone["q"]) < 0.05 < ranking.steps[2].mi
    assert [(each.name, each.other) for each in ranking.shared] == [("copy", "a")]
    assert ranking.together == pytest.approx(sum(step.mi for step in ranking.steps))


def test_what_a_column_tells_alone_is_the_estimate_of_the_pair(ranking):
    for name in ("a", "n0"):
        alone = mmg_nb.estimate(TABLE[[name]], TABLE[["t"]], "ksg")
        at = ranking.names.index(name)
        assert (ranking.mi[at], ranking.stderr[at]) == (alone.mi, alone.stderr)
    gain = mmg_nb.estimate(TABLE[["b"]], TABLE[["t"]], "ksg", given=TABLE[["a"]])
    assert ranking.steps[1].mi == pytest.approx(gain.mi, abs=1e-12)


def test_the_gains_of_a_gaussian_target_add_up_to_the_closed_form():
    """I(a, b; t) = ½ ln(1 + (1 + 0.25) / 1) for t = a + b/2 + noise."""
    rng = np.random.default_rng(0)
    a, b, noise, other = rng.normal(size=(4, 2000))
    table = pd.DataFrame({"other": other, "b": b, "a": a, "t": a + b / 2 + noise})
    found = mmg_nb.rank(table, "t", "gcmi")
    assert found.selected == ("a", "b")
    truth = 0.5 * math.log(2.25)
    assert abs(found.together - truth) < 0.05  # rejects bits, half, and a alone (0.29)
    assert found.to_frame()["step"].tolist()[:2] == [1, 2]
    assert found.to_frame().loc["other", ["low", "high"]].tolist()[0] < 0


def test_noise_is_not_selected():
    steps = 0
    for seed in range(4):
        values = np.random.default_rng(seed).normal(size=(150, 5))
        found = mmg_nb.rank(pd.DataFrame(values, columns=list("abcdt")), "t")
        steps += len(found.steps)
    assert steps <= 1
    assert "No column tells anything measurable about t" in found.facts().headline


class Noise:
    """A question about columns that tell nothing: estimates with too small a standard error."""

    estimator, options, left_out = "ksg", {"seed": 0}, {}

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def shuffled(self, columns, generator):
        return self

    def estimate(self, x, y, listen, given=()):
        return SimpleNamespace(
            mi=self._rng.normal(), stderr=0.85, status=Status.CONVERGED, notes=()
        )


@pytest.mark.parametrize("candidates", [11, 55])
def test_the_best_of_many_irrelevant_columns_rarely_passes(candidates):
    """1.25 % of 1 000. Rejected: ten shuffled tables as if their spread were known (4 to 6 %)."""
    units = {f"c{k}": (f"c{k}",) for k in range(candidates)}
    passed = 0
    for seed in range(1000):
        search = _Search(Noise(seed), None, "target", units, None, 10)
        search._steps = [Gain(("c0",), 1.0, 0.1, "ksg")]  # so that no estimate is known already
        passed += search._best([(name,) for name in units], lambda event: False) is not None
    assert 0.005 < passed / 1000 < 0.025


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize(("mi", "said"), [(0.002, []), (0.03, ["c1"])])
def test_only_a_dependence_that_exceeds_its_error_is_stated(monkeypatch, limited, mi, said):
    """Of 0.008 nats. Rejected: that a column depends on a selected one by 0.002 ± 0.008 nats."""
    found = SimpleNamespace(mi=mi, stderr=0.008, status=Status.CONVERGED, notes=())
    monkeypatch.setattr(Noise, "estimate", lambda *_: found)
    search = _Search(Noise(0), None, "target", {c: (c,) for c in ("c0", "c1")}, None, 10)
    search._columns = {c: Relevance(c, 1.0, 0.1, "ksg") for c in ("c0", "c1")}
    search._steps, search._limited = [Gain(("c0",), 1.0, 0.1, "ksg")], limited
    search._share(lambda event: False)
    assert [each.name for each in search._shared] == said


@pytest.mark.parametrize(
    ("both", "alone", "kept"),
    [
        (0.10, 0.09, ("p",)),
        (0.20, 0.09, ("p", "q")),
        (0.06, 0.01, ("p", "q")),  # one column alone tells nothing
    ],
)
@pytest.mark.parametrize("precise", [None, Noise(1)])
def test_a_pair_brings_no_column_that_adds_nothing_to_it(both, alone, kept, precise, monkeypatch):
    search = _Search(Noise(0), precise, "t", {c: (c,) for c in "pq"}, None, 10)
    asked = precise or search._question

    def added(question, names, *_):
        assert question is asked
        return Gain(names, alone if names == ("p",) else 0.0, 0.02, "ksg")

    monkeypatch.setattr(search, "_added", added)
    pair = Gain(("p", "q"), both, 0.02, "ksg")
    assert search._without_idle(pair, 2, lambda event: False).names == kept


def test_sets_conditions_and_pairs_reach_the_search():
    table = TABLE[["p", "q", "n0", "t"]]
    apart = mmg_nb.rank(table, "t", pairs=False)
    assert apart.selected == ()
    both = mmg_nb.rank(table, "t", sets={"signs": ["p", "q"]})
    assert both.selected == ("signs",)
    assert "signs" in both.names
    assert "p" not in both.names
    known = mmg_nb.rank(TABLE[["a", "copy", "n0", "t"]], "t", given="a")
    assert known.selected == ()
    assert known.given == ("a",)


def test_a_training_estimator_decides_among_those_that_are_close(fake):
    found = mmg_nb.rank(TABLE[["a", "copy", "n0", "t"]], "t", fake, pairs=False)
    assert {each.estimator for each in found.columns} == {fake}
    assert {step.estimator for step in found.steps} <= {fake}


def test_a_stop_keeps_what_is_known():
    def listen(event):
        return isinstance(event, Step) and event.step == 3

    found = mmg_nb.rank(TABLE, "t", listen=listen)
    assert found.status is Status.INTERRUPTED
    assert len(found.columns) == 3
    assert found.stopped_after == "3 of 6 columns, before any was selected"
    assert "[stopped early]" in found.bundle()[0]["text/plain"]


def test_what_it_shows_and_saves(ranking, tmp_path):
    text = ranking.bundle()[0]["text/plain"]
    assert text.startswith("a, b, p, q tell 0.")
    assert "; then p with q " in text.replace("\n", " ")
    assert "copy depends on a" in text.replace("\n", " ")
    bits = ranking.bundle("bits")[0]["text/plain"].splitlines()[0]
    assert f"{ranking.together / math.log(2):.3f} bits" in bits
    assert set(ranking.bundle()[0]) >= {"text/html", "text/markdown", "text/latex", "image/png"}
    assert repr(ranking).startswith("Ranking(a → b → p & q of 6 columns for t: ")
    labels = {each.get_text(): each.get_fontweight() for each in ranking.plot().get_yticklabels()}
    assert (labels["p"], labels["copy"]) == ("bold", "normal")
    assert mmg_nb.Ranking.load(ranking.save(tmp_path / "rank.json")) == ranking


def test_the_headline_counts_columns_that_were_left_out(tmp_path):
    """One by name; the first note names several. Rejected: that no column tells anything."""
    holes = TABLE[["n0", "a", "t"]].rename(columns={"a": "gap"})
    holes.loc[0, "gap"] = np.nan
    one = mmg_nb.rank(holes, "t")
    said = "; gap was left out: it has 1 missing value"
    assert one.summary == f"no column of 1 tells anything measurable about t{said}"
    assert one.facts().headline.endswith(said)
    assert said in repr(one)
    assert mmg_nb.Ranking.load(one.save(tmp_path / "one.json")) == one
    many = holes.assign(same=1.0, few=np.where(np.arange(N) < 30, A, np.nan))
    found = mmg_nb.rank(many, "t", rows=300)
    assert found.facts().headline.endswith("; 3 columns were left out")
    assert found.notes[0].startswith("3 columns were left out. gap: it has ")
    assert found.notes[0].endswith(
        "missing='drop' or missing='category' keeps those with missing values."
    )
    assert "No other column that was tried adds" in found.facts().meaning
    kept = mmg_nb.rank(many, "t", missing="drop")
    assert kept.selected == ("gap",)
    assert kept.left_out == {"same": "it is constant", "few": "it has no estimate"}
    assert said in repr(mmg_nb.dependency_map(holes))
    assert said in mmg_nb.dependency_map(holes).alt()
    total = mmg_nb.total_correlation(holes)
    assert total.summary.endswith(said)
    assert total.facts().headline.endswith(said)


def test_a_number_of_columns_may_be_asked_for(ranking):
    """The first ones are those of the whole selection; what was not asked for may still add."""
    two = mmg_nb.rank(TABLE, "t", most=2)
    assert two.steps == ranking.steps[:2]
    said = two.facts().meaning
    assert "The selection ends at 2 columns; others may add more." in said
    assert "No other column" not in said
    assert "copy depends on a" in said
    assert "No other column adds anything measurable." in ranking.facts().meaning


def test_progress_of_a_selection_says_what_is_chosen_and_never_seems_done():
    progress, seen = Progress(), []

    def listen(event):
        progress(event)
        seen.append((progress.phase, progress.bar))

    mmg_nb.rank(TABLE[["a", "copy", "b", "t"]], "t", listen=listen, pairs=False)
    phases = list(dict(seen))
    assert phases[1:4] == ["each column alone", "choosing column 1", "choosing column 2 after a"]
    at = dict(seen)
    assert at["choosing column 1"] < at["choosing column 2 after a"] < 0.6
    assert [bar for _, bar in seen] == sorted(bar for _, bar in seen)


@pytest.mark.parametrize(
    ("target", "change", "said"),
    [
        ("ts", {}, "no column 'ts'.\nDid you mean 't'"),
        (
            "same",
            {},
            "'same' cannot be used.\nsame was left out because it is constant",
        ),
        ("t", {"given": "t"}, "The target 't' cannot be used.\nIt is also a condition"),
        ("t", {"sets": ["a"]}, "sets must map names to lists"),
        ("t", {"sets": {"s": ["a", "z"]}}, "The set 's' names 'z', which cannot be used"),
        ("t", {"estimator": "ksgg"}, "Did you mean 'ksg'"),
        ("t", {"k": 3, "estimator": "gcmi"}, "has no field 'k'"),
        ("t", {"device": "tpu"}, "device"),
        ("t", {"most": 0}, "most must be a whole number"),
    ],
)
def test_what_cannot_be_ranked_is_refused(target, change, said):
    with pytest.raises(MMGError, match=said):
        mmg_nb.rank(TABLE.assign(same=1.0), target, **change)


# --- in the notebook


def test_the_magic_ranks_and_stores(shell):
    shell.user_ns["df"] = TABLE[["a", "copy", "t"]]
    shell.run_cell("%mmg rank df t --no-pairs -o found")
    assert shell.user_ns["found"] == mmg_nb.rank(TABLE[["a", "copy", "t"]], "t", pairs=False)
    few = shell.run_cell("r = %mmg rank df t --estimator ksg:k=3 --no-pairs\nr")
    assert few.selected[:1] == ("a",)
    assert few.mi[0] != shell.user_ns["found"].mi[0]
    run = shell.run_cell("r = %mmg rank df t --given a --no-pairs -b\nr")
    assert run.wait().given == ("a",)


def test_the_magic_explains_and_refuses(shell, capsys):
    shell.user_ns["df"] = TABLE.rename(columns={"copy": "its copy here"})
    shell.run_cell("%mmg rank -h")
    text = capsys.readouterr().out
    assert text.startswith("%mmg rank TABLE TARGET [options]")
    assert "(default: ksg)" in " ".join(text.split())
    for line, said in {
        "%mmg rank df": "%mmg rank takes TABLE TARGET; got df",
        "%mmg rank df,t": "got a comma: df,t.\nWrite %mmg rank df t.",
        "%mmg rank df t --estimator ksg,mmg": "--estimator takes one estimator",
        "%mmg rank df tt": "no column 'tt'",
        "%mmg rank df its copy here": "\nWrite %mmg rank df 'its copy here'.",
        "%mmg rank df t --given its copy": "\nPut quotes around a name with spaces, e.g. ",
        "%mmg estimate its copy here t": "Did you mean df['its copy here'] df['t']?",
    }.items():
        with pytest.raises(MMGError) as caught:
            shell.run_cell(line)
        assert said in str(caught.value)


def test_completion_offers_tables_then_columns(shell):
    from mmg_nb.jupyter.completion import suggest

    known = {"df": TABLE, "x": A}
    assert next(word for word, _ in suggest("rank ", "mmg", known)) == "df"
    words = dict(suggest("rank df ", "mmg", known))
    assert words["copy"] == "column"
    assert "x" not in words
    assert dict(suggest("rank df t --estimator ", "mmg", known))["mmg"] == "estimator"
