"""Linear regression, with shrinkage where least squares would scatter too much."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import PAIRS, GaussianPair, dense, drawn, independent, mixed, sparse
from torch import Generator

from mmg_nb.denoisers.linear_regression import (
    _shrink,
    is_shrunk,
    linear_regression,
    log_power,
    radial_regression,
    shrunk_regression,
)


def excess(matrix, pair):
    """E‖y M − E[x | y]‖² in units of the residual: about twice the nats that are lost."""
    variances, basis = (torch.tensor(v) for v in pair._residual())
    return float((((matrix - torch.tensor(pair.k.T)) @ basis) ** 2 / variances).sum())


@pytest.mark.parametrize(("dim_x", "dim_y", "n"), [(1, 1, 300), (3, 2, 300), (25, 25, 1000)])
def test_independent_data_mostly_get_no_map_at_all(dim_x, dim_y, n):
    maps = [shrunk_regression(*independent(n, dim_x, dim_y, seed)) for seed in range(40)]
    nothing = sum(not bool(m.any()) for m in maps)
    assert nothing >= 0.55 * len(maps)
    left = sum(float(m.square().sum()) for m in maps) / len(maps)
    assert left < 0.15 * dim_x * dim_y / n  # of what least squares makes of the noise


@pytest.mark.parametrize(("dim_x", "dim_y"), [(25, 25), (25, 1), (1, 25)])
def test_independent_data_get_little_even_from_few_rows(dim_x, dim_y):
    maps = [shrunk_regression(*independent(300, dim_x, dim_y, seed)) for seed in range(20)]
    left = sum(float(m.square().sum()) for m in maps) / len(maps)
    assert left < 0.06 * dim_x * dim_y / 300


@pytest.mark.parametrize("n", [300, 1000])
def test_one_strong_direction_among_many_beats_least_squares_by_far(n):
    pair = dense(25, 0.5)
    x, y = drawn(pair, n)
    ours = excess(shrunk_regression(x, y), pair)
    plain = excess(torch.linalg.lstsq(y, x).solution, pair)
    nothing = excess(torch.zeros(25, 25).double(), pair)
    assert ours < 0.15 * plain
    assert ours < 0.05 * nothing


def test_weak_dependence_of_many_columns_is_not_shrunk_away():
    """The size of the map along the true one; a shrunk map, the wrong answer, loses a quarter."""
    pair = GaussianPair(0.1 * np.eye(16))
    x, y = drawn(pair, 10_000)
    true = torch.tensor(pair.k.T)
    plain, shrunk = (
        float((true * found(x, y)).sum() / true.square().sum())
        for found in (linear_regression, shrunk_regression)
    )
    assert plain == pytest.approx(1, abs=0.05)
    assert shrunk < 0.8


@pytest.mark.parametrize(
    ("n", "dim_x", "dim_y", "shrunk"),
    [(1000, 12, 12, False), (1000, 25, 25, True), (300, 1, 250, True), (60, 1, 1, False)],
)
def test_a_map_is_shrunk_if_least_squares_would_scatter(n, dim_x, dim_y, shrunk):
    x, y = independent(n, dim_x, dim_y, 0)
    assert is_shrunk(dim_x, y) is shrunk
    expected = shrunk_regression(x, y) if shrunk else torch.linalg.lstsq(y, x).solution
    torch.testing.assert_close(linear_regression(x, y), expected, atol=0.001, rtol=0)


def test_a_map_is_shrunk_if_a_row_would_repeat_its_own_x():
    """Only row 0 has the second category: least squares predicts its x without any error."""
    x, y = independent(1000, 1, 2, 0)
    assert not is_shrunk(1, y)
    y[:, 1] = 0
    y[0, 1] = math.sqrt(1000)
    assert is_shrunk(1, y)
    assert abs(float(linear_regression(x, y)[1, 0] * y[0, 1])) < 0.5 * abs(float(x[0, 0]))


@pytest.mark.parametrize("name", ["1x1", "sparse_3x3", "mixed_4x2", "mixed_2x5"])
def test_much_data_give_the_true_map(name):
    pair = PAIRS[name]
    x, y = drawn(pair, 20_000)
    map_ = shrunk_regression(x, y)
    assert map_.shape == (pair.k.shape[1], pair.k.shape[0])
    assert excess(map_, pair) < 3 * pair.k.size / 20_000
    torch.testing.assert_close(map_, torch.linalg.lstsq(y, x).solution, atol=0.02, rtol=0)


@pytest.mark.parametrize("strength", [200, 2000])
def test_high_information_is_not_shrunk_away(strength):
    """An error of one residual deviation would cost nats: what is lost is far below it."""
    pair = sparse(3, strength)
    assert excess(shrunk_regression(*drawn(pair, 1000)), pair) < 0.05


def test_a_map_without_noise_is_found_but_for_the_guard():
    _, y = drawn(mixed(4, 3), 400)
    exact = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4)
    torch.testing.assert_close(shrunk_regression(y @ exact, y), exact, atol=2e-5, rtol=0)


def test_a_rotation_of_x_rotates_the_map():
    pair = mixed(4, 3)
    x, y = drawn(pair, 400)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=Generator().manual_seed(0)).double())
    torch.testing.assert_close(shrunk_regression(x @ turn, y), shrunk_regression(x, y) @ turn)


@pytest.mark.parametrize(("dim_x", "dim_y"), [(10, 10), (40, 10), (10, 40), (1, 1)])
def test_shrinkage_removes_what_noise_explains_and_spares_the_rest(dim_x, dim_y):
    n, large, small = 1000, max(dim_x, dim_y), min(dim_x, dim_y)
    edge = (math.sqrt(large) + math.sqrt(small)) / math.sqrt(n)
    s = torch.linspace(0, 20 * edge, 2001, dtype=torch.float64)
    shrunk = _shrink(s, n, dim_x, dim_y)
    assert not shrunk[s < 0.999 * edge].any()
    assert (shrunk[s > 1.01 * edge] > 0).all()
    assert (shrunk <= s).all()
    assert (shrunk.diff() >= -1e-12).all()
    assert float(shrunk[-1] / s[-1]) > 0.99


def test_shrinkage_is_about_the_best_there_is():
    """A planted singular value in noise: no other factor of the map does much better."""
    n, d = 400, 20
    generator = Generator().manual_seed(0)
    direction = torch.zeros(d, d, dtype=torch.float64)
    direction[0, 0] = 0.6
    losses = {}
    for factor in (0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5):
        loss = 0.0
        generator.manual_seed(0)
        for _ in range(10):
            noisy = direction + torch.randn(d, d, generator=generator).double() / math.sqrt(n)
            u, s, v = torch.linalg.svd(noisy)
            found = (u * (factor * _shrink(s, n, d, d))) @ v
            loss += float((found - direction).square().sum()) / 10
        losses[factor] = loss
    assert losses[1.0] < 1.05 * min(losses.values())
    assert losses[1.0] < 0.8 * min(losses[0.6], losses[1.5])


# --- a slope that depends on the length of y -----------------------------------------------------


def turned(n, dim, seed, strength=0.8):
    """The first two columns of x follow those of y turned by an angle that grows with |y|²."""
    x, y = independent(n, dim, dim, seed)
    angle = y.square().sum(1) / dim
    cos, sin = angle.cos(), angle.sin()
    follow = torch.stack([cos * y[:, 0] - sin * y[:, 1], sin * y[:, 0] + cos * y[:, 1]], dim=1)
    x[:, :2] = strength * follow + math.sqrt(1 - strength**2) * x[:, :2]
    return x, y


def explained(maps, x, y):
    """Share of the variance of each column of x that maps of y and its length explain."""
    left = x - y @ maps[0] - log_power(y) * (y @ maps[1])
    return 1 - left.square().mean(0) / x.square().mean(0)


@pytest.mark.parametrize(
    ("dim", "n", "least"), [(5, 1000, 0.5), (5, 20_000, 0.5), (25, 5000, 0.6)]
)
def test_a_turn_that_grows_with_the_length_is_seen(dim, n, least):
    """The truth is 0.64 in two columns; a linear map, the wrong answer, explains less."""
    x, y = turned(n, dim, 0)
    new_x, new_y = turned(20_000, dim, 1)
    maps = radial_regression(x, y)
    share = explained(maps, new_x, new_y)
    line = shrunk_regression(x, y)
    linear = explained((line, torch.zeros_like(line)), new_x, new_y)
    assert float(share[:2].mean()) > least > float(linear[:2].mean())
    assert float(share[:2].max()) < 0.66
    assert float(share[2:].abs().max()) < 0.01


@pytest.mark.parametrize(("dim_x", "dim_y", "n"), [(3, 2, 300), (25, 25, 1000)])
def test_where_lengths_tell_nothing_the_radial_map_stays_zero(dim_x, dim_y, n):
    """With the bare edge of the noise it would be another in a tenth to a quarter of the cases."""
    maps = [radial_regression(*independent(n, dim_x, dim_y, seed))[1] for seed in range(40)]
    assert sum(not bool(m.any()) for m in maps) >= 0.93 * len(maps)


def test_few_rows_for_the_columns_get_no_radial_map():
    matrix, radial = radial_regression(*turned(99, 10, 0))
    assert matrix.any()
    assert not radial.any()


@pytest.mark.parametrize("name", ["25x25", "mixed_4x2"])
def test_gaussian_pairs_lose_next_to_nothing_by_the_radial_map(name):
    pair = PAIRS[name]
    x, y = drawn(pair, 2000)
    new_x, new_y = drawn(pair, 20_000, 1)
    line = linear_regression(x, y)
    linear = explained((line, torch.zeros_like(line)), new_x, new_y)
    share = explained(radial_regression(x, y), new_x, new_y)
    assert float((linear - share).max()) < 2 / 2000 * 3


@pytest.mark.parametrize("count", [2, 3, 6])
def test_categories_have_no_radial_map(count):
    """Indicator columns, white: what their lengths tell, a linear map of them tells already."""
    generator = Generator().manual_seed(0)
    chance = torch.arange(1, count + 1).double()
    label = chance.multinomial(2000, replacement=True, generator=generator)
    y = torch.eye(count).double()[label]
    y = y - y.mean(0)
    _, s, v = torch.linalg.svd(y, full_matrices=False)
    y = y @ v[: count - 1].mT / s[: count - 1] * math.sqrt(len(y))
    effect = torch.randn(count - 1, 2, generator=generator).double()
    x = y @ effect + independent(2000, 2, 1, 0)[0]
    matrix, radial = radial_regression(x, y)
    assert not radial.any()
    torch.testing.assert_close(matrix, linear_regression(x, y))


def test_a_turn_of_either_variable_turns_both_maps():
    x, y = turned(2000, 3, 0)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=Generator().manual_seed(0)).double())
    for found, expected in zip(
        radial_regression(x @ turn, y @ turn), radial_regression(x, y), strict=True
    ):
        torch.testing.assert_close(found, turn.mT @ expected @ turn, atol=1e-6, rtol=0)
