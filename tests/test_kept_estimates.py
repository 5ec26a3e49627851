"""Questions that keep their estimates in a folder go on after a stop, with the same numbers."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.api import prepare
from mmg_nb.errors import MMGError
from mmg_nb.questions import permutations
from mmg_nb.questions.kept_estimates import kept_in
from mmg_nb.runs.events import Step, silent

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
Y = X + RNG.normal(size=N)
TABLE = pd.DataFrame({"a": X, "b": Y, "c": RNG.normal(size=N)})

QUESTIONS = {
    "lagged": lambda **k: mmg_nb.lagged(X, Y, "gcmi", lags=range(4), **k).to_frame(),
    "transfer": lambda **k: mmg_nb.transfer_entropy(X, Y, "gcmi", surrogates=19, **k).to_frame(),
    "test": lambda **k: mmg_nb.independence_test(X, Y, "gcmi", permutations=19, **k).to_frame(),
    "total": lambda **k: mmg_nb.total_correlation(TABLE, "gcmi", **k).to_frame(),
    "rank": lambda **k: mmg_nb.rank(TABLE, "b", "gcmi", **k).to_frame(),
    "map": lambda **k: mmg_nb.dependency_map(TABLE, "gcmi", **k).to_frame(),
}


@pytest.fixture
def made(monkeypatch):
    """The estimates that were made, of jobs and of permuted rows."""
    found = []

    def counted(function):
        def call(*args):
            found.append(function.__name__)
            return function(*args)

        return call

    for owner, name in ((mmg_nb.job.Job, "run"), (permutations, "_null_estimate")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return found


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_known_is_not_estimated_again(name, made, tmp_path):
    ask = QUESTIONS[name]
    plain = ask()
    first = len(made)
    pd.testing.assert_frame_equal(ask(checkpoint=tmp_path / "answers"), plain)
    assert len(made) == 2 * first
    pd.testing.assert_frame_equal(ask(checkpoint=tmp_path / "answers"), plain)
    assert len(made) == 2 * first


def test_a_stopped_question_goes_on(made, tmp_path):
    ask = partial(mmg_nb.lagged, X, Y, "gcmi", lags=range(5), checkpoint=tmp_path)
    stopped = ask(listen=lambda event: isinstance(event, Step) and event.step == 3)
    assert len(stopped.lag) == len(made) == 3
    whole = ask()
    assert len(made) == 5
    pd.testing.assert_frame_equal(whole.to_frame(), ask(checkpoint=None).to_frame())


def test_an_estimate_of_a_permutation_that_was_stopped_is_not_kept(made, tmp_path):
    ask = partial(mmg_nb.independence_test, X, Y, "ksg", checkpoint=tmp_path, permutations=19)
    seen = []

    def stop(event):
        seen.append(event)
        return made.count("_null_estimate") == 4 and not isinstance(event, Step)

    assert len(ask(listen=stop).null) == 3
    made.clear()
    assert len(ask().null) == 19
    assert made == ["_null_estimate"] * 16


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"k": 4}, {"x": X + 1e-9 * np.arange(N)}, {"estimator": "gcmi"}, {"given": Y}],
)
def test_another_question_never_gets_an_answer_from_there(other, tmp_path):
    kept = kept_in(tmp_path)
    asked = {"x": X, "y": Y, "estimator": "ksg"}
    kept.result(prepare(**asked), silent)
    changed = prepare(**(asked | other))
    expected = changed.run(silent)
    assert kept.result(changed, silent).mi == expected.mi
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_file_is_estimated_again(made, tmp_path):
    kept, job = kept_in(tmp_path), prepare(X, Y, "gcmi")
    kept.result(job, silent)
    (path,) = tmp_path.iterdir()
    for text in ("", '{"format": "mmg_nb.result/0"}', path.read_text()[:-50]):
        path.write_text(text)
        assert kept.result(job, silent).mi == job.run(silent).mi
    assert len(made) == 7


def test_other_processes_can_keep_estimates(tmp_path):
    part = partial(kept_in(tmp_path).result, prepare(X, Y, "gcmi"))
    sent = pickle.loads(pickle.dumps(part))
    assert sent(silent).mi == mmg_nb.estimate(X, Y, "gcmi").mi
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_used_is_refused_before_any_estimate(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MMGError, match="must be a folder"):
        QUESTIONS["rank"](checkpoint=tmp_path / "file")
    with pytest.raises(MMGError, match="checkpoint must be the path"):
        QUESTIONS["lagged"](checkpoint=3)
    assert made == []


def test_a_disk_that_fails_costs_no_estimate(monkeypatch, tmp_path):
    def full(path, data):
        raise OSError("No space left on device")

    monkeypatch.setattr("mmg_nb.questions.kept_estimates.write_whole", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        found = QUESTIONS["total"](checkpoint=tmp_path)
    pd.testing.assert_frame_equal(found, QUESTIONS["total"]())
