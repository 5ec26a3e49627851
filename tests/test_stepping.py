"""Steps that are replayed do what steps do as they are."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from test_batches import KINDS, lessons, says_something

from mmg_nb.nets.cuda_graph import Replay
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.state import newest_share, trained
from mmg_nb.training.step import Direct, Replayed, stepper

COUNT = 7  # of steps, an odd one, for there are two kinds


def optimiser_of(denoiser):
    parameters = [p for p in denoiser.parameters() if p.requires_grad]
    hidden = denoiser.net.hidden_matrices()
    return ClippedMuon(parameters, hidden, learning_rate=1e-2, weight_decay=0.1)


def weights_after(denoiser, build, count=COUNT):
    """Of the denoiser and of its running average."""
    average = copy.deepcopy(denoiser).requires_grad_(False)
    step = build(*trained(denoiser, average), optimiser_of(denoiser))
    for k, lesson in enumerate(lessons(denoiser, count)):
        step(lesson, 1 - k / 10, newest_share(k, 0.9))
    return [*denoiser.parameters(), *average.parameters()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_copied_to_the_same_places_is_learnt_from_alike(kind):
    start = says_something(KINDS[kind]())
    direct, replayed, fewer = (
        weights_after(copy.deepcopy(start), build, count)
        for build, count in ((Direct, COUNT), (Replayed, COUNT), (Replayed, COUNT - 1))
    )
    for one, other in zip(direct, replayed, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    furthest = max(float((a - b).detach().abs().max()) for a, b in zip(direct, fewer, strict=True))
    assert furthest > 1e-3  # rejects a lesson that is left out


def test_on_the_host_steps_are_taken_as_they_are():
    denoiser = KINDS["radial"]()
    weights = trained(denoiser, copy.deepcopy(denoiser))
    assert isinstance(stepper(*weights, optimiser_of(denoiser)), Direct)


def test_what_is_replayed_is_freed_at_once():
    """Without waiting for Python's garbage collector, which knows nothing of a GPU's memory."""
    denoiser = KINDS["residual"]()
    step = Replayed(*trained(denoiser, copy.deepcopy(denoiser)), optimiser_of(denoiser))
    (lesson,) = lessons(denoiser, 1)
    step(lesson, 1.0, 0.1)
    gone = weakref.ref(denoiser.null)
    gc.disable()
    try:
        del denoiser, step, lesson
        assert gone() is None
    finally:
        gc.enable()


def test_a_replay_on_the_host_does_the_kind_of_work_it_is_asked_for():
    asked = []
    replay = Replay(asked.append, torch.device("cpu"))
    for kind in (0, 1, 1, 0, 0):
        replay(kind)
    assert asked == [0, 1, 1, 0, 0]
