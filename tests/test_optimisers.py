"""Muon and AdamW over stacked members: each member as if it were alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Generator, nn

from mmg_nb.denoisers.gaussian import Samples
from mmg_nb.denoisers.residual import AnchorSummary, ResidualDenoiser
from mmg_nb.training.optimisers import Adam, MuonAdamW, clip_by_member, orthogonalized


def matrices(k, rows, columns, seed=0):
    return torch.randn(k, rows, columns, generator=Generator().manual_seed(seed)).double()


# --- orthogonalisation -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 8, 8), (2, 32, 32), (3, 4, 16), (3, 16, 4)])
def test_singular_values_come_near_one(shape):
    spread = torch.linalg.svdvals(orthogonalized(matrices(*shape)))
    condition = torch.linalg.svdvals(matrices(*shape))
    well = condition > 0.05 * condition.amax(-1, keepdim=True)
    assert float(spread[well].min()) > 0.6
    assert float(spread.max()) < 1.25


@pytest.mark.parametrize("shape", [(4, 8, 8), (3, 4, 16), (3, 16, 4)])
def test_directions_are_those_of_the_polar_factor(shape):
    given = matrices(*shape)
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    inside = u.mT @ orthogonalized(given) @ v.mT
    off = inside - torch.diag_embed(inside.diagonal(dim1=1, dim2=2))
    assert float(off.abs().max()) < 1e-9
    assert (inside.diagonal(dim1=1, dim2=2) > 0).all()
    torch.testing.assert_close(u @ inside @ v, orthogonalized(given))


def test_scale_does_not_matter_and_nothing_stays_nothing():
    given = matrices(2, 6, 6)
    torch.testing.assert_close(
        orthogonalized(1e3 * given), orthogonalized(given), atol=1e-6, rtol=0
    )
    assert not orthogonalized(torch.zeros(2, 6, 6)).any()


def test_each_matrix_is_treated_alone():
    given = matrices(3, 8, 8)
    alone = torch.cat([orthogonalized(m.unsqueeze(0)) for m in given])
    torch.testing.assert_close(orthogonalized(given), alone)


# --- members -----------------------------------------------------------------------------------


def denoiser(members, seed=0):
    variance = torch.rand(members, 1, 2, generator=Generator().manual_seed(seed)) * 0.8 + 0.1
    return ResidualDenoiser(
        AnchorSummary(variance, 3), width=16, blocks=2, generator=Generator().manual_seed(seed)
    )


def only(model, member):
    """A copy of one member, as a model of its own."""
    alone = copy.deepcopy(model)
    for tensor in (*alone.parameters(), *alone.buffers()):
        tensor.data = tensor.data[member : member + 1].clone()
    return alone


def trained(model, batches, pick=slice(None), limit=5.0):
    """The package's optimiser on the ε-error of fixed batches."""
    hidden = model.net.hidden_matrices()
    ids = {id(p) for p in hidden}
    every = list(model.parameters())
    optimiser = MuonAdamW(
        hidden,
        [p for p in every if id(p) not in ids],
        learning_rate=1e-2,
        muon_rate=5e-2,
        weight_decay=0.1,
    )
    for x, residual, y, eps, logsnr in batches:
        samples = Samples(x[pick], residual[pick], y[pick])
        given = (torch.arange(x.shape[1]) % 2 == 0).view(1, -1, 1)
        error = eps[pick] - model(samples, eps[pick], logsnr[pick], given)
        model.zero_grad(set_to_none=True)
        error.square().sum(-1).mean(-1).sum().backward()
        clip_by_member(every, limit)
        optimiser.step(0.7)
    return model


def batches_of(members, steps=8, batch=32):
    generator = Generator().manual_seed(5)
    out = []
    for _ in range(steps):
        x, residual, eps = torch.randn(3, members, batch, 2, generator=generator)
        y = torch.randn(members, batch, 3, generator=generator)
        # Members of very different difficulty: a shared norm or clip would couple them.
        scale = torch.tensor([1.0, 30.0, 0.1])[:members].view(-1, 1, 1)
        logsnr = 4 * torch.randn(members, batch, generator=generator)
        out.append((scale * x, scale * residual, y, eps, logsnr))
    return out


@pytest.mark.parametrize("limit", [5.0, 0.05])
def test_members_train_as_if_alone(limit):
    start, batches = denoiser(3), batches_of(3)
    together = trained(copy.deepcopy(start), batches, limit=limit)
    for member in range(3):
        alone = trained(only(start, member), batches, slice(member, member + 1), limit)
        for (name, p), q in zip(together.named_parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(p[member : member + 1], q, atol=2e-4, rtol=1e-3, msg=name)
    moved = [
        float((p - q).detach().abs().max())
        for p, q in zip(together.parameters(), start.parameters(), strict=True)
    ]
    assert min(moved) > 1e-3


def test_the_loss_falls():
    batches = batches_of(3) * 15

    def loss(model):
        x, residual, y, eps, logsnr = batches[0]
        given = torch.zeros(1, 1, 1, dtype=torch.bool)
        error = eps - model(Samples(x, residual, y), eps, logsnr, given)
        return float(error.square().sum(-1).mean().detach())

    start = denoiser(3)
    assert loss(trained(copy.deepcopy(start), batches)) < 0.9 * loss(start)


@pytest.mark.parametrize(
    ("decoupled", "theirs"), [(True, torch.optim.AdamW), (False, torch.optim.Adam)]
)
def test_adam_is_that_of_pytorch(decoupled, theirs):
    one, other = (nn.Parameter(matrices(2, 3, 4).float()) for _ in range(2))
    ours = Adam([one], learning_rate=0.1, weight_decay=0.2, decoupled=decoupled)
    known = theirs([other], lr=0.05, weight_decay=0.2, fused=True)
    for k in range(5):
        one.grad = other.grad = matrices(2, 3, 4, seed=k).float()
        ours.step(0.5)
        known.step()
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_a_restored_adam_goes_on_as_before():
    one, other = (nn.Parameter(matrices(2, 3, 4).float()) for _ in range(2))
    first, second = (Adam([p], learning_rate=0.1, weight_decay=0.2) for p in (one, other))
    one.grad = matrices(2, 3, 4, seed=1).float()
    first.step(1.0)
    second.restore(first.state())
    other.data = one.detach().clone()
    one.grad = other.grad = matrices(2, 3, 4, seed=2).float()
    first.step(1.0)
    second.step(1.0)
    torch.testing.assert_close(one, other, atol=0, rtol=0)


def pair_of_parameters():
    hidden = nn.Parameter(matrices(2, 4, 4).float())
    rest = nn.Parameter(matrices(2, 1, 4, seed=1).float())
    hidden.grad, rest.grad = hidden.detach().clone(), rest.detach().clone()
    return hidden, rest


def test_the_rest_is_moved_by_plain_adamw():
    hidden, rest = pair_of_parameters()
    other = nn.Parameter(rest.detach().clone())
    other.grad = rest.grad.clone()
    MuonAdamW([hidden], [rest], learning_rate=0.1, muon_rate=0.5, weight_decay=0.3).step(0.5)
    torch.optim.AdamW([other], lr=0.05, weight_decay=0.0).step()
    torch.testing.assert_close(rest, other)


def test_a_step_of_muon_is_decay_and_an_orthogonal_move():
    hidden, rest = pair_of_parameters()
    before = hidden.detach().clone()
    optimiser = MuonAdamW([hidden], [rest], learning_rate=0.1, muon_rate=0.2, weight_decay=0.3)
    optimiser.step(0.5)
    torch.testing.assert_close(hidden.detach(), before, atol=0, rtol=0)
    optimiser.step(0.5)  # for both steps
    expected = before * (1 - 0.2 * 0.3) - 0.2 * orthogonalized(before)
    torch.testing.assert_close(hidden.detach(), expected, atol=1e-5, rtol=1e-5)


def test_muon_follows_the_mean_of_past_gradients_with_nesterov():
    hidden, rest = pair_of_parameters()
    optimiser = MuonAdamW([hidden], [rest], learning_rate=0, muon_rate=0.2, weight_decay=0)
    velocity = torch.zeros_like(hidden)
    for k in range(6):
        before = hidden.detach().clone()
        hidden.grad = matrices(2, 4, 4, seed=3 + k).float()
        velocity = 0.95 * velocity + 0.05 * hidden.grad
        optimiser.step(1.0)
        ahead = 0.05 * hidden.grad + 0.95 * velocity
        expected = before - 0.4 * orthogonalized(ahead) if k % 2 else before
        torch.testing.assert_close(hidden.detach(), expected, atol=1e-4, rtol=1e-4)


def test_a_rate_of_nothing_changes_nothing():
    hidden, rest = pair_of_parameters()
    before = hidden.detach().clone(), rest.detach().clone()
    optimiser = MuonAdamW([hidden], [rest], learning_rate=0.1, muon_rate=0.2, weight_decay=0.3)
    optimiser.step(0.0)
    optimiser.step(0.0)
    torch.testing.assert_close((hidden.detach(), rest.detach()), before, atol=0, rtol=0)


def test_clipping_is_by_member_and_over_all_parameters():
    first, second = nn.Parameter(torch.zeros(3, 2, 2)), nn.Parameter(torch.zeros(3, 1, 2))
    first.grad = torch.ones(3, 2, 2) * torch.tensor([3.0, 0.1, 0.0]).view(3, 1, 1)
    second.grad = torch.ones(3, 1, 2) * torch.tensor([4.0, 0.1, 0.0]).view(3, 1, 1)
    kept = first.grad[1:].clone(), second.grad[1:].clone()
    ratio = float(first.grad[0, 0, 0] / second.grad[0, 0, 0])
    clip_by_member([first, second], 1.0)
    norm = (first.grad.square().sum((1, 2)) + second.grad.square().sum((1, 2))).sqrt()
    assert float(norm[0]) == pytest.approx(1.0)
    assert float(first.grad[0, 0, 0] / second.grad[0, 0, 0]) == pytest.approx(ratio)
    torch.testing.assert_close((first.grad[1:], second.grad[1:]), kept)
