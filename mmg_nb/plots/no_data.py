"""The error of a plot for which a result has no data."""

from __future__ import annotations

from mmg_nb.errors import MMGError
from mmg_nb.results.result import MIResult

__all__ = ["no_data"]


def no_data(result: MIResult, kind: str) -> MMGError:
    """The error of a result that has no data of a kind, which names what has."""
    what = f"This result of {result.estimator!r} has no data for kind={kind!r}."
    remedy = (
        "gap and integrand need a denoising estimator such as mmg; training needs one that trains."
    )
    if kind in ("pointwise", "data"):
        remedy = (
            "pointwise and data need rows of numbers or categories, not images; pointwise also "
            "needs an estimator such as mmg or ksg."
        )
    return MMGError(what, remedy)
