"""An estimator from outside the package, wherever estimators are used."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fake_estimator import Fake
from histogram_estimator import Histogram
from IPython.utils.capture import capture_output
from kernels import running_kernel

import mmg_nb
from mmg_nb.benchmark import run
from mmg_nb.benchmark.cells import grid
from mmg_nb.benchmark.worker import compute
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import build, estimator_class, names
from mmg_nb.jupyter.form import describe, read_form
from mmg_nb.results.result import MIResult

TESTS = Path(__file__).parent
TASK = "1v1-normal-0.75"
RNG = np.random.default_rng(0)
X = RNG.normal(size=500)
Y = X + RNG.normal(size=500)


def quiet(progress):
    """A listener that only listens."""


def values(result):
    return result.mi, result.stderr, result.fields


@pytest.fixture
def histogram(register):
    return register(Histogram).name


# --- by instance and by name


def test_an_instance_is_run_without_being_registered():
    result = mmg_nb.estimate(X, Y, Histogram(bins=10))
    assert "histogram" not in names()
    assert (result.estimator, result.fields) == ("histogram", {"bins": 10})
    assert result.mi == pytest.approx(0.5 * np.log(2), abs=3 * result.stderr)
    assert values(mmg_nb.estimate(X, Y, Histogram(), bins=10)) == values(result)


def test_a_registered_class_is_run_by_name(histogram):
    by_name = mmg_nb.estimate(X, Y, "histogram", bins=10)
    assert values(by_name) == values(mmg_nb.estimate(X, Y, Histogram(bins=10)))
    with pytest.raises(MMGError, match=r"bins must be a whole number from 2 to 100; got 1\."):
        mmg_nb.estimate(X, Y, "histogram", bins=1)
    with pytest.raises(MMGError, match="histogram estimates I\\(x; y\\) only"):
        mmg_nb.estimate(X, Y, "histogram", given=Y)


def test_a_result_is_saved_and_loaded(histogram, tmp_path):
    result = mmg_nb.estimate(X, Y, "histogram", bins=10)
    loaded = MIResult.load(result.save(tmp_path / "r.json"))
    assert loaded == result
    assert build(loaded.estimator, loaded.fields) == Histogram(bins=10)


def test_a_class_in_place_of_an_instance_is_told():
    with pytest.raises(MMGError, match=r"Give an instance: Histogram\(\)\."):
        mmg_nb.estimate(X, Y, Histogram)


# --- in a notebook


@pytest.fixture
def notebook(shell, histogram):
    shell.user_ns.update(u=X, v=Y)
    return shell


def test_the_magic_runs_it_and_lists_it(notebook):
    with capture_output(display=False) as caught:
        result = notebook.run_cell("r = %mmg estimate u v --estimator histogram --bins 10\nr")
        notebook.run_cell("%mmg help")
        notebook.run_cell("%mmg help histogram")
    assert values(result) == values(mmg_nb.estimate(X, Y, Histogram(bins=10)))
    assert "Plug-in estimate of a table of equally frequent bins" in caught.stdout
    assert "bins of x and of y" in caught.stdout


def test_it_can_be_the_default(notebook):
    with capture_output():
        notebook.run_cell("%mmg config estimator=histogram")
        result = notebook.run_cell("r = %mmg estimate u v\nr")
    assert result.estimator == "histogram"


def test_the_panel_offers_it_and_runs_it(notebook):
    (shown,) = (each for each in describe()["estimators"] if each["name"] == "histogram")
    assert [(field["name"], field["default"]) for field in shown["fields"]] == [("bins", "16")]
    form = {
        "roles": {"x": {"name": "u"}, "y": {"name": "v"}},
        "estimator": "histogram",
        "fields": {"bins": "10"},
    }
    result = read_form(form, notebook.user_ns).start(notebook.user_ns).wait()
    assert values(result) == values(mmg_nb.estimate(X, Y, Histogram(bins=10)))


def test_it_is_compared(notebook):
    found = mmg_nb.compare(X, Y, "gcmi,histogram:bins=10")
    assert list(found.results) == ["gcmi", "histogram:bins=10"]
    with capture_output():
        by_line = notebook.run_cell("c = %mmg compare u v --estimators histogram,cca\nc")
    assert list(by_line.results) == ["histogram", "cca"]


# --- in sweeps


def test_worker_processes_import_it(histogram, tmp_path):
    ask = {"tasks": TASK, "estimators": "histogram:bins=10", "n": 200, "seeds": 3}
    pool = run(**ask, out=tmp_path / "pool", workers=2, listen=quiet)
    serial = run(**ask, out=tmp_path / "serial", listen=quiet)
    assert not pool.failed
    found = [{r["seed"]: r["mi"] for r in sweep.records} for sweep in (pool, serial)]
    assert found[0] == found[1]
    assert all(0.2 < mi < 0.6 for mi in found[0].values())


REFUSED = "so worker processes cannot import it."


def test_a_class_of_a_function_is_refused_before_processes_start(register, tmp_path):
    register(own(name="local", base=Histogram, __qualname__="test.<locals>.Local"))
    out = tmp_path / "x.jsonl"
    with pytest.raises(MMGError, match=REFUSED) as caught:
        run(TASK, "local", 200, 1, out, workers=2, listen=quiet)
    assert "Move it into a file, say own.py" in caught.value.remedy
    assert not out.exists()
    assert not run(TASK, "local", 200, 1, out, listen=quiet).failed
    with ThreadPoolExecutor(2) as threads:
        assert not run(TASK, "local", 200, 2, out, executor=threads, listen=quiet).failed


CELL = """
from dataclasses import dataclass
from typing import ClassVar
from histogram_estimator import Histogram
from mmg_nb.benchmark import run
@mmg_nb.register
@dataclass(frozen=True, kw_only=True)
class InCell(Histogram):
    name: ClassVar[str] = "in_cell"
s = run("1v1-normal-0.75", "in_cell", 200, 2, "serial", listen=lambda progress: None)
"""


def test_a_class_of_a_notebook_cell_runs_in_the_kernel_only(tmp_path):
    with running_kernel(tmp_path) as kernel:
        reply, _ = kernel.run(CELL)
        assert reply["status"] == "ok", reply
        assert kernel.value("s").endswith("2 of 2 cells, 0 failed)")
        reply, _ = kernel.run('run("1v1-normal-0.75", "in_cell", 200, 1, "pool", workers=2)')
    assert reply["ename"] == "MMGError"
    assert "InCell is defined in a notebook cell, a script or a function" in reply["evalue"]
    assert REFUSED in reply["evalue"]


def test_a_worker_without_the_file_says_which_is_missing(histogram):
    (cell,) = grid(TASK, "histogram", 200, 1)
    record = compute(cell.to_dict(), registered=pickle.dumps((["gone:Mine"], [])))
    assert record["status"] == "failed"
    assert "No module named 'gone'" in record["traceback"]


# --- what is no estimator


def own(body=Histogram.estimate, *, frozen=True, base=mmg_nb.Estimator, **members):
    """A class that is made in a hurry."""
    made = type("Mine", (base,), {"estimate": body, **members})
    return dataclass(frozen=frozen, kw_only=True)(made) if frozen is not None else made


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        (Histogram(), "is no subclass of mmg_nb.Estimator"),
        (own(base=object, name="my_method"), "Mine is no subclass of mmg_nb.Estimator"),
        (own(mmg_nb.Estimator.estimate, name="my_method"), "Mine has no method estimate"),
        (own(), "Mine has no name"),
        (own(name="my own"), "'my own' cannot be the name of an estimator"),
        (own(name="ksg"), "The name 'ksg' belongs to a built-in estimator"),
        (own(name="my_method", frozen=False), "Mine is no frozen dataclass"),
        (own(name="my_method", frozen=None), "Mine is no frozen dataclass"),
        (own(name="my_method", base=Histogram, frozen=None), "Mine is no frozen dataclass"),
        (
            own(name="my_method", width=3, __annotations__={"width": int}),
            "Field width of Mine has no help",
        ),
        (
            own(
                name="my_method",
                width=mmg_nb.field((1, 2), "two widths"),
                __annotations__={"width": tuple},
            ),
            "Field width of Mine is of the kind <class 'tuple'>",
        ),
    ],
)
def test_what_is_no_estimator_is_refused(register, owner, said):
    before = names()
    with pytest.raises(MMGError, match=said):
        register(owner)
    assert names() == before


def test_a_cell_that_is_run_again_replaces_the_class(register):
    register(own(name="my_method"))
    again = register(own(name="my_method", summary="the second"))
    assert estimator_class("my_method") is again
    assert names().count("my_method") == 1


@pytest.mark.parametrize("answer", [0.3, None, (0.3, 0.1)])
def test_an_answer_that_is_no_estimate_is_refused(answer):
    with pytest.raises(MMGError, match="The method estimate of my_method returned") as caught:
        mmg_nb.estimate(X, Y, own(lambda self, pairs, run: answer, name="my_method")())
    assert "Return mmg_nb.Estimate(mi, stderr)" in caught.value.remedy


# --- installed packages


def test_an_installed_package_adds_estimators_without_a_call(package):
    package("mmg_nb.estimators", histogram="histogram_estimator:Histogram")
    assert "histogram" in names()
    assert estimator_class("histogram") is Histogram
    assert mmg_nb.estimate(X, Y, "histogram").estimator == "histogram"


def test_an_installed_package_cannot_replace_a_built_in_estimator(package):
    package("mmg_nb.estimators", ksg="histogram_estimator:Histogram")
    assert estimator_class("ksg") is not Histogram


def test_an_installed_package_that_cannot_be_loaded_is_named(package):
    package("mmg_nb.estimators", theirs="nowhere:Theirs", no="fake_estimator:make_result")
    with pytest.raises(MMGError, match="'theirs' of an installed package cannot be loaded"):
        mmg_nb.estimate(X, Y, "theirs")
    with pytest.raises(MMGError, match="is no subclass"):
        mmg_nb.estimate(X, Y, "no")


def test_the_command_line_finds_an_installed_estimator(package, tmp_path):
    where = package("mmg_nb.estimators", histogram="histogram_estimator:Histogram")
    path = os.pathsep.join(map(str, (TESTS.parent, TESTS, where)))
    words = ["run", TASK, "--estimators", "histogram", "--n", "100", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "mmg_nb.benchmark", *words, "--out", tmp_path / "x"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 1 cells, 0 failed" in done.stdout


def test_a_registered_class_comes_before_an_installed_one(package, register):
    package("mmg_nb.estimators", fake="histogram_estimator:Histogram")
    register(Fake)
    assert estimator_class("fake") is Fake
