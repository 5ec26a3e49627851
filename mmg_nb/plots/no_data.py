"""The error of a plot for which a result has no data."""

from __future__ import annotations

from mmg_nb.errors import MMGError
from mmg_nb.plots.rows import rows_data
from mmg_nb.results.result import MIResult

__all__ = ["drawable", "no_data"]


def drawable(result: MIResult) -> tuple[str, ...]:
    """The kinds of plots for which a result has data."""
    curves = result.curve is not None and result.gap is not None
    known = {
        "gap": curves,
        "integrand": curves,
        "training": result.history is not None and len(result.history.step) > 0,
        "pointwise": rows_data(result, pointwise=True) is not None,
        "data": rows_data(result, pointwise=False) is not None,
    }
    return tuple(kind for kind, has_data in known.items() if has_data)


def no_data(result: MIResult, kind: str) -> MMGError:
    """The error of a result that has no data of a kind, which names the kinds that work."""
    what = f"This result of {result.estimator!r} has no data for kind={kind!r}."
    works = drawable(result)
    remedy = ""
    if works:
        others = " and ".join(f"kind={each!r}" for each in works)
        remedy = f"It has data for {others}; with %mmg plot: --kind {works[0]}. "
    if kind in ("pointwise", "data"):
        return MMGError(
            what,
            f"{remedy}pointwise and data need rows of numbers or categories, not images; "
            "pointwise also needs an estimator such as mmg or ksg.",
        )
    return MMGError(
        what,
        f"{remedy}gap and integrand need a denoising estimator such as mmg; training needs one "
        "that trains.",
    )
