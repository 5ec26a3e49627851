"""Categories: alone, with numbers, and mixed; truths by sums and by quadrature."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg.chain_rule import decompose, part_of
from mmg_nb.estimators.neighbours.contingency import table_information
from mmg_nb.polling import Stopped
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Phase, Step

LIMIT = 4.0  # reported standard errors
SMALL = {"steps": 60, "width": 16, "blocks": 1, "batch": 64, "draws": 8, "folds": 3}
GENERALISING = SMALL | {"steps": 300, "width": 32}


# --- which columns are categories --------------------------------------------------------------

N = 200
RNG = np.random.default_rng(0)
Y = RNG.normal(size=N)
FEW, MANY = RNG.integers(0, 4, N), RNG.integers(0, 40, N)
NAMES = np.array(["red", "green", "blue", "grey"])[FEW]

CATEGORIES = {
    "text": NAMES,
    "list": NAMES.tolist(),
    "bytes": NAMES.astype("S"),
    "objects": NAMES.astype(object),
    "series": pd.Series(NAMES, index=range(N, 0, -1)),
    "string_dtype": pd.Series(NAMES, dtype="string"),
    "category": pd.Series(NAMES).astype("category"),
    "frame": pd.DataFrame({"colour": NAMES}),
}


@pytest.mark.parametrize("kind", CATEGORIES)
def test_texts_are_categories_whatever_holds_them(kind):
    pairs = make_pairs(CATEGORIES[kind], Y)
    assert pairs.discrete_x == (0,)
    expected = np.unique(NAMES, return_inverse=True)[1]
    np.testing.assert_array_equal(pairs.x[:, 0], expected)
    assert pairs.notes == ()


@pytest.mark.parametrize(
    "values", [FEW, FEW.astype(float), torch.tensor(FEW), pd.Series(FEW), 3 * FEW - 5]
)
def test_few_whole_numbers_are_categories_and_it_is_said(values):
    pairs = make_pairs(values, Y)
    assert pairs.discrete_x == (0,)
    assert (
        pairs.notes
        == (
            "x: 1 column(s) of few whole numbers are treated as categories (0: 4 values). "
            "To treat them as numbers, use discrete='none'.",
        )
        or "(None: 4 values)" in pairs.notes[0]
    )
    numbers = make_pairs(values, Y, discrete="none")
    assert numbers.discrete_x == ()
    np.testing.assert_array_equal(numbers.x[:, 0], np.asarray(values))


@pytest.mark.parametrize("values", [MANY, FEW / 2, Y, FEW[:60].repeat(4)[:N] + 1e-9])
def test_other_numbers_are_numbers(values):
    assert make_pairs(values, Y).discrete_x == ()


def test_truth_values_are_categories_without_a_word():
    pairs = make_pairs(Y > 0, Y)
    assert (pairs.discrete_x, pairs.notes) == ((0,), ())
    assert make_pairs(Y > 0, Y, discrete="none").discrete_x == ()


@pytest.mark.parametrize(
    ("discrete", "x", "y"),
    [
        ("auto", (2,), (0,)),
        ("none", (2,), ()),
        ("x", (0, 1, 2), ()),
        ("z", (2,), ()),
        ("y", (2,), (0,)),
        ("many", (0, 2), ()),
        ("x[0],y", (0, 2), (0,)),
        (["few", "given"], (1, 2), ()),
    ],
)
def test_columns_can_be_named(discrete, x, y):
    table = pd.DataFrame({"many": MANY, "few": FEW, "name": NAMES})
    pairs = make_pairs(table, np.round(Y), given=MANY, discrete=discrete)
    assert (pairs.discrete_x, pairs.discrete_y) == (x, y)
    assert pairs.discrete_z == ((0,) if discrete in ("z", ["few", "given"]) else ())


@pytest.mark.parametrize(
    ("columns", "discrete"),
    [
        ({"few": FEW, "more": (FEW + 1) % 3}, (0, 1)),  # grades
        ({"few": FEW, "number": Y}, ()),
        ({"few": FEW, "count": np.arange(len(FEW)) % 12}, ()),
        ({"few": FEW, "name": NAMES}, (0, 1)),
        ({"few": FEW, "flag": Y > 0, "number": Y}, (1,)),
    ],
)
def test_few_whole_numbers_beside_numbers_are_numbers(columns, discrete):
    table = pd.DataFrame(columns)
    pairs = make_pairs(table, np.round(Y, 3))
    assert pairs.discrete_x == discrete
    kept = [i for i in range(len(table.columns)) if i not in discrete]
    np.testing.assert_array_equal(pairs.x[:, kept], table.iloc[:, kept].to_numpy(dtype=float))


def test_a_dropped_constant_does_not_shift_the_categories():
    pairs = make_pairs(pd.DataFrame({"one": 1, "y": Y, "name": NAMES, "two": "b"}), Y)
    assert pairs.discrete_x == (1,)
    assert pairs.notes == (
        "x: 2 constant column(s) were dropped (one, two). Mutual information is unchanged.",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"discrete": "colour"}, "discrete names colour, but no such variable or column exists"),
        ({"discrete": 3}, "discrete must be auto, none, or names of columns; got 3"),
        ({"x": [f"id {i}" for i in range(N)]}, "200 different categories in 200 rows"),
        ({"x": [{}] * N}, r"x must hold numbers or categories; got Python objects \(dict\)"),
        ({"x": pd.Series([{}] * N)}, r"got Python objects \(dict\)"),
        ({"missing": "fill"}, "missing must be one of refuse, drop, category; got 'fill'"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, said):
    with pytest.raises(MMGError, match=said) as caught:
        mmg_nb.estimate(**{"x": FEW, "y": Y} | change)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["cca", "published"])
def test_estimators_of_numbers_take_whole_numbers_and_refuse_texts(name):
    fields = {"steps": 2} if name == "published" else {}
    assert np.isfinite(mmg_nb.estimate(FEW, Y, name, **fields).mi)
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(Y, NAMES, name)
    assert caught.value.what == (
        f"{name} takes numbers only, and there are categories in y (column 0)."
    )
    assert caught.value.remedy == "These can: mmg, ksg."


def test_a_refusal_of_categories_names_their_columns():
    table = pd.DataFrame({"age": Y, "sex": NAMES, "city": NAMES})
    for asked in ((table, Y), (Y, table)):
        with pytest.raises(MMGError, match=r"categories in [xy] \(column sex, city\)"):
            mmg_nb.estimate(*asked, "cca")
    with pytest.raises(MMGError, match=r"categories in given \(column sex, city\)"):
        mmg_nb.estimate(FEW, Y, "cca", given=table)


# --- missing values ----------------------------------------------------------------------------


def holes(values, *rows):
    out = list(values)
    for row in rows:
        out[row] = None
    return out


def test_rows_with_a_missing_value_are_dropped_when_asked():
    x = pd.DataFrame({"name": holes(NAMES, 3, 5), "y": holes(Y, 5, 8)})
    groups = np.arange(N) // 4
    with pytest.raises(MMGError) as caught:
        make_pairs(x, Y)
    said = "x must be finite; it has 4 missing (NaN) and 0 infinite values in 3 of 200 rows"
    assert said in str(caught)
    assert "missing='drop'" in caught.value.remedy
    pairs = make_pairs(x, Y, groups, holes(Y, 9), missing="drop")
    kept = np.delete(np.arange(N), [3, 5, 8, 9])
    np.testing.assert_array_equal(pairs.y[:, 0], Y[kept])
    np.testing.assert_array_equal(pairs.clusters, groups[kept])
    assert pairs.notes[0] == (
        "4 of 200 rows were dropped because of missing values (x: 3, given: 1). "
        "To keep these rows, fill in the values first."
    )
    assert mmg_nb.estimate(x, Y, "ksg", missing="drop").n_samples == 197


def test_infinite_values_are_not_missing():
    with pytest.raises(MMGError, match="1 infinite"):
        make_pairs(np.r_[np.inf, Y[1:]], Y, missing="drop")


def test_too_many_missing_values_are_refused():
    said = "At least 50 rows are needed; got 49. 151 of 200 rows were dropped"
    with pytest.raises(MMGError, match=said):
        make_pairs(holes(Y, *range(151)), Y, missing="drop")


# --- categories and categories -----------------------------------------------------------------

TABLES = {
    "2x2": np.array([[0.4, 0.1], [0.1, 0.4]]),
    "3x4": np.array([[0.2, 0.05, 0.02, 0.03], [0.05, 0.2, 0.05, 0.0], [0.1, 0.1, 0.05, 0.15]]),
    "independent": np.outer([0.2, 0.3, 0.5], [0.6, 0.4]),
}


GRADES = 0.2 * np.eye(3) + 0.4 / 9


def information(p):
    """Σ p ln p / (p_x p_y), written out."""
    total = 0.0
    for i, j in itertools.product(*map(range, p.shape)):
        if p[i, j] > 0:
            total += p[i, j] * np.log(p[i, j] / (p[i].sum() * p[:, j].sum()))
    return total


def drawn(p, n, seed):
    cell = np.random.default_rng(seed).choice(p.size, n, p=p.ravel())
    return np.unravel_index(cell, p.shape)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", ["mmg", "ksg"])
def test_tables_are_exact(table, name):
    p = TABLES[table]
    truth = information(p)
    found = mmg_nb.estimate(*drawn(p, 2000, 0), name)
    assert abs(found.mi - truth) < LIMIT * found.stderr
    if truth:
        for wrong in (0, truth / 2, 2 * truth, truth / np.log(2)):
            assert abs(found.mi - wrong) > LIMIT * found.stderr
    assert (found.estimator, found.curve, found.stderr > 0) == (name, None, True)
    assert "table of counts" in found.notes[-1]
    assert MIResult.from_json(found.to_json()) == found


@pytest.mark.parametrize("table", TABLES)
def test_the_bias_of_small_tables_is_gone_and_the_error_is_right(table):
    p = TABLES[table]
    runs = [mmg_nb.estimate(*drawn(p, 100, seed), discrete="x,y") for seed in range(200)]
    off = np.array([run.mi for run in runs]) - information(p)
    assert abs(off.mean()) < LIMIT * off.std() / np.sqrt(200) + 1e-3
    inside = np.mean(np.abs(off) < 2 * np.array([run.stderr for run in runs]))
    assert inside > 0.9
    plug_in = []
    for seed in range(200):
        x, y = drawn(p, 100, seed)
        counts = np.zeros(p.shape)
        np.add.at(counts, (x, y), 1)
        plug_in.append(information(counts / 100) - information(p))
    bias = np.prod(np.array(p.shape) - 1) / (2 * 100)
    assert np.mean(plug_in - off) == pytest.approx(bias, rel=0.3)


def test_the_closed_form_is_the_jackknife():
    x, y = (v[:60, None].astype(float) for v in drawn(TABLES["3x4"], 60, 0))

    def plug_in(x, y):
        counts = np.zeros((3, 4))
        np.add.at(counts, (x[:, 0].astype(int), y[:, 0].astype(int)), 1)
        return information(counts / len(x))

    left_out = [plug_in(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(60)]
    expected = 60 * plug_in(x, y) - 59 * np.mean(left_out)
    assert table_information(x, y, x[:, :0]).mean() == pytest.approx(expected)


def test_conditional_tables_are_exact():
    """x and y independent given z, and exclusive-or, which only z reveals."""
    rng = np.random.default_rng(1)
    z = rng.integers(0, 3, 3000)
    x, y = ((rng.random(3000) < 0.2 + 0.3 * z).astype(int) for _ in range(2))
    found = mmg_nb.estimate(x, y, given=z)
    assert abs(found.mi) < LIMIT * found.stderr
    assert mmg_nb.estimate(x, y).mi > 0.02
    a, b = rng.integers(0, 2, (2, 3000))
    exclusive = mmg_nb.estimate(a, b, given=a ^ b)
    assert exclusive.mi == pytest.approx(np.log(2), abs=LIMIT * exclusive.stderr)
    assert abs(mmg_nb.estimate(a, b).mi) < 0.01


# --- categories and numbers --------------------------------------------------------------------


def mixture_truth(means, scales, weights):
    """I of a label and x ~ N(mean, scale) given it, by quadrature."""

    def integrand(v):
        each = weights * norm.pdf(v, means, scales)
        total = each.sum()
        return float(np.sum(each * np.log(np.maximum(each, 1e-300) / (weights * total))))

    return quad(integrand, -12, 12, limit=400)[0]


MIXTURES = {
    "apart": (np.array([-2.0, 0.0, 2.5]), np.array([0.5, 1.0, 0.7]), np.array([0.3, 0.5, 0.2])),
    "scales": (np.zeros(2), np.array([0.3, 2.0]), np.array([0.5, 0.5])),
    "nothing": (np.zeros(2), np.ones(2), np.array([0.7, 0.3])),
}


def mixture(name, n, seed):
    means, scales, weights = MIXTURES[name]
    rng = np.random.default_rng(seed)
    label = rng.choice(len(means), n, p=weights)
    return label, rng.normal(means[label], scales[label])


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize(
    ("estimator", "swapped"),
    [
        ("mmg", False),
        pytest.param("mmg", True, marks=pytest.mark.accuracy),
        ("ksg", False),
        ("ksg", True),
    ],
)
def test_labels_and_numbers_are_right_by_quadrature(name, estimator, swapped):
    label, x = mixture(name, 2000, 0)
    truth = mixture_truth(*MIXTURES[name])
    fields = GENERALISING if estimator == "mmg" else {}
    pair = (label, x) if swapped else (x, label)
    found = mmg_nb.estimate(*pair, estimator, **fields)
    room = 0.05 if estimator == "mmg" else 0.02  # hardly trained
    assert abs(found.mi - truth) < LIMIT * found.stderr + room
    if truth > 0.1:
        assert found.mi > 0.6 * truth
    if estimator == "mmg":
        assert found.curve is not None
        assert ("y is the variable that is noised" in " ".join(found.notes)) is swapped


def test_noising_categories_is_refused():
    label, x = mixture("apart", 200, 0)
    with pytest.raises(MMGError, match="noised='x' needs numbers, and x has categories"):
        mmg_nb.estimate(label, x, noised="x")


def test_rare_categories_break_nothing():
    label, x = mixture("apart", 300, 0)
    label[:3] = (7, 8, 8)
    for name in ("ksg", "mmg"):
        fields = SMALL if name == "mmg" else {}
        found = mmg_nb.estimate(x, label, name, discrete="y", **fields)
        assert np.isfinite(found.mi)


# --- mixed -------------------------------------------------------------------------------------


def mixed(n, seed):
    """x = (number, label), y = (number, label): independent couples, so the truths add."""
    a, u = mixture("apart", n, seed)
    rng = np.random.default_rng(seed + 1)
    v, w = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], n).T
    i, j = drawn(GRADES, n, seed + 2)
    labels = np.array(["p", "q", "r"])
    x = pd.DataFrame({"v": v, "a": labels[a], "i": labels[i]})
    y = pd.DataFrame({"w": w, "u": u, "j": labels[j]})
    truth = mixture_truth(*MIXTURES["apart"]) - 0.5 * np.log(1 - 0.64)
    return x, y, truth + information(GRADES)


@pytest.mark.parametrize("estimator", ["mmg", "ksg"])
def test_mixed_variables_are_the_sum_of_their_parts(estimator):
    x, y, truth = mixed(2000, 0)
    found = mmg_nb.estimate(x, y, estimator, **(GENERALISING if estimator == "mmg" else {"k": 3}))
    room = LIMIT * found.stderr + (0.05 if estimator == "mmg" else 0.25)
    assert abs(found.mi - truth) < room
    if estimator == "mmg":
        assert abs(found.mi - truth / 2) > room
        assert list(found.terms) == ["I(x_d; y_d)", "I(y_c; x_d | y_d)", "I(x_c; y | x_d)"]
        assert found.mi == pytest.approx(sum(each.mi for each in found.terms.values()))
        assert math.hypot(*found.error_parts.values()) == pytest.approx(found.stderr)
        assert "I(x_d; y_d) + I(y_c; x_d | y_d) + I(x_c; y | x_d)" in " ".join(found.notes)
        assert found.pointwise.mi.mean() == pytest.approx(found.mi, abs=0.1)
        assert MIResult.from_json(found.to_json()) == found
        assert "I(x_c; y | x_d)" in found._repr_mimebundle_()[0]["text/html"]


def test_a_flag_beside_a_number_is_a_number():
    """Survival times that end at 1.5: y is the time and whether it is known."""
    rng = np.random.default_rng(31)
    x = rng.normal(size=800)
    scale = np.exp(x)
    time = np.minimum(scale * rng.exponential(size=800), 1.5)
    grid = np.exp(norm.ppf((np.arange(2000) + 0.5) / 2000))

    def log_density(scale):
        return np.where(time < 1.5, -np.log(scale), 0) - time / scale

    each = np.exp(log_density(grid[:, None])).mean(axis=0)
    truth = (log_density(scale) - np.log(each)).mean()  # of these rows
    y = pd.DataFrame({"time": time, "known": time < 1.5})
    found = mmg_nb.estimate(x, y, seed=1)
    assert not found.terms
    assert abs(found.mi - truth) < LIMIT * found.stderr
    assert found.mi > 0.8 * truth


def test_categories_given_numbers():
    """x and y are noisy signs of z: dependent, but not once z is known."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=3000)
    x, y = ((z + 0.5 * rng.normal(size=3000) > 0).astype(int) for _ in range(2))
    found = mmg_nb.estimate(x, y, given=z, **GENERALISING)
    assert list(found.terms) == ["I(x; y)", "I(z; x | y)", "−I(z; x)"]
    assert abs(found.mi) < LIMIT * found.stderr
    alone = mmg_nb.estimate(x, y)
    assert alone.mi > 0.15 > LIMIT * found.stderr
    assert abs(mmg_nb.estimate(x, y, "ksg", given=z).mi) < 0.05


def test_every_decomposition_is_the_chain_rule():
    """On categories that play numbers: all terms can be counted, and must add up exactly."""
    rng = np.random.default_rng(4)
    n = 500
    base = rng.integers(0, 3, (n, 6))
    base[:, 1:] += base[:, :-1] > 1
    kinds = [(), (0,), (1,), (0, 1)]
    whole = make_pairs(base[:, :2], base[:, 2:4], given=base[:, 4:], discrete="x,y,given")
    for x, y, z in itertools.product(kinds, kinds, kinds):
        pairs = replace(whole, discrete_x=x, discrete_y=y, discrete_z=z)
        total = 0.0
        for term in decompose(pairs):
            part = part_of(pairs, term)
            assert term.closed or not part.discrete_x
            total += term.sign * table_information(part.x, part.y, part.z).mean()
        assert total == pytest.approx(table_information(whole.x, whole.y, whole.z).mean())


def test_a_sum_stops_when_asked_and_tells_one_story():
    x, y, _ = mixed(200, 0)
    events = []

    def listen(event):
        events.append(event)
        return events.count(Phase("training")) == 2 and isinstance(event, Step)

    found = mmg_nb.estimate(x, y, listen=listen, **SMALL)
    assert events.count(Phase("training")) == 2
    assert len(found.terms) == 3  # the first has a closed form
    assert found.status == "interrupted"
    assert np.isfinite(found.mi)
    assert [type(e).__name__ for e in events].count("Started") == 1


def test_a_sum_that_is_stopped_before_its_last_term_tells_what_is_known():
    x, y, _ = mixed(200, 0)
    with pytest.raises(Stopped, match=r"after 2 of 3 terms.*Estimated: I\(.*\) = .* ± .* nats"):
        mmg_nb.estimate(x, y, listen=lambda event: isinstance(event, Step), **SMALL)


# --- ties and zeros ----------------------------------------------------------------------------


def inflated(n, seed):
    """A zero-inflated column whose zeros and values both tell about y; truth by quadrature."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.6
    y = rng.normal(np.where(label, 1.0, -1.0), 1.0)
    x = np.where(label, 0.0, np.exp(rng.normal(size=n)))
    weights = np.array([0.6, 0.4])
    return x, y, mixture_truth(np.array([1.0, -1.0]), np.ones(2), weights)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_zero_inflated_column_breaks_nothing(swapped):
    x, y, truth = inflated(2000, 0)
    pair = (y, x) if swapped else (x, y)
    found = mmg_nb.estimate(*pair, **GENERALISING)
    assert abs(found.mi - truth) < LIMIT * found.stderr + 0.05
    assert found.mi > 0.6 * truth
    assert ("y is the variable that is noised" in " ".join(found.notes)) is not swapped


def test_neighbours_take_ties_beside_categories():
    """Rounding in the distances once made 3 nats of nothing."""
    rng = np.random.default_rng(6)
    label, x = rng.integers(0, 2, 500), rng.integers(2, 5, 500) + 0.5 * (rng.random(500) < 0.3)
    found = mmg_nb.estimate(label, x, "ksg")
    assert abs(found.mi) < 0.1
    wide = mmg_nb.estimate(label, np.c_[x, rng.normal(size=(500, 1))], "ksg", k=3)
    assert abs(wide.mi) < 0.1


def test_zeros_that_many_rows_share_are_no_copies():
    x, _, _ = inflated(1000, 1)
    y, _, _ = inflated(1000, 2)
    pairs = make_pairs(x, y)
    assert np.bincount(pairs.clusters).max() < 10
    assert all("repeat another" not in note for note in pairs.notes)
    again = make_pairs(np.r_[x, x], np.r_[y, y])  # real copies are still found
    assert np.bincount(again.clusters).max() >= 2


def test_rounded_numbers_that_agree_are_no_copies():
    x, y = np.random.default_rng(7).normal(50, 10, (2, 300)).round()
    assert len(set(make_pairs(x, y).clusters)) == 300
    fine = np.random.default_rng(7).normal(50, 10, 150).round(4)
    assert len(set(make_pairs(np.r_[fine, fine], np.r_[fine, fine]).clusters)) == 150


@pytest.mark.parametrize("decimals", [0, 1])
def test_rounded_numbers_are_nearly_as_good(decimals):
    rng = np.random.default_rng(5)
    x, y = (3 * rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 1500).T).round(decimals)
    truth = -0.5 * np.log(1 - 0.64)
    found = mmg_nb.estimate(x, y, discrete="none", **GENERALISING)
    assert abs(found.mi - truth) < LIMIT * found.stderr + 0.05


# --- side by side ------------------------------------------------------------------------------


def test_a_comparison_says_who_cannot_take_the_data():
    label, x = mixture("apart", 300, 0)
    names = np.array(["p", "q", "r"])[label]
    found = {line.label: line for line in mmg_nb.compare(x, names, "cca,ksg").lines}
    assert found["ksg"].result is not None
    assert found["cca"].reason.startswith("cca takes numbers only")
    whole = {line.label: line for line in mmg_nb.compare(x, label, "cca,ksg").lines}
    assert whole["cca"].result is not None  # to it they are numbers
    assert whole["ksg"].result.mi == pytest.approx(found["ksg"].result.mi)
    given = {
        line.label: line for line in mmg_nb.compare(x, x**2, "ksg,published", given=label).lines
    }
    assert given["ksg"].result.dim_z == 1
    assert "I(x; y) only" in given["published"].reason


def test_a_term_that_its_condition_settles_is_0():
    rng = np.random.default_rng(21)
    city = rng.choice(["Bonn", "Kiel", "Ulm"], 500)
    people = pd.Series(city).map({"Bonn": 3.35, "Kiel": 2.47, "Ulm": 1.29})
    table = pd.DataFrame({"city": city, "people": people})
    noise = rng.normal(size=500)
    same = mmg_nb.estimate(city, pd.DataFrame({"city": city, "w": noise}), **SMALL)
    assert same.terms["I(y_c; x | y_d)"].mi == 0
    assert same.mi == pytest.approx(np.log(3), abs=0.02)
    high = np.where((city == "Ulm") == (rng.random(500) < 0.9), "high", "low")
    found = mmg_nb.estimate(table, high, **SMALL)
    assert found.terms["I(x_c; y | x_d)"].mi == 0
    assert found.mi == pytest.approx(mmg_nb.estimate(city, high).mi)
    assert np.isfinite(same.stderr + found.stderr)
