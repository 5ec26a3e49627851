"""The t copula: told from the normal one, and made normal without losing information."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mmg_nb.data.marginals import NormalScores
from mmg_nb.data.t_copula import TCopula
from mmg_nb.data.transform_choice import fit_transform, suited_transform

ALL = slice(None)
SCATTER = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 1.0]])


def student(n, d, dof, seed=0):
    """Columns of one scale, those of independent rows else."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(dof, size=(n, 1)) / dof)


def scores_of(values):
    return NormalScores.fit(values)(values)


def copula_scores(n, dof, seed=0):
    """Exact normal scores of a t copula with the scatter above."""
    t = stats.multivariate_t(shape=SCATTER, df=dof).rvs(n, random_state=seed)
    return stats.norm.ppf(stats.t.cdf(t, dof))


# --- what is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [300, 1000, 20_000])
@pytest.mark.parametrize("dof", [1, 2, 4])
def test_the_degrees_of_freedom_are_found(n, dof):
    """They rise by √2 a step; 20 000 rows are read in part."""
    found = TCopula.fit(scores_of(student(n, 3, dof)))
    assert found is not None
    assert dof / 2.1 < found.dof < dof * 2.1


def test_the_scatter_is_found():
    found = TCopula.fit(copula_scores(5000, 3))
    assert found is not None
    scatter = np.linalg.inv(found.whitening @ found.whitening)
    np.testing.assert_allclose(scatter / scatter[0, 0], SCATTER, atol=0.08)


@pytest.mark.parametrize("n", [100, 1000, 5000])
@pytest.mark.parametrize("seed", range(5))
def test_normal_columns_are_left_alone(n, seed):
    mixed = np.random.default_rng(seed).normal(size=(n, 4)) @ np.triu(np.ones((4, 4)))
    assert TCopula.fit(scores_of(mixed)) is None


@pytest.mark.parametrize("seed", range(5))
def test_columns_with_tails_of_their_own_are_left_alone(seed):
    rng = np.random.default_rng(seed)
    assert TCopula.fit(scores_of(rng.standard_cauchy(size=(1000, 4)))) is None
    often_zero = rng.gamma(1, size=(1000, 4)) * rng.integers(2, size=(1000, 4))
    assert TCopula.fit(scores_of(often_zero)) is None


@pytest.mark.parametrize(
    "values",
    [
        student(1000, 1, 2),
        student(40, 5, 2),
        student(1000, 2, 2)[:, [0, 1, 0]],
        np.c_[student(1000, 2, 2), np.zeros(1000)],
        np.round(student(1000, 2, 2)),
    ],
    ids=["one column", "few rows", "copied", "constant", "repeated values"],
)
def test_none_where_there_is_nothing_to_go_by(values):
    assert TCopula.fit(scores_of(values)) is None


# --- the map -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dof", [1.0, 3.0])
def test_of_its_own_copula_it_makes_independent_normals(dof):
    values, vectors = np.linalg.eigh(SCATTER)
    exact = TCopula(dof, (vectors / np.sqrt(values)) @ vectors.T)
    scores = copula_scores(20_000, dof)
    out = exact(scores)
    for column in out.T:
        assert stats.kstest(column, "norm").pvalue > 0.01
    lengths = np.square(out).sum(axis=1)
    assert stats.kstest(lengths, stats.chi2(3).cdf).pvalue > 0.01
    assert stats.kstest(np.square(scores).sum(axis=1), stats.chi2(3).cdf).pvalue < 1e-9
    # Large together no more: squares of different columns of independent normals do not correlate.
    squares = np.corrcoef(np.square(out).T)[np.triu_indices(3, 1)]
    assert np.abs(squares).max() < 4 / np.sqrt(20_000)


def test_lengths_grow_with_lengths_and_directions_stay():
    fitted = TCopula(2.0, np.eye(2))
    reach = np.concatenate([np.logspace(-9, 0, 200), np.linspace(1.1, 20, 200)])
    direction = np.array([0.8, 0.0])
    out = fitted(reach[:, None] * direction)
    assert (np.diff(out[:, 0]) > 0).all()
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[:, 1], 0, atol=1e-15)
    np.testing.assert_allclose(fitted(np.zeros((1, 2))), 0, atol=1e-15)
    np.testing.assert_allclose(fitted(-reach[:, None] * direction), -out)


def test_in_the_limit_of_many_degrees_of_freedom_it_only_whitens():
    scores = np.random.default_rng(0).normal(size=(500, 3))
    np.testing.assert_allclose(TCopula(1e7, np.eye(3))(scores), scores, atol=1e-4)


def test_marginals_make_no_difference():
    """But for the outermost rows, between which normal scores interpolate in other units."""
    values = student(1000, 3, 2)
    bent = np.c_[values[:, 0] ** 3, np.arcsinh(values[:, 1]), 5 - values[:, 2]]
    plain, _ = fit_transform(values, "x", "elliptical", ALL)
    there, _ = fit_transform(bent, "x", "elliptical", ALL)
    assert np.abs(there @ there.T - plain @ plain.T).mean() < 0.01
    scores, _ = fit_transform(values, "x", "normal_scores", ALL)
    assert np.abs(scores @ scores.T - plain @ plain.T).mean() > 0.1


def test_elliptical_scores_of_normal_columns_are_normal_scores():
    values = np.random.default_rng(1).normal(size=(400, 3))
    elliptical, notes = fit_transform(values, "x", "elliptical", ALL)
    np.testing.assert_array_equal(elliptical, fit_transform(values, "x", "normal_scores", ALL)[0])
    assert notes == ()


def test_elliptical_scores_are_independent():
    values = student(20_000, 3, 1)
    out, notes = fit_transform(values, "x", "elliptical", ALL)
    assert notes == (
        "x: heavy-tailed columns are large in the same rows. This common scale was removed "
        "(t copula, ν = 1). Mutual information is unchanged.",
    )
    plain, _ = fit_transform(values, "x", "normal_scores", ALL)
    related = [
        np.abs(np.corrcoef(np.square(v).T)[np.triu_indices(3, 1)]).max() for v in (out, plain)
    ]
    assert related[0] < 0.05
    assert related[1] > 0.15
    np.testing.assert_allclose(np.cov(out.T), np.eye(3), atol=0.03)


@pytest.mark.parametrize("score", [20.0, 30.0, 100.0])
def test_the_farthest_scores_stay_finite(score):
    out = TCopula(1.0, np.eye(2))(np.array([[score, -score], [score, 0.0]]))
    assert np.isfinite(out).all()
    assert (np.abs(out) < 40).all()


# --- the choice --------------------------------------------------------------------------------


def test_it_is_chosen_where_both_variables_are_large_together():
    values = student(1000, 5, 2)
    assert suited_transform(values[:, :3], values[:, 3:], ALL) == "elliptical"
    assert suited_transform(values[:, :3], values[:, :1], ALL) == "normal_scores"
    normal = np.random.default_rng(2).normal(size=(1000, 2))
    assert suited_transform(values[:, :3], normal, ALL) == "normal_scores"
    assert suited_transform(normal, values[:, :3], ALL) == "normal_scores"


@pytest.mark.parametrize(("dim", "n"), [(5, 200), (10, 500), (10, 2000), (20, 2000)])
def test_it_is_chosen_in_many_columns_too(dim, n):
    """Correlations of what is large together scatter more than those of independent columns."""
    samples = [student(n, 2 * dim, 1, seed) for seed in range(4)]
    chosen = [suited_transform(v[:, :dim], v[:, dim:], ALL) for v in samples]
    assert chosen.count("elliptical") >= 3


def test_it_is_not_chosen_where_it_hides_what_single_columns_tell():
    """x and y share one column up to a little noise, and lengths of other columns, that differ."""
    x, y = student(2000, 3, 2), student(2000, 3, 2, seed=1)
    noise = np.random.default_rng(3).normal(size=2000)
    y[:, 0] = np.sign(x[:, 0]) * np.abs(x[:, 0]) ** 0.8 * np.exp(0.05 * noise)
    y[:, 1:] *= np.abs(y[:, :1]) / np.abs(y[:, 1:]).mean(axis=1, keepdims=True)
    assert TCopula.fit(scores_of(x)) is not None
    assert TCopula.fit(scores_of(y)) is not None
    assert suited_transform(x, y, ALL) == "normal_scores"


def test_only_the_rows_to_fit_on_and_numbers_are_looked_at():
    values = student(1000, 4, 2)
    x, y = values[:, :2], values[:, 2:]
    rows = np.arange(500)
    spoilt = y.copy()
    spoilt[500:] = np.random.default_rng(4).normal(size=(500, 2))
    assert suited_transform(x, spoilt, rows) == "elliptical"
    codes = np.random.default_rng(5).integers(3, size=(1000, 1)).astype(float)
    assert suited_transform(np.c_[codes, x], np.c_[y, codes], ALL, (0,), (2,)) == "elliptical"
    assert suited_transform(codes, y, ALL, (0,)) == "normal_scores"
