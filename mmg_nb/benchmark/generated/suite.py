"""Tasks that a number generates, so that nobody can tune to them.

The number draws a kind of dependence, the numbers of columns, and a chain of maps that leave the
mutual information unchanged. Tasks below `REPORTING` are for development. Those from `REPORTING`
on are for reported figures: a sweep runs them only with `reporting=True`, and notes each use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.benchmark.distributions.joined import WithNoise
from mmg_nb.benchmark.generated import maps
from mmg_nb.benchmark.generated.dependences import KINDS
from mmg_nb.benchmark.tasks import REPORTING_TAG, Task
from mmg_nb.benchmark.transforms import Transform

if TYPE_CHECKING:
    from mmg_nb.benchmark.generated.maps import Map
    from mmg_nb.benchmark.tasks import JointDistribution

__all__ = ["FAMILIES", "IDS", "REPORTING", "build"]

REPORTING = 100_000
"""The first number that is for reported figures only."""

IDS: tuple[str, ...] = tuple(f"generated-{number}" for number in range(120))

FAMILIES: tuple[str, ...] = ("generated-<number>",)

_ID = re.compile(r"generated-(?P<number>0|[1-9]\d{0,8})")
_MOST_COLUMNS = 100
_MOST_NOISE = 10  # columns of noise

_MIXERS: dict[str, Callable[[int, np.random.Generator], Map]] = {
    "rotation": maps.rotation,
    "triangular": maps.triangular,
    "network": maps.network,
}


def build(task_id: str) -> Task | None:
    """Generate the task of a number.

    Args:
        task_id: `generated-<number>`. Equal numbers give equal tasks. Ten consecutive numbers
            have ten kinds of dependence.

    Returns:
        The task, or None if the id is not one of this suite.
    """
    match = _ID.fullmatch(task_id)
    if match is None:
        return None
    number = int(match["number"])
    kind = list(KINDS)[number % len(KINDS)]
    generator = np.random.default_rng([number, len(KINDS)])
    base = KINDS[kind](generator)
    whole_numbers = [z.dtype.kind == "i" for z in base.sample(1, np.random.default_rng(0))]
    wide = [
        dim if whole else _columns(dim, generator)
        for dim, whole in zip((base.dim_x, base.dim_y), whole_numbers, strict=True)
    ]
    noise = [int(generator.integers(min(_MOST_NOISE, more) + 1)) for more in _added(base, wide)]
    noisy = WithNoise(base=base, noise_x=noise[0], noise_y=noise[1])
    of_x = _chain(base.dim_x, wide[0], noise[0], generator)
    of_y = {} if whole_numbers[1] else _chain(base.dim_y, wide[1], noise[1], generator)
    transforms = _transforms(noisy, of_x, of_y, wide)
    if generator.uniform() < 0.5:
        transforms = (*transforms, _swap(*wide))
        wide.reverse()
    groups = {"generated", kind, REPORTING_TAG if number >= REPORTING else "development"}
    return Task(
        task_id=task_id,
        title=f"Generated {number}: {kind}, {' × '.join(map(str, wide))}",
        base=noisy,
        transforms=transforms,
        groups=frozenset(groups | ({"discrete"} if any(whole_numbers) else set())),
    )


def _columns(dim: int, generator: np.random.Generator) -> int:
    """Columns after all maps: as many as before, or up to 100."""
    if generator.uniform() < 0.4:
        return dim
    return round(math.exp(generator.uniform(math.log(dim), math.log(_MOST_COLUMNS))))


def _added(base: JointDistribution, wide: list[int]) -> tuple[int, int]:
    return wide[0] - base.dim_x, wide[1] - base.dim_y


def _chain(dim: int, wide: int, noise: int, generator: np.random.Generator) -> dict[str, Map]:
    """Random maps of one variable, `dim` columns and then noise, to `wide` columns; by name.

    Columns of noise stay columns of their own. A wave turned into ten columns of noise cannot be
    seen in any number of rows that people have.
    """
    chain: dict[str, Map] = {}
    if generator.uniform() < 0.5:
        chain["monotone"] = maps.monotone(dim + noise, generator)
    mixer = str(generator.choice(["none", *_MIXERS]))
    if mixer in _MIXERS and dim > 1:
        chain[mixer] = maps.of_the_first(dim, _MIXERS[mixer](dim, generator))
    if wide > dim + noise:
        chain["embedding"] = maps.of_the_first(dim, maps.embedding(dim, wide - noise, generator))
    if generator.uniform() < 0.3:
        chain["units"] = maps.units(wide, generator)
    if noise:
        chain["order"] = maps.order(wide, generator)
    return chain


def _transforms(
    base: JointDistribution, of_x: dict[str, Map], of_y: dict[str, Map], wide: list[int]
) -> tuple[Transform, ...]:
    added = _added(base, wide)
    return (
        *(_of_one("x", name, each, added[0]) for name, each in of_x.items()),
        *(_of_one("y", name, each, added[1]) for name, each in of_y.items()),
    )


def _of_one(side: str, name: str, change: Map, added: int) -> Transform:
    """A map of x alone, or of y alone."""
    of_x = side == "x"
    grown = added if name == "embedding" else 0
    return Transform(
        name=name,
        title=name,
        apply=lambda x, y: (change(x), y) if of_x else (x, change(y)),
        coordinatewise=name in ("monotone", "units", "order"),
        added_x=grown if of_x else 0,
        added_y=0 if of_x else grown,
    )


def _swap(dim_x: int, dim_y: int) -> Transform:
    """Exchange x and y."""
    return Transform(
        name="swap",
        title="swap",
        apply=lambda x, y: (y, x),
        coordinatewise=True,
        added_x=dim_y - dim_x,
        added_y=dim_x - dim_y,
    )
