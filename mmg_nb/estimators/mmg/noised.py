"""Which of two variables is noised."""

from __future__ import annotations

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.t_copula import ATOM, largest_atom

__all__ = ["variable_to_noise"]


def variable_to_noise(pairs: Pairs, asked: str) -> str:
    """The variable to noise: no image if the other is none, nor the one with a common value.

    Args:
        pairs: Numbers, in both variables.
        asked: `x`, `y` or `auto`, as the user asked.

    Returns:
        `x`, `y`, or `auto` where neither is to be preferred.
    """
    images = pairs.shape_x is not None, pairs.shape_y is not None
    if any(images):
        return asked if asked != "auto" or all(images) else "y" if images[0] else "x"
    x, y = (largest_atom(values) for values in (pairs.x, pairs.y))
    if asked != "auto" or max(x, y) < ATOM or max(x, y) < 2 * min(x, y):
        return asked
    return "x" if x < y else "y"
