"""A task from outside the package; importable in any process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmg_nb.benchmark import Task


@dataclass(frozen=True)
class Dice:
    """Both x and y tell which of two dice was thrown, and nothing else."""

    sides: int
    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    def mi(self) -> float:
        return math.log(2)

    def sample(self, n, generator):
        y = generator.integers(0, 2, size=(n, 1)).astype(float)
        x = y * self.sides + generator.uniform(0, self.sides, size=(n, 1))
        return x, y + generator.uniform(0, 0.5, size=(n, 1))

    def log_ratio(self, x, y):
        return np.full(len(x), math.log(2))


DICE = Task(task_id="dice-6", title="A die (6)", base=Dice(6), groups=frozenset({"games"}))


def build() -> Task:
    return Task(task_id="dice-20", title="A die (20)", base=Dice(20))


def elsewhere() -> Task:
    return DICE


NOTHING = 3
