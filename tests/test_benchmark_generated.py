"""Generated tasks: truths found a second way, maps that lose nothing, and what is kept back."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from mmg_nb.benchmark import run, task, task_ids
from mmg_nb.benchmark.distributions.angles import NoisyAngle
from mmg_nb.benchmark.distributions.classes import Classes
from mmg_nb.benchmark.distributions.elliptical import EllipticalPairs
from mmg_nb.benchmark.distributions.functions import NoisyFunction
from mmg_nb.benchmark.distributions.gaussian import CorrelatedPairs
from mmg_nb.benchmark.distributions.joined import SideBySide, WithNoise
from mmg_nb.benchmark.distributions.labels import WholeNumbers
from mmg_nb.benchmark.generated import maps
from mmg_nb.benchmark.generated.dependences import KINDS
from mmg_nb.benchmark.generated.suite import REPORTING
from mmg_nb.errors import MMGError

LIMIT = 4.5  # standard errors
SOME = [f"generated-{number}" for number in range(20)]
GRID = np.linspace(-12, 12, 1601)


def table_mi(cells):
    """MI of a table of probabilities, or of densities on a grid, up to a factor."""
    p = cells / cells.sum()
    product = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    positive = p > 1e-200
    return float(np.sum(p[positive] * np.log(p[positive] / product[positive])))


def assert_truth(distribution, expected, tolerance=1e-3):
    """The MI is as expected, and the mean pointwise MI agrees with it."""
    assert distribution.mi() == pytest.approx(expected, abs=tolerance)
    x, y = distribution.sample(100_000, np.random.default_rng(5))
    pointwise = distribution.log_ratio(x, y)
    assert abs(pointwise.mean() - expected) < tolerance + LIMIT * stats.sem(pointwise)


# --- truths ------------------------------------------------------------------------------------


def test_correlated_student_columns():
    """From scipy's densities at draws of scipy's sampler."""
    rho, dof = 0.6, 3.0
    shape = np.array([[1, 0, rho], [0, 1, 0], [rho, 0, 1]])
    z = stats.multivariate_t(shape=shape, df=dof).rvs(400_000, random_state=1)
    ratio = stats.multivariate_t(shape=shape, df=dof).logpdf(z)
    ratio -= stats.multivariate_t(shape=np.eye(2), df=dof).logpdf(z[:, :2])
    ratio -= stats.t(df=dof).logpdf(z[:, 2])
    found = EllipticalPairs(dim_x=2, dim_y=1, rhos=(rho,), dof=dof)
    np.testing.assert_allclose(found.log_ratio(z[:, :2], z[:, 2:]), ratio, atol=1e-9)
    assert_truth(found, ratio.mean(), LIMIT * stats.sem(ratio))


def test_normal_columns_are_those_of_equal_correlations():
    rhos = (0.8, 0.8)
    expected = CorrelatedPairs(dim=2, n_pairs=2, rho=0.8).mi()
    assert_truth(EllipticalPairs(dim_x=2, dim_y=2, rhos=rhos), expected, 1e-12)


@pytest.mark.parametrize("given", [{"rhos": (0.1, 0.1)}, {"rhos": (1.0,)}, {"dof": 0.0}])
def test_impossible_pairs_are_refused(given):
    with pytest.raises(ValueError, match=r"fit|between|above"):
        EllipticalPairs(dim_x=1, dim_y=1, **given)


def test_angles():
    angle = np.linspace(0, 2 * np.pi, 721)[:-1]
    density = stats.vonmises(3.0).pdf(angle[:, None] - angle)
    assert_truth(NoisyAngle(concentration=3.0), table_mi(density), 1e-6)


def test_classes():
    table = np.array([[0.4, 0.1], [0.05, 0.25], [0.0, 0.2]])
    in_x, in_y = np.array([[-2.0], [0.5], [3.0]]), np.array([[0.0], [2.5]])
    of_x, of_y = stats.norm.pdf(GRID - in_x), stats.norm.pdf(GRID - in_y)
    both = Classes(table=table, centres_x=in_x, centres_y=in_y)
    assert_truth(both, table_mi(of_x.T @ table @ of_y), 4e-3)
    labelled = Classes(table=table, centres_x=in_x)
    assert_truth(labelled, table_mi(of_x.T @ table), 4e-3)


def test_functions_with_jumps_and_uneven_noise():
    def mean(x):
        return np.where(x[:, 0] > 0.3, 1.0, -0.5) + x[:, 0]

    def scale(x):
        return 0.2 + 0.3 * x[:, 0]

    x = (np.arange(4000) + 0.5)[:, None] / 4000
    cells = stats.norm.pdf(np.linspace(-5, 7, 1500), mean(x)[:, None], scale(x)[:, None])
    assert_truth(NoisyFunction(dim_x=1, mean=mean, scale=scale), table_mi(cells))


def test_whole_numbers():
    def probabilities(x):
        return np.hstack([x[:, :1] ** 2, x[:, :1] * (1 - x[:, :1]), 1 - x[:, :1]])

    cells = probabilities((np.arange(9999) + 0.5)[:, None] / 9999)
    assert_truth(WholeNumbers(dim_x=1, probabilities=probabilities), table_mi(cells))


def test_parts_add_up_and_noise_adds_nothing():
    parts = NoisyAngle(concentration=2.0), EllipticalPairs(dim_x=1, dim_y=3, rhos=(0.5,))
    both = WithNoise(base=SideBySide(parts=parts), noise_x=2, noise_y=1)
    assert (both.dim_x, both.dim_y) == (5, 6)
    assert_truth(both, sum(part.mi() for part in parts), 1e-12)


# --- maps --------------------------------------------------------------------------------------

MAPS = {
    "monotone": lambda dim, rng: maps.monotone(dim, rng),
    "rotation": lambda dim, rng: maps.rotation(dim, rng),
    "triangular": lambda dim, rng: maps.triangular(dim, rng),
    "network": lambda dim, rng: maps.network(dim, rng),
    "embedding": lambda dim, rng: maps.embedding(dim, dim + 3, rng),
    "units": lambda dim, rng: maps.units(dim, rng),
    "order": lambda dim, rng: maps.order(dim, rng),
    "of_the_first": lambda dim, rng: maps.of_the_first(dim - 1, maps.rotation(dim - 1, rng)),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MAPS)
def test_maps_have_full_rank_everywhere(name, seed):
    """The Jacobian, by differences: a map that loses a direction has a singular value of 0."""
    dim, step = 4, 1e-6
    rng = np.random.default_rng(seed)
    change = MAPS[name](dim, rng)
    for z in rng.normal(size=(50, dim)):
        moved = change(z + step * np.eye(dim)) - change(z - step * np.eye(dim))
        moved /= np.linalg.norm(moved, axis=0, keepdims=True)  # units do not matter
        assert np.linalg.svd(moved, compute_uv=False)[-1] > 1e-4


@pytest.mark.parametrize("seed", range(8))
def test_monotone_maps_increase(seed):
    change = maps.monotone(5, np.random.default_rng(seed))
    z = np.linspace(-6, 6, 2000)
    assert (np.diff(change(np.repeat(z[:, None], 5, axis=1)), axis=0) > 0).all()


def test_triangular_maps_and_networks_can_be_undone():
    """Different rows stay different: the nearest of 2000 rows is its own inverse image."""
    z = np.random.default_rng(0).normal(size=(2000, 3))
    for name in ("triangular", "network"):
        moved = MAPS[name](3, np.random.default_rng(1))(z)
        assert len(np.unique(moved.round(9), axis=0)) == len(z)


# --- the suite ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task_id", SOME)
def test_the_mean_pointwise_mi_is_the_truth(task_id):
    chosen = task(task_id)
    x, y, pointwise = chosen.sample_pointwise(20_000, seed=1)
    assert (x.shape[1], y.shape[1]) == (chosen.dim_x, chosen.dim_y)
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert abs(pointwise.mean() - chosen.mi_true) < 0.003 + LIMIT * stats.sem(pointwise)


def test_a_number_is_a_task():
    first, again = task("generated-13"), task("generated-13")
    for one, other in zip(first.sample(30, seed=2), again.sample(30, seed=2), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.mi_true != task("generated-23").mi_true
    with pytest.raises(MMGError, match="There is no task 'generated-013'"):
        task("generated-013")


def test_kinds_columns_and_strengths_are_spread():
    tasks = [task(i) for i in task_ids("generated")]
    kinds = Counter(kind for t in tasks for kind in t.tags & set(KINDS))
    assert kinds == dict.fromkeys(KINDS, 12)
    columns = np.array([(t.dim_x, t.dim_y) for t in tasks])
    assert columns.min() == 1
    assert 80 < columns.max() <= 100
    some = tasks[::3]  # of all kinds
    strengths = np.array([t.mi_true for t in some if "classes" not in t.tags])
    assert 0.005 < strengths.min() < 0.03
    assert 3.0 < strengths.max() < 9.0
    assert 0.2 < np.median(strengths) < 1.0
    assert all("development" in t.tags for t in tasks)


def test_columns_of_noise_stay_columns():
    noisy = [t for t in map(task, task_ids("generated")) if t.base.noise_x]
    assert len(noisy) > 20
    for t in noisy[::4]:
        x, y = t.base.sample(200, np.random.default_rng(5))
        noise = stats.rankdata(x[:, -1])
        for transform in t.transforms:
            x, y = transform.apply(x, y)
        ranks = stats.rankdata(np.hstack([x, y]), axis=0)
        assert (ranks == noise[:, None]).all(axis=0).any()


def test_whole_numbers_stay_whole():
    whole = [t for t in map(task, task_ids("generated")) if "discrete" in t.tags]
    assert len(whole) > 12
    for t in whole:
        assert {z.dtype.kind for z in t.sample(3, seed=0)} == {"i", "f"}


def test_reporting_tasks_are_refused_and_each_use_is_noted(tmp_path):
    kept = f"generated-{REPORTING + 5},generated-{REPORTING + 15}"
    out = tmp_path / "final.jsonl"
    with pytest.raises(MMGError, match="kept for reported figures") as caught:
        run(kept, "gcmi", 100, 1, out)
    assert "reporting=True" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    run("generated-5", "gcmi", 100, 1, out, listen=lambda progress: None)
    assert not (tmp_path / "final.reporting.log").exists()
    for _ in range(2):
        sweep = run(kept, "gcmi", 100, 1, out, reporting=True, listen=lambda progress: None)
        assert not sweep.failed
    lines = (tmp_path / "final.reporting.log").read_text(encoding="utf-8").splitlines()
    uses = [json.loads(line) for line in lines]
    assert [use["tasks"] for use in uses] == [["generated-100005", "generated-100015", 2]] * 2
    assert uses[0]["estimators"] == ["gcmi"]


def test_every_kind_says_what_it_is():
    for make in KINDS.values():
        assert make.__doc__
        assert math.isfinite(make(np.random.default_rng(3)).mi())


@pytest.mark.parametrize("least", [0.0, 5e-324])
def test_numbers_that_never_occur_add_nothing(least):
    def halves(x):
        high = x[:, 0] > 0.5
        return np.column_stack([high, ~high, np.where(high, least, 0.0)]).astype(float)

    assert WholeNumbers(dim_x=1, probabilities=halves).mi() == pytest.approx(math.log(2), abs=1e-3)
