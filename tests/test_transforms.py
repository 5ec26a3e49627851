"""Maps of one variable: invertible, finite everywhere, blind to units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm
from sklearn.covariance import ledoit_wolf_shrinkage as sklearn_shrinkage

from mmg_nb.data import marginals
from mmg_nb.data.marginals import NormalScores, SmoothScores, Standardize
from mmg_nb.data.transform_choice import fit_transform
from mmg_nb.data.whitening import Whiten, ledoit_wolf_shrinkage
from mmg_nb.errors import MMGError

TRANSFORMS = ["normal_scores", "elliptical", "standardize", "none"]
transforms = pytest.mark.parametrize("transform", TRANSFORMS)
ALL = slice(None)
DROPPED = (
    "direction(s) of zero variance were dropped. Some columns are constant or linear combinations "
    "of others in the training rows. Leave such columns out to avoid this note."
)


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def correlated(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))


SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "cauchy_to_the_fifth": lambda rng, n: rng.standard_cauchy(n) ** 5,
    "log_normal": lambda rng, n: np.exp(5 * rng.normal(size=n)),
}


# --- normal scores -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 1000, 5000])
def test_scores_of_a_sample_look_normal(shape, n):
    values = SHAPES[shape](np.random.default_rng(1), n)[:, None]
    scores = NormalScores.fit(values)(values)[:, 0]
    assert kstest(scores, "norm").statistic < 1.6 / min(n, 2000)
    assert abs(scores.std() - 1) < 0.05


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_rise_with_the_value_far_into_both_tails(shape):
    values = SHAPES[shape](np.random.default_rng(2), 300)
    fitted = NormalScores.fit(values[:, None])
    reach = np.abs(values).max() * np.logspace(-12, 12, 400)
    grid = np.unique(np.concatenate([values, -reach, reach]))
    scores = fitted(grid[:, None])[:, 0]
    assert (np.diff(scores) >= 0).all()
    inside = np.unique(values)
    assert (np.diff(fitted(inside[:, None])[:, 0]) > 0).all()
    outside = np.r_[inside[0] - reach[::-40], inside[0], inside[-1], inside[-1] + reach[::40]]
    outside.sort()
    assert (np.diff(fitted(outside[:, None])[:, 0]) >= 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_extremes_never_seen_before_stay_near(shape):
    values = SHAPES[shape](np.random.default_rng(3), 300)
    fitted = NormalScores.fit(values[:, None])
    far = np.abs(values).max() * np.array([-1e12, -1e3, 1e3, 1e12])
    scores = fitted(far[:, None])[:, 0]
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() < 20
    assert (np.diff(scores) > 0).all()


def test_tails_go_on_where_the_sample_ends():
    values = normal(500, 1)
    fitted = NormalScores.fit(values)
    for edge in (values.min(), values.max()):
        steps = fitted(edge + np.linspace(-1e-6, 1e-6, 3)[:, None])[:, 0]
        assert np.ptp(steps) < 1e-4


def test_repeated_values_share_one_score_and_stay_in_order():
    values = np.random.default_rng(4).integers(0, 5, (4000, 1)).astype(float)
    scores = NormalScores.fit(values)(values)
    levels = [np.unique(scores[values == v]) for v in range(5)]
    assert all(len(level) == 1 for level in levels)
    share = np.array([(values == v).mean() for v in range(5)])
    middle = norm.ppf(share.cumsum() - share / 2)
    np.testing.assert_allclose(np.concatenate(levels), middle, atol=0.01)


def test_a_rare_value_among_one_repeated_value_stays_finite():
    values = np.zeros((5000, 1))
    values[7] = 1.0
    scores = NormalScores.fit(values)(values)
    assert np.isfinite(scores).all()
    assert scores[7] > scores[0]


def test_rare_values_beyond_a_pile_of_one_stay_near():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(20_000) < 0.6, 0.0, rng.random(20_000))[:, None]
    values[:3, 0] = -1.0, -0.5, -0.9
    for sign in (1, -1):
        scores = sign * NormalScores.fit(sign * values)(sign * values)
        assert np.abs(scores).max() < 10
        assert scores[0] < scores[2] < scores[1] < scores[3:].min()


@pytest.mark.parametrize("n", [300, 5000])
def test_scores_ignore_units_and_origin(n):
    values = normal(n, 3)
    new = 3 * normal(200, 3, seed=1)
    scale, shift = np.array([1e-9, 5.0, 1e9]), np.array([0.0, 1e2, -1e9])
    there = NormalScores.fit(values * scale + shift)(new * scale + shift)
    np.testing.assert_allclose(there, NormalScores.fit(values)(new), atol=1e-6)


def test_scores_mirror_with_the_sign():
    values, new = normal(400, 1), 5 * normal(100, 1, seed=1)
    mirrored = -NormalScores.fit(-values)(-new)
    np.testing.assert_allclose(mirrored, NormalScores.fit(values)(new), atol=1e-12)


# --- standardising and whitening ---------------------------------------------------------------


def test_standardised_columns_have_mean_0_and_variance_1():
    values = correlated(300, 3) * [1e-12, 1.0, 1e12] + [1e-12, 5.0, 1e12]
    out = Standardize.fit(values)(values)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(out.std(0), 1, atol=1e-9)


@transforms
def test_large_samples_get_unit_covariance(transform):
    values = correlated(20_000, 4)
    out, notes = fit_transform(values, "x", transform, ALL)
    np.testing.assert_allclose(np.cov(out.T), np.eye(4), atol=0.01)
    np.testing.assert_allclose(out.mean(0), 0, atol=0.01)
    assert notes == ()


@transforms
@pytest.mark.parametrize("n", [60, 5000])
def test_badly_scaled_columns_survive(transform, n):
    """They are not taken for noise beside the large ones: the outcome is that of equal units."""
    values = normal(n, 3)
    plain, _ = fit_transform(values, "x", transform, ALL)
    scaled, notes = fit_transform(values * [1e-12, 1.0, 1e12], "x", transform, ALL)
    assert notes == ()
    np.testing.assert_allclose(scaled, plain, atol=1e-6)


@transforms
@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_extreme_units_neither_overflow_nor_vanish(transform, unit):
    values = correlated(200, 2)
    plain, _ = fit_transform(values, "x", transform, ALL)
    out, _ = fit_transform(values * unit, "x", transform, ALL)
    np.testing.assert_allclose(out, plain, atol=1e-6)


def test_whitening_undoes_any_invertible_linear_map():
    values = normal(50_000, 3)
    mixed = values @ np.array([[2.0, 1, 0], [0, 1, -1], [1, 0, 3]]) + 7
    out, again = Whiten.fit(values)(values), Whiten.fit(mixed)(mixed)
    # Equal up to a rotation, for they have the same inner products.
    np.testing.assert_allclose(out[:50] @ out[:50].T, again[:50] @ again[:50].T, atol=0.05)


@pytest.mark.parametrize("transform", ["standardize", "none"])
def test_sums_of_columns_are_dropped(transform):
    values = correlated(300, 3)
    wide = np.c_[values, values @ [1.0, -2.0, 0.5], 1e-9 * values[:, 0]]
    out, notes = fit_transform(wide, "y", transform, ALL)
    assert out.shape == (300, 3)
    assert notes == (f"y: 2 {DROPPED}",)


def test_a_direction_of_small_variance_is_kept():
    x = normal(2000, 1)
    near_copy = np.c_[x, x + 1e-3 * normal(2000, 1, seed=1)]
    out, notes = fit_transform(near_copy, "x", "none", ALL)
    assert out.shape == (2000, 2)
    assert notes == ()


@pytest.mark.parametrize("shape", [(60, 3), (60, 80), (1000, 5), (50, 2)])
def test_shrinkage_is_that_of_ledoit_and_wolf(shape):
    values = correlated(*shape)
    values -= values.mean(0)
    theirs = sklearn_shrinkage(values, assume_centered=True)
    for products in (values.T @ values, values @ values.T):
        ours = ledoit_wolf_shrinkage(values, products / len(values))
        assert ours == pytest.approx(theirs, rel=1e-9)
    assert 0 < ours <= 1


def test_fewer_rows_than_columns_are_whitened_as_by_their_covariance():
    values = correlated(60, 80)
    scaled = (values - values.mean(0)) / values.std(0)
    variances, directions = np.linalg.eigh(scaled.T @ scaled / 60)
    shrinkage = ledoit_wolf_shrinkage(scaled, scaled.T @ scaled / 60)
    kept = variances > 1e-9 * variances[-1]
    expected = scaled @ directions[:, kept]
    expected /= np.sqrt((1 - shrinkage) * variances[kept] + shrinkage)
    found = Whiten.fit(values)
    assert found.dropped == 21
    np.testing.assert_allclose(abs(found(values)), abs(expected), atol=1e-9)


def test_one_column_is_not_shrunk():
    values = normal(50, 1) - normal(50, 1).mean()
    assert ledoit_wolf_shrinkage(values, values.T @ values / 50) == 0.0


def test_fewer_rows_than_columns_stay_near():
    """In-sample whitening of 60 rows in 50 columns would blow up new rows; shrinking does not."""
    fitted = Whiten.fit(normal(60, 50))
    assert np.abs(fitted(normal(1000, 50, seed=1))).max() < 8


# --- rows to fit on ----------------------------------------------------------------------------


@transforms
def test_only_the_rows_given_are_fitted_on(transform):
    values = normal(400, 2)
    other = values.copy()
    other[200:] = np.exp(other[200:])
    before, after, both = (
        fit_transform(v, "x", transform, rows)[0][:200]
        for v, rows in ((values, np.arange(200)), (other, np.arange(200)), (other, ALL))
    )
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert np.abs(both - before).max() > 0.1


@transforms
def test_a_column_constant_on_the_fitted_rows_is_dropped_there(transform):
    values = normal(200, 2)
    values[:, 1] = 0.1
    values[150, 1] = 3.0
    out, notes = fit_transform(values, "x", transform, np.arange(100))
    assert out.shape == (200, 1)
    assert np.isfinite(out).all()
    assert notes == (f"x: 1 {DROPPED}",)


@transforms
def test_nothing_that_varies_on_the_fitted_rows_is_an_error(transform):
    values = np.full((200, 1), 0.1)
    values[150] = 3.0
    with pytest.raises(MMGError, match="y must vary in the rows used for training") as caught:
        fit_transform(values, "y", transform, np.arange(100))
    assert "folds=3" in caught.value.remedy


@transforms
def test_values_are_not_changed_in_place(transform):
    values = correlated(100, 2)
    before = values.copy()
    fit_transform(values, "x", transform, ALL)
    np.testing.assert_array_equal(values, before)


# --- smooth scores


def test_smooth_scores_of_a_normal_column_are_linear():
    values = 3 + 2 * normal(5000, 1)
    scores = SmoothScores.fit(values)(values)
    np.testing.assert_allclose(scores, (values - values.mean()) / values.std(), atol=1e-12)


class Even:
    """Quantiles instead of random numbers, at even normal scores from −2 to 2."""

    levels = staticmethod(lambda size: norm.cdf(np.linspace(-2, 2, size)))

    def normal(self, size):
        return norm.ppf(self.levels(size))

    def uniform(self, size):
        return self.levels(size)

    def exponential(self, size):
        return -np.log1p(-self.levels(size))

    def standard_cauchy(self, size):
        return np.tan(np.pi * (self.levels(size) - 0.5))


@pytest.mark.parametrize("shape", ["uniform", "exponential", "log_normal", "cauchy"])
def test_smooth_scores_are_normal_up_to_chance_and_smooth(shape):
    """Of the scores of ranks the slope of neighbouring quantiles is anything."""
    values = SHAPES[shape](np.random.default_rng(1), 10_000)[:, None]
    fitted = SmoothScores.fit(values)
    assert kstest(fitted(values)[:, 0], "norm").statistic < 1.5 / np.sqrt(len(values))
    ranks = NormalScores.fit(values)
    exact = SHAPES[shape](Even(), 400)[:, None]
    rough = []
    for scores in (fitted, ranks):
        rises = np.diff(scores(exact)[:, 0])
        assert (rises > 0).all()
        rough.append(np.abs(np.diff(np.log(rises))).mean())
    assert rough[0] < rough[1] / 3


def test_columns_with_no_smooth_map_keep_the_scores_of_ranks(monkeypatch):
    """Knots follow an exponential; with none allowed nothing does."""
    values = np.exp(normal(2000, 1))
    ranks = NormalScores.fit(values)(values)
    assert np.abs(SmoothScores.fit(values)(values) - ranks).max() > 1e-3
    monkeypatch.setattr(marginals, "KNOT_COUNTS", ())
    np.testing.assert_array_equal(SmoothScores.fit(values)(values), ranks)


def test_smooth_scores_are_asked_for_by_name():
    values = normal(3000, 2)
    smooth, _ = fit_transform(values, "x", "normal_scores", ALL, smooth=True)
    ranks, _ = fit_transform(values, "x", "normal_scores", ALL)
    centred = values - values.mean(0)
    for scores, linear in ((smooth, True), (ranks, False)):
        fit = np.linalg.lstsq(centred, scores, rcond=None)[0]
        assert bool(np.abs(centred @ fit - scores).max() < 1e-9) is linear
