"""Tables of Polars, PyArrow, xarray and look-alikes, and arrays of mixed columns."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

import mmg_nb
from mmg_nb.data.choice import read_choice
from mmg_nb.data.columns import read_variable
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.data.tables import column_names
from mmg_nb.errors import MMGError
from mmg_nb.jupyter.form import read_form
from mmg_nb.jupyter.namespace import arrays, resolve

N = 120
RNG = np.random.default_rng(0)
AGE, Y = RNG.normal(50, 10, N), RNG.normal(size=N)
SEX = np.where(RNG.random(N) < 0.5, "f", "m")
DAY = np.datetime64("2020-01-01", "us") + RNG.permutation(N).astype("timedelta64[h]")


class Column:
    """One column as Polars has it: no NumPy type fits if values are missing."""

    def __init__(self, name, values):
        self.name, self._values = name, list(values)

    def null_count(self):
        return sum(v is None for v in self._values)

    def to_list(self):
        return self._values

    def __array__(self, dtype=None, copy=None):
        return np.array([np.nan if v is None else v for v in self._values])


class Frame:
    """A table as Polars has it."""

    def __init__(self, data):
        self.columns = list(data)
        self._data = data

    def get_columns(self):
        return [Column(name, values) for name, values in self._data.items()]


class Chunks:
    """One column as PyArrow has it."""

    def __init__(self, values):
        self._values = list(values)
        self.null_count = sum(v is None for v in self._values)

    def to_pylist(self):
        return self._values

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values)


class Table:
    """A table as PyArrow has it."""

    def __init__(self, data):
        self.column_names = list(data)
        self.columns = [Chunks(values) for values in data.values()]


class Variable:
    """A variable as xarray has it."""

    def __init__(self, values, name=None, dims=("row", "part")):
        self.values, self.name = np.asarray(values), name
        self.ndim, self.shape = self.values.ndim, self.values.shape
        self.dims, self.coords, self.indexes = dims[: self.ndim], {}, {}

    def __array__(self, dtype=None, copy=None):
        return self.values


class Dataset:
    """Several variables as xarray has them."""

    def __init__(self, data, dims=("row", "part")):
        self.data_vars = {name: Variable(values, name, dims) for name, values in data.items()}


class Convertible:
    """A table of an unknown library that becomes one of pandas."""

    def __init__(self, data):
        self._data = data

    def to_pandas(self):
        return pd.DataFrame(self._data)


class Stream:
    """A table of an unknown library with the Arrow C interface only."""

    def __init__(self, data):
        self._table = pytest.importorskip("pyarrow").table(data)

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


LIBRARIES = {
    "like polars": Frame,
    "like pyarrow": Table,
    "like xarray": Dataset,
    "convertible": Convertible,
    "arrow stream": Stream,
    "polars": lambda data: pytest.importorskip("polars").DataFrame(data),
    "pyarrow": lambda data: pytest.importorskip("pyarrow").table(data),
    "xarray": lambda data: pytest.importorskip("xarray").Dataset(
        {name: ("row", np.asarray(values)) for name, values in data.items()}
    ),
}


@pytest.fixture(params=LIBRARIES)
def library(request):
    return LIBRARIES[request.param]


def test_a_table_of_any_library_is_read_like_one_of_pandas(library):
    data = {"age": AGE, "sex": SEX, "day": DAY, "smokes": AGE > 60}
    read = read_variable(library(data), "x", read_choice("auto"))
    expected = read_variable(pd.DataFrame(data), "x", read_choice("auto"))
    assert read.labels == expected.labels == ("age", "sex", "day", "smokes")
    assert read.discrete == expected.discrete == (1, 3)
    np.testing.assert_array_equal(read.values, expected.values)


def test_columns_are_named_by_their_names(library):
    table = library({"level": np.arange(N) % 7 / 2, "age": AGE})
    assert make_pairs(table, Y, discrete="level").discrete_x == (0,)
    with pytest.raises(MMGError, match=r"names from this list: x, y, level, age"):
        make_pairs(table, Y, discrete="levels")
    if not isinstance(table, (Convertible, Stream)):
        assert column_names(table) == ["level", "age"]


def test_tables_are_listed_with_their_shapes(library):
    table = library({"level": AGE, "age": AGE})
    if hasattr(table, "shape") or hasattr(table, "sizes"):
        assert arrays({"table": table}) == {"table": f"{N}×2"}


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "xarray"])
def test_the_panel_selects_columns(kind):
    table = LIBRARIES[kind]({"level": np.arange(N) % 7 / 2, "age": AGE, "y": Y})
    for columns in ([1], [0, 2]):
        roles = {"x": {"name": "table", "columns": columns}, "y": {"expression": "0"}}
        asked = read_form({"roles": roles, "estimator": "gcmi"}, {"table": table})
        found = read_variable(
            resolve(asked.texts["x"], {"table": table}), "x", read_choice("none")
        )
        np.testing.assert_array_equal(
            found.values, np.c_[np.arange(N) % 7 / 2, AGE, Y][:, columns]
        )


def test_a_map_of_a_table_of_any_library(library):
    data = {"age": AGE, "sex": SEX, "height": AGE + 5 * RNG.normal(size=N)}
    found = mmg_nb.dependency_map(library(data))
    expected = mmg_nb.dependency_map(pd.DataFrame(data))
    assert found.names == ("age", "sex", "height")
    np.testing.assert_array_equal(found.mi, expected.mi)


@pytest.mark.parametrize("kind", ["like polars", "like pyarrow", "polars", "pyarrow"])
def test_missing_values_stay_missing(kind):
    age = [None, *AGE[1:].tolist()]
    sex = [*SEX[:-1].tolist(), None]
    table = LIBRARIES[kind]({"age": age, "sex": sex})
    pairs = make_pairs(table, Y, missing="drop")
    assert (pairs.n_samples, pairs.discrete_x) == (N - 2, (1,))
    with pytest.raises(MMGError, match="2 missing"):
        make_pairs(table, Y)


@pytest.mark.parametrize("kind", ["like polars", "like pyarrow", "polars", "pyarrow"])
def test_one_column_of_a_table(kind):
    make = {
        "like polars": lambda v: Column("age", v),
        "like pyarrow": Chunks,
        "polars": lambda v: pytest.importorskip("polars").Series("age", v),
        "pyarrow": lambda v: pytest.importorskip("pyarrow").chunked_array([v]),
    }[kind]
    np.testing.assert_array_equal(make_pairs(make(AGE), Y).x[:, 0], AGE)
    pairs = make_pairs(AGE, Y, groups=make(SEX + np.arange(N).astype(str)))
    assert pairs.notes == (f"{N} groups were used; splits keep each group together.",)


@pytest.mark.parametrize("kind", ["like xarray", "xarray"])
def test_matrices_of_xarray(kind):
    both = np.c_[AGE, Y]
    if kind == "xarray":
        xr = pytest.importorskip("xarray")
        array = xr.DataArray(both, dims=("t", "part"), coords={"part": ["age", "y"]})
        assert read_variable(array, "x", read_choice("auto")).labels == ("age", "y")
        later = xr.DataArray(Y, dims="t", coords={"t": np.arange(N) + 7})
        with pytest.raises(MMGError, match="x and y have different indices"):
            make_pairs(xr.DataArray(AGE, dims="t", coords={"t": np.arange(N)}), later)
        dataset = xr.Dataset({"both": (("t", "part"), both), "y": ("t", Y)})
    else:
        dataset = Dataset({"both": both, "y": Y})
    read = read_variable(dataset, "x", read_choice("auto"))
    assert read.labels == ("both[0]", "both[1]", "y")
    np.testing.assert_array_equal(read.values, np.c_[both, Y])


def test_a_dataset_must_have_common_rows():
    dataset = Dataset({"a": AGE, "cube": np.zeros((2, 2, 2))}, dims=("row", "b", "c"))
    with pytest.raises(MMGError, match=r"must have one row per sample.*\n.*x\[\[...\]\]"):
        make_pairs(dataset, Y)


@pytest.mark.parametrize("call", ["collect", "compute"])
def test_lazy_tables_are_told_how_to_be_read(call):
    lazy = type("LazyFrame", (), {call: lambda self: None, "columns": ["a"]})()
    with pytest.raises(MMGError, match=rf"in memory; got a LazyFrame.\nPass x.{call}\(\)"):
        make_pairs(lazy, Y)


def test_without_pyarrow_a_stream_says_what_is_needed(monkeypatch):
    stream = type("Relation", (), {"__arrow_c_stream__": lambda self: None})()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MMGError, match=r"needs PyArrow to be read.\nInstall pyarrow, or pass x"):
        make_pairs(stream, Y)


# --- arrays of objects, column by column --------------------------------------------------------


def test_a_mixed_table_as_an_array_is_read_column_by_column():
    frame = pd.DataFrame({"age": AGE, "sex": SEX})
    pairs = make_pairs(frame.to_numpy(), Y)
    assert pairs.discrete_x == (1,)
    np.testing.assert_array_equal(pairs.x, make_pairs(frame, Y).x)


def test_lists_of_numbers_and_texts_keep_their_numbers():
    pairs = make_pairs([[a, s] for a, s in zip(AGE, SEX, strict=True)], Y)
    assert (pairs.discrete_x, pairs.notes) == ((1,), ())
    np.testing.assert_array_equal(pairs.x[:, 0], AGE)


def test_decimals_written_as_text_are_numbers_and_a_note_says_so():
    texts = [f"{a:.3f}" for a in AGE]
    for held in (texts, np.array(texts), pd.Series(texts), np.array(texts, dtype=object)):
        pairs = make_pairs(held, Y)
        np.testing.assert_array_equal(pairs.x[:, 0], [float(text) for text in texts])
        assert pairs.notes == (
            "x: All values in column(s) 0 are numbers written as text, so they were converted to "
            "numbers. To keep them as categories, name these columns in discrete=.",
        )


def test_whole_numbers_written_as_text_are_categories_and_a_note_says_so():
    zips = [f"0{k}" for k in RNG.integers(2000, 2020, N)]
    pairs = make_pairs(zips, Y)
    assert pairs.discrete_x == (0,)
    assert "astype(float)" in pairs.notes[0]
    assert make_pairs(zips, Y, discrete="x").notes == ()
    with pytest.raises(MMGError, match=r"like an identifier.\nConvert its texts to numbers"):
        make_pairs([str(k) for k in range(N)], Y)


@pytest.mark.parametrize("number", [Decimal, Fraction, np.float32, np.int64])
def test_python_numbers_are_numbers(number):
    values = [number(int(a * 100)) for a in AGE]
    expected = [float(v) for v in values]
    np.testing.assert_array_equal(make_pairs(np.array(values, dtype=object), Y).x[:, 0], expected)


def test_periods_and_intervals_come_with_a_line_of_pandas_that_works():
    months = pd.period_range("2000-01", periods=N, freq="M")
    cut = pd.IntervalIndex.from_breaks(np.arange(N + 1.0))
    table = pd.DataFrame({"month": months, "bin": cut, "y": Y}, index=np.arange(N) + 7)
    for name in ("month", "bin"):
        with pytest.raises(
            MMGError, match=f"in column {name}.\nConvert it with pandas: "
        ) as caught:
            make_pairs(table[name], Y)
        code = mmg_nb.describe(table)[name].change
        assert caught.value.remedy.endswith(f": {code}")
        converted = eval(code, {"column": table[name], "pandas": pd})
        assert (converted.index == table.index).all()
        assert (np.diff(make_pairs(converted, table.y).x[:, 0]) > 0).all()


@pytest.mark.parametrize("as_frame", [True, False])
def test_data_sets_of_scikit_learn_are_refused_with_one_advice(as_frame):
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=as_frame)
    for call in (
        lambda: mmg_nb.describe(bunch),
        lambda: mmg_nb.rank(bunch, "target"),
        lambda: mmg_nb.dependency_map(bunch),
        lambda: mmg_nb.estimate(bunch, bunch.target),
    ):
        with pytest.raises(MMGError, match="got a Bunch") as caught:
            call()
        advice = "" if as_frame else "Load it with as_frame=True. "
        assert caught.value.remedy == f"{advice}Pass bunch.frame, or columns of it."
    assert mmg_nb.describe(load_wine(as_frame=True).frame)["target"].usable


def test_masked_values_are_missing_whatever_they_are():
    mask = np.arange(N) < 9
    for values in (SEX, AGE, DAY, np.arange(N), AGE > 50):
        masked = np.ma.array(values, mask=mask)
        assert make_pairs(masked, Y, missing="drop", discrete="none").n_samples == N - 9
    with pytest.raises(MMGError, match="groups must not hold missing labels; got 9"):
        make_pairs(AGE, Y, groups=np.ma.array(np.arange(N), mask=mask))


def test_tensors_in_lists_and_views_of_tensors():
    rows = [torch.tensor([a, b], requires_grad=True) for a, b in zip(AGE, Y, strict=True)]
    np.testing.assert_array_equal(make_pairs(rows, Y).x, np.c_[AGE, Y])
    turned = torch.complex(torch.tensor(AGE), torch.tensor(-Y)).conj().imag  # a lazy negative
    np.testing.assert_array_equal(make_pairs(turned, AGE).x[:, 0], Y)


# --- times --------------------------------------------------------------------------------------

HOURS = (DAY - DAY.min()).astype("timedelta64[h]").astype(float)
TIMES = {
    "datetime64": DAY,
    "nanoseconds": DAY.astype("datetime64[ns]"),
    "time spans": DAY - DAY.min(),
    "pandas": pd.Series(DAY),
    "time zone": pd.Series(DAY).dt.tz_localize("Europe/Paris"),
    "Python": DAY.astype(object),
    "Python, aware": [d.replace(tzinfo=datetime.UTC) for d in DAY.astype(object)],
    "Python spans": list((DAY - DAY.min()).astype(object)),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_numbers_and_a_note_says_so(kind):
    pairs = make_pairs(TIMES[kind], Y)
    assert len(pairs.notes) == 1
    assert pairs.notes[0].startswith("x: Times in column(s) 0 are treated as numbers.")
    moved = pairs.x[:, 0] - pairs.x.min()
    np.testing.assert_array_equal(moved / moved.max(), HOURS / HOURS.max())


def test_no_time_is_missing():
    gaps = DAY.copy()
    gaps[:5] = np.datetime64("NaT")
    assert make_pairs(gaps, Y, missing="drop").n_samples == N - 5
    assert make_pairs(pd.Series(gaps), Y, missing="drop").n_samples == N - 5
