"""What runs on a GPU, on one: the same as on the host but for its own random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mmg_nb
from mmg_nb.benchmark import task
from mmg_nb.estimators.mmg import fields as mmg
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Phase, Step
from mmg_nb.training.step import Direct

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)


def gaussian(n=4000, dim=1, seed=0):
    """Pairs of columns of mutual information `TRUTH` each."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, dim))
    return x, RHO * x + math.sqrt(1 - RHO**2) * noise


def bent(n=3000, seed=0):
    """Where there is much to learn: y turned by an angle that grows with its length."""
    x, y = gaussian(n, 2, seed)
    angle = 2 * np.linalg.norm(y, axis=1)
    c, s = np.cos(angle), np.sin(angle)
    return x, np.stack([c * y[:, 0] - s * y[:, 1], s * y[:, 0] + c * y[:, 1]], axis=1)


def check(result, truth):
    """Within four of its standard errors: rejects 0, and twice the truth."""
    assert result.status is not Status.DIVERGED
    assert result.stderr < truth / 8
    assert abs(result.mi - truth) < 4 * result.stderr


@pytest.mark.parametrize("dim", [1, 2, 8])
def test_mmg_finds_what_there_is(dim):
    """In one column, in few, and in many, which are learnt in stages of their own."""
    check(mmg_nb.estimate(*gaussian(dim=dim), device="cuda"), dim * TRUTH)


def test_much_is_learnt():
    result = mmg_nb.estimate(*bent(), device="cuda")
    check(result, 2 * TRUTH)
    assert result.mi > 2 * mmg_nb.estimate(*bent(), "gcmi").mi


def test_what_is_told_precisely_is_learnt_first(monkeypatch):
    """14.5 nats, of which as on the host two thirds and more are found; half without pairs."""
    monkeypatch.setattr(mmg, "EFFORT_STEPS", dict.fromkeys(mmg.EFFORT_STEPS, 900))
    x, y = task("high_mi-spiral-3-2000").sample(3000, seed=1)
    result = mmg_nb.estimate(x, y, seed=1, folds=1, device="cuda")
    assert any("features of x and of y" in note for note in result.notes)
    assert 9.5 < result.mi < 14.5


def test_given_a_third_variable():
    x, y = gaussian()
    z = np.random.default_rng(1).standard_normal(len(x))
    check(mmg_nb.estimate(x + z[:, None], y + z[:, None], given=z, device="cuda"), TRUTH)


def test_categories():
    x, _ = gaussian()
    y = np.where(x[:, 0] > 0, "a", "b")
    check(mmg_nb.estimate(x, y, device="cuda"), math.log(2))


@pytest.mark.parametrize("name", ["minde", "nwj"])
def test_the_others_find_it_too(name):
    result = mmg_nb.estimate(*gaussian(), name, device="cuda")
    assert result.mi == pytest.approx(TRUTH, abs=0.25 * TRUTH)


def test_so_does_what_was_published():
    """In its inner form, for its own is nearly all noise with so few rows."""
    result = mmg_nb.estimate(*gaussian(), "published", device="cuda", steps=4000)
    assert result.forms["inner"].mi == pytest.approx(TRUTH, abs=0.25 * TRUTH)


def test_images():
    rng = np.random.default_rng(0)
    bright = rng.integers(0, 2, 600)
    images = 0.3 * rng.standard_normal((600, 8, 8)) + bright[:, None, None]
    result = mmg_nb.estimate(images, bright, discrete="y", device="cuda", steps=300)
    assert result.mi == pytest.approx(math.log(2), abs=0.2)


def content(result):
    return result.mi, result.stderr, result.history.step.tolist(), result.history.mi.tolist()


def test_a_seed_gives_the_same_digits_again():
    first, second = (content(mmg_nb.estimate(*bent(), device="cuda", steps=400)) for _ in "ab")
    assert first == second
    other = mmg_nb.estimate(*bent(), device="cuda", steps=400, seed=1)
    assert content(other) != first


@pytest.mark.parametrize("step", [1, 250, 333])
def test_resumed_it_goes_on_as_if_it_had_never_stopped(tmp_path, step):
    """In the stage of lengths, which has 200 steps, and in the one after it."""
    fields = {"device": "cuda", "steps": 400}
    whole = mmg_nb.estimate(*bent(2000), **fields)
    path = tmp_path / "run.mmg"
    partial = mmg_nb.estimate(*bent(2000), checkpoint=path, listen=stop_at(step), **fields)
    assert partial.status is Status.INTERRUPTED
    assert content(mmg_nb.resume(path)) == content(whole)


def stop_at(step):
    training = []

    def listen(event):
        if isinstance(event, Phase):
            training.append(event.name)
        return isinstance(event, Step) and training[-1] == "training" and event.step >= step

    return listen


def test_replayed_steps_learn_what_steps_learn_as_they_are(monkeypatch):
    replayed = mmg_nb.estimate(*bent(), device="cuda", steps=400)
    taken = []

    def direct(parameters, averages, optimiser):
        taken.append(None)
        return Direct(parameters, averages, optimiser)

    monkeypatch.setattr("mmg_nb.training.loop.stepper", direct)
    found = mmg_nb.estimate(*bent(), device="cuda", steps=400)
    assert taken
    assert found.mi == pytest.approx(replayed.mi, abs=0.02)
    assert abs(found.mi - replayed.mi) < replayed.stderr
