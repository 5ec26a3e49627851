"""Eigenvectors that do not hang on rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from mmg_nb.denoisers.principal_axes import oriented, principal_axes


def low_rank(d, rank, seed=0):
    root = torch.randn(d, rank, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.T


@pytest.mark.parametrize(("d", "rank"), [(1, 1), (8, 0), (8, 1), (8, 3), (25, 2), (25, 25)])
def test_rounding_decides_nothing(d, rank):
    """Ten times the rounding of float64 turns no axis by more than the tie is worth."""
    covariance = low_rank(d, rank)
    noise = torch.randn(d, d, generator=Generator().manual_seed(1), dtype=torch.float64)
    other = covariance + 1e-15 * (noise + noise.T) * covariance.diagonal().mean()
    axes, again = principal_axes(covariance), principal_axes(other)
    torch.testing.assert_close(axes, again, rtol=0, atol=1e-4)
    torch.testing.assert_close(axes.T @ axes, torch.eye(d).double())


def test_they_are_eigenvectors_by_rising_eigenvalue():
    covariance = low_rank(8, 8)
    axes = principal_axes(covariance)
    values = torch.linalg.eigvalsh(covariance)
    torch.testing.assert_close(covariance @ axes, axes * values, rtol=0, atol=1e-6)


def test_where_nothing_is_explained_they_are_the_coordinates():
    assert torch.equal(principal_axes(torch.zeros(5, 5).double()), torch.eye(5).double())
    alone = torch.zeros(5, 5).double()
    alone[2, 2] = 1.0
    found = principal_axes(alone)
    torch.testing.assert_close(found, torch.eye(5).double()[:, [0, 1, 3, 4, 2]])


def test_signs_follow_a_rule():
    directions = principal_axes(low_rank(6, 6))
    flips = torch.tensor([1.0, -1, -1, 1, -1, 1]).double()
    assert torch.equal(oriented(directions * flips), directions)
