"""Batches to train on: which rows and noises, and what preparing several of them changes."""

from __future__ import annotations

import pytest
import torch
from oracle import CPU
from torch import Generator, nn

from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.denoisers.logsnr import uniform_bins
from mmg_nb.denoisers.members import Rows
from mmg_nb.denoisers.residual import AnchorSummary, RadialDenoiser, ResidualDenoiser
from mmg_nb.estimators.minde.denoisers import JointDenoiser
from mmg_nb.training import batches
from mmg_nb.training.batches import antithetic_pairs

GRID = uniform_bins(-8.0, 12.0, 0.5, CPU)
MEMBERS, DIM_X, DIM_Y = 2, 3, 2


def rows_of(n=50):
    """Each row another number, so that it is known again; y tells which of x it belongs to."""
    x = torch.arange(MEMBERS * n * DIM_X, dtype=torch.float32).view(MEMBERS, n, DIM_X) / n
    y = x[..., :DIM_Y] + 1
    return Rows(Samples(x, x / 2, y), torch.tensor([n, n - 20]))


def lessons(denoiser, most, batch=16, seed=0, **fields):
    generator = Generator().manual_seed(seed)
    return antithetic_pairs(denoiser, rows_of(), batch, GRID, generator, most, **fields)


class Spy(Denoiser):
    """Predicts a constant, which is its only weight, and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))

    def forward(self, samples, eps, logsnr, given):
        self.asked = samples, eps, logsnr, given.expand(*logsnr.shape, 1)[..., 0]
        return self.value.expand_as(eps)


@pytest.mark.parametrize("without", [0.5, 0.25])
@pytest.mark.parametrize("most", [1, 3])
def test_each_row_is_seen_with_a_noise_and_with_its_opposite(most, without):
    spy, first = Spy(), round(without * 64)
    found = lessons(spy, most, batch=64, without=without)
    assert len(found) == most
    for lesson in found:
        loss = lesson()
        seen, eps, logsnr, given = spy.asked
        for values in (seen.x, seen.residual, seen.y, logsnr):
            assert torch.equal(values[:, :64], values[:, 64:])
        assert torch.equal(seen.y, seen.x[..., :DIM_Y] + 1)
        assert torch.equal(eps[:, :64], -eps[:, 64:])
        assert given[0].tolist() == 2 * (first * [False] + (64 - first) * [True])
        for part in logsnr[:, :64].split((first, 64 - first), dim=1):  # stratified in each branch
            count = part.shape[1]
            strata = ((part - GRID.low) / (GRID.high - GRID.low) * count).floor()
            assert torch.equal(strata, torch.arange(float(count)).expand(MEMBERS, count))
        assert loss.item() == pytest.approx(eps.square().sum(-1).mean(-1).sum().item())


@pytest.mark.parametrize("without", [0.0, 1.0])
def test_each_branch_gets_a_row_at_least(without):
    spy = Spy()
    lessons(spy, 1, batch=2, without=without)[0]()
    assert spy.asked[3][0].tolist() == 2 * [False, True]


def test_only_rows_of_the_member_are_drawn():
    spy, rows = Spy(), rows_of()
    found = lessons(spy, 20)
    assert len(found) == 20
    for lesson in found:
        lesson()
        for member, values in enumerate(spy.asked[0].x):
            own = rows.samples.x[member, : rows.count[member]]
            assert (values.unsqueeze(1) == own).all(-1).any(-1).all()


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (1100, 2), (10**9, 9)])
def test_no_more_are_drawn_than_fit(limit, count, monkeypatch):
    """A step of 2 members, 16 rows twice and 3 + 3 + 2 columns has 512 numbers."""
    monkeypatch.setitem(batches.NUMBERS_AHEAD, "cpu", limit)
    assert len(lessons(Spy(), 9)) == count


def test_where_the_prediction_is_flat_the_noise_of_the_gradient_cancels():
    spy = Spy()
    lessons(spy, 1)[0]().backward()
    assert abs(spy.value.grad.item()) < 1e-6


def joint():
    return JointDenoiser(MEMBERS, 1, 2, width=16, blocks=1, generator=Generator().manual_seed(1))


def radial():
    return RadialDenoiser(
        AnchorSummary(torch.full((MEMBERS, 1, DIM_X), 0.5), DIM_Y),
        generator=Generator().manual_seed(1),
    )


def residual(start=None, focused=False, **of_anchor):
    variance = torch.tensor([0.5, 0.1, 0.9]).expand(MEMBERS, 1, DIM_X)
    generator = Generator().manual_seed(2)
    anchor = AnchorSummary(variance, DIM_Y, **of_anchor)
    return ResidualDenoiser(
        anchor, width=16, blocks=2, generator=generator, start=start, focused=focused
    )


KINDS = {
    "joint": joint,
    "radial": radial,
    "residual": residual,
    "focused": lambda: residual(focused=True, sensitivity=torch.eye(DIM_Y).repeat(MEMBERS, 1, 1)),
    "in stages": lambda: residual(start=says_something(radial()).requires_grad_(False)),
    "conditional": lambda: residual(condition=1),
}


def says_something(denoiser):
    """With weights everywhere, the null for y among them."""
    generator = Generator().manual_seed(3)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return denoiser


@pytest.mark.parametrize("kind", KINDS)
def test_many_steps_at_once_are_what_they_are_one_by_one(kind):
    denoiser, generator = says_something(KINDS[kind]()), Generator().manual_seed(0)
    together = [lesson().item() for lesson in lessons(denoiser, 5)]
    alone = []
    for _ in together:
        (lesson,) = antithetic_pairs(denoiser, rows_of(), 16, GRID, generator, 1)
        alone.append(lesson().item())
    assert len(set(alone)) == len(alone) == 5
    assert together == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_predictions(kind):
    """Of `forward`, at all weights that are trained: none is frozen into what is prepared."""
    denoiser = says_something(KINDS[kind]())
    (lesson,) = lessons(denoiser, 1)
    noise = Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=noise)
    seen = {}
    forward = denoiser.forward

    def asked(samples, eps, logsnr, given):
        seen["loss"] = (eps - forward(samples, eps, logsnr, given)).square().sum(-1).mean(-1).sum()
        return torch.zeros_like(eps)

    spy = Spy()
    spy.forward = asked
    lessons(spy, 1)[0]()
    assert lesson().item() == pytest.approx(seen["loss"].item(), rel=1e-5)
