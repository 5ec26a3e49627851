"""What a condition leaves of a variable."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from mmg_nb.data.splits import Member
from mmg_nb.denoisers.anchor import fit_anchor
from mmg_nb.denoisers.principal_axes import oriented
from mmg_nb.errors import MMGError
from mmg_nb.nets.chunks import row_by_row

__all__ = ["without_condition"]

DEGENERATE = 1e-9  # variance, of white variables, below which a direction is taken for determined


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
    """The residual of a regression on the condition, white.

    Given z the map x ↦ x − m(z) can be undone, so I(x − m(z); y | z) = I(x; y | z) for every m.
    A good m leaves both branches of the denoiser equally little to learn of z; what only one of
    them had learnt would be taken for information. Only x and z are looked at, or y and z, never
    x and y together: if they are independent given z, so are their residuals.

    Args:
        values: `(n, d)`, white, float64.
        condition: `(n, dim_z)`, white, float64.
        member: Rows to fit on and to validate with.
        name: `x` or `y`, for the message.
        width: Hidden features of the regression's network.
        steps: Its training steps; 0 for a linear map.
        batch: Rows a step.
        generator: Source of randomness.

    Returns:
        `(n, kept)`, float64; directions that the condition determines are left out.

    Raises:
        MMGError: Nothing is left.
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
        what = f"{name} is a function of the condition, as far as can be told."
        raise MMGError(what, "Once that is known nothing is left to learn: I(x; y | z) = 0.")
    return left @ (oriented(directions[:, kept]) / variances[kept].sqrt())
