"""The 40 tasks of the BMI benchmark.

Czyż et al. 2023, "Beyond Normal: On the Evaluation of Mutual Information Estimators"
(arXiv 2306.11078). A task id names the transforms and then the base distribution, and the last
transform comes first. For example, `spiral-normal_cdf-multinormal-sparse-3-3-2-2.0` applies Φ and
then the spiral to a sparse multinormal distribution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmg_nb.benchmark import transforms as tf
from mmg_nb.benchmark.distributions.elliptical import EllipticalPairs
from mmg_nb.benchmark.distributions.gaussian import (
    CorrelatedPairs,
    ExchangeableNormal,
    interaction,
)
from mmg_nb.benchmark.distributions.uniform import AdditiveUniform
from mmg_nb.benchmark.tasks import Task

if TYPE_CHECKING:
    from mmg_nb.benchmark.tasks import JointDistribution

__all__ = ["FAMILIES", "IDS", "build"]

IDS: tuple[str, ...] = (
    "1v1-normal-0.75",
    "normal_cdf-1v1-normal-0.75",
    "1v1-additive-0.1",
    "1v1-additive-0.75",
    "1v1-bimodal-0.75",
    "wiggly-1v1-normal-0.75",
    "half_cube-1v1-normal-0.75",
    "student-identity-1-1-1",
    "asinh-student-identity-1-1-1",
    "swissroll_x-normal_cdf-1v1-normal-0.75",
    "multinormal-dense-2-2-0.5",
    "multinormal-dense-3-3-0.5",
    "multinormal-dense-5-5-0.5",
    "multinormal-dense-25-25-0.5",
    "multinormal-dense-50-50-0.5",
    "multinormal-sparse-2-2-2-2.0",
    "multinormal-sparse-3-3-2-2.0",
    "multinormal-sparse-5-5-2-2.0",
    "multinormal-sparse-25-25-2-2.0",
    "student-identity-2-2-1",
    "student-identity-2-2-2",
    "student-identity-3-3-2",
    "student-identity-3-3-3",
    "student-identity-5-5-2",
    "student-identity-5-5-3",
    "normal_cdf-multinormal-sparse-3-3-2-2.0",
    "normal_cdf-multinormal-sparse-5-5-2-2.0",
    "normal_cdf-multinormal-sparse-25-25-2-2.0",
    "half_cube-multinormal-sparse-3-3-2-2.0",
    "half_cube-multinormal-sparse-5-5-2-2.0",
    "half_cube-multinormal-sparse-25-25-2-2.0",
    "spiral-multinormal-sparse-3-3-2-2.0",
    "spiral-multinormal-sparse-5-5-2-2.0",
    "spiral-multinormal-sparse-25-25-2-2.0",
    "spiral-normal_cdf-multinormal-sparse-3-3-2-2.0",
    "spiral-normal_cdf-multinormal-sparse-5-5-2-2.0",
    "spiral-normal_cdf-multinormal-sparse-25-25-2-2.0",
    "asinh-student-identity-2-2-1",
    "asinh-student-identity-3-3-2",
    "asinh-student-identity-5-5-2",
)

FAMILIES: tuple[str, ...] = ("the 40 ids of task_ids('bmi')",)

_TRANSFORMS = {
    t.name: t
    for t in (tf.NORMAL_CDF, tf.HALF_CUBE, tf.ASINH, tf.WIGGLY, tf.SWISSROLL_X, tf.SPIRAL)
}
_OWN_TITLES = {"swissroll_x-normal_cdf-1v1-normal-0.75": "Swiss roll 2 × 1"}


def build(task_id: str) -> Task | None:
    """Build one of the 40 tasks.

    Args:
        task_id: One of `IDS`.

    Returns:
        The task, or None if the id is not one of this suite.
    """
    if task_id not in IDS:
        return None
    *names, rest = _split(task_id)
    title, base, transforms = _base(rest)
    for name in reversed(names):
        transforms = (*transforms, _TRANSFORMS[name])
    composed = " @ ".join([*(_TRANSFORMS[name].title for name in names), title])
    return Task(
        task_id=task_id,
        title=_OWN_TITLES.get(task_id, composed),
        base=base,
        transforms=transforms,
        groups=frozenset({"bmi"}),
    )


def _split(task_id: str) -> list[str]:
    """Split a task id into names of transforms, outermost first, and the base id."""
    name, _, rest = task_id.partition("-")
    return [name, *_split(rest)] if name in _TRANSFORMS else [task_id]


def _base(base_id: str) -> tuple[str, JointDistribution, tuple[tf.Transform, ...]]:
    """Title, distribution and built-in transforms of a base id."""
    match base_id.split("-"):
        case ["1v1", "normal", rho]:
            return "Bivariate normal 1 × 1", _pair(rho), ()
        case ["1v1", "bimodal", rho]:
            return "Bimodal 1 × 1", _pair(rho), (tf.BIMODAL,)
        case ["1v1", "additive", noise]:
            title = f"Uniform 1 × 1 (additive noise={noise})"
            return title, AdditiveUniform(epsilon=float(noise)), ()
        case ["multinormal", "dense", dim, _, rho]:
            dense = ExchangeableNormal(dim=int(dim), rho=float(rho))
            return f"Multinormal {dim} × {dim} (dense)", dense, ()
        case ["multinormal", "sparse", dim, _, n_pairs, strength]:
            strong = interaction(float(strength))
            sparse = CorrelatedPairs(dim=int(dim), n_pairs=int(n_pairs), rho=strong)
            return f"Multinormal {dim} × {dim} ({n_pairs}-pair)", sparse, ()
        case ["student", "identity", dim, _, dof]:
            student = EllipticalPairs(dim_x=int(dim), dim_y=int(dim), dof=float(dof))
            return f"Student-t {dim} × {dim} (dof={dof})", student, ()
    raise ValueError(f"no base distribution is named {base_id!r}")


def _pair(rho: str) -> CorrelatedPairs:
    return CorrelatedPairs(dim=1, n_pairs=1, rho=float(rho))
