"""Linear regression that does not overfit, alone or with a slope that grows with the row."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmg_nb.nets.chunks import row_by_row

__all__ = ["FLOOR", "log_of", "log_power", "power", "radial_regression", "shrunk_regression"]

FLOOR = 1e-12  # of a residual variance, relative to x
FEW = 10  # rows a dimension of y, from which products of y can be whitened
NEW = 1e-6  # share of a product that y does not tell already; rows of one length have none


def log_power(v: Tensor) -> Tensor:
    """Logarithm of the mean square, `(…, dim)` to `(…, 1)`, with a floor far below one."""
    return log_of(power(v))


def power(v: Tensor) -> Tensor:
    """The mean square, `(…, dim)` to `(…, 1)`."""
    return v.square().mean(-1, keepdim=True)


def log_of(power: Tensor) -> Tensor:
    """Logarithm of mean squares, with a floor far below one."""
    return (power + 0.01).log()


def shrunk_regression(x: Tensor, y: Tensor, margin: float = 0.0) -> Tensor:
    """Regression of x on y whose singular values are shrunk towards zero.

    Least squares in dim_x × dim_y unknowns overfits once n is not much larger; ridge would shrink
    strong and absent directions alike. In units of the residual, every entry of the least-squares
    map has noise of variance 1/n, so that the optimal shrinkage of its singular values is known
    in closed form (Gavish & Donoho 2017, IEEE Trans. Inf. Theory 63:2137, Frobenius loss).

    Args:
        x: Targets, `(n, dim_x)`, about zero mean.
        y: `(n, dim_y)`, about white.
        margin: By how much, relative to it, a singular value must exceed the largest that noise
            has on average in many dimensions.

    Returns:
        `(dim_y, dim_x)`; zero where nothing rises above the noise.
    """
    n, dim_x, dim_y = len(x), x.shape[1], y.shape[1]
    eye_y, eye_x = (torch.eye(dim, dtype=x.dtype) for dim in (dim_y, dim_x))
    # A ridge of about the noise in the covariance of y: nothing at large n, a guard at small n.
    gram = _product(y, y) + 0.1 * dim_y**2 / n * eye_y
    matrix = torch.linalg.solve(gram, _product(y, x))
    residual = _without(x, y, matrix.to(y))
    covariance = _product(residual, residual) / max(n - dim_y, n / 4)
    mean = covariance.diagonal().mean()
    covariance = covariance + min(1.0, dim_x / n) * 1e-3 * mean * eye_x + FLOOR * eye_x
    root = torch.linalg.cholesky(covariance)
    in_noise = torch.linalg.solve_triangular(root.mT, matrix, upper=True, left=False)
    u, s, v = torch.linalg.svd(in_noise, full_matrices=False)
    return ((u * _shrink(s, n, dim_x, dim_y, margin)) @ v @ root.mT).to(x)


def _without(x: Tensor, y: Tensor, matrix: Tensor) -> Tensor:
    """What x has beyond y·matrix."""
    return row_by_row(lambda rows: x[rows] - y[rows] @ matrix, like=x)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """aᵀ·b on the host: what is done with so small a matrix takes no time there.

    On a GPU it would, and to load the library for it seconds.
    """
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

    What a linear map misses first where distances matter: variables turned by an angle that grows
    with |y|. The second part is shrunk by itself, on what a linear map leaves of x and of the
    products, so that it costs the first part nothing. It is zero unless it rises above the noise
    by more than the largest singular value of noise scatters, which is about d^(−2/3) of it in d
    dimensions (Johnstone 2001, Ann. Statist. 29:295).

    Args:
        x: Targets, `(n, dim_x)`, about zero mean.
        y: `(n, dim_y)`, about white.

    Returns:
        Both maps `(dim_y, dim_x)`, of y and of `log_power(y)` · y.
    """
    n, dim_y = y.shape
    matrix = shrunk_regression(x, y)
    if n < FEW * dim_y:
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
