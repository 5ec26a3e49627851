"""The residual of a variable after regression on the condition."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from mmg_nb.data.splits import Member
from mmg_nb.denoisers.principal_axes import oriented
from mmg_nb.errors import MMGError
from mmg_nb.nets.chunks import row_by_row
from mmg_nb.training.anchor_fit import fit_anchor

__all__ = ["without_condition"]

DEGENERATE = 1e-9  # residual variance of white data; below it the condition sets the direction


def without_condition(
    values: Tensor,
    condition: Tensor,
    member: Member,
    name: str,
    *,
    width: int,
    steps: int,
    batch: int,
    generator: Generator,
) -> Tensor:
    """The whitened residual of a regression on the condition.

    Given z, the map x ↦ x − m(z) is invertible, so I(x − m(z); y | z) = I(x; y | z) for every m.
    With a good m, little dependence on z remains for the predictions with and without y. This
    matters because dependence on z that only one of them learned would count as information. The
    regression uses x and z only, or y and z only. If x and y are independent given z, so are their
    residuals.

    Args:
        values: `(n, d)`, white, float64.
        condition: `(n, dim_z)`, white, float64.
        member: Training rows and validation rows.
        name: `x` or `y`, for the error message.
        width: Hidden features of the network.
        steps: Training steps of the network; 0 for a linear map.
        batch: Rows per step.
        generator: Random generator.

    Returns:
        `(n, kept)`, float64, without the directions that the condition determines.

    Raises:
        MMGError: The condition determines all directions.
    """
    anchor, _ = fit_anchor(
        values, condition, [member], width=width, steps=steps, batch=batch, generator=generator
    )
    left = row_by_row(
        lambda rows: anchor.residual(values[rows][None], condition[rows][None])[0], like=values
    )
    left = left - left.mean(0)
    covariance = (left.mT @ left / len(left)).cpu()
    variances, directions = (v.to(left) for v in torch.linalg.eigh(covariance))
    kept = variances > DEGENERATE
    if not bool(kept.any()):
        what = f"{name} is a function of the condition, up to rounding."
        raise MMGError(what, "Nothing to estimate: then I(x; y | z) = 0. Check `given`.")
    return left @ (oriented(directions[:, kept]) / variances[kept].sqrt())
