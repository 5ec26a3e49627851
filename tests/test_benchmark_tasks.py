"""Benchmark tasks: ids, truths, exact pointwise MI, seeds."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import expit
from scipy.stats import multivariate_t, norm, rankdata

from mmg_nb.benchmark import task, task_ids
from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

BMI = {
    row["name"]: row
    for row in json.loads((Path(__file__).parent / "reference" / "bmi_tasks.json").read_text())
}
EXTRA = ("high_mi-spiral-5-650", "high_mi-half_cube-20-2000", "staircase-cubic-3.5")
EXACT = tuple(i for s in ("bmi", "high_mi", "staircase", "outside") for i in task_ids(s))
EVERY = (*EXACT, *EXTRA)
N = 20_000
LIMIT = 4.0  # standard errors


@cache
def drawn(task_id: str) -> tuple[Array, Array, Array]:
    return task(task_id).sample_pointwise(N, seed=11)


# --- ids ---------------------------------------------------------------------------------------


def test_ids_are_those_of_the_published_benchmark_in_order() -> None:
    assert task_ids("bmi") == tuple(BMI)
    assert len(task_ids("bmi")) == 40


def test_suites_and_patterns_select() -> None:
    assert len(task_ids("outside")) >= 12
    assert task_ids("staircase-cubic-*") == tuple(f"staircase-cubic-{i}" for i in (2, 4, 6, 8, 10))
    assert len(task_ids("*student*")) == 11
    assert len(set(task_ids())) == len(task_ids())
    suites = ("bmi", "high_mi", "staircase", "outside", "consistency", "generated")
    assert set(task_ids()) == {i for suite in suites for i in task_ids(suite)}


def test_a_pattern_without_a_match_says_what_to_give() -> None:
    with pytest.raises(MMGError, match=r"No task id matches 'high'[\s\S]*high_mi"):
        task_ids("high")


@pytest.mark.parametrize(
    "task_id", ["", "1v1-normal-0.76", "spiral-1v1-normal-0.75", "high_mi-x-3-2"]
)
def test_an_unknown_id_lists_the_valid_ones(task_id: str) -> None:
    with pytest.raises(
        MMGError, match=r"There is no task[\s\S]*high_mi-<plain\|half_cube\|spiral>"
    ):
        task(task_id)


def test_a_misspelt_id_is_answered_with_the_nearest() -> None:
    with pytest.raises(MMGError, match=r"Did you mean '1v1-normal-0\.75'"):
        task("1v1-norml-0.75")


@pytest.mark.parametrize("task_id", ["high_mi-plain-1-200", "high_mi-spiral-2-200"])
def test_too_few_columns_are_refused(task_id: str) -> None:
    with pytest.raises(MMGError, match="needs at least"):
        task(task_id)


def test_listing_loads_neither_torch_nor_samples() -> None:
    code = (
        "import sys, mmg_nb.benchmark as b\n"
        "assert not {'numpy', 'scipy', 'torch'} & set(sys.modules), 'import is heavy'\n"
        "ids = b.task_ids()\n"
        "assert len(ids) > 80 and 'torch' not in sys.modules\n"
        "assert all('mi_true' not in vars(b.task(i)) for i in ids), 'truth computed early'\n"
        "assert 'torch' not in sys.modules and 'mmg_nb.estimators' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- shapes, seeds, tags -----------------------------------------------------------------------


@pytest.mark.parametrize("task_id", EVERY)
def test_shape_dtype_and_seed(task_id: str) -> None:
    t = task(task_id)
    x, y = t.sample(50, seed=3)
    again, _ = t.sample(50, seed=3)
    other, _ = t.sample(50, seed=4)
    x_pointwise, y_pointwise, pmi = t.sample_pointwise(50, seed=3)
    assert x.shape == (50, t.dim_x)
    assert y.shape == (50, t.dim_y)
    assert pmi.shape == (50,)
    assert y.dtype == pmi.dtype == np.float64
    assert x.dtype == (np.int64 if "discrete" in t.tags else np.float64)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(x, x_pointwise)
    np.testing.assert_array_equal(y, y_pointwise)
    assert not np.array_equal(x, other)
    assert isinstance(t.mi_true, float)


@pytest.mark.parametrize("task_id", EVERY)
def test_a_task_survives_pickling(task_id: str) -> None:
    t = task(task_id)
    copy = pickle.loads(pickle.dumps(t))
    assert copy == t
    np.testing.assert_array_equal(copy.sample(5, seed=0)[1], t.sample(5, seed=0)[1])


def test_no_rows_are_refused() -> None:
    with pytest.raises(MMGError, match="at least 1"):
        task("1v1-normal-0.75").sample(0, seed=0)


def gaussian_copula_mi(x: Array, y: Array) -> float:
    """MI of the Gaussian with the correlations of the normal scores."""
    z = norm.ppf((rankdata(np.hstack([x, y]), axis=0) - 0.5) / len(x))
    d = x.shape[1]
    s = np.corrcoef(z.T)
    log_dets = [np.linalg.slogdet(m)[1] for m in (s[:d, :d], s[d:, d:], s)]
    return 0.5 * (log_dets[0] + log_dets[1] - log_dets[2])


# At high MI the ranks themselves add noise: normal scores miss 0.4 of 14.5 nats at this n.
READABLE = [i for i in EXACT if not i.startswith(("high_mi-plain", "high_mi-half"))]


@pytest.mark.parametrize("task_id", READABLE)
def test_the_copula_tag_says_where_a_gaussian_copula_is_exact(task_id: str) -> None:
    t = task(task_id)
    x, y, pmi = drawn(task_id)
    apart = gaussian_copula_mi(x, y) - np.mean(pmi) - t.dim_x * t.dim_y / (2 * N)
    if "copula" in t.tags or "independent" in t.tags:
        assert abs(apart) < 0.01
    else:
        assert abs(apart) > 0.02


def test_twenty_of_the_forty_are_gaussian_copulas() -> None:
    tagged = {i for i in task_ids("bmi") if "copula" in task(i).tags}
    assert len(tagged) == 20
    assert not [
        i for i in tagged for word in ("student", "spiral", "additive", "swiss") if word in i
    ]


# --- truths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_id", task_ids("bmi"))
def test_truth_dims_and_title_are_the_published_ones(task_id: str) -> None:
    t, row = task(task_id), BMI[task_id]
    assert (t.dim_x, t.dim_y, t.title) == (row["dim_x"], row["dim_y"], row["title"])
    assert t.mi_true == pytest.approx(row["mi"], abs=1e-9)
    for wrong in (0.0, row["mi"] / 2, 2 * row["mi"], row["mi_bits"]):
        assert t.mi_true != pytest.approx(wrong, abs=1e-2)


def covariance(row: dict[str, Any]) -> Array:
    """The covariance of (x, y) before the transforms, written out entry by entry."""
    params, d = row["params"], row["dim_y"]
    if "off_diag" in params:
        return np.full((2 * d, 2 * d), params["off_diag"]) + (1 - params["off_diag"]) * np.eye(
            2 * d
        )
    s = np.eye(2 * d)
    rho, pairs = params.get("gaussian_correlation"), params.get("n_interacting", 1)
    for i in range(pairs):
        s[i, d + i] = s[d + i, i] = rho or params["strength"] ** 2 / (1 + params["strength"] ** 2)
    return s


def by_another_formula(row: dict[str, Any]) -> float:
    """MI from determinants, scipy's entropies or a double integral."""
    d = row["dim_y"]
    if row["family"] == "student_t":
        h = [
            multivariate_t(np.zeros(k), np.eye(k), row["params"]["dof"]).entropy()
            for k in (d, 2 * d)
        ]
        return float(2 * h[0] - h[1])
    if row["family"] == "additive_uniform":
        e = row["params"]["epsilon"]

        def integrand(y: float, _x: float) -> float:
            return -math.log(min(1, y + e) - max(0, y - e)) / (2 * e)

        # u = y − x; split where the overlap has its kinks
        return dblquad(lambda u, x: integrand(x + u, x), 0, 1, -e, e, epsabs=1e-7)[0]
    s = covariance(row)
    parts = [np.linalg.slogdet(m)[1] for m in (s[:d, :d], s[d:, d:], s)]
    return float(0.5 * (parts[0] + parts[1] - parts[2]))


@pytest.mark.parametrize("task_id", task_ids("bmi"))
def test_truth_agrees_with_another_formula(task_id: str) -> None:
    assert task(task_id).mi_true == pytest.approx(by_another_formula(BMI[task_id]), abs=1e-6)


@pytest.mark.parametrize(
    ("strength", "mi"),
    [(200, 9.9035), (650, 12.2608), (1100, 13.3130), (1550, 13.9989), (2000, 14.5087)],
)
@pytest.mark.parametrize("shape", ["plain", "half_cube", "spiral"])
@pytest.mark.parametrize("dim", [3, 5, 10, 20, 50])
def test_high_mi_truths(strength: int, mi: float, shape: str, dim: int) -> None:
    t = task(f"high_mi-{shape}-{dim}-{strength}")
    assert t.dim_x == t.dim_y == dim
    assert t.mi_true == pytest.approx(mi, abs=6e-5)
    assert t.mi_true == pytest.approx(
        2 * math.log1p(strength**2) - math.log1p(2 * strength**2), abs=1e-8
    )


@pytest.mark.parametrize("shape", ["plain", "half_cube", "spiral"])
def test_high_mi_is_sampled_in_double_precision(shape: str) -> None:
    x, y = task(f"high_mi-{shape}-3-2000").sample(50_000, seed=5)
    if shape == "half_cube":
        x, y = (np.sign(z) * np.abs(z) ** (2 / 3) for z in (x, y))
    if shape == "spiral":
        x, y = unturned(x, 0, 1), unturned(y, 1, 2)
    r = 4e6 / (1 + 4e6)
    noise = np.mean((y[:, :2] - r * x[:, :2]) ** 2) / (1 - r**2)
    limit = 4 * math.sqrt(1 / 50_000)  # of a mean square over two columns
    assert abs(noise - 1) < limit
    single = (1 - float(np.float32(r)) ** 2) / (1 - r**2)
    assert abs(single - 1) > limit  # a correlation kept in float32 is 0.05 nats off


def unturned(z: Array, i: int, j: int) -> Array:
    angle = np.sum(z**2, axis=1) / z.shape[1]
    back = z.copy()
    back[:, i] = np.cos(angle) * z[:, i] + np.sin(angle) * z[:, j]
    back[:, j] = np.cos(angle) * z[:, j] - np.sin(angle) * z[:, i]
    return back


@pytest.mark.parametrize("shape", ["gaussian", "cubic"])
@pytest.mark.parametrize("mi", [2, 4, 6, 8, 10])
def test_staircase_truths(shape: str, mi: int) -> None:
    t = task(f"staircase-{shape}-{mi}")
    assert (t.dim_x, t.dim_y) == (20, 20)
    assert t.mi_true == pytest.approx(mi, abs=1e-9)
    x, y = t.sample(N, seed=8)
    x, y = (np.cbrt(x), np.cbrt(y)) if shape == "cubic" else (x, y)
    rho = np.array([np.corrcoef(x[:, j], y[:, j])[0, 1] for j in range(20)])
    truth = math.sqrt(1 - math.exp(-2 * mi / 20))
    assert np.all(np.abs(rho - truth) < 5 * (1 - truth**2) / math.sqrt(N))


# --- exact pointwise MI ------------------------------------------------------------------------


def within(values: Array, expected: float) -> bool:
    stderr = np.std(values) / math.sqrt(len(values))
    return bool(abs(np.mean(values) - expected) <= LIMIT * stderr + 1e-12)


@pytest.mark.parametrize("task_id", EVERY)
def test_mean_pointwise_mi_is_the_truth(task_id: str) -> None:
    mi, pmi = task(task_id).mi_true, drawn(task_id)[2]
    assert np.isfinite(pmi).all()
    assert within(pmi, mi)
    if mi > 0:
        for wrong in (0.0, mi / 2, 2 * mi, mi / math.log(2)):
            assert not within(pmi, wrong)
    else:
        assert not within(pmi, 0.01)


def ratio_error(joint: Array, product: Array) -> float:
    """Standard errors between E_joint[1/(c + r)] and E_product[r/(c + r)], the worst of three c.

    The two are equal for every c exactly when r is the density ratio of the joint distribution
    to the product of its margins; both sides are bounded, so no tail spoils the test.
    """
    errors = []
    for log_c in (-1.0, 0.0, 1.0):
        left, right = expit(log_c - joint), math.exp(log_c) * expit(product - log_c)
        spread = math.sqrt((np.var(left) + np.var(right)) / len(left)) + 1e-12
        errors.append(abs(np.mean(left) - np.mean(right)) / spread)
    return max(errors)


@pytest.mark.parametrize(
    "task_id", [*task_ids("bmi"), *task_ids("outside"), "staircase-gaussian-2"]
)
def test_log_ratio_belongs_to_the_sampler(task_id: str) -> None:
    base = task(task_id).base
    x, y = base.sample(N, np.random.default_rng(21))
    joint, product = base.log_ratio(x, y), base.log_ratio(x, np.roll(y, 1, axis=0))
    assert ratio_error(joint, product) < LIMIT
    assert ratio_error(joint + 0.1, product + 0.1) > LIMIT
    if task(task_id).mi_true > 0:
        assert ratio_error(product, joint) > LIMIT
        assert ratio_error(2 * joint, 2 * product) > LIMIT
