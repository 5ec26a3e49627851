"""The regression anchor: near the truth where there is some, nothing where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import PAIRS, drawn, independent, mixed, sparse
from torch import Generator

from mmg_nb.data.splits import Member
from mmg_nb.data.whitening import Whiten
from mmg_nb.denoisers.anchor import Anchor, AnchorNet
from mmg_nb.denoisers.linear_regression import radial_regression
from mmg_nb.training.anchor_fit import fit_anchor


def fitted(samples, held, *, steps=0, seed=0, width=32, generator=None):
    """`fit_anchor` for members given as lists of (x, y), rows of which nobody shares any."""
    parts = [part for each in zip(samples, held, strict=True) for part in each]
    x, y = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    ends = np.cumsum([len(part[0]) for part in parts])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    return fit_anchor(
        x,
        y,
        [Member(*each) for each in zip(rows[::2], rows[1::2], strict=True)],
        width=width,
        steps=steps,
        batch=64,
        generator=generator or Generator().manual_seed(seed),
    )


@pytest.mark.parametrize(("dim_x", "dim_y"), [(4, 3), (25, 20)])
def test_where_nothing_is_explained_the_variance_is_one(dim_x, dim_y):
    """A variance beside 1 would turn noise into mutual information."""
    members, held = (
        [tuple(independent(n, dim_x, dim_y, seed + n)) for seed in range(6)] for n in (500, 100)
    )
    _, variance = fitted(members, held)
    assert (variance <= 1.0).all()
    assert float(variance.mean()) > 0.998  # least squares leaves 1 − dim_y / 600 in its own rows


def test_without_a_network_the_linear_map_takes_the_validation_rows_too():
    members, held = (
        [tuple(drawn(PAIRS["mixed_4x2"], n, seed + n)) for seed in range(2)] for n in (500, 100)
    )
    anchor, _ = fitted(members, held)
    for matrix, fit, validation in zip(anchor.matrix, members, held, strict=True):
        x, y = (torch.cat(parts) for parts in zip(fit, validation, strict=True))
        expected, _ = radial_regression(x - x.mean(0), y - y.mean(0))
        torch.testing.assert_close(matrix, expected)


@pytest.mark.parametrize(("steps", "done"), [(200, 200), (2500, 300)])
def test_a_network_that_finds_nothing_is_given_up_early(steps, done):
    members, held = ([tuple(independent(n, 2, 3, n))] for n in (500, 300))
    generator = Generator().manual_seed(0)
    found, _ = fitted(members, held, steps=steps, width=8, generator=generator)
    assert not any(parameter.any() for parameter in found.net.leave.parameters())
    expected = Generator().manual_seed(0)
    AnchorNet(1, 3, 2, 8, expected)
    for _ in range(done):
        torch.rand(1, 64, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_directions_that_y_does_not_touch_have_variance_one():
    pair = sparse(5, 2.0, pairs=1)
    anchor, variance = fitted([tuple(drawn(pair, 2000))], [tuple(drawn(pair, 300, 1))])
    ordered = variance.flatten().sort().values
    assert float(ordered[0]) == pytest.approx(1 - 0.64, rel=0.15)
    torch.testing.assert_close(ordered[1:], torch.ones(4).double(), atol=2e-3, rtol=0)
    turn = anchor.rotation[0]
    torch.testing.assert_close(turn.mT @ turn, torch.eye(5).double())


@pytest.mark.parametrize("name", ["1x1", "25x25", "mixed_4x2"])
def test_variances_hold_the_mutual_information_of_gaussian_pairs(name):
    pair = PAIRS[name]
    _, variance = fitted([tuple(drawn(pair, 8000))], [tuple(drawn(pair, 2000, 1))])
    mi = -0.5 * float(variance.log().sum())
    assert mi == pytest.approx(pair.mi, abs=0.06)
    for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / math.log(2)):
        assert abs(mi - wrong) > 0.06


def test_the_residual_is_uncorrelated_in_the_anchors_coordinates():
    pair = mixed(4, 4)
    x, y = drawn(pair, 20_000)
    anchor, variance = fitted([(x, y)], [(x[:2000], y[:2000])])
    left = anchor.residual(x.unsqueeze(0), y.unsqueeze(0))[0]
    covariance = left.mT @ left / len(left)
    torch.testing.assert_close(covariance, variance.flatten().diag(), atol=0.03, rtol=0)


def test_padding_changes_nothing():
    members = [tuple(drawn(PAIRS["mixed_4x2"], n, seed)) for seed, n in enumerate((300, 80, 200))]
    held = [tuple(drawn(PAIRS["mixed_4x2"], n, n)) for n in (20, 60, 30)]
    together, variances = fitted(members, held)
    for i, (member, kept) in enumerate(zip(members, held, strict=True)):
        alone, variance = fitted([member], [kept])
        torch.testing.assert_close(together.matrix[i], alone.matrix[0])
        torch.testing.assert_close(variances[i], variance[0])


def curved(n, seed, noise=0.3):
    """x is a bent function of y, with no linear part."""
    y = torch.randn(n, 1, generator=Generator().manual_seed(seed), dtype=torch.float64)
    eps = torch.randn(n, 1, generator=Generator().manual_seed(seed + 99), dtype=torch.float64)
    x = (y.abs() - math.sqrt(2 / math.pi)) / math.sqrt(1 - 2 / math.pi)
    return (x + noise * eps) / math.sqrt(1 + noise**2), y


def test_the_network_finds_what_no_line_can():
    samples, held = [curved(1000, 0), curved(1000, 1)], [curved(200, 2), curved(200, 3)]
    _, straight = fitted(samples, held)
    _, bent = fitted(samples, held, steps=250)
    assert (straight > 0.9).all()
    assert (bent < 0.3).all()


def test_a_network_that_finds_nothing_is_dropped():
    samples = [tuple(independent(300, 2, 2, seed)) for seed in (0, 1, 2)]
    held = [tuple(independent(60, 2, 2, seed)) for seed in (3, 4, 5)]
    plain, variance = fitted(samples, held)
    anchor, with_net = fitted(samples, held, steps=100)
    assert not any(parameter.any() for parameter in anchor.net.leave.parameters())
    torch.testing.assert_close(with_net, variance)
    torch.testing.assert_close(anchor.matrix, plain.matrix)


def test_a_network_is_kept_from_before_it_overfits():
    """40 rows in 6 columns, of which one is bent: later it would claim more than it explains."""
    rows = torch.randn(40, 6, generator=Generator().manual_seed(0), dtype=torch.float64)
    fresh = torch.randn(4000, 6, generator=Generator().manual_seed(1), dtype=torch.float64)
    (x, y), (far_x, far_y) = ((2 * each[:, :1].abs() - 1.6, each) for each in (rows, fresh))
    held = torch.randn(400, 6, generator=Generator().manual_seed(2), dtype=torch.float64)
    anchor, _ = fitted([(x, y)], [(2 * held[:, :1].abs() - 1.6, held)], steps=250)

    def error(factor):
        predicted = anchor.mean(far_y[None])[0]
        return float((far_x - factor * predicted).square().mean())

    assert error(1) < 0.9 * error(0)
    assert error(1) < error(1.5)


def test_a_fresh_network_says_nothing():
    net = AnchorNet(2, 3, 4, 16, Generator().manual_seed(0))
    assert not net(torch.randn(2, 10, 3, generator=Generator().manual_seed(1))).any()


def test_residuals_are_formed_in_float64():
    """x and m(y) are of order one, their difference here is 1e-9."""
    matrix = torch.tensor([[[0.1]]], dtype=torch.float64)
    y = torch.linspace(-3, 3, 101, dtype=torch.float64).view(1, -1, 1)
    left = Anchor(matrix).residual(0.1 * y + 1e-9, y)
    assert left.dtype == torch.float64
    torch.testing.assert_close(left, torch.full_like(left, 1e-9), rtol=1e-6, atol=0)


# --- which directions of y it uses ---------------------------------------------------------------


def test_the_sensitivity_of_a_linear_map_holds_the_canonical_correlations():
    pair = PAIRS["mixed_4x2"]
    anchor = Anchor(torch.tensor(pair.k.T).repeat(2, 1, 1))
    y = drawn(pair, 50)[1].repeat(2, 1, 1)
    squares = torch.linalg.eigvalsh(anchor.sensitivity(y))
    expected = torch.tensor(np.sort(pair.canonical**2)).expand(2, -1)
    torch.testing.assert_close(squares, expected)


def test_the_sensitivity_is_that_of_the_whole_anchor():
    """By differences: of the linear map, the radial map and the network together."""
    generator = Generator().manual_seed(0)
    maps = torch.randn(2, 1, 3, 2, generator=generator, dtype=torch.float64)
    net = AnchorNet(1, 3, 2, 8, generator)
    torch.nn.init.normal_(net.leave.weight, generator=generator)
    anchor = Anchor(*maps, net).requires_grad_(False)
    y = torch.randn(1, 5, 3, generator=generator, dtype=torch.float64)
    step = 1e-2
    rows = [
        (anchor.mean(y + step * e) - anchor.mean(y - step * e)) / (2 * step)
        for e in torch.eye(3).double()
    ]
    jacobian = torch.stack(rows, dim=-2)
    expected = (jacobian @ jacobian.mT).mean(1)
    torch.testing.assert_close(anchor.sensitivity(y), expected, rtol=1e-2, atol=1e-3)


def test_a_category_that_the_rows_of_a_member_lack_is_no_constant():
    """Its indicator is constant there. As a constant it would explain the mean of these rows."""
    generator = np.random.default_rng(0)
    code = np.r_[generator.poisson(3, 1999), 20]
    indicators = (code[:, None] == np.unique(code)[1:]).astype(float)
    whiten = Whiten.fit(indicators)
    x = torch.tensor(generator.normal(size=(2000, 3)))
    y = torch.tensor(whiten(indicators))
    assert float(y[-1].abs().max()) > 20
    seen = np.arange(1999)
    anchor, _ = fit_anchor(
        x,
        y,
        [Member(seen[:1500], seen[1500:])],
        width=8,
        steps=0,
        batch=100,
        generator=Generator().manual_seed(0),
    )
    assert float(anchor.mean(y[None, -1:]).abs().max()) < 0.3  # 56 otherwise
