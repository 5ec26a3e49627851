"""The whole evaluation with exact denoisers: nothing is trained, so every figure has a truth.

Wrong answers that each accuracy test must reject: 0, half, double, bits for nats, shuffled rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from oracle import CPU, DEFAULT, PAIRS, GaussianPair, dense, measured, sparse
from torch import Generator

from mmg_nb.benchmark import task
from mmg_nb.data.splits import EvaluationFold
from mmg_nb.denoisers.channel import scales
from mmg_nb.denoisers.gaussian import GaussianDenoiser, Samples, gaussian_mse
from mmg_nb.denoisers.logsnr import adapted_logistic, uniform_bins
from mmg_nb.mmse.evaluation import Design, EvaluationRows, Model, measure
from mmg_nb.mmse.gap import FORMS, PointValues, gap_forms
from mmg_nb.mmse.standard_error import estimate_from_points, null_standard_error

N = 4000
LIMIT = 4.0  # reported standard errors
pairs = pytest.mark.parametrize("name", PAIRS)
forms = pytest.mark.parametrize("form", FORMS)


def integrate(integrand, width):
    """Integral of a function known by its means over bins."""
    return float(np.dot(integrand, width))


def area(pair, low, high, k=50_000):
    """½ ∫ of the exact gap by the midpoint rule in float64."""
    grid = uniform_bins(low, high, (high - low) / k, CPU)
    return integrate(0.5 * pair.gap(grid.centres).numpy(), grid.widths.numpy())


def z_score(measurement, form, truth):
    estimate = estimate_from_points(measurement.points, form)
    return (estimate.mi - truth) / estimate.stderr


# --- exact curves ------------------------------------------------------------------------------


def test_pairs_are_those_of_the_benchmark():
    """The formulas here and the tasks there were written down separately."""
    for name, task_id in {
        "1x1": "1v1-normal-0.75",
        "25x25": "multinormal-dense-25-25-0.5",
        "sparse_3x3": "multinormal-sparse-3-3-2-2.0",
    }.items():
        assert PAIRS[name].mi == pytest.approx(task(task_id).mi_true, rel=1e-9)


@pairs
def test_exact_curves_integrate_to_the_mutual_information(name):
    mi = PAIRS[name].mi
    found = area(PAIRS[name], -16, 18)
    assert abs(found - mi) < 1e-6
    for wrong in (0.0, mi / 2, 2 * mi, mi / math.log(2)):
        assert abs(found - wrong) > 0.1


@pytest.mark.parametrize(("strength", "mi"), [(200, 9.9035), (1550, 13.9989), (2000, 14.5087)])
def test_high_information_is_there_in_a_wide_range(strength, mi):
    pair = sparse(3, strength)
    assert pair.mi == pytest.approx(mi, abs=5e-5)
    assert abs(area(pair, -20, 40) - pair.mi) < 1e-6


@pytest.mark.parametrize(
    ("strength", "kept"), [(2, 1.0216), (200, 9.887), (1550, 13.31), (2000, 13.53)]
)
def test_the_logistic_default_range_cuts_high_information_off(strength, kept):
    assert (DEFAULT.low, DEFAULT.high) == (-10.0, 14.0)
    pair = sparse(3, strength)
    inside = area(pair, DEFAULT.low, DEFAULT.high)
    assert inside == pytest.approx(kept, abs=6e-3 if strength > 2 else 1e-4)
    # The part that is cut off, in closed form: ½ Σ ln(1 + e^−high/v) and its mirror image.
    v = 1 - pair.canonical**2
    above = 0.5 * np.log1p(math.exp(-DEFAULT.high) / v).sum() - 1.5 * math.log1p(
        math.exp(-DEFAULT.high)
    )
    below = (
        1.5 * math.log1p(math.exp(DEFAULT.low)) - 0.5 * np.log1p(math.exp(DEFAULT.low) * v).sum()
    )
    assert pair.mi - inside == pytest.approx(above + below, abs=1e-6)


@pytest.mark.parametrize("strength", [2, 200, 1550, 2000])
def test_a_range_to_21_keeps_all_but_two_thousandths(strength):
    pair = sparse(3, strength)
    assert 0 <= pair.mi - area(pair, -11, 21) <= 0.002


@pairs
def test_the_exact_denoiser_errs_as_the_formula_says(name):
    pair, n = PAIRS[name], 20_000
    x, y = pair.sample(n, 0)
    model = pair.model(members=1)
    samples = model.samples(torch.tensor(x), torch.tensor(y))
    generator = Generator().manual_seed(0)
    for level in (-6.0, -1.0, 0.0, 2.0, 6.0):
        logsnr = torch.full((1, n), level)
        eps = torch.randn(samples.x.shape, generator=generator)
        for given in (False, True):
            flag = torch.full((1, 1, 1), given)
            error = (eps - model.denoiser(samples, eps, logsnr, flag)).square().sum(-1).double()
            variance = model.denoiser.variance[0, 0].double() if given else torch.ones(x.shape[1])
            exact = float(gaussian_mse(variance.double(), torch.tensor([level]).double()))
            assert abs(float(error.mean()) - exact) < LIMIT * float(error.std()) / math.sqrt(n)


# --- sampled errors ----------------------------------------------------------------------------


def adapted_bins(pair):
    """What training ends up with: bins with density about the root of the gap."""
    grid = uniform_bins(-10.0, 14.0, 0.5, CPU)
    return grid.adapted(pair.gap(grid.centres))


def adapted_curve(pair):
    """The published rule applied to the exact conditional curve."""
    grid = torch.linspace(-20, 30, 2001, dtype=torch.float64)
    dim_x = len(pair.k)
    given = dim_x * torch.sigmoid(grid) - pair.gap(grid)
    return adapted_logistic(grid, given, dim_x)


PROPOSALS = {
    "logistic": lambda pair: DEFAULT,
    "uniform": lambda pair: uniform_bins(-10.0, 14.0, 0.5, CPU),
    "adapted_bins": adapted_bins,
    "adapted_logistic": adapted_curve,
}


@pairs
@pytest.mark.parametrize("proposal", PROPOSALS)
def test_every_form_agrees_with_the_truth_and_with_nothing_else(name, proposal):
    pair = PAIRS[name]
    found = measured(pair, N, seed=1, proposal=PROPOSALS[proposal](pair))
    shuffled = measured(pair, N, seed=1, proposal=PROPOSALS[proposal](pair), shuffle=True)
    for form in FORMS:
        assert abs(z_score(found, form, pair.mi)) < LIMIT
        for wrong in (0.0, pair.mi / 2, 2 * pair.mi, pair.mi / math.log(2)):
            assert abs(z_score(found, form, wrong)) > LIMIT
        assert abs(z_score(shuffled, form, pair.mi)) > LIMIT


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ("cross", 0.75, 1.3),
        ("difference", 0.75, 1.3),
        # For exact denoisers too wide on purpose: theirs allows for what training varies.
        ("inner", 0.45, 1.0),
        ("orthogonal", 0.45, 1.0),
    ],
)
def test_standard_errors_are_neither_too_small_nor_too_wide(form, low, high):
    """Root mean square of the errors of 60 runs, in units of the reported standard error."""
    pair = PAIRS["mixed_2x5"]
    z = [z_score(measured(pair, 400, seed, draws=6), form, pair.mi) for seed in range(60)]
    assert low < np.sqrt(np.mean(np.square(z))) < high


def test_errors_of_the_inner_form_allow_for_training_but_not_without_bound():
    """At least those of the difference form, at most twice its own."""
    rng = np.random.default_rng(0)
    for spread, expected in ((0.5, 1.0), (1.5, 1.5), (5.0, 2.0)):
        points = points_of(rng.normal(size=1000))
        own = estimate_from_points(points, "cross").stderr
        points.values[FORMS.index("difference")] *= spread
        for form in ("inner", "orthogonal"):
            found = estimate_from_points(points, form).stderr
            assert found == pytest.approx(expected * own)


def test_the_inner_form_of_shuffled_rows_is_nothing():
    """ε − u is orthogonal to whatever is made of z and a foreign y."""
    found = measured(PAIRS["mixed_4x2"], N, seed=2, shuffle=True)
    assert abs(z_score(found, "inner", 0.0)) < LIMIT


@pytest.mark.parametrize("name", ["1x1", "25x25"])
def test_pairing_the_noise_makes_the_difference_far_less_noisy(name):
    """Same rows throughout: what differs from run to run is the noise of the evaluation alone."""

    def values(paired):
        runs = [
            measured(PAIRS[name], 300, seed, paired=paired, draws=6, data_seed=0)
            for seed in range(12)
        ]
        return np.array([estimate_from_points(run.points, "difference").mi for run in runs])

    with_pairs, without = values(True), values(False)
    factor = {"1x1": 2, "25x25": 8}[name]
    assert without.std(ddof=1) > factor * with_pairs.std(ddof=1)
    for found in (with_pairs, without):
        error = found.std(ddof=1) / math.sqrt(len(found)) + 0.15  # rows are few, but the same
        assert abs(found.mean() - PAIRS[name].mi) < LIMIT * error


def test_unpaired_noise_leaves_the_other_forms_alone():
    a, b = (measured(PAIRS["1x1"], 500, 3, paired=paired, draws=2) for paired in (True, False))
    assert not np.allclose(a.points.values[3], b.points.values[3])
    assert abs(z_score(b, "inner", PAIRS["1x1"].mi)) < LIMIT


@pairs
def test_curves_are_the_exact_ones_in_every_bin(name):
    pair = PAIRS[name]
    found = measured(pair, 3000, seed=4, draws=16, proposal=uniform_bins(-10, 14, 0.5, CPU))
    curve = found.curve
    centres = torch.tensor(curve.logsnr)
    exact = pair.gap(centres).numpy()
    dim_x = len(pair.k)
    assert set(curve.gaps) == set(FORMS)
    for form in FORMS:
        z = (curve.gaps[form] - exact) / np.maximum(curve.stderrs[form], 1e-3)
        assert np.abs(z).max() < 5
    ceiling = dim_x * torch.sigmoid(centres).numpy()
    assert np.abs(curve.mse - ceiling).max() < 5 * math.sqrt(2 * dim_x / 1000)
    np.testing.assert_allclose(curve.mse - curve.mse_given_y, curve.gaps["difference"], atol=1e-4)
    whole = integrate(curve.integrand("inner"), curve.width)
    assert whole == pytest.approx(pair.mi, abs=0.1)
    assert curve.width.sum() == pytest.approx(24.0)


# --- each point --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1x1", "mixed_4x2"])
@pytest.mark.parametrize("row", [0, 3])
def test_pointwise_values_are_the_exact_log_ratio(name, row):
    pair = PAIRS[name]
    found = measured(pair, N, seed=5, draws=64).points
    exact = pair.log_ratio(*pair.sample(N, 5))
    error = found.values[row] - exact
    noise = found.noise[0 if row == 0 else 1]
    assert abs(error.mean()) < LIMIT * error.std() / math.sqrt(N)
    # The Monte-Carlo variance is right on average, and few points lie beyond four errors.
    assert 0.8 < np.mean(error**2) / noise.mean() < 1.25
    assert np.mean(np.abs(error) > LIMIT * np.sqrt(noise)) < 0.02
    assert np.corrcoef(found.values[row], exact)[0, 1] > 0.85
    other = np.random.default_rng(0).permutation(exact)
    assert np.mean((found.values[row] - other) ** 2) > 3 * noise.mean()


@pytest.mark.parametrize("name", ["1x1", "mixed_4x2"])
def test_what_is_known_of_the_noise_takes_most_of_it_away(name):
    pair = PAIRS[name]
    found = [
        measured(pair, N, seed=5, draws=64, members=(0, 0), known=known) for known in (False, True)
    ]
    exact = pair.log_ratio(*pair.sample(N, 5))
    errors = [each.points.values[FORMS.index("difference")] - exact for each in found]
    assert errors[1].std() < 0.2 * errors[0].std()
    assert abs(errors[1].mean()) < LIMIT * errors[1].std() / math.sqrt(N)
    assert 0.5 < np.mean(errors[1] ** 2) / found[1].points.noise[1].mean() < 2
    for form in ("inner", "orthogonal"):
        plain, known = (each.points.values[FORMS.index(form)] for each in found)
        spread = math.hypot(plain.std(), known.std()) / math.sqrt(N)
        assert abs(plain.mean() - known.mean()) < LIMIT * spread
    curve = found[1].curve
    np.testing.assert_allclose(curve.mse - curve.mse_given_y, curve.gaps["difference"], atol=1e-4)


def test_products_of_two_members_keep_their_noise():
    """Their means are not known: nothing is taken away, and nothing added."""
    plain, known = (
        measured(PAIRS["mixed_4x2"], 500, seed=5, known=known).points.values
        for known in (False, True)
    )
    cross, inner = FORMS.index("cross"), FORMS.index("inner")
    np.testing.assert_allclose(plain[cross], known[cross], rtol=1e-4, atol=1e-4)
    assert not np.allclose(plain[inner], known[inner], atol=0.01)


@pytest.mark.parametrize("level", [-3.0, 0.0, 4.0])
def test_means_over_the_noise_are_exact(level):
    pair = PAIRS["mixed_4x2"]
    model = pair.model(1)
    x, y = (torch.tensor(v) for v in pair.sample(3, 0))
    samples = model.samples(x, y)
    repeats = 40_000
    many = Samples(*(v.repeat(1, repeats, 1) for v in (samples.x, samples.residual, samples.y)))
    logsnr = torch.full((1, 3 * repeats), level)
    eps = torch.randn(many.x.shape, generator=Generator().manual_seed(0))
    u, c = (
        model.denoiser(many, eps, logsnr, torch.full((1, 1, 1), flag)) for flag in (False, True)
    )
    drawn = torch.stack(
        [
            (eps - u).square().sum(-1),
            (eps - c).square().sum(-1),
            ((eps - u) * (c - u)).sum(-1),
            (c - u).square().sum(-1),
        ]
    ).view(4, repeats, 3)
    known = model.denoiser.moments(samples, logsnr[:, :3]).view(4, 3)
    z = (drawn.mean(1) - known) / (drawn.std(1) / math.sqrt(repeats))
    assert float(z.abs().max()) < LIMIT


@dataclass
class Recording:
    """A proposal that keeps what it was asked for."""

    asked: list = field(default_factory=list)
    low, high, density = DEFAULT.low, DEFAULT.high, staticmethod(DEFAULT.density)

    def quantile(self, u):
        self.asked.append(u)
        return DEFAULT.quantile(u)


def test_the_draws_of_a_point_are_spread_over_the_whole_range():
    recording = Recording()
    measured(PAIRS["1x1"], 200, 0, proposal=recording, bins=adapted_bins(PAIRS["1x1"]), draws=10)
    u = torch.cat(recording.asked).sort(dim=0).values
    assert u.shape == (10, 200)
    gaps = torch.cat([u.diff(dim=0), u[:1] + 1 - u[-1:]])
    assert float(gaps.max()) <= 2 / 10
    assert float(gaps.min()) < 0.05 / 10  # jittered, not a comb
    assert 0.4 < float(u.mean()) < 0.6


def test_more_draws_lower_the_noise_of_each_point_in_proportion():
    few, many = (measured(PAIRS["1x1"], 2000, 6, draws=k).points.noise[1].mean() for k in (8, 64))
    assert 5 < few / many < 14


# --- high information --------------------------------------------------------------------------


@pytest.mark.parametrize(("strength", "high"), [(200, 22.0), (2000, 28.0), (6e7, 48.0)])
def test_float32_denoisers_keep_high_information(strength, high):
    pair = sparse(3, strength)
    found = measured(pair, 3000, seed=7, draws=12, proposal=uniform_bins(-12.0, high, 0.5, CPU))
    for form in FORMS:
        assert abs(z_score(found, form, pair.mi)) < LIMIT
        assert abs(z_score(found, form, pair.mi / 2)) > LIMIT


def test_a_residual_formed_in_float32_would_lose_high_information(monkeypatch):
    """The counterpart of the test above: the precaution is needed, and the form tells."""

    def rounded(self, x, y):
        mean = (y @ self.anchor.matrix).float()
        return Samples(
            (x @ self.anchor.rotation).float(),
            (x.float() - mean) @ self.anchor.rotation.float(),
            y.float().expand(len(mean), *y.shape),
        )

    pair, proposal = sparse(3, 6e7), uniform_bins(-12.0, 48.0, 0.5, CPU)
    exact = measured(pair, 1000, seed=7, proposal=proposal).points
    monkeypatch.setattr(Model, "samples", rounded)
    lossy = measured(pair, 1000, seed=7, proposal=proposal).points
    for form in ("cross", "difference"):
        lost = estimate_from_points(exact, form).mi - estimate_from_points(lossy, form).mi
        assert lost > 0.8


@pytest.mark.parametrize("level", [-30.0, 0.0, 14.0, 24.0, 36.0])
def test_the_denoiser_is_as_exact_in_float32_as_in_float64(level):
    n, v = 1000, 1e-9
    rng = np.random.default_rng(0)
    x, residual = rng.normal(size=(1, n, 1)), math.sqrt(v) * rng.normal(size=(1, n, 1))
    eps = rng.normal(size=(1, n, 1))
    out = []
    for dtype in (torch.float32, torch.float64):
        a, r, e = (torch.tensor(t, dtype=dtype) for t in (x, residual, eps))
        denoiser = GaussianDenoiser(torch.full((1, 1, 1), v, dtype=dtype))
        logsnr = torch.full((1, n), level, dtype=dtype)
        given = torch.ones(1, 1, 1, dtype=torch.bool)
        out.append(denoiser(Samples(a, r, a), e, logsnr, given).double().numpy())
    np.testing.assert_allclose(out[0], out[1], rtol=1e-4, atol=1e-5)


# --- identities --------------------------------------------------------------------------------


def random_predictions(members=2, batch=500, dim=3):
    generator = Generator().manual_seed(0)
    eps = torch.randn(batch, dim, generator=generator, dtype=torch.float64)
    u, c = torch.randn(2, members, batch, dim, generator=generator, dtype=torch.float64)
    return eps, u, c


def test_forms_are_what_their_formulas_say():
    eps, u, c = random_predictions()
    found = dict(zip(FORMS, gap_forms(eps, u, c), strict=True))
    (u1, u2), (c1, c2) = u, c

    def dot(a, b):
        return torch.einsum("bd,bd->b", a, b)

    def norm(a):
        return dot(a, a)

    expected = {
        "cross": dot(eps - u1, eps - u2) - dot(eps - c1, eps - c2),
        "inner": (dot(eps - u1, c1 - u1) + dot(eps - u2, c2 - u2)) / 2,
        "orthogonal": (norm(c1 - u1) + norm(c2 - u2)) / 2,
        "difference": (norm(eps - u1) - norm(eps - c1) + norm(eps - u2) - norm(eps - c2)) / 2,
    }
    for form in FORMS:
        torch.testing.assert_close(found[form], expected[form])
    torch.testing.assert_close(
        found["difference"], 2 * found["inner"] - found["orthogonal"], rtol=1e-12, atol=1e-12
    )


def test_cross_is_the_difference_where_both_members_are_one():
    eps, u, c = random_predictions()
    same = gap_forms(eps, u[:1].expand_as(u), c[:1].expand_as(c))
    torch.testing.assert_close(same[0], same[3])
    points = measured(PAIRS["mixed_4x2"], 300, 8, members=(1, 1)).points
    np.testing.assert_allclose(points.values[0], points.values[3], atol=1e-3)


def test_a_single_member_reports_no_cross_form():
    assert set(measured(PAIRS["1x1"], 100, 8, members=(0, 0)).curve.gaps) == set(FORMS[1:])


def test_errors_of_independent_members_cancel_in_the_cross_form_alone():
    """Excess errors δ of two members are independent: only cross is free of E‖δ‖²."""
    generator = Generator().manual_seed(1)
    n = 200_000
    eps = torch.randn(n, 1, generator=generator)
    u = torch.zeros(2, n, 1) + 0.5 * torch.randn(2, n, 1, generator=generator)
    c = 0.6 * eps + 1.0 * torch.randn(2, n, 1, generator=generator)
    mean = gap_forms(eps, u, c).mean(1)
    assert float(mean[0]) == pytest.approx(1 - 0.4**2, abs=0.02)
    assert float(mean[3]) == pytest.approx(1 - 0.4**2 + 0.25 - 1.0, abs=0.02)


def points_of(values, cluster=None, fold=None):
    n = len(values)
    return PointValues(
        index=np.arange(n),
        cluster=np.arange(n) if cluster is None else cluster,
        fold=np.zeros(n, dtype=np.int64) if fold is None else fold,
        values=np.tile(values, (4, 1)),
        noise=np.zeros((2, n)),
    )


@forms
def test_rows_may_come_in_any_order(form):
    points = measured(PAIRS["1x1"], 200, 9).points
    cluster, fold = np.arange(200) // 3, np.arange(200) % 3
    order = np.random.default_rng(0).permutation(200)
    straight = PointValues(points.index, cluster, fold, points.values, points.noise)
    turned = PointValues(
        points.index[order],
        cluster[order],
        fold[order],
        points.values[:, order],
        points.noise[:, order],
    )
    a, b = estimate_from_points(straight, form), estimate_from_points(turned, form)
    assert a.mi == pytest.approx(b.mi, abs=1e-12)
    assert a.stderr == pytest.approx(b.stderr, abs=1e-12)


def test_a_range_too_narrow_at_first_reaches_as_far_as_the_gap_does():
    """Rejected: what lies within the narrow range, 1.4 nats too little."""
    pair = sparse(3, 1000.0)
    narrow = uniform_bins(-8.0, 12.0, 0.5, CPU)
    gap = pair.gap(narrow.centres)
    reaching = narrow.reaching(gap)
    measurement = measured(pair, 4000, 0, proposal=reaching, bins=narrow, draws=20)
    found = estimate_from_points(measurement.points, "inner")
    assert len(measurement.curve.logsnr) == len(reaching.mass) > len(narrow.mass)
    assert measurement.planned == narrow.high
    assert 0.5 * float((gap * narrow.widths).sum()) < pair.mi - 1.3
    assert abs(found.mi - pair.mi) < LIMIT * found.stderr < 0.5


def test_measuring_rows_in_another_order_changes_only_the_noise():
    pair = PAIRS["mixed_2x5"]
    x, y = pair.sample(1000, 0)
    order = np.random.default_rng(1).permutation(1000)
    found = [
        measure(
            pair.model(),
            EvaluationRows(
                torch.tensor(x[rows]),
                torch.tensor(y[rows]),
                np.arange(1000),
                [EvaluationFold(np.arange(1000), (0, 1))],
            ),
            Design(proposal=DEFAULT, bins=uniform_bins(-10, 14, 0.5, CPU), draws=12),
            Generator().manual_seed(0),
            lambda event: None,
        ).points
        for rows in (np.arange(1000), order)
    ]
    a, b = found[0].values[3][order], found[1].values[3]
    noise = np.sqrt(found[0].noise[1].sum() + found[1].noise[1].sum()) / 1000
    assert abs(a.mean() - b.mean()) < LIMIT * noise
    assert np.corrcoef(a, b)[0, 1] > 0.4  # the same rows; strangers would give 0


def test_independent_rows_give_the_usual_standard_error():
    values = np.random.default_rng(0).normal(size=1000)
    estimate = estimate_from_points(points_of(values), "inner")
    assert estimate.mi == pytest.approx(values.mean())
    assert estimate.stderr == pytest.approx(values.std() / math.sqrt(1000))


def test_repeated_measures_in_one_cluster_are_not_taken_for_news():
    values = np.random.default_rng(0).normal(size=500)
    once = estimate_from_points(points_of(values), "inner")
    fourfold = points_of(np.repeat(values, 4), cluster=np.repeat(np.arange(500), 4))
    again = estimate_from_points(fourfold, "inner")
    assert again.mi == pytest.approx(once.mi)
    assert again.stderr == pytest.approx(once.stderr)
    naive = estimate_from_points(points_of(np.repeat(values, 4)), "inner")
    assert naive.stderr == pytest.approx(once.stderr / 2)


def test_readings_that_differ_widen_the_standard_error():
    fold = np.repeat(np.arange(3), 100)
    level = np.array([0.0, 1.0, 5.0])
    estimate = estimate_from_points(points_of(level[fold], fold=fold), "inner")
    spread = level[fold].var() / 300 + level.var(ddof=1) / 3
    assert estimate.stderr == pytest.approx(math.sqrt(spread))


def test_readings_of_one_distribution_hardly_widen_it():
    rng = np.random.default_rng(0)
    fold = np.repeat(np.arange(3), 100)
    ratios = []
    for _ in range(200):
        values = rng.normal(size=300)
        wide = estimate_from_points(points_of(values, fold=fold), "inner").stderr
        ratios.append(wide / (values.std() / math.sqrt(300)))
    assert min(ratios) >= 1 - 1e-12
    assert np.mean(ratios) < 1.2


def test_each_row_is_read_by_its_own_members():
    """A wrong member would read with a wrong map: the estimate would be far off."""
    pair = GaussianPair(np.array([[0.9]]))
    model = pair.model(members=3)
    model.anchor.matrix[1] *= -1  # a member that has learnt nonsense
    x, y = (torch.tensor(v) for v in pair.sample(3000, 0))
    rows = np.array_split(np.arange(3000), 3)

    def run(members):
        evaluation_folds = [
            EvaluationFold(part, pairing) for part, pairing in zip(rows, members, strict=True)
        ]
        return measure(
            model,
            EvaluationRows(x, y, np.arange(3000), evaluation_folds),
            Design(proposal=DEFAULT, bins=uniform_bins(-10, 14, 0.5, CPU), draws=8),
            Generator().manual_seed(0),
            lambda event: None,
        ).points

    good = run([(0, 2), (2, 2), (2, 0)])
    assert abs(estimate_from_points(good, "cross").mi - pair.mi) < 0.1
    assert (good.fold == np.repeat(np.arange(3), 1000)).all()
    mixed = run([(0, 2), (1, 2), (2, 0)])
    means = [mixed.values[3][mixed.fold == k].mean() for k in range(3)]
    assert means[1] < min(means[0], means[2]) - 1
    assert (model.anchor.matrix[1] < 0).all()  # the model itself is left as it was


def test_scales_share_the_power_of_the_channel():
    alpha, sigma = scales(torch.linspace(-40, 40, 101, dtype=torch.float64))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(alpha))


def test_dense_pairs_have_the_correlations_of_theory():
    """One common factor: a single canonical correlation of 25·½ / (1 + 24·½)."""
    canonical = dense(25, 0.5).canonical
    assert canonical[0] == pytest.approx(12.5 / 13)
    assert canonical[1:].max() < 1e-12


def test_the_least_error_is_the_spread_of_the_likelihood_ratio():
    """2n·Î = −n·ln det(I − R) of independent Gaussians is χ² with dim_x·dim_y degrees."""
    rng = np.random.default_rng(0)
    n, dim_x, dim_y = 400, 3, 2
    found = []
    for _ in range(2000):
        joint = np.corrcoef(rng.normal(size=(n, dim_x + dim_y)).T)
        blocks = np.linalg.slogdet(joint[:dim_x, :dim_x])[1]
        blocks += np.linalg.slogdet(joint[dim_x:, dim_x:])[1]
        found.append(0.5 * (blocks - np.linalg.slogdet(joint)[1]))
    assert np.std(found) == pytest.approx(null_standard_error(n, dim_x, dim_y), rel=0.1)
