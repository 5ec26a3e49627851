"""Tasks outside the BMI list. No coordinate-wise transform makes their dependence Gaussian.

They check estimators that were tuned on the 40 tasks of BMI. True values are closed forms or
quadrature.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmg_nb.benchmark.distributions.channels import (
    Heteroscedastic,
    MultiplicativeNoise,
    Ring,
    Sine,
)
from mmg_nb.benchmark.distributions.copulas import Clayton, Gumbel
from mmg_nb.benchmark.distributions.gamma import GammaExponential, RadialExponential
from mmg_nb.benchmark.distributions.gaussian import CorrelatedPairs
from mmg_nb.benchmark.distributions.independence import Independent, Parity
from mmg_nb.benchmark.distributions.mixtures import Clusters, CorrelationMixture
from mmg_nb.benchmark.distributions.uniform import Checkerboard, LabelUniform
from mmg_nb.benchmark.tasks import Task
from mmg_nb.benchmark.transforms import HALF_CUBE, ROTATION, Transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmg_nb.benchmark.tasks import JointDistribution

__all__ = ["FAMILIES", "IDS", "build"]

FAMILIES: tuple[str, ...] = (
    "the ids of task_ids('outside')",
    "outside-independent-<dimension>",
)


def _task(
    task_id: str,
    title: str,
    base: JointDistribution,
    *transforms: Transform,
    groups: frozenset[str] = frozenset(),
) -> Task:
    return Task(
        task_id=task_id,
        title=title,
        base=base,
        transforms=transforms,
        groups=groups | {"outside"},
    )


_RECIPES: dict[str, Callable[[str], Task]] = {
    "outside-gamma_exponential-0.5": lambda i: _task(
        i, "Gamma–exponential 1 × 1", GammaExponential(shape=0.5)
    ),
    "outside-radial_exponential-3": lambda i: _task(
        i, "Exponential with rate ‖x‖²/2, 3 × 1", RadialExponential(dim_x=3)
    ),
    "outside-clayton-2": lambda i: _task(i, "Clayton copula 1 × 1", Clayton(theta=2)),
    "outside-gumbel-3": lambda i: _task(i, "Gumbel copula 1 × 1", Gumbel(theta=3)),
    "outside-cross-0.9": lambda i: _task(
        i,
        "Gaussian mixture 1 × 1, correlation ±0.9",
        CorrelationMixture(weights=(0.5, 0.5), rhos=(0.9, -0.9)),
    ),
    "outside-rare_event-0.05": lambda i: _task(
        i,
        "Rare-event channel 1 × 1, correlation 0.99999 in 5 %",
        CorrelationMixture(weights=(0.95, 0.05), rhos=(0.0, 0.99999)),
    ),
    "outside-clusters-5": lambda i: _task(
        i, "Rotated Gaussian mixture 5 × 5", Clusters(dim=5, shift=2.5), ROTATION
    ),
    "outside-rotated-5": lambda i: _task(
        i,
        "Rotation @ Half-cube @ Multinormal 5 × 5",
        CorrelatedPairs(dim=5, n_pairs=5, rho=0.6),
        HALF_CUBE,
        ROTATION,
    ),
    "outside-multiplicative": lambda i: _task(
        i, "Multiplicative noise |x|·ε, 1 × 1", MultiplicativeNoise()
    ),
    "outside-heteroscedastic-1.5": lambda i: _task(
        i, "Heteroscedastic noise 1 × 1", Heteroscedastic(log_range=1.5)
    ),
    "outside-sine-3": lambda i: _task(i, "Sine of 3 periods 1 × 1", Sine(periods=3, noise=0.3)),
    "outside-ring-0.2": lambda i: _task(i, "Noisy ring 1 × 1", Ring(noise=0.2)),
    "outside-checkerboard-4": lambda i: _task(
        i, "Noisy checkerboard 1 × 1", Checkerboard(size=4, error=0.1)
    ),
    "outside-parity-3": lambda i: _task(i, "Noisy parity 3 × 1", Parity(dim_x=3, error=0.1)),
    "outside-label_uniform-5": lambda i: _task(
        i,
        "Label and overlapping uniforms 1 × 1",
        LabelUniform(n_labels=5),
        groups=frozenset({"discrete"}),
    ),
}

IDS: tuple[str, ...] = (*_RECIPES, "outside-independent-5")

_INDEPENDENT = re.compile(r"outside-independent-(?P<dim>[1-9]\d*)")


def build(task_id: str) -> Task | None:
    """Build one of the tasks outside BMI.

    Args:
        task_id: One of `IDS`, or `outside-independent-<dimension>` for any dimension.

    Returns:
        The task, or None if the id is not one of this suite.
    """
    match = _INDEPENDENT.fullmatch(task_id)
    if match is not None:
        dim, tag = int(match["dim"]), frozenset({"independent"})
        return _task(task_id, f"Independent {dim} × {dim}", Independent(dim=dim), groups=tag)
    recipe = _RECIPES.get(task_id)
    return None if recipe is None else recipe(task_id)
