"""Elimination against NumPy's own linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmg_nb.nets.ldl import eliminate

RNG = np.random.default_rng(0)


def positive(*shape):
    root = RNG.normal(size=shape)
    return root @ root.swapaxes(-1, -2) + 0.1 * np.eye(shape[-1])


@pytest.mark.parametrize("size", [1, 2, 8])
def test_products_with_the_inverse_and_the_determinant_are_right(size):
    matrix = positive(5, 3, size, size)
    a, b = RNG.normal(size=(2, 5, 3, size, 4))
    right = torch.tensor(np.concatenate([a, b], axis=-1))
    pivots, reduced = eliminate(torch.tensor(matrix), right)
    of_a, of_b = reduced.chunk(2, dim=-1)
    np.testing.assert_allclose(
        of_a.mT @ (of_b / pivots), a.swapaxes(-1, -2) @ np.linalg.solve(matrix, b)
    )
    np.testing.assert_allclose(pivots.log().sum((-2, -1)), np.linalg.slogdet(matrix)[1])


def test_later_pivots_are_variances_given_those_before():
    matrix = positive(5, 5)
    pivots, _ = eliminate(torch.tensor(matrix), torch.zeros(5, 0))
    for k in range(1, 5):
        known = matrix[:k, k] @ np.linalg.solve(matrix[:k, :k], matrix[:k, k])
        assert float(pivots[k]) == pytest.approx(matrix[k, k] - known)


def test_a_gradient_passes_through():
    matrix = torch.tensor(positive(2, 4, 4), requires_grad=True)
    pivots, _ = eliminate(matrix, matrix[..., :0])
    pivots.log().sum().backward()
    np.testing.assert_allclose(matrix.grad, np.linalg.inv(matrix.detach().numpy()), atol=1e-9)
