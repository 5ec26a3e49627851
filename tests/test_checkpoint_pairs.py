"""A run in which canonical pairs are fitted goes on from any of its stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from resuming import content, stop_at

import mmg_nb
from mmg_nb.estimators.mmg import canonical_pairs, pipeline, sizes
from mmg_nb.estimators.mmg.pipeline import STAGES
from mmg_nb.estimators.mmg.training_stages import FullNetwork
from mmg_nb.results.status import Status

pytestmark = pytest.mark.usefixtures("predicted_once")
FIELDS = {"width": 32, "blocks": 1, "batch": 128, "draws": 4, "folds": 3, "learning_rate": 0.01}
Y = np.random.default_rng(0).normal(size=(200, 1))
# Nearly a function of y: much is still learned after 100 steps of 150.
X = Y**2 + 1e-3 * np.random.default_rng(1).normal(size=(200, 1))


@pytest.fixture(scope="module", autouse=True)
def impatient():
    """150 steps, after the first 100 of which training yields to pairs."""
    changed = tuple(
        replace(each, still_improving=0.0, rows_for_pairs=0) if type(each) is FullNetwork else each
        for each in STAGES
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizes, "EFFORT_STEPS", {"quick": 150, "normal": 150, "high": 150})
        patch.setattr(pipeline, "STAGES", changed)
        yield


@pytest.fixture(scope="module")
def whole(impatient):
    """The run that nobody interrupts."""
    return mmg_nb.estimate(X, Y, **FIELDS)


def test_training_yields_after_100_steps_and_begins_again_with_pairs(whole):
    assert list(whole.history.step[:4]) == [0, 100, 100, 200]
    assert "features of x and of y" in " ".join(whole.notes)


SLOW = pytest.mark.accuracy


@pytest.mark.parametrize(
    "step", [100, 265, *(pytest.param(step, marks=SLOW) for step in (60, 101, 266, 365))]
)
def test_it_goes_on(tmp_path, whole, step):
    """There are pairs 165 steps after training has yielded."""
    path = tmp_path / "run.mmg"
    stopped = mmg_nb.estimate(X, Y, checkpoint=path, listen=stop_at(step), **FIELDS)
    assert stopped.status is Status.INTERRUPTED
    assert content(mmg_nb.resume(path)) == content(whole)


@pytest.mark.parametrize("step", [300, *(pytest.param(at, marks=SLOW) for at in (265, 450))])
def test_it_goes_on_where_pairs_find_less(tmp_path, monkeypatch, step):
    """The training with pairs ends after 415 steps, and another one corrects the first."""
    train = canonical_pairs.train

    def worse(*arguments):
        outcome = train(*arguments)
        return replace(outcome, history=replace(outcome.history, mi=outcome.history.mi - 10))

    monkeypatch.setattr(canonical_pairs, "train", worse)
    whole = mmg_nb.estimate(X, Y, **FIELDS)
    assert list(whole.history.step[:4]) == [0, 100, 100, 200]
    assert "features of x and of y" not in " ".join(whole.notes)
    path = tmp_path / "run.mmg"
    stopped = mmg_nb.estimate(X, Y, checkpoint=path, listen=stop_at(step), **FIELDS)
    assert stopped.status is Status.INTERRUPTED
    assert content(mmg_nb.resume(path)) == content(whole)
