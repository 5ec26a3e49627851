"""The staircase of Song and Ermon 2019 (arXiv 1910.06222): 20 correlated pairs, MI 2 … 10."""

from __future__ import annotations

import math
import re

from mmg_nb.benchmark.distributions.gaussian import CorrelatedPairs
from mmg_nb.benchmark.tasks import Task
from mmg_nb.benchmark.transforms import CUBE, Transform

__all__ = ["FAMILIES", "IDS", "build"]

FAMILIES: tuple[str, ...] = ("staircase-<gaussian|cubic>-<mi in nats>",)

IDS: tuple[str, ...] = tuple(
    f"staircase-{shape}-{mi}" for shape in ("gaussian", "cubic") for mi in (2, 4, 6, 8, 10)
)

_DIM = 20  # columns of x, and of y
_SHAPES: dict[str, tuple[Transform, ...]] = {"gaussian": (), "cubic": (CUBE,)}
_PATTERN = re.compile(r"staircase-(gaussian|cubic)-(\d+(?:\.\d+)?)")


def build(task_id: str) -> Task | None:
    """Build any member of the family `staircase-<gaussian|cubic>-<mi in nats>`.

    Every pair has the correlation ρ = √(1 − e^(−2·MI/20)). The cubic shape replaces x by x³ and y
    by y³.

    Args:
        task_id: For example `"staircase-cubic-6"`.

    Returns:
        The task, or None if the id is not one of this family.
    """
    match = _PATTERN.fullmatch(task_id)
    if match is None:
        return None
    shape, mi = match[1], float(match[2])
    names = "".join(f"{t.title} @ " for t in _SHAPES[shape])
    return Task(
        task_id=task_id,
        title=f"{names}Staircase {_DIM} × {_DIM} (MI={mi:g})",
        base=CorrelatedPairs(dim=_DIM, n_pairs=_DIM, rho=math.sqrt(-math.expm1(-2 * mi / _DIM))),
        transforms=_SHAPES[shape],
        groups=frozenset({"staircase"}),
    )
