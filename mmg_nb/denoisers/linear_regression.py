"""Linear regression for the anchor, with an optional slope that depends on |y|."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmg_nb.nets.chunks import chunks, row_by_row
from mmg_nb.polling import poll

__all__ = [
    "FLOOR",
    "is_shrunk",
    "linear_regression",
    "log_power",
    "log_power_of",
    "power",
    "radial_regression",
    "shrunk_regression",
]

FLOOR = 1e-12  # minimum residual variance, relative to x
SCATTER = 0.01  # nats; see `linear_regression` (LOG.md, "The linear map")
LEVERAGE = 0.15  # share of a row in its own prediction, from which on a map is shrunk
ROUNDING = 1e-9  # of the variance of y
ROWS_PER_PRODUCT = 10  # minimum rows per dimension of y to whiten products of y
NEW = 1e-6  # minimum variance of a product that y does not explain; 0 if all rows have one length


def log_power(v: Tensor) -> Tensor:
    """Logarithm of the mean square, `(…, dim)` to `(…, 1)`, with a floor far below 1."""
    return log_power_of(power(v))


def power(v: Tensor) -> Tensor:
    """The mean square, `(…, dim)` to `(…, 1)`."""
    return v.square().mean(-1, keepdim=True)


def log_power_of(power: Tensor) -> Tensor:
    """Logarithm of mean squares, with a floor far below 1."""
    return (power + 0.01).log()


def linear_regression(x: Tensor, y: Tensor) -> Tensor:
    """Regression of x on y, shrunk only if the estimate would scatter too much otherwise.

    The inner form of the gap is linear in the map, so errors of the map that cancel on average do
    not bias it. Least squares makes only such errors. A shrunk map is too small: it loses weak
    dependence that many columns share. In y of unit variance, least squares makes an estimate
    from other rows scatter by √(dim_x · dim_y) / 2n nats. Where a row has much leverage, for
    example the only one of a category, least squares just repeats its x, and the map is shrunk.

    Args:
        x: Targets, `(n, dim_x)`, with a mean of about 0.
        y: `(n, dim_y)`, approximately white.

    Returns:
        `(dim_y, dim_x)`.
    """
    if is_shrunk(x.shape[1], y):
        return shrunk_regression(x, y)
    return _least_squares(x, y, ridge=ROUNDING * len(y)).to(x)


def is_shrunk(dim_x: int, y: Tensor) -> bool:
    """Whether `linear_regression` of `dim_x` columns on y, `(n, dim_y)`, shrinks the map."""
    n, dim_y = y.shape
    if math.sqrt(dim_x * dim_y) / (2 * max(1, n - dim_y)) >= SCATTER:
        return True
    gram = _gram(y, ROUNDING * n)
    root = torch.linalg.inv(torch.linalg.cholesky(gram)).mT.to(y)
    return max(float((y[rows] @ root).square().sum(1).max()) for rows in chunks(n)) > LEVERAGE


def shrunk_regression(x: Tensor, y: Tensor, margin: float = 0.0) -> Tensor:
    """Regression of x on y whose singular values are shrunk towards 0.

    Least squares with dim_x × dim_y unknowns overfits if n is not much larger. A ridge would
    shrink strong and absent directions alike. In units of the residual, every entry of the
    least-squares map has noise of variance 1/n. Therefore the optimal shrinkage of its singular
    values is known in closed form (Gavish & Donoho 2017, IEEE Trans. Inf. Theory 63:2137,
    Frobenius loss).

    Args:
        x: Targets, `(n, dim_x)`, with a mean of about 0.
        y: `(n, dim_y)`, approximately white.
        margin: Relative margin by which a singular value must exceed the largest one of noise.

    Returns:
        `(dim_y, dim_x)`; 0 if no singular value exceeds the noise.
    """
    n, dim_x, dim_y = len(x), x.shape[1], y.shape[1]
    # A ridge of about the noise in the covariance of y: negligible at large n, stable at small n.
    matrix = _least_squares(x, y, ridge=0.1 * dim_y**2 / n)
    residual = _without(x, y, matrix.to(y))
    covariance = _product(residual, residual) / max(n - dim_y, n / 4)
    mean = covariance.diagonal().mean()
    ridge = min(1.0, dim_x / n) * 1e-3 * mean + FLOOR
    covariance = covariance + ridge * torch.eye(dim_x, dtype=x.dtype)
    root = torch.linalg.cholesky(covariance)
    in_noise = torch.linalg.solve_triangular(root.mT, matrix, upper=True, left=False)
    poll()
    u, s, v = torch.linalg.svd(in_noise, full_matrices=False)
    return ((u * _shrink(s, n, dim_x, dim_y, margin)) @ v @ root.mT).to(x)


def _least_squares(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Regression of x on y, `(dim_y, dim_x)`, on the host."""
    return torch.linalg.solve(_gram(y, ridge), _product(y, x))


def _gram(y: Tensor, ridge: float) -> Tensor:
    """yᵀ·y with a ridge, `(dim_y, dim_y)`, on the host."""
    return _product(y, y) + ridge * torch.eye(y.shape[1], dtype=y.dtype)


def _without(x: Tensor, y: Tensor, matrix: Tensor) -> Tensor:
    """The residual x − y·matrix."""
    return row_by_row(lambda rows: x[rows] - y[rows] @ matrix, like=x)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """aᵀ·b on the host, where further operations on this small matrix are fast.

    On a GPU they would be slow, and loading the library for them would take seconds.
    """
    poll()
    return (a.mT @ b).cpu()


def _shrink(s: Tensor, n: int, dim_x: int, dim_y: int, margin: float = 0.0) -> Tensor:
    large, small = max(dim_x, dim_y), min(dim_x, dim_y)
    ratio = small / large
    unit = math.sqrt(large / n)
    t = s / unit
    inside = ((t**2 - ratio - 1) ** 2 - 4 * ratio).clamp_min(0).sqrt()
    above = t > (1 + margin) * (1 + math.sqrt(ratio))
    return torch.where(above, unit * inside / t.clamp_min(1e-300), 0.0)


def radial_regression(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Regression of x on y and on y times its log-power: a linear map whose slope depends on |y|.

    The first part is `linear_regression`. The second part fits dependence on lengths that a
    linear map misses, for example a rotation whose angle grows with |y|. It is shrunk separately,
    on the residuals of a linear map, so it does not affect the first part. It is 0 unless it
    exceeds the noise clearly: by more than the scatter of the largest singular value of noise. In
    d dimensions the relative scatter is about d^(−2/3) (Johnstone 2001, Ann. Statist. 29:295).

    Args:
        x: Targets, `(n, dim_x)`, with a mean of about 0.
        y: `(n, dim_y)`, approximately white.

    Returns:
        The maps of y and of `log_power(y)` · y, each `(dim_y, dim_x)`.
    """
    n, dim_y = y.shape
    matrix = linear_regression(x, y)
    if n < ROWS_PER_PRODUCT * dim_y:
        return matrix, torch.zeros_like(matrix)
    product = row_by_row(lambda rows: y[rows] * log_power(y[rows]), like=y)
    size = product.square().mean()
    ridge = 0.1 * dim_y**2 * torch.eye(dim_y, dtype=y.dtype) / n
    along = torch.linalg.solve(_product(y, y) + ridge, _product(y, product)).to(y)
    product = _without(product, y, along)
    variance, direction = (v.to(y) for v in torch.linalg.eigh(_product(product, product) / n))
    kept = variance > NEW * size
    if not bool(kept.any()):
        return matrix, torch.zeros_like(matrix)
    back = direction[:, kept] / variance[kept].sqrt()
    margin = 0.5 * min(x.shape[1], back.shape[1]) ** (-2 / 3)
    product = product @ back
    radial = back @ shrunk_regression(_without(x, y, matrix), product, margin)
    return matrix - along @ radial, radial
