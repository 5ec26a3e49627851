"""Objectives and readings at the exact log-ratio, and how critics pair and see their rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import PAIRS

import mmg_nb
from mmg_nb.estimators.critics import learners, objectives
from mmg_nb.estimators.critics.bounds import DIME, DV, MINE, NWJ, SMILE, InfoNCE
from mmg_nb.estimators.critics.training import Stack
from mmg_nb.nets.critics import CRITICS
from mmg_nb.nets.entropy_net import HEADS

PAIR = PAIRS["1x1"]


class Exact(torch.nn.Module):
    """The critic that knows the truth: ln r of each pair."""

    def forward(self, x, y, k, first=0):
        n = y.shape[1]
        rows = np.arange(first, first + x.shape[1])
        columns = [
            PAIR.log_ratio(x[0].numpy(), y[0].numpy()[(rows + shift) % n])
            for shift in range(k + 1)
        ]
        return torch.tensor(np.stack(columns, axis=1))[None]


def exact_points(config, n=4000, seed=0):
    x, y = (torch.tensor(v)[None] for v in PAIR.sample(n, seed))
    return learners.critic_learner(config, 256).points(Exact(), x, y).numpy()


CONFIGS = [MINE(), DV(), NWJ(), InfoNCE(), SMILE(clip=20.0), DIME()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_the_exact_log_ratio_reads_as_the_truth(config):
    points = exact_points(config)
    error = points.std() / math.sqrt(len(points))
    assert abs(points.mean() - PAIR.mi) < 4 * error
    for wrong in (0.0, PAIR.mi / 2, 2 * PAIR.mi, PAIR.mi / math.log(2)):
        assert abs(points.mean() - wrong) > 4 * error


@pytest.mark.parametrize("config", [DV(), NWJ(), InfoNCE(batch=32)], ids=lambda c: c.name)
def test_the_spread_of_points_is_the_error_of_their_mean(config):
    """Over 60 samples the estimate scatters as the errors say, product pairs included."""
    runs = [exact_points(config, 400, seed) for seed in range(60)]
    scatter = np.std([points.mean() for points in runs], ddof=1)
    told = np.mean([points.std() / math.sqrt(len(points)) for points in runs])
    assert 0.75 * scatter < told < 1.5 * scatter


@pytest.mark.parametrize("objective", [objectives.gan, objectives.hellinger])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_the_exact_log_ratio_is_the_best_score(objective, scale):
    x, y = (torch.tensor(v)[None] for v in PAIR.sample(20_000, 0))
    scores = Exact()(x, y, 4)
    best = objective(scores[..., 0], scores[..., 1:])
    assert objective(scale * scores[..., 0], scale * scores[..., 1:]) < best
    assert objective(scores[..., 0] + 0.5, scores[..., 1:] + 0.5) < best


def test_bounds_by_hand():
    joint, product = torch.tensor([1.0, 3.0]), torch.tensor([[0.0], [math.log(3)]])
    assert objectives.donsker_varadhan(joint, product) == pytest.approx(2 - math.log(2))
    assert objectives.kullback_leibler(joint, product) == pytest.approx(1 + 2 - 2)
    rows = [1 - math.log((math.e + 1) / 2), 3 - math.log((math.e**3 + 3) / 2)]
    assert objectives.info_nce(joint, product) == pytest.approx(np.mean(rows))
    logistic = [-math.log1p(math.exp(-v)) for v in (1, 3)]
    others = [-math.log(2), -math.log(4)]
    assert objectives.gan(joint, product) == pytest.approx(np.mean(logistic) + np.mean(others))


def test_infonce_never_exceeds_the_log_of_the_pairs_told_apart():
    joint, product = torch.full((9,), 50.0), torch.zeros(9, 7)
    assert objectives.info_nce(joint, product) == pytest.approx(math.log(8), abs=1e-6)


def test_smile_clips_the_partition_term_and_nothing_else():
    partners = torch.arange(1, 9).unsqueeze(1) % 8
    joint, product = torch.full((8,), 9.0), torch.full((8, 1), -9.0)
    points = objectives.smile_points(2.0)(joint, product, partners)
    assert points.mean() == pytest.approx(9 + 2)


def test_mine_divides_by_an_average_over_batches():
    average = objectives.MovingAverage(0.1)
    product = torch.zeros(1, 4, 1, requires_grad=True)
    average(torch.zeros(1, 4), product)
    later = torch.full((1, 4, 1), math.log(11.0), requires_grad=True)
    average(torch.zeros(1, 4), later).sum().backward()
    # The mean of e^f went from 1 to 11, its average to 0.9 · 1 + 0.1 · 11 = 2.
    torch.testing.assert_close(later.grad, torch.full((1, 4, 1), -11 / 2 / 4))


@pytest.mark.parametrize("kind", CRITICS)
def test_critics_pair_rows_with_those_that_follow(kind):
    generator = torch.Generator().manual_seed(0)
    net = CRITICS[kind](2, 3, 2, width=16, blocks=1, generator=generator)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    x = torch.randn(2, 7, 3, generator=generator)
    y = torch.randn(2, 7, 2, generator=generator)
    scores = net(x, y, 6)
    for shift in range(7):
        alone = net(x, y.roll(-shift, 1), 0)[..., 0]
        torch.testing.assert_close(scores[..., shift], alone, rtol=1e-3, atol=1e-3)
    part = net(x[:, 4:], y, 5, 4)
    torch.testing.assert_close(part, scores[:, 4:, :6], rtol=1e-3, atol=1e-3)


def test_batches_hold_different_rows_of_their_member_only():
    x = torch.arange(10.0).expand(2, 10).unsqueeze(-1)
    rows = Stack(x, x, torch.tensor([10, 7]))
    batches = rows.batches(3, torch.Generator().manual_seed(0))
    for _ in range(6):
        batch, _ = next(batches)
        for member, count in enumerate((10, 7)):
            found = batch[member, :, 0].tolist()
            assert len(set(found)) == 3
            assert max(found) < count


@pytest.mark.parametrize("head", HEADS)
def test_densities_integrate_to_one(head):
    t = torch.linspace(-40, 40, 20_001, dtype=torch.float64)
    scale = torch.tensor(math.log(1.7), dtype=torch.float64)
    mass = torch.trapezoid(HEADS[head](t / scale.exp(), scale).exp(), t)
    assert float(mass) == pytest.approx(1.0, abs=1e-6)


def test_a_bound_at_its_ceiling_says_so_and_a_small_batch_too():
    x = np.random.default_rng(0).normal(size=400)
    y = x + 1e-3 * np.random.default_rng(1).normal(size=400)
    result = mmg_nb.estimate(x, y, "infonce", steps=150, batch=16, learning_rate=1e-2, folds=2)
    assert result.mi < math.log(16)
    assert any("ln 16 = 2.77 nats, its ceiling" in note for note in result.notes)
    few = mmg_nb.estimate(x[:60], y[:60], "infonce", steps=2)
    assert any(note.startswith("Batches hold 12 rows instead of 256") for note in few.notes)
    assert not any("ceiling" in note for note in few.notes)
