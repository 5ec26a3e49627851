"""What `estimate` accepts as data, what it refuses, and in which words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.data.splits import make_cross_fit
from mmg_nb.data.transform_choice import fit_transform
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import names

N = 60
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 2)), RNG.normal(size=N)
ENCODE = "Convert the values to numbers or to text first."
ARRAY = "Pass a numpy array, a pandas Series or DataFrame, or a PyTorch tensor."
FLATTEN = "Flatten each sample to a row: x.reshape(len(x), -1)."


def but(value, *where):
    """X with some entries replaced."""
    x = X.copy()
    for row, column in where:
        x[row, column] = value
    return x


def non_finite(nan, infinite, rows, columns):
    gaps = f"{nan} missing (NaN) and {infinite} infinite values"
    what = f"x must be finite; it has {gaps} in {rows} of {N} "
    remedy = (
        "To leave these rows out of all variables, use missing='drop' (--missing drop). "
        "To keep them, use missing='category'."
    )
    if infinite:
        remedy = "Replace the infinite values, or leave out their rows."
    return what + f"rows (columns {columns}).\n{remedy}"


LABELS = [f"g{i % 25}" for i in range(N)]
ROWS = "x and y must have equal numbers of rows; got {} and {}.\nRow i of x must belong to row i"

BAD_X = {
    "longer": (np.r_[X, X], ROWS.format(2 * N, N)),
    "transposed": (X.T, ROWS.format(2, N)),
    "no_rows": (np.zeros((0, 2)), "x is empty; its shape is (0, 2).\nPass one row per sample."),
    "empty_list": ([], "x is empty; its shape is (0, 1).\nPass one row per sample."),
    "no_columns": (np.zeros((N, 0)), "x is empty; its shape is (60, 0)."),
    "empty_frame": (pd.DataFrame(index=range(N)), "x is empty; its shape is (60, 0)."),
    "nan": (but(np.nan, (0, 1), (5, 1)), non_finite(2, 0, 2, "1")),
    "infinite": (but(-np.inf, (3, 0), (3, 1)), non_finite(0, 2, 1, "0, 1")),
    "missing_Int64": (pd.Series([None, *range(N - 1)], dtype="Int64"), non_finite(1, 0, 1, "0")),
    "missing_in_list": ([None, *Y[1:]], non_finite(1, 0, 1, "0")),
    "masked": (np.ma.array(X, mask=np.isin(X, X[7, 1])), non_finite(1, 0, 1, "1")),
    "masked_int": (np.ma.array(np.arange(N), mask=np.arange(N) == 3), non_finite(1, 0, 1, "0")),
    "beyond_float64": (np.full(N, np.longdouble("1e4000")), non_finite(0, N, N, "0")),
    "objects": (
        np.array([{}] * N, dtype=object),
        f"x must hold numbers or categories; got Python objects (dict).\n{ENCODE}",
    ),
    "one_text": (["red"] * N, "x must vary; every column is constant."),
    "names": (
        [f"patient {i}" for i in range(N)],
        "x: column 0 holds 60 different categories in 60 rows. It looks like an identifier.\n"
        "Leave the column out, or merge its categories.",
    ),
    "records": (
        np.zeros(N, dtype=[("a", float)]),
        "x must hold numbers or categories; got records",
    ),
    "complex": (
        X + 1j,
        "x must hold numbers or categories; got complex numbers (dtype complex128).\n"
        "Pass real and imaginary parts as two columns.",
    ),
    "complex_tensor": (
        torch.tensor(X) + 1j,
        "x must hold numbers or categories; got complex numbers",
    ),
    "five_axes": (
        np.zeros((N, 1, 2, 2, 2)),
        f"x must have shape (n,), (n, d) or (n, c, h, w); got (60, 1, 2, 2, 2).\n{FLATTEN}",
    ),
    "constant_images": (torch.zeros(N, 1, 8, 8), "x must vary; every column is constant."),
    "scalar": (3.0, f"x must be an array with one row per sample; got 3.0.\n{ARRAY}"),
    "no_axes": (np.array(3.0), "x must be an array with one row per sample; got array(3.)."),
    "none": (None, f"x must be an array with one row per sample; got None.\n{ARRAY}"),
    "name": ("x", f"x must be an array with one row per sample; got 'x'.\n{ARRAY}"),
    "dictionary": ({"a": [1]}, "x must be an array with one row per sample; got {'a': [1]}."),
    "class": (pd.DataFrame, "x must be an array with one row per sample; got <class"),
    "ragged": (
        [[1, 2], [3]] * (N // 2),
        "x must have rows of equal length; got ragged lists.\n"
        "Give every row the same number of values.",
    ),
    "sparse_tensor": (
        torch.tensor(X).to_sparse(),
        "x must be a dense tensor; got torch.sparse_coo on cpu.\nConvert it first: x.to_dense().",
    ),
    "constant": (
        np.full((N, 2), 0.1),
        "x must vary; every column is constant.\n"
        "Pass a variable that varies. The mutual information with a constant is 0.",
    ),
}

BAD_ARGUMENTS = {
    "few": (
        {"x": X[:49], "y": Y[:49]},
        "At least 50 rows are needed; got 49.\n"
        "Collect more rows. Estimates from fewer rows are not reliable.",
    ),
    "copies": (
        {"x": np.repeat(X[:30], 2, axis=0), "y": np.repeat(Y[:30], 2)},
        "At least 50 different rows are needed; got 30.\n"
        "Collect more rows. Copies of a row add no information.",
    ),
    "constant_y": ({"y": np.ones(N)}, "y must vary; every column is constant."),
    "infinite_y": (
        {"y": np.r_[np.inf, Y[1:]]},
        "y must be finite; it has 0 missing (NaN) and 1 infinite values in 1 of 60 rows "
        "(columns 0).\n"
        "Replace the infinite values, or leave out their rows.",
    ),
    "groups_length": (
        {"groups": np.arange(N - 1)},
        "groups must have shape (60,), one label per row; got (59,).\nPass one column of labels.",
    ),
    "groups_columns": (
        {"groups": np.zeros((N, 1))},
        "groups must have shape (60,), one label per row; got (60, 1).",
    ),
    "groups_name": (
        {"groups": "patient"},
        "groups must have shape (60,), one label per row; got ()",
    ),
    "groups_ragged": (
        {"groups": [[1], [1, 2]] * (N // 2)},
        "groups must have rows of equal length; got ragged lists.",
    ),
    "groups_nan": (
        {"groups": np.r_[np.nan, np.arange(N - 1)]},
        "groups must not hold missing labels; got 1 in 60 rows.\nGive every row a label.",
    ),
    "groups_none": ({"groups": [None, None, *LABELS[2:]]}, "missing labels; got 2 in 60 rows"),
    "groups_few": (
        {"groups": np.arange(N) % 5},
        "At least 20 groups are needed; got 5.\n"
        "Use finer groups, or leave groups= out if rows are independent.",
    ),
    "given": (
        {"given": Y[1:]},
        "x, y and given must have equal numbers of rows; got 60, 60 and 59.\n"
        "Row i of x must belong to row i of y",
    ),
    "seed_negative": (
        {"seed": -1},
        "seed must be a whole number of at least 0; got -1.\nTry seed=0.",
    ),
    "seed_fraction": ({"seed": 0.5}, "seed must be a whole number of at least 0; got 0.5."),
    "seed_truth": ({"seed": True}, "seed must be a whole number of at least 0; got True."),
    "device_unknown": (
        {"device": "gpu"},
        "device must be auto, cpu, cuda or cuda:<index>; got 'gpu'.\n"
        "Leave it out to use a GPU if there is one.",
    ),
    "device_absent": (
        {"device": "cuda:99"},
        re.compile(
            r"There is no device 'cuda:99' here \(\d+ CUDA devices\)\.\n"
            r"Use device='auto' or device='cpu'\."
        ),
    ),
    "estimator_misspelt": (
        {"estimator": "mgm"},
        "There is no estimator 'mgm'.\nDid you mean 'mmg'? Estimators: mmg, ",
    ),
    "estimator_third_array": (
        {"estimator": X},
        "The third argument is estimator, the name of a method; got data (ndarray).\n"
        "Pass a condition by name: given=z. Pass groups of rows as groups=g.",
    ),
    "field_unknown": (
        {"stepps": 100},
        "MMG has no field 'stepps'.\nDid you mean 'steps'? Fields: effort, ",
    ),
    "field_type": (
        {"steps": "many"},
        "steps must be a whole number from 0 to 10000000 or none; got 'many'.\n"
        "steps: maximum training steps",
    ),
    "field_truth": ({"blocks": True}, "blocks must be a whole number from 1 to 32; got True."),
    "field_range": (
        {"learning_rate": -1.0},
        "learning_rate must be a number from 0 to 1; got -1.0.\nlearning_rate: learning rate of",
    ),
    "field_nan": ({"weight_decay": float("nan")}, "weight_decay must be a number from 0 to 10"),
    "field_choice": (
        {"gap": "outer"},
        re.compile(r"gap must be one of inner, .*difference; got 'outer'\.\ngap: formula for"),
    ),
    "field_number": (
        {"folds": 6, "gap": "inner"},
        "folds must be one of 1, 2, 3, 4, 5, 7, 9, 10; got 6.",
    ),
    "fields_together": (
        {"folds": 4, "gap": "cross"},
        "gap='cross' needs an odd number of folds; got folds=4.\n"
        "Use folds=3 or 5, or gap='inner' with any number of folds.",
    ),
    "field_missing": (
        {"blocks": None},
        "blocks must be a whole number from 1 to 32; got None.",
    ),
}


def assert_says(error, expected):
    if isinstance(expected, str):
        expected = re.compile(re.escape(expected))
    assert expected.search(str(error)), str(error)
    assert error.what
    assert error.remedy


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x_is_refused_with_its_remedy(case):
    bad, expected = BAD_X[case]
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(bad, Y)
    assert_says(caught.value, expected)


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_refused_with_their_remedy(case):
    change, expected = BAD_ARGUMENTS[case]
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(**{"x": X, "y": Y} | change)
    assert_says(caught.value, expected)


def test_unknown_names_list_every_valid_one():
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(X, Y, "zzz")
    assert all(name in caught.value.remedy for name in names())


# --- what is accepted --------------------------------------------------------------------------

WHOLE = RNG.integers(0, 100, N)
NUMBERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 >f4 >i8"
GOOD = {
    **{dtype: WHOLE.astype(dtype) for dtype in NUMBERS.split()},
    "longdouble": WHOLE.astype(np.longdouble),
    "list": WHOLE.tolist(),
    "tuple_of_rows": tuple((v,) for v in WHOLE.tolist()),
    "list_of_arrays": [np.array([v]) for v in WHOLE],
    "objects": WHOLE.astype(object),
    "masked_nowhere": np.ma.array(WHOLE, mask=False),
    "matrix_column": WHOLE[:, None],
    "strided": np.repeat(WHOLE, 3)[::3],
    "reversed": WHOLE[::-1][::-1],
    "fortran": np.asfortranarray(np.c_[WHOLE, WHOLE])[:, :1],
    "series": pd.Series(WHOLE, index=range(N, 0, -1)),
    "frame": pd.DataFrame({"a": WHOLE}),
    "index": pd.Index(WHOLE),
    "Int64": pd.Series(WHOLE, dtype="Int64"),
    "Float64": pd.Series(WHOLE, dtype="Float64"),
    "sparse_frame": pd.DataFrame({"a": WHOLE}).astype(pd.SparseDtype(float)),
    "tensor": torch.tensor(WHOLE),
    "tensor_bfloat16": torch.tensor(WHOLE).bfloat16(),
    "tensor_float": torch.tensor(WHOLE).float(),
    "tensor_grad": torch.tensor(WHOLE).double().requires_grad_(),
    "tensor_view": torch.tensor(np.c_[WHOLE, WHOLE]).t()[0],
}


@pytest.mark.parametrize("kind", GOOD)
def test_containers_of_numbers_mean_the_same(kind):
    pairs = make_pairs(GOOD[kind], Y)
    assert pairs.x.dtype == np.float64
    np.testing.assert_array_equal(pairs.x, WHOLE[:, None].astype(float))


@pytest.mark.parametrize(
    "truth",
    [Y > 0, pd.Series(Y > 0), pd.Series(Y > 0, dtype="boolean"), torch.tensor(Y > 0)],
    ids=["numpy", "pandas", "pandas_nullable", "torch"],
)
def test_truth_values_count_as_numbers(truth):
    np.testing.assert_array_equal(make_pairs(truth, Y).x[:, 0], (Y > 0).astype(float))


def test_rows_keep_their_order_and_a_frame_its_columns():
    frame = pd.DataFrame({"b": X[:, 1], "a": X[:, 0], "whole": WHOLE}, index=range(N, 0, -1))
    pairs = make_pairs(frame, torch.tensor(X).t().contiguous().t())
    np.testing.assert_array_equal(pairs.x, np.c_[X[:, 1], X[:, 0], WHOLE])
    np.testing.assert_array_equal(pairs.y, X)
    assert (pairs.n_samples, pairs.dim_x, pairs.dim_y) == (N, 3, 2)


def test_numpy_seeds_are_seeds():
    results = [mmg_nb.estimate(X, Y, seed=seed, steps=0) for seed in (3, np.int64(3))]
    assert results[0].mi == results[1].mi
    assert type(results[1].provenance["seed"]) is int


@pytest.mark.parametrize("estimator", ["gcmi", "mmg"])
def test_inputs_are_never_modified(estimator):
    x, groups = np.c_[X, np.ones(N), X[:, 0]], np.arange(N) % 25
    frame, tensor = pd.DataFrame(X, columns=["a", "b"]), torch.tensor(X[:, :1])
    for array in (x, groups):
        array.flags.writeable = False
    before = x.tobytes(), groups.tobytes(), frame.to_numpy().tobytes(), tensor.numpy().tobytes()
    fields = {"steps": 2, "draws": 4} if estimator == "mmg" else {}
    mmg_nb.estimate(x, tensor, estimator, groups=groups, **fields)
    mmg_nb.estimate(frame, Y, estimator, **fields)
    after = x.tobytes(), groups.tobytes(), frame.to_numpy().tobytes(), tensor.numpy().tobytes()
    assert before == after


# --- what is dropped and noted -----------------------------------------------------------------


def test_constant_columns_are_dropped_with_a_note():
    pairs = make_pairs(np.c_[np.full(N, 0.1), X, np.zeros(N)], Y)
    np.testing.assert_array_equal(pairs.x, X)
    assert pairs.notes == (
        "x: 2 constant column(s) were dropped (0, 3). Mutual information is unchanged.",
    )


def test_extreme_units_are_no_constants():
    pairs = make_pairs(np.c_[X[:, 0] * 1e-300, np.sign(X[:, 1]) * 1e308, 1e15 + WHOLE], Y)
    assert pairs.dim_x == 3


@pytest.mark.parametrize("transform", ["normal_scores", "elliptical", "standardize", "none"])
def test_copied_columns_are_dropped_with_a_note(transform):
    x = np.c_[X, 1e6 * X[:, 0] - 3, X[:, 1]]
    result = mmg_nb.estimate(x, Y, steps=0, transform=transform)
    assert (
        "x: 2 direction(s) of zero variance were dropped. Some columns are constant or linear "
        "combinations of others in the training rows. Leave such columns out to avoid this note."
    ) in result.notes
    assert fit_transform(x, "x", transform, slice(None))[0].shape == (N, 2)


def test_plain_data_is_not_remarked_on():
    assert make_pairs(X, Y).notes == ()


def test_repeated_values_are_noted_by_their_column():
    x = np.c_[np.ones(N), X[:, 0], np.arange(N) // 2]
    (dropped, ties) = make_pairs(x, Y).notes
    assert "constant" in dropped
    assert ties.startswith("x: repeated values in 1 column(s) (2: 50%). They are treated as")


def test_a_few_repeated_values_are_not_worth_a_note():
    x = X[:, 0].copy()
    x[:2] = x[2:4]
    assert make_pairs(x, Y).notes == ()


# --- rows that belong together -----------------------------------------------------------------

PLANS = [(1, False), (1, True), (2, False), (3, True), (5, True), (10, False)]


def straddling(labels, pairs, folds, twins, seed):
    """Labels with rows both in a set that is read and in a set its readers were trained on."""
    plan = make_cross_fit(pairs, folds, twins, np.random.default_rng(seed))
    found = set()
    for reading in plan.evaluation_folds:
        for member in (plan.members[i] for i in reading.members):
            known = np.concatenate([member.fit, member.validation])
            found |= set(labels[reading.rows]) & set(labels[known])
    for member in plan.members:
        found |= set(labels[member.fit]) & set(labels[member.validation])
    return found


@pytest.mark.parametrize(("folds", "twins"), PLANS)
def test_copies_of_a_row_never_straddle_splits(folds, twins):
    rng = np.random.default_rng(5)
    label = np.r_[np.arange(150), rng.integers(0, 150, 150)]
    rng.shuffle(label)
    x, y = rng.normal(size=(150, 2))[label], rng.normal(size=150)[label]
    pairs = make_pairs(x, y)
    assert pairs.notes[-1] == (
        "150 of 300 rows repeat another row. No split separates copies of a row, because "
        "training on a copy would bias the estimate. Remove copies that are mistakes."
    )
    assert not straddling(label, pairs, folds, twins, seed=5)
    # The same rows without their clusters do straddle: the check above can fail.
    loose = make_pairs(rng.normal(size=300), rng.normal(size=300))
    assert straddling(label, loose, folds, twins, seed=5)


@pytest.mark.parametrize(("folds", "twins"), PLANS)
@pytest.mark.parametrize("kind", ["numbers", "text", "categories", "dates", "tensor"])
def test_groups_are_kept_together(kind, folds, twins):
    number = np.random.default_rng(6).integers(0, 40, 300)
    labels = {
        "numbers": number / 7,
        "text": [f"patient {i}" for i in number],
        "categories": pd.Series(number).astype("category"),
        "dates": pd.Timestamp("2020") + pd.to_timedelta(number, "D"),
        "tensor": torch.tensor(number / 7, requires_grad=True),
    }[kind]
    rng = np.random.default_rng(7)
    pairs = make_pairs(rng.normal(size=300), rng.normal(size=300), labels)
    assert pairs.notes == ("40 groups were used; splits keep each group together.",)
    assert not straddling(number, pairs, folds, twins, seed=7)


def test_copies_join_the_groups_they_connect():
    n = 100
    rng = np.random.default_rng(8)
    x, y, groups = rng.normal(size=n), rng.normal(size=n), np.arange(n) // 2
    x[3], y[3] = x[0], y[0]  # rows 0, 1 and rows 2, 3 are two groups with a row in common
    pairs = make_pairs(x, y, groups)
    assert len(set(pairs.clusters[:4])) == 1
    assert pairs.clusters.max() + 1 == n // 2 - 1
    assert pairs.notes[-1] == "49 groups were used; splits keep each group together."


def test_groups_that_lose_all_their_rows_are_not_counted():
    rng = np.random.default_rng(9)
    x, y, groups = rng.normal(size=300), rng.normal(size=300), np.arange(300) // 10
    x[:80] = np.nan
    pairs = make_pairs(x, y, groups, missing="drop")
    assert pairs.notes[-1] == "22 groups were used; splits keep each group together."
    x[:150] = np.nan
    with pytest.raises(MMGError, match="At least 20 groups are needed; got 15"):
        make_pairs(x, y, groups, missing="drop")


@pytest.mark.parametrize("gap", [None, pd.NA, pd.NaT, float("nan")])
def test_any_word_for_missing_is_missing(gap):
    y = np.random.default_rng(0).normal(size=120)
    pairs = make_pairs([1.5, gap, 3.25] * 40, y, missing="drop", discrete="none")
    assert set(pairs.x[:, 0]) == {1.5, 3.25}
    assert "40 of 120 rows were dropped" in pairs.notes[0]
    texts = make_pairs(np.array(["a", gap, "b"] * 40, dtype=object), y, missing="drop")
    assert (texts.discrete_x, texts.n_samples) == ((0,), 80)


def test_tables_whose_rows_have_other_labels_are_refused():
    a = pd.Series(np.random.default_rng(0).normal(size=100), name="a")
    other = a.iloc[::-1]
    with pytest.raises(MMGError, match=r"x and y have different indices.*\n.*y.to_numpy"):
        make_pairs(a, other)
    with pytest.raises(MMGError, match="x and groups have different indices"):
        make_pairs(a, a + 1, groups=other)
    assert make_pairs(a, other.to_numpy()).n_samples == 100
    assert make_pairs(a.iloc[20:], a.iloc[20:].to_frame()).n_samples == 80


def test_numbers_taken_for_categories_must_repeat():
    x, y = np.random.default_rng(0).normal(size=(2, 100))
    with pytest.raises(MMGError, match="column 0 holds 100 different categories"):
        make_pairs(x, y, discrete="x")
    with pytest.raises(MMGError, match="discrete names 0"):
        make_pairs(x > 0, y > 0, discrete="0")


def test_arrays_of_many_axes_are_said_to_be_images():
    y = np.random.default_rng(0).normal(size=60)
    last = np.random.default_rng(1).normal(size=(60, 8, 9, 3))
    (note,) = make_pairs(last, y).notes
    assert note == (
        "x: images of 9 × 3 pixels, 8 channels. "
        "If the last axis holds the channels, pass np.moveaxis(x, -1, 1)."
    )
    (note,) = make_pairs(np.moveaxis(last, -1, 1), y).notes
    assert note == "x: images of 8 × 9 pixels, 3 channels."


def test_a_sparse_matrix_is_told_how_to_be_dense():
    with pytest.raises(MMGError, match=r"sparse csr_array.\nPass x.toarray\(\)"):
        make_pairs(csr_array(np.eye(60)), np.arange(60.0))


def test_the_remedy_for_repeated_values_is_one_that_works():
    x, y = np.random.default_rng(0).normal(size=(2, 400)).round(2)
    (note, *_) = make_pairs(x, y).notes
    assert "repeated values" in note
    assert "as categories" not in note
    (note, *_) = make_pairs(x.round(1), y).notes
    assert "To treat them as categories, use discrete='x'." in note
    make_pairs(x.round(1), y, discrete="x")


def test_an_empty_column_of_objects_is_said_to_be_empty():
    with pytest.raises(MMGError, match="x is empty"):
        make_pairs(np.empty(0, dtype=object), np.arange(60.0))
