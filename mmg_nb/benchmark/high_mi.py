"""Sparse normal pairs of high mutual information (MMG, arXiv 2509.20609, Figure 3).

Two of the d pairs (x_i, y_i) are correlated, with strength s. The mutual information is
I = −ln(1 − r²) with r = s²/(1 + s²), for every d and every transform. Any member of the family
can be built.
"""

from __future__ import annotations

import re

from mmg_nb.benchmark.distributions.gaussian import CorrelatedPairs, interaction
from mmg_nb.benchmark.tasks import Task
from mmg_nb.benchmark.transforms import HALF_CUBE, SPIRAL, Transform
from mmg_nb.errors import MMGError

__all__ = ["FAMILIES", "IDS", "build"]

FAMILIES: tuple[str, ...] = ("high_mi-<plain|half_cube|spiral>-<dim>-<strength>",)

IDS: tuple[str, ...] = tuple(
    f"high_mi-{shape}-3-{strength}"
    for shape in ("plain", "half_cube", "spiral")
    for strength in (200, 650, 1100, 1550, 2000)
)

_SHAPES: dict[str, tuple[Transform, ...]] = {
    "plain": (),
    "half_cube": (HALF_CUBE,),
    "spiral": (SPIRAL,),
}
_PATTERN = re.compile(r"high_mi-(plain|half_cube|spiral)-([1-9]\d*)-(\d+(?:\.\d+)?)")
_PAIRS = 2  # correlated pairs


def build(task_id: str) -> Task | None:
    """Build any member of the family `high_mi-<plain|half_cube|spiral>-<dim>-<strength>`.

    Args:
        task_id: For example `"high_mi-spiral-5-650"`: spiral, 5 × 5 columns, s = 650.

    Returns:
        The task, or None if the id is not one of this family.

    Raises:
        MMGError: There are too few columns for the two pairs or for the spiral.
    """
    match = _PATTERN.fullmatch(task_id)
    if match is None:
        return None
    shape, dim, strength = match[1], int(match[2]), float(match[3])
    least = max([_PAIRS, *(t.min_dim for t in _SHAPES[shape])])
    if dim < least:
        raise MMGError(
            f"Task {task_id!r} needs at least {least} columns; got {dim}.",
            f"Use high_mi-{shape}-{least}-{strength:g} or more columns.",
        )
    names = "".join(f"{t.title} @ " for t in _SHAPES[shape])
    return Task(
        task_id=task_id,
        title=f"{names}Multinormal {dim} × {dim} (2-pair, strength={strength:g})",
        base=CorrelatedPairs(dim=dim, n_pairs=_PAIRS, rho=interaction(strength)),
        transforms=_SHAPES[shape],
        groups=frozenset({"high_mi"}),
    )
