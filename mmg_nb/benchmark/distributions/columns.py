"""Pairs of x and y with equal numbers of columns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EqualColumns"]


@dataclass(frozen=True, kw_only=True)
class EqualColumns:
    """A distribution of x and y with `dim` columns each.

    Attributes:
        dim: Columns of x, and of y.
    """

    dim: int

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return self.dim

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return self.dim
