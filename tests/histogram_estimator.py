"""An estimator from outside the package: a table of equally frequent bins."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import mmg_nb


@dataclass(frozen=True, kw_only=True)
class Histogram(mmg_nb.Estimator):
    name: ClassVar[str] = "histogram"
    summary: ClassVar[str] = "Plug-in estimate of a table of equally frequent bins"

    bins: int = mmg_nb.field(16, "bins of x and of y", low=2, high=100)

    def estimate(self, pairs, run):
        if pairs.dim_x + pairs.dim_y > 2:
            raise mmg_nb.MMGError("histogram takes one column each.", "Choose a column.")
        x, y = (v[:, 0].argsort().argsort() * self.bins // len(v) for v in (pairs.x, pairs.y))
        table = np.zeros((self.bins, self.bins))
        np.add.at(table, (x, y), 1 / len(x))
        ratio = np.log((table / np.outer(table.sum(1), table.sum(0)))[x, y])
        bias = (np.count_nonzero(table) - 2 * self.bins + 1) / (2 * len(x))  # Miller 1955
        return mmg_nb.Estimate(float(ratio.mean() - bias), float(ratio.std() / len(x) ** 0.5))
