"""Canonical correlations: exact for Gaussian data, blind to all that is not linear."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import ClassVar

from mmg_nb.data import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.gcmi import gaussian_mi, remarks
from mmg_nb.events import Listener, Started
from mmg_nb.fields import field
from mmg_nb.provenance import provenance
from mmg_nb.results import MIResult
from mmg_nb.transforms import Standardize

__all__ = ["CCA"]


@dataclass(frozen=True, kw_only=True)
class CCA:
    """Mutual information of the Gaussian with the sample's covariance (Kay 1992).

    I = −½ Σᵢ ln(1 − ρᵢ²) over the canonical correlations ρᵢ (the partial ones where there is a
    condition), computed as the log-ratio of determinants that it equals. The standard error is
    that of the mean of the Gaussian's pointwise log-ratios; with heavy tails neither means much,
    and `gcmi` is to be preferred.
    """

    name: ClassVar[str] = "cca"
    summary: ClassVar[str] = "Canonical correlations: instant, exact for Gaussian data only"
    accepts: ClassVar[frozenset[str]] = frozenset({"given"})

    correct_bias: bool = field(True, "remove the exact small-sample bias of Gaussian data")

    def estimate(
        self, pairs: Pairs, *, seed: int, listen: Listener, device: str = "auto"
    ) -> MIResult:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are not more rows than columns.
        """
        began = time.perf_counter()
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        listen(Started(self.name, *sizes, "cpu", 0, pairs.dim_z))
        columns = pairs.dim_x + pairs.dim_y + pairs.dim_z
        if pairs.n_samples < columns + 2:
            what = f"cca needs more rows than columns; got {pairs.n_samples} rows, {columns} "
            raise MMGError(what + "columns.", "Use fewer columns or more rows.")
        scaled = (v / abs(v).max(axis=0) for v in (pairs.x, pairs.y, pairs.z))
        x, y, z = (Standardize.fit(v)(v) for v in scaled)
        estimate = gaussian_mi(x, y, z, correct_bias=self.correct_bias)
        return MIResult(
            mi=estimate.mi,
            stderr=estimate.stderr,
            estimator=self.name,
            n_samples=pairs.n_samples,
            dim_x=pairs.dim_x,
            dim_y=pairs.dim_y,
            notes=pairs.notes + remarks(estimate),
            fields=asdict(self),
            provenance=provenance(seed, "cpu", time.perf_counter() - began),
            dim_z=pairs.dim_z,
        )
