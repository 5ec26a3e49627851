"""Truths of the tasks outside BMI, found a second way.

Each joint density is written down anew, from scipy's densities and textbook formulas. Its MI is
then summed on a grid with margins summed from that same grid, or from the cells of a table, or
averaged over draws of a second sampler: no closed form and no code is shared with the package.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, ndtr, ndtri

from mmg_nb.benchmark import task, task_ids
from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def table_mi(cells: Array) -> float:
    """MI of a table of probabilities, or of a density on a grid times the area of its cells."""
    p = cells / np.sum(cells)
    product = np.sum(p, axis=1, keepdims=True) * np.sum(p, axis=0, keepdims=True)
    positive = p > 1e-140  # the square of p, a bound of the product, must not underflow
    return float(np.sum(p[positive] * np.log(p[positive] / product[positive])))


def gamma_exponential() -> float:
    s, t = np.arange(-80, 6, 0.08)[:, None], np.arange(-40, 90, 0.08)  # ln x, ln y
    x, y = np.exp(s), np.exp(t)
    log_cells = stats.gamma.logpdf(x, 0.5) + s + stats.expon.logpdf(y, scale=1 / x) + t
    return table_mi(np.exp(log_cells))


def radial_exponential() -> float:
    s, t = np.arange(-20, 4, 0.05)[:, None], np.arange(-40, 45, 0.05)  # ln ‖x‖, ln y
    r, y = np.exp(s), np.exp(t)
    log_cells = stats.chi.logpdf(r, 3) + s + stats.expon.logpdf(y, scale=2 / r**2) + t
    return table_mi(np.exp(log_cells))


def clayton() -> float:
    """∂²C/∂u∂v of C = (u⁻² + v⁻² − 1)^(−1/2), in normal scores."""
    z = np.arange(-8, 8, 0.02)
    u, v = ndtr(z)[:, None], ndtr(z)
    density = 3 * (u * v) ** -3.0 * (u**-2 + v**-2 - 1) ** -2.5
    return table_mi(density * stats.norm.pdf(z)[:, None] * stats.norm.pdf(z))


def gumbel() -> float:
    """∂²C/∂u∂v of C = exp(−(a³ + b³)^(1/3)), a = −ln u, b = −ln v, on logistic axes."""
    z = np.arange(-24, 40, 0.06)
    a, b = np.logaddexp(0, -z)[:, None], np.logaddexp(0, -z)
    t = np.cbrt(a**3 + b**3)
    density = np.exp(-t + a + b) * (a * b) ** 2 * (t + 2) / t**5
    slope = stats.logistic.pdf(z)
    return table_mi(density * slope[:, None] * slope)


def cross() -> float:
    z = np.arange(-8, 8, 0.04)
    points = np.dstack(np.meshgrid(z, z, indexing="ij"))
    both = [stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).pdf(points) for r in (0.9, -0.9)]
    return table_mi(both[0] + both[1])


def rare_event() -> float:
    """y = x + width·sinh t resolves the ridge; the margins are known to be N(0, 1)."""
    width = math.sqrt(1 - 0.99999**2)
    x, t = np.arange(-9, 9, 0.05)[:, None], np.arange(-9, 9, 0.02)
    y = 0.99999 * x + width * np.sinh(t)
    product = stats.norm.pdf(x) * stats.norm.pdf(y)
    ridge = stats.norm.pdf(x) * stats.norm.pdf(y, 0.99999 * x, width)
    joint = 0.95 * product + 0.05 * ridge
    area = 0.05 * 0.02 * width * np.cosh(t)
    seen = (joint > 0) & (product > 0)
    ratio = np.log(np.divide(joint, product, out=np.ones_like(joint), where=seen))
    return float(np.sum(area * joint * ratio))


def clusters() -> tuple[float, float]:
    """Average log-ratio of ten-dimensional and five-dimensional mixture densities."""
    g, n = np.random.default_rng(77), 300_000
    centres = [s * 2.5 * np.eye(5)[axis] for axis in (0, 1) for s in (1, -1)]
    both = [
        np.hstack([a, b])
        for axis in (0, 2)
        for a in centres[axis:][:2]
        for b in centres[axis:][:2]
    ]
    z = np.array(both)[g.integers(8, size=n)] + g.standard_normal((n, 10))

    def log_density(points: Array, means: list[Array]) -> Array:
        parts = [stats.multivariate_normal(m, np.eye(len(m))).logpdf(points) for m in means]
        return logsumexp(parts, axis=0) - math.log(len(means))

    ratio = log_density(z, both) - log_density(z[:, :5], centres) - log_density(z[:, 5:], centres)
    return float(np.mean(ratio)), float(np.std(ratio) / math.sqrt(n))


def rotated() -> float:
    s = np.eye(10)
    s[range(5), range(5, 10)] = s[range(5, 10), range(5)] = 0.6
    return -0.5 * np.linalg.slogdet(s)[1]


def multiplicative() -> float:
    """On the logarithms of |x| and |y|: the signs are independent of all else."""
    s, t = np.arange(-32, 3, 0.05)[:, None], np.arange(-40, 5, 0.05)
    x, y = np.exp(s), np.exp(t)
    return table_mi(stats.halfnorm.pdf(x) * x * stats.halfnorm.pdf(y, scale=x) * y)


def heteroscedastic() -> float:
    x, y = (np.arange(400)[:, None] + 0.5) / 400, np.arange(-45, 45, 0.03)
    return table_mi(stats.norm.pdf(y, 0, np.exp(1.5 * np.sin(2 * np.pi * x))))


def sine() -> float:
    x, y = (np.arange(900)[:, None] + 0.5) / 900, np.arange(-4, 4, 0.01)
    return table_mi(stats.norm.pdf(y, np.sin(6 * np.pi * x), 0.3))


def ring() -> float:
    angle, z = 2 * np.pi * np.arange(500) / 500, np.arange(-3, 3, 0.01)
    x = stats.norm.pdf(z[:, None], np.cos(angle), 0.2)
    y = stats.norm.pdf(z[:, None], np.sin(angle), 0.2)
    return table_mi(x @ y.T)


def checkerboard() -> float:
    i = np.arange(4)
    return table_mi(np.where((i[:, None] + i) % 2 == 0, 0.9, 0.1))


def parity() -> float:
    return table_mi(np.array([[0.9, 0.1], [0.1, 0.9]]))


def label_uniform() -> float:
    label, unit = np.arange(5)[:, None], np.arange(6)
    return table_mi(((unit == label) | (unit == label + 1)).astype(float))


def independent() -> float:
    return 0.0


SECOND_WAY: dict[str, Callable[[], float]] = {
    "outside-gamma_exponential-0.5": gamma_exponential,
    "outside-radial_exponential-3": radial_exponential,
    "outside-clayton-2": clayton,
    "outside-gumbel-3": gumbel,
    "outside-cross-0.9": cross,
    "outside-rare_event-0.05": rare_event,
    "outside-rotated-5": rotated,
    "outside-multiplicative": multiplicative,
    "outside-heteroscedastic-1.5": heteroscedastic,
    "outside-sine-3": sine,
    "outside-ring-0.2": ring,
    "outside-checkerboard-4": checkerboard,
    "outside-parity-3": parity,
    "outside-label_uniform-5": label_uniform,
    "outside-independent-5": independent,
}


def test_every_outside_task_is_checked() -> None:
    assert set(SECOND_WAY) | {"outside-clusters-5"} == set(task_ids("outside"))


@pytest.mark.parametrize("task_id", SECOND_WAY)
def test_truth_agrees_with_a_second_calculation(task_id: str) -> None:
    mi, second = task(task_id).mi_true, SECOND_WAY[task_id]()
    assert mi == pytest.approx(second, abs=1e-6)
    if mi > 0:
        for wrong in (0.0, mi / 2, 2 * mi, mi / math.log(2), -mi):
            assert second != pytest.approx(wrong, abs=1e-2)


def test_truth_of_the_clusters_agrees_with_a_second_sampler() -> None:
    mi = task("outside-clusters-5").mi_true
    second, stderr = clusters()
    assert stderr < 0.002
    assert abs(mi - second) < 4 * stderr
    for wrong in (0.0, mi / 2, 2 * mi, mi / math.log(2)):
        assert abs(wrong - second) > 4 * stderr


def p_value(values: Array, distribution: Callable[[Array], Array]) -> float:
    return float(stats.kstest(values.ravel(), distribution).pvalue)


# Margin of y for each law that scipy or a line of calculus gives, and one that must be refused.
MARGINS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "outside-gamma_exponential-0.5": (stats.lomax(0.5).cdf, stats.lomax(1).cdf),
    "outside-radial_exponential-3": (stats.lomax(1.5).cdf, stats.lomax(3).cdf),
    "outside-clayton-2": (stats.uniform.cdf, stats.beta(1.05, 1).cdf),
    "outside-gumbel-3": (stats.gumbel_r.cdf, stats.gumbel_l.cdf),
    "outside-cross-0.9": (stats.norm.cdf, stats.norm(0, 0.9).cdf),
    "outside-rare_event-0.05": (stats.norm.cdf, stats.norm(0, 0.9).cdf),
    "outside-checkerboard-4": (stats.uniform.cdf, stats.beta(1.05, 1).cdf),
    "outside-parity-3": (stats.norm.cdf, stats.norm(0, 0.9).cdf),
}


@pytest.mark.parametrize("task_id", MARGINS)
def test_margin_of_y(task_id: str) -> None:
    _, y = task(task_id).sample(20_000, seed=31)
    right, wrong = MARGINS[task_id]
    assert p_value(y, right) > 1e-4
    assert p_value(y, wrong) < 1e-4


# Standard normal residuals that recover the noise of y given x.
NOISES: dict[str, Callable[[Array, Array], Array]] = {
    "outside-gamma_exponential-0.5": lambda x, y: ndtri(-np.expm1(-x * y)),
    "outside-radial_exponential-3": lambda x, y: ndtri(
        -np.expm1(-0.5 * np.sum(x**2, axis=1, keepdims=True) * y)
    ),
    "outside-clayton-2": lambda x, y: ndtri((1 + x**2 * (y**-2 - 1)) ** -1.5),
    "outside-multiplicative": lambda x, y: y / np.abs(x),
    "outside-heteroscedastic-1.5": lambda x, y: y * np.exp(-1.5 * np.sin(2 * np.pi * x)),
    "outside-sine-3": lambda x, y: (y - np.sin(6 * np.pi * x)) / 0.3,
    "outside-label_uniform-5": lambda x, y: ndtri((y - x) / 2),
}


@pytest.mark.parametrize("task_id", NOISES)
def test_noise_of_y_given_x(task_id: str) -> None:
    x, y = task(task_id).sample(20_000, seed=32)
    noise = NOISES[task_id](x, y)
    assert p_value(noise, stats.norm.cdf) > 1e-4
    assert p_value(1.1 * noise, stats.norm.cdf) < 1e-4
    for column in x.T:
        assert abs(stats.spearmanr(np.abs(column), np.abs(noise[:, 0]))[0]) < 5 / math.sqrt(20_000)


def test_parity_shows_in_no_proper_subset_of_columns() -> None:
    x, y = task("outside-parity-3").sample(20_000, seed=33)
    signs, target = np.sign(x), np.sign(y[:, 0])
    limit = 5 / math.sqrt(20_000)
    assert np.max(np.abs(target @ signs) / 20_000) < limit
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.mean(target * signs[:, i] * signs[:, j])) < limit
    assert np.mean(target * np.prod(signs, axis=1)) == pytest.approx(0.8, abs=limit)


def test_clusters_are_uncorrelated_and_dense_in_all_columns() -> None:
    x, y = task("outside-clusters-5").sample(20_000, seed=34)
    cross_correlation = np.corrcoef(np.hstack([x, y]).T)[:5, 5:]
    assert np.max(np.abs(cross_correlation)) < 5 / math.sqrt(20_000)
    assert np.sum(np.abs(np.cov(x.T) - np.diag(np.var(x, axis=0))) > 0.02) >= 10


@pytest.mark.parametrize("dim", [1, 25])
def test_independent_columns_come_in_any_number(dim: int) -> None:
    found = task(f"outside-independent-{dim}")
    x, y = found.sample(50, seed=1)
    assert x.shape == y.shape == (50, dim)
    assert found.mi_true == 0
    assert found.tags == {"outside", "independent"}
    with pytest.raises(MMGError, match="There is no task"):
        task(f"outside-independent-0{dim}")


def test_independent_columns_are_dependent_among_themselves_only() -> None:
    x, y = task("outside-independent-5").sample(20_000, seed=35)
    limit = 5 / math.sqrt(20_000)
    for a, b in ((x, y), (np.abs(x), np.abs(y))):
        assert np.max(np.abs(stats.spearmanr(a, b)[0][:5, 5:])) < limit
    assert np.min(np.abs(stats.spearmanr(x)[0])) > 0.4
    assert np.min(np.abs(stats.spearmanr(np.abs(y))[0])) > limit
