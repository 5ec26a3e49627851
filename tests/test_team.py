"""Steps on several threads: only where they are faster, and never with other digits."""

from __future__ import annotations

import copy

import pytest
import torch
from test_batches import KINDS, says_something
from test_stepping import optimiser_of, weights_after

from mmg_nb.nets.mlp import ResidualMLP
from mmg_nb.polling import Stopped
from mmg_nb.runs.devices import team_size, threads_for
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.state import trained
from mmg_nb.training.step import Direct, stepper
from mmg_nb.training.team import BLOCK, FIRST_WAIT, HOPELESS, PAUSE, TRIALS, Team

CPU = torch.device("cpu")


class Machine:
    """A pretended machine: seconds of a step by threads, and one weight that each step changes."""

    def __init__(self, alone=1.0, together=0.5, exact=True):
        self.seconds = {1: alone, 2: together}
        self.exact = exact
        self.now = 0.0
        self.used = []
        self.weight = torch.zeros(1)
        self.moment = torch.zeros(1)
        self.team = Team(self.learn, [self.weight], self, 2, clock=lambda: self.now)

    def learn(self, lesson, scale, share):
        threads = torch.get_num_threads()
        self.used.append(threads)
        self.now += self.seconds[threads]
        self.moment += 1
        self.weight += 1 if threads == 1 or self.exact else 1.0001

    def step(self, scale):
        raise AssertionError("the step does this")

    def state(self):
        return {"moment": self.moment}

    def restore(self, state):
        self.moment.copy_(state["moment"])

    def take(self, steps):
        """Take steps; returns the threads of each one that counted or was a trial."""
        self.used = []
        for _ in range(steps):
            self.team(None, 1.0, 0.0)
        return self.used


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_faster_team_goes_on_after_trials_that_count_once():
    machine = Machine()
    assert machine.take(FIRST_WAIT) == [1] * FIRST_WAIT
    assert machine.take(TRIALS) == [2, 1] * TRIALS
    assert machine.take(3 * BLOCK) == [2] * (3 * BLOCK)
    steps = FIRST_WAIT + TRIALS + 3 * BLOCK
    assert float(machine.weight) == float(machine.moment) == steps
    assert torch.get_num_threads() == 1


def test_a_team_with_other_digits_is_never_used():
    machine = Machine(exact=False)
    machine.take(FIRST_WAIT)
    assert machine.take(1 + 10 * PAUSE) == [2, 1] + [1] * (10 * PAUSE)
    assert float(machine.weight) == FIRST_WAIT + 1 + 10 * PAUSE


def test_beside_other_work_one_trial_is_enough_and_pauses_grow():
    machine = Machine(together=1.1 * HOPELESS)
    machine.take(FIRST_WAIT)
    assert machine.take(1 + PAUSE) == [2] + [1] * (1 + PAUSE)
    assert machine.take(1 + 2 * PAUSE) == [2] + [1] * (1 + 2 * PAUSE)


def test_a_team_that_gains_little_leaves_the_other_core_alone():
    machine = Machine(together=0.95)
    machine.take(FIRST_WAIT)
    assert machine.take(TRIALS + PAUSE) == [2, 1] * TRIALS + [1] * PAUSE


@pytest.mark.parametrize(("seconds", "noticed_after"), [(1.1, BLOCK), (2 * HOPELESS, 1)])
def test_a_team_ends_when_other_work_begins_and_returns_when_it_ends(seconds, noticed_after):
    machine = Machine()
    machine.take(FIRST_WAIT + TRIALS + BLOCK)
    machine.seconds[2] = seconds
    assert machine.take(noticed_after + PAUSE) == [2] * noticed_after + [1] * PAUSE
    machine.seconds[2] = 0.5
    assert machine.take(TRIALS + 1) == [2, 1] * TRIALS + [2]


@pytest.mark.parametrize("way", [2, 1])
def test_a_stop_in_either_half_of_a_trial_leaves_what_was_there_before(way):
    machine = Machine()
    machine.take(FIRST_WAIT)
    learn = machine.team.learn

    def stops(lesson, scale, share):
        if torch.get_num_threads() == way:
            raise Stopped
        learn(lesson, scale, share)

    machine.team.learn = stops
    with pytest.raises(Stopped):
        machine.take(1)
    assert torch.get_num_threads() == 1
    assert float(machine.weight) == float(machine.moment) == FIRST_WAIT


def weights_of_large_layers(build):
    """Weights after steps of a network whose layers torch shares between threads."""
    generator, batch = torch.Generator().manual_seed(0), 512
    net = ResidualMLP(3, 4, 2, width=64, blocks=2, generator=generator)
    weights = list(net.parameters())
    optimiser = ClippedMuon(weights, net.hidden_matrices(), learning_rate=1e-2, weight_decay=0.1)
    inputs = {
        "x": torch.randn(3, batch, 4, generator=generator),
        "features": net.features(torch.randn(3, batch, generator=generator)),
        "y": torch.randn(3, batch, 2, generator=generator),
    }
    lesson = PreparedBatch(
        lambda has: (net(has["x"], has["features"]) - has["y"]).square().mean(), inputs
    )
    step = build(weights, optimiser)
    for _ in range(6):
        step(lesson, 1.0, 0.1)
    return weights


def test_two_threads_learn_what_one_does_to_the_last_bit():
    def alone(weights, optimiser):
        return Direct(weights, [], optimiser)

    def together(weights, optimiser):
        direct = alone(weights, optimiser)
        return Team(direct, weights, optimiser, 2, together=True, _wait=0, _alone=1e9)

    assert all(map(torch.equal, *map(weights_of_large_layers, (alone, together))))


@pytest.mark.parametrize("kind", KINDS)
def test_trials_and_teams_learn_what_one_thread_does(kind):
    start, count, made = says_something(KINDS[kind]()), 2 * TRIALS + 3, []

    def team(parameters, averages, optimiser):
        direct = Direct(parameters, averages, optimiser)
        ticks = iter(k + 0.9 * (k % 4 == 3) for k in range(100))  # alone takes longer
        every = [*parameters, *averages]
        made.append(Team(direct, every, optimiser, 2, clock=lambda: next(ticks), _wait=1))
        return made[0]

    one, other = (weights_after(copy.deepcopy(start), build, count) for build in (Direct, team))
    assert made[0].together
    assert all(map(torch.equal, one, other))


def test_a_run_uses_as_many_threads_as_torch_may():
    denoiser = KINDS["radial"]()
    parts = (*trained(denoiser, copy.deepcopy(denoiser)), optimiser_of(denoiser))
    for allowed, kind in ((1, Direct), (3, Team)):
        torch.set_num_threads(allowed)
        assert team_size() == 1
        with threads_for(1000, CPU):
            assert team_size() == min(allowed, 2)
            assert isinstance(stepper(*parts), kind)
