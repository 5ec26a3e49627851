"""One word for each way in which a run ends, in every text; and no advice against another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mmg_nb
from mmg_nb.benchmark.worker import record_of
from mmg_nb.questions.comparison import NOT_RUN, Comparison, Line
from mmg_nb.results.facts import Badge, badge, facts
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step
from mmg_nb.training.stopping import Ended

WORDS = {
    "converged": Status.CONVERGED,
    "needs more steps": Status.STEP_LIMIT,
    "stopped early": Status.INTERRUPTED,
    "training failed": Status.DIVERGED,
}


@pytest.fixture
def plain(result):
    """A result without curves, so that nothing is drawn."""
    return replace(result, curve=None)


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_every_text_has_the_same_word(word, status, plain, fake):
    ended = replace(plain, status=status, estimator=fake)
    others = [other for other in WORDS if other != word]
    compared = Comparison((Line("one", ended), Line("two", reason=NOT_RUN)))
    texts = [
        str(status),
        f"{status}",
        f"{status:>30}",
        repr(ended),
        ended.to_frame()["status"].iloc[0],
        compared.frame["status"].iloc[0],
        repr(compared).splitlines()[1],
    ]
    for text in texts:
        assert word in text
        assert not any(other in text for other in others)
    if status is not Status.CONVERGED:
        assert badge(ended).value == word


def test_each_word_means_one_status():
    assert sorted(status.words for status in Status) == sorted(WORDS)


def test_programs_and_files_keep_the_names(plain, tmp_path):
    assert [*map(str.__str__, Status)] == ["converged", "step_limit", "interrupted", "diverged"]
    for status in Status:
        ended = replace(plain, status=status)
        assert ended.to_dict()["status"] == status.value == status
        assert MIResult.load(ended.save(tmp_path / "run.json")).status is status


def test_files_of_earlier_states_are_read(plain):
    """They call it `early_stopped` that training ended by itself; rejected: a stop."""
    old = plain.to_dict() | {"status": "early_stopped"}
    assert MIResult.from_dict(old).status is Status.CONVERGED
    with pytest.raises(mmg_nb.MMGError):
        MIResult.from_dict(old | {"status": "soon"})
    with pytest.raises(ValueError, match="soon"):
        Status("soon")


@pytest.mark.parametrize("ended", list(Ended))
def test_a_training_that_ended_by_itself_has_converged(ended):
    complete = ended in (Ended.CONVERGED, Ended.EARLY_STOPPED)
    assert ended.status.complete == complete


def test_a_record_of_a_benchmark_has_the_name_of_a_file(plain):
    cell = {"id": "7", "estimator": "fake", "fields": {}, "task": "1v1-normal-0.75", "n": 90}
    for status in Status:
        made = {"device": "cpu", "seconds": 1.0, "versions": {}}
        ended = replace(plain, status=status, provenance=made)
        record = record_of(cell | {"seed": 2}, 0.4, ended)
        assert record["status"] == status.value


@pytest.mark.parametrize(
    "change",
    [
        {"notes": ("Mutual information may be infinite. Add noise of a known scale.",)},
        {"notes": ("The estimate may be larger. Use more rows.",)},
        {"stderr": 0.3},
        {"stderr": None},
        {"notes": ("The networks overfitted. Use more rows for a smaller error.",)},
    ],
)
def test_a_card_that_says_what_to_do_does_not_say_that_there_is_nothing_to_do(plain, change):
    for status in Status:
        bundle = replace(plain, status=status, **change).bundle()[0]
        assert not any("Nothing to do" in bundle[kind] for kind in bundle)


def test_two_equal_columns_may_be_infinite_without_a_contradiction():
    x = np.random.default_rng(3).normal(size=120)
    found = mmg_nb.estimate(x, 5 - x, "ksg")
    assert badge(found) is Badge.INFINITE
    text = found.bundle()[0]["text/plain"]
    assert "The run is complete." in text
    assert "Nothing to do" not in text


def test_a_stop_gives_one_advice_that_fits_everywhere(plain):
    advice = facts(replace(plain, status=Status.INTERRUPTED)).advice
    assert "Run it again to the end." in advice
    assert "--" not in advice
    assert "checkpoint=" not in advice


def test_a_stop_before_the_first_step_only_says_to_run_it_to_the_end():
    x, y = np.random.default_rng(8).normal(size=(2, 400))

    def at_once(event):
        return isinstance(event, Step)

    for estimator in ("mmg", "minde"):
        found = mmg_nb.estimate(x, x + y, estimator, steps=300, listen=at_once)
        assert found.status is Status.INTERRUPTED
        assert "steps" not in " ".join(found.notes)
        text = " ".join(found.bundle()[0]["text/plain"].split())
        assert text.count("Run it again to the end.") == 1
        assert "more steps" not in text
    few = mmg_nb.estimate(x, x + y, "mmg", steps=1)
    assert any("Use more steps." in note for note in few.notes)
