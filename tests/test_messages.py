"""200 bad inputs: each is refused in at most two lines and 400 characters, with a remedy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from IPython.utils.capture import capture_output
from test_data import BAD_ARGUMENTS, BAD_X, X, Y

import mmg_nb
from mmg_nb.benchmark import task, task_ids
from mmg_nb.benchmark.cells import grid, read_specs, read_tasks
from mmg_nb.benchmark.commands import sweep_parser, table_parser
from mmg_nb.errors import ROOM, MMGError, brief, closest, listed, one_of
from mmg_nb.estimators.neighbours.ksg import KSG
from mmg_nb.jupyter.settings import Settings

N = len(Y)
LONG = "a_name_of_very_many_letters_" * 100
WIDE = pd.DataFrame(np.zeros((N, 2000)), columns=[f"column {i}" for i in range(2000)])
WIDE_GAPS = WIDE.mask(np.arange(N)[:, None] + np.zeros((N, 2000)) < 1)
TABLE = pd.DataFrame({"age": Y, "size": X[:, 0]})


class Unprintable:
    """Its repr fails, as does its conversion."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array " * 200)


MORE_X = {
    "unprintable": Unprintable(),
    "long text": LONG,
    "long list of texts": [LONG + str(i) for i in range(N)],
    "set": set(range(1000)),
    "generator": (v for v in range(1000)),
    "range object of dicts": {i: LONG for i in range(100)},
    "module": np,
    "function": np.mean,
    "slice": slice(3),
    "bytes": b"abc",
    "nested tensor": torch.nested.nested_tensor(
        [torch.ones(2), torch.ones(3)], layout=torch.jagged
    ),
    "meta tensor": torch.empty(N, 2, device="meta"),
    "memory view": memoryview(b"abc"),
    "ragged tensors": [torch.ones(1 + i % 2) for i in range(N)],
    "complex objects": np.array([1j] * N, dtype=object),
    "lists in a column": pd.DataFrame({"a": [[1]] * N}),
    "periods": pd.Series(pd.period_range("2020", periods=N)),
    "intervals": pd.Series(pd.interval_range(0, N)),
    "complex column": pd.DataFrame({"a": Y, LONG: Y + 1j}),
    "wide gaps": WIDE_GAPS,
    "wide constants": WIDE,
    "wide infinite": WIDE + np.inf,
    "no time": np.full(N, "NaT", dtype="datetime64[s]"),
    "masked texts": np.ma.array(["a", "b"] * (N // 2), mask=[True] + [False] * (N - 1)),
    "huge integers": [10**400 * i for i in range(N)],
    "records": np.rec.fromarrays([Y, Y]),
    "six axes": np.zeros((N, 1, 1, 1, 1, 2)),
    "lazy": SimpleNamespace(collect=lambda: None, columns=["a"]),
    "whole texts": [str(i) for i in range(N)],
    "nine million": 9 * 10**5000,
    "wrong images": np.full((N, 4, 4), np.nan),
    "objects of images": np.full((N, 4, 4), None),
}
MORE_ARGUMENTS = {
    "estimator wrong type": {"estimator": 3},
    "estimator list": {"estimator": ["mmg"]},
    "estimator class": {"estimator": KSG},
    "estimator long": {"estimator": LONG},
    "estimator empty": {"estimator": ""},
    "estimator frame": {"estimator": TABLE},
    "estimator tensor": {"estimator": torch.ones(N)},
    "device banana": {"device": "banana", "estimator": "gcmi"},
    "device mps": {"device": "mps", "estimator": "ksg"},
    "device number": {"device": 0, "estimator": "cca"},
    "device long": {"device": LONG, "estimator": "gcmi"},
    "device negative": {"device": "cuda:-1", "estimator": "gcmi"},
    "seed large": {"seed": 10**30, "estimator": "gcmi"},
    "seed text": {"seed": LONG},
    "seed list": {"seed": list(range(10**5))},
    "seed none": {"seed": None},
    "missing": {"missing": LONG},
    "missing none": {"missing": None},
    "discrete number": {"discrete": 3},
    "discrete true": {"discrete": True},
    "discrete stranger": {"discrete": "sex"},
    "discrete strangers": {"discrete": [f"column {i}" for i in range(500)]},
    "discrete in a wide table": {"x": WIDE + X[:, :1], "discrete": "colum 7"},
    "discrete long": {"discrete": LONG},
    "discrete continuous": {"discrete": "x"},
    "given constant": {"given": np.ones(N)},
    "given missing": {"given": np.r_[np.nan, Y[1:]]},
    "given images": {"given": np.random.default_rng(0).normal(size=(N, 3, 3))},
    "given short": {"given": Y[:3]},
    "given text": {"given": LONG},
    "groups text": {"groups": LONG},
    "groups wide": {"groups": WIDE},
    "groups unprintable": {"groups": Unprintable()},
    "groups tensor": {"groups": torch.ones(3, requires_grad=True)},
    "groups times missing": {"groups": np.full(N, "NaT", dtype="datetime64[s]")},
    "index": {"x": TABLE.iloc[::-1], "y": TABLE["age"]},
    "field unknown long": {LONG: 3},
    "field unknown": {"stepp": 3},
    "field text": {"steps": LONG},
    "field infinite": {"steps": float("inf")},
    "field object": {"steps": Unprintable()},
    "field large": {"steps": 10**30},
    "field negative": {"folds": -1},
    "field choice": {"effort": LONG},
    "field list": {"width": list(range(10**5))},
    "checkpoint number": {"checkpoint": 3},
    "checkpoint empty": {"checkpoint": ""},
    "checkpoint folder": {"checkpoint": "/nowhere/" + LONG},
    "checkpoint of ksg": {"checkpoint": "run.mmg", "estimator": "ksg"},
    "every": {"checkpoint": "run.mmg", "every": "often"},
    "every infinite": {"checkpoint": "run.mmg", "every": float("inf")},
    "ksg of a few rows": {"estimator": "ksg", "k": 1000},
    "ksg variant": {"estimator": "ksg", "variant": 2, "given": X},
    "images for gcmi": {"x": np.zeros((N, 2, 2)) + X[:, :1, None], "estimator": "gcmi"},
    "categories for cca": {"x": ["a", "b"] * (N // 2), "estimator": "cca"},
    "numbers for images": {"estimator": "mmg_images"},
    "columns for gcmi": {"x": np.random.default_rng(0).normal(size=(N, N)), "estimator": "gcmi"},
}
OTHER = {
    "third of compare": lambda: mmg_nb.compare(X, Y, X),
    "compare nothing": lambda: mmg_nb.compare(X, Y, ""),
    "compare number": lambda: mmg_nb.compare(X, Y, 3),
    "compare long": lambda: mmg_nb.compare(X, Y, LONG),
    "compare device": lambda: mmg_nb.compare(X, Y, "gcmi", device="banana"),
    "spec field": lambda: read_specs("mmg:stesp=3"),
    "spec no value": lambda: read_specs("mmg:steps"),
    "spec twice": lambda: read_specs("mmg:steps=3,steps=4"),
    "spec value": lambda: read_specs("mmg:steps=" + LONG),
    "map of an array": lambda: mmg_nb.dependency_map(X),
    "map of a series": lambda: mmg_nb.dependency_map(TABLE["age"]),
    "map of nothing": lambda: mmg_nb.dependency_map(None),
    "map of a text": lambda: mmg_nb.dependency_map(LONG),
    "map given": lambda: mmg_nb.dependency_map(WIDE, given="colunm 3"),
    "map given long": lambda: mmg_nb.dependency_map(WIDE, given=LONG),
    "map discrete": lambda: mmg_nb.dependency_map(WIDE, discrete="colunm 3"),
    "map constants": lambda: mmg_nb.dependency_map(WIDE),
    "map repeats": lambda: mmg_nb.dependency_map(WIDE.set_axis(["a"] * 2000, axis=1)),
    "map rows": lambda: mmg_nb.dependency_map(TABLE, rows=LONG),
    "map rows few": lambda: mmg_nb.dependency_map(TABLE, rows=3),
    "map long names": lambda: mmg_nb.dependency_map(
        (TABLE + np.nan * (TABLE.index == 3)[:, None]).set_axis([LONG, LONG + "b"], axis=1)
    ),
    "task": lambda: task("bmi-nothing"),
    "task long": lambda: task(LONG),
    "tasks": lambda: read_tasks(LONG),
    "no tasks": lambda: read_tasks(","),
    "pattern": lambda: task_ids(LONG),
    "n large": lambda: grid("bmi", "gcmi", 10**30, 1),
    "n small": lambda: grid("bmi", "gcmi", 3, 1),
    "n fraction": lambda: grid("bmi", "gcmi", [1000.5], 1),
    "n nothing": lambda: grid("bmi", "gcmi", [], 1),
    "seeds large": lambda: grid("bmi", "gcmi", 1000, 10**30),
    "seeds negative": lambda: grid("bmi", "gcmi", 1000, [-1]),
    "sweep device": lambda: mmg_nb.benchmark.run("bmi", "gcmi", 50, 1, "r", device="banana"),
    "resume nothing": lambda: mmg_nb.resume("/nowhere/" + LONG),
    "resume number": lambda: mmg_nb.resume(3),
    "sweep option": lambda: sweep_parser("mmg").parse_args(["bmi", "--nothing", LONG]),
    "sweep twice": lambda: sweep_parser("mmg").parse_args(["bmi", "--n", "50", "--n", "60"]),
    "sweep flag twice": lambda: sweep_parser("mmg").parse_args(["bmi", *["--curves"] * 2]),
    "table by": lambda: table_parser("mmg").parse_args(["f", "--by", LONG]),
    "table by twice": lambda: table_parser("mmg").parse_args(["f", *["--by", "task"] * 2]),
}
LINES = [
    "nothing",
    LONG,
    "x y",
    "estimate",
    "estimate x",
    "estimate x y z z",
    "estimate x, y",
    "estimate x,y",
    "estimate x , y",
    "estimate nothing y",
    "estimate " + LONG + " y",
    "estimate wide['colunm 3'] y",
    "estimate wide.colunm y",
    "estimate x[:, y",
    "estimate x] y",
    "estimate 'x y " + LONG,
    "estimate x[99] y",
    "estimate (1/0) y",
    "estimate x= y",
    "estimate x y --nothing",
    "estimate x y --" + LONG,
    "estimate x y --steps",
    "estimate x y --steps " + LONG,
    "estimate x y --steps 1e30",
    "estimate x y --seed 1 --seed 2",
    "estimate x y --seed 1e30",
    "estimate x y -o a --output b",
    "estimate x y -b -b",
    "estimate x y -o np",
    "estimate x y -o x",
    "estimate x y -o table",
    "estimate x y -o print",
    "estimate x y -o function",
    "estimate x y -o Class",
    "estimate x y -o 2" + LONG,
    "estimate x y --device banana",
    "estimate x y --estimator " + LONG,
    "estimate x y --given nothing",
    "compare x, y",
    "compare x y --steps 3",
    "compare x y --estimators nothing",
    "compare x y --device banana",
    "panel x, y",
    "plot",
    "plot x",
    "plot --kind nothing",
    "show x",
    "show nothing",
    "runs 3",
    "stop 77",
    "stop " + LONG,
    "pause",
    "resume /nowhere/" + LONG,
    "resume 3 --every 2",
    "config seed",
    "config nothing=3",
    "config seed=1 seed=2",
    "config seed=1e30",
    "config device=banana",
    "config device=cuda:x",
    "config estimator=nothing",
    "config live=nothing",
    "config traceback=maybe",
    "config " + LONG + "=3",
    "help nothing",
    "help " + LONG,
    "benchmark",
    "benchmark nothing",
    "benchmark bmi --n abc",
    "benchmark bmi --n 1e30",
    "benchmark bmi --n 3",
    "benchmark bmi --n 100 --n 200",
    "benchmark bmi --seeds 1e30",
    "benchmark bmi --seeds x",
    "benchmark bmi --device banana",
    "benchmark bmi --workers 1e30",
    "benchmark bmi --threads 0",
    "benchmark bmi --estimators gcmi:nothing=3",
    "benchmark table",
    "benchmark table /nowhere/" + LONG,
    "benchmark table f --by " + LONG,
]


def check(error):
    """A message of two short lines that says what to do."""
    lines = str(error).splitlines()
    assert len(lines) == 2, lines
    assert len(str(error)) <= ROOM == 400
    assert lines[0].strip()
    assert lines[1].strip()
    assert error._render_traceback_() == [f"\x1b[31mmmg_nb:\x1b[0m {lines[0]}", lines[1]]


BY_KEYWORDS = {
    **{f"x: {name}": {"x": bad} for name, (bad, _) in BAD_X.items()},
    **{name: change for name, (change, _) in BAD_ARGUMENTS.items()},
    **{f"x: {name}": {"x": bad} for name, bad in MORE_X.items()},
    **MORE_ARGUMENTS,
}


def test_there_are_many():
    assert len(BY_KEYWORDS) + len(OTHER) + len(LINES) >= 200


@pytest.mark.parametrize("case", BY_KEYWORDS)
def test_bad_arguments_of_estimate(case):
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(**{"x": X, "y": Y} | BY_KEYWORDS[case])
    check(caught.value)


@pytest.mark.parametrize("case", OTHER)
def test_bad_arguments_of_other_functions(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MMGError) as caught:
        OTHER[case]()
    check(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:60])
def test_bad_lines(line, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "wide": WIDE, "table": TABLE, "function": check, "Class": Unprintable}
    shell.user_ns.update(names)
    with capture_output(), pytest.raises(MMGError) as caught:
        shell.run_line_magic("mmg", line)
    check(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("setting", [{"device": "banana"}, {"seed": -1}, {"seed": 10**30}])
def test_settings_of_ipython_are_refused_too(setting, shell):
    magics = shell.magics_manager.registry["MMG"]
    for name, value in setting.items():
        with pytest.raises(Exception, match=name) as caught:
            setattr(magics, name, value)
        assert type(caught.value).__name__ == "TraitError"
        assert getattr(magics, name) == getattr(Settings(), name)


# --- the mechanism ------------------------------------------------------------------------------


def test_a_list_that_fits_is_complete_and_a_longer_one_names_the_closest():
    assert listed(["a", "b"]) == "a, b"
    names = [f"column {i}" for i in range(2000)]
    assert listed(names, near="column 77") == "column 77, column 977, column 877 and 1997 more"
    many = listed(names, room=60)
    assert many == "column 0, column 1, column 2, column 3 and 1996 more"
    assert closest("colunm 77", names) == "Did you mean 'column 77'? "
    assert one_of("b", ["a"], "Names") == "Names: a."


def test_a_value_is_abbreviated_on_one_line():
    assert brief("a\nb") == r"'a\nb'"
    assert brief(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert len(brief(LONG)) == len(brief([LONG] * 9)) == 80
    assert brief(Unprintable()).startswith("<Unprintable")


def test_a_message_of_any_length_is_cut_in_the_middle():
    error = MMGError("Begin. " + LONG + " End.", "Do this. " + LONG + " Done.")
    assert len(str(error)) <= 400
    assert error.what.startswith("Begin. ")
    assert error.what.endswith(" End.")
    assert error.remedy.endswith(" Done.")


def test_a_remedy_is_one_that_works():
    with pytest.raises(MMGError) as caught:
        mmg_nb.estimate(X, Y, given=np.ones(N))
    assert "information with a constant" not in str(caught.value)
    assert caught.value.remedy == "Leave it out: a condition that is constant changes nothing."


def test_a_long_list_without_a_name_that_came_compares_nothing(monkeypatch):
    """A table with many columns lists thousands of pairs several times a second."""
    monkeypatch.setattr("difflib.get_close_matches", lambda *_: pytest.fail("compared"))
    assert listed(range(2000), room=40) == "0, 1, 2, 3, 4, 5, 6, 7, 8 and 1991 more"
