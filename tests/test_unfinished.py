"""After a stop, no question states a verdict: it says what is known and what was not tried."""

from __future__ import annotations

import signal

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.questions import asked_table, transfer_entropy
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Phase, Step

N = 300
RNG = np.random.default_rng(11)
CAUSE = RNG.normal(size=N)
TABLE = pd.DataFrame({f"c{k}": CAUSE + (0.7 + k) * RNG.normal(size=N) for k in range(4)})
TABLE["t"] = CAUSE + 0.3 * RNG.normal(size=N)
SOURCE = pd.Series(RNG.normal(size=N), name="rain")
TARGET = pd.Series(np.roll(SOURCE, 2) + 0.3 * RNG.normal(size=N), name="flow")
VERDICTS = ("nothing", "no column", "no measurable", "no clear", "depend on each other", "at any")


class StopAt:
    """A listener that stops at a step, of a phase that begins with these words."""

    def __init__(self, step, phase=""):
        self._step, self._phase, self._here = step, phase, not phase

    def __call__(self, event):
        if isinstance(event, Phase) and self._phase:
            self._here = event.name.startswith(self._phase)
        return self._here and isinstance(event, Step) and event.step == self._step


def rank_early():
    return mmg_nb.rank(TABLE, "t", listen=StopAt(1))


def rank_in_the_selection():
    return mmg_nb.rank(TABLE, "t", listen=StopAt(1, "choosing column 2"))


def rank_at_its_end():
    return mmg_nb.rank(TABLE, "t", most=1, listen=StopAt(0, "comparing"))


def lags():
    return mmg_nb.lagged(SOURCE, TARGET, "gcmi", lags="-8:8", listen=StopAt(5))


def lags_beyond_the_best():
    return mmg_nb.lagged(SOURCE, TARGET, "gcmi", lags="-2:12", listen=StopAt(6))


def one_direction():
    return mmg_nb.transfer_entropy(TARGET, SOURCE, "gcmi", surrogates=25, listen=StopAt(6))


def one_direction_and_a_half():
    stop = StopAt(4, "rain")
    return mmg_nb.transfer_entropy(TARGET, SOURCE, "gcmi", surrogates=25, listen=stop)


def permutations():
    return mmg_nb.independence_test(CAUSE, TABLE.c0, "gcmi", listen=StopAt(2))


@pytest.mark.parametrize(
    ("ask", "known", "missing"),
    [
        (
            rank_early,
            "c0 alone tells 0.",
            "Stopped after 1 of 4 columns, before any was selected.",
        ),
        (rank_in_the_selection, "c0 tells 0.", "Stopped after 1 step of the selection"),
        (rank_at_its_end, "c0 tells 0.", "before it was compared with the other columns"),
        (lags, "rain tells most about flow", "Stopped after 5 of 17 lags."),
        (lags_beyond_the_best, "flow 2 rows later: 1.", "Stopped after 6 of 15 lags."),
        (
            one_direction,
            "flow → rain ",
            "Stopped after 6 of 25 surrogates of flow → rain, before rain → flow was tried.",
        ),
        (
            one_direction_and_a_half,
            "; rain → flow ",
            "Stopped after 4 of 25 surrogates of rain → flow.",
        ),
        (permutations, "x and c0: 0.", "Stopped after 2 of 199 permutations."),
    ],
)
def test_a_stop_leaves_no_verdict(ask, known, missing, tmp_path):
    found = ask()
    assert found.status is Status.INTERRUPTED
    said = found.facts()
    assert said.headline.startswith("Not a final result. So far: ")
    assert known in said.headline
    assert missing in said.advice + "."
    assert said.advice.endswith("Run it again to the end.")
    assert (said.badge, said.interval) == ("stopped early", None)
    for text in (said.headline, said.meaning, repr(found), found.alt()):
        assert not any(verdict in text.lower() for verdict in VERDICTS), text
    assert f"stopped after {found.stopped_after}; so far " in repr(found)
    assert type(found).load(found.save(tmp_path / "answer.json")) == found
    bundle = found.bundle()[0]
    for kind in ("text/plain", "text/html"):
        assert "Not a final result" in bundle[kind]


def test_a_complete_answer_has_a_verdict():
    noise = mmg_nb.rank(TABLE[["t"]].assign(n=RNG.normal(size=N)), "t")
    assert noise.facts().headline.startswith("No column tells anything measurable about t")
    assert (noise.stopped_after, noise.status) == ("", Status.CONVERGED)


def test_a_stop_in_the_second_direction_keeps_the_first_one(monkeypatch):
    stop = StopAt(0, "rain")
    found = mmg_nb.transfer_entropy(TARGET, SOURCE, "gcmi", surrogates=25, listen=stop)
    assert len(found.directions) == 1
    assert len(found.forward.null) == 25
    assert found.stopped_after == "flow → rain, before rain → flow was tried"
    with pytest.raises(MMGError, match="stopped after flow → rain"):
        _ = found.backward
    monkeypatch.setattr(transfer_entropy, "null_estimates", lambda *_: [])
    with pytest.raises(MMGError, match="before anything was estimated"):
        one_direction()


def test_a_stopped_map_says_so_in_every_text(monkeypatch):
    asked = []

    def interrupted(*args, **options):
        asked.append(args)
        if len(asked) == 5:
            signal.raise_signal(signal.SIGINT)
        return prepare(*args, **options)

    prepare = asked_table.prepare
    monkeypatch.setattr(asked_table, "prepare", interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = mmg_nb.dependency_map(TABLE)
    assert found.status is Status.INTERRUPTED
    for text in (repr(found), found.alt(), found.bundle()[0]["text/plain"]):
        assert "stopped after 4 of 10 pairs; so far " in text
    page = found.bundle()[0]["text/html"]
    assert "Not a final result. Stopped after 4 of 10 pairs. Run it again" in page
    monkeypatch.undo()
    complete = mmg_nb.dependency_map(TABLE)
    assert complete.status is Status.CONVERGED
    assert "topped" not in repr(complete) + complete.bundle()[0]["text/html"]


def test_a_stopped_comparison_says_so(fake):
    found = mmg_nb.compare(CAUSE, TABLE.c0, f"gcmi,{fake}:steps=9,cca", listen=StopAt(4))
    assert found.status is Status.INTERRUPTED
    assert found.summary.startswith("stopped early; so far ")
    for text in (repr(found), found.bundle()[0]["text/html"]):
        assert "Not a final result. Stopped after 2 of 3 estimators. Run it again" in text
    complete = mmg_nb.compare(CAUSE, TABLE.c0, "gcmi,cca")
    assert "final" not in repr(complete)
    assert complete.summary.startswith("2 estimates from")


def test_a_stopped_sum_says_which_terms_are_known():
    with pytest.raises(MMGError, match=r"after 2 of 13 terms.*Estimated: I\(c1; c0\) = 0\.\d+ ±"):
        mmg_nb.total_correlation(TABLE, "gcmi", listen=StopAt(2))
    with pytest.raises(MMGError, match="before anything was estimated"):
        mmg_nb.total_correlation(TABLE, "gcmi", listen=StopAt(0))
