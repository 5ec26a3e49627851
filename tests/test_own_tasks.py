"""Benchmark tasks from outside the package."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from own_task import DICE, Dice, build

from mmg_nb.benchmark import Task, own_tasks, register, run, task, task_ids
from mmg_nb.benchmark.cells import grid
from mmg_nb.benchmark.transforms import CUBE, Transform
from mmg_nb.errors import MMGError


def quiet(progress):
    """A listener that only listens."""


@pytest.fixture
def register_task(monkeypatch):
    """`mmg_nb.benchmark.register`, undone when the test ends."""
    monkeypatch.setattr(own_tasks, "_REGISTERED", dict(own_tasks._REGISTERED))
    return register


def test_a_registered_task_is_found_by_its_id_and_by_patterns(register_task):
    standard = task_ids()
    assert register_task(DICE) is DICE
    assert task("dice-6") is DICE
    assert task_ids("dice-*") == ("dice-6",)
    assert task_ids() == (*standard, "dice-6")


def test_a_registered_task_is_swept_in_worker_processes_too(register_task, tmp_path):
    register_task(replace(DICE, transforms=(CUBE,)))
    ask = {"tasks": "dice-*,1v1-normal-0.75", "estimators": "ksg", "n": 200, "seeds": 1}
    serial = run(**ask, out=tmp_path / "a", listen=quiet)
    pool = run(**ask, out=tmp_path / "b", workers=2, listen=quiet)
    assert not pool.failed
    found = [{r["task"]: (r["mi"], r["mi_true"]) for r in s.records} for s in (serial, pool)]
    assert found[0] == found[1]
    assert found[0]["dice-6"][1] == math.log(2)
    assert {r["task"]: r["tags"] for r in pool.records}["dice-6"] == ["games"]
    assert "| other | 200 | ksg | 1 |" in pool.table().to_markdown()


def test_a_task_that_cannot_be_sent_is_refused_before_processes_start(register_task, tmp_path):
    local = Transform(
        name="local", title="Local", apply=lambda x, y: (2 * x, y), coordinatewise=True
    )
    register_task(replace(DICE, transforms=(local,)))
    out = tmp_path / "x.jsonl"
    with pytest.raises(MMGError, match="The task 'dice-6' cannot be sent to worker") as caught:
        run("dice-6", "gcmi", 200, 1, out, workers=2, listen=quiet)
    assert "<lambda> is defined in a notebook cell, a script or a function" in caught.value.what
    assert "leave workers= and executor= out" in caught.value.remedy
    assert not out.exists()
    assert not run("dice-6", "gcmi", 200, 1, out, listen=quiet).failed


def test_a_task_that_is_registered_again_is_replaced(register_task):
    register_task(DICE)
    again = register_task(replace(DICE, title="Another"))
    assert task("dice-6") is again
    assert task_ids("dice-*") == ("dice-6",)


def test_an_unknown_id_lists_the_registered_ones(register_task):
    register_task(DICE)
    with pytest.raises(MMGError, match="Did you mean 'dice-6'"):
        task("dice-7")
    with pytest.raises(MMGError, match=r"; dice-6"):
        task("nothing like it")
    with pytest.raises(MMGError, match="There is no task 'dice-7'"):
        grid("dice-7", "gcmi", 200, 1)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (3, "Expected a task; got 3"),
        (Dice(6), r"Expected a task; got Dice\(sides=6\)"),
        (replace(DICE, task_id="a,b"), "'a,b' cannot be the id of a task"),
        (replace(DICE, task_id="dice-*"), r"'dice-\*' cannot be the id of a task"),
        (replace(DICE, task_id=""), "'' cannot be the id of a task"),
        (replace(DICE, task_id="bmi"), "'bmi' belongs to a built-in task or suite"),
        (replace(DICE, task_id="staircase-cubic-3"), "belongs to a built-in task or suite"),
    ],
)
def test_what_is_no_task_is_refused(register_task, made, said):
    before = task_ids()
    with pytest.raises(MMGError, match=said):
        register_task(made)
    assert task_ids() == before


# --- installed packages


@pytest.fixture
def tasks_of_a_package(package):
    points = {"dice-6": "own_task:DICE", "dice-20": "own_task:build"}
    package("mmg_nb.tasks", **points, gone="own_task:GONE", other="own_task:elsewhere")


def test_an_installed_package_adds_tasks_without_a_call(tasks_of_a_package):
    assert set(task_ids("dice-*")) == {"dice-6", "dice-20"}
    assert task("dice-6") is DICE
    assert task("dice-20") == build()
    assert task("dice-20") is task("dice-20")


def test_an_installed_task_that_cannot_be_used_is_named(tasks_of_a_package):
    with pytest.raises(MMGError, match="'gone' of an installed package cannot be loaded"):
        task("gone")
    with pytest.raises(MMGError, match="'other' gives a task with the id 'dice-6'"):
        task("other")


def test_the_task_of_these_tests_has_the_truth_that_it_says():
    x, y, pointwise = DICE.sample_pointwise(2000, 0)
    np.testing.assert_array_equal(x[:, 0] >= 6, y[:, 0] >= 1)
    assert pointwise.mean() == pytest.approx(DICE.mi_true)
    assert isinstance(DICE, Task)
