"""The grid of a sweep and the names of its cells."""

from __future__ import annotations

import pytest
from sweep_work import Told

from mmg_nb.benchmark.cells import grid, read_spec, read_specs, read_tasks
from mmg_nb.errors import MMGError


@pytest.fixture(autouse=True)
def told(register):
    register(Told)


def test_a_grid_lists_every_cell_once_with_the_seed_slowest():
    cells = grid("1v1-normal-0.75,outside-ring-0.2", "gcmi,told", [500, 1000], 2)
    assert len(cells) == 16
    assert [cell.seed for cell in cells] == [0] * 8 + [1] * 8
    assert [cell.spec.label for cell in cells[:2]] == ["gcmi", "told"]
    assert len({cell.cell_id for cell in cells}) == 16


def test_specs_that_mean_the_same_are_one_cell():
    same = ["told,told:do=answer,told:scale=1", ("told", {"scale": 1})]
    assert len(grid("1v1-normal-0.75", same, 50, 1)) == 1


def test_the_id_names_the_cell_and_follows_every_field():
    (plain,) = grid("1v1-normal-0.75", "told", 50, [7])
    (other,) = grid("1v1-normal-0.75", "told:limit=3", 50, [7])
    # A changed digest would make every kept result look undone.
    assert plain.cell_id == "told-1a429c9e91/1v1-normal-0.75/50/7"
    assert other.cell_id != plain.cell_id


def test_a_changed_default_makes_another_cell(monkeypatch):
    (before,) = grid("1v1-normal-0.75", "told", 50, 1)
    (after,) = grid("1v1-normal-0.75", [("told", {"sharp": False})], 50, 1)
    assert before.cell_id != after.cell_id
    assert before.spec.fields["sharp"] is True


@pytest.mark.parametrize(
    "text", ["told", "told:do=nan", "told:do=nan,sharp=false,limit=4", "gcmi:correct_bias=false"]
)
def test_a_label_reads_back_as_the_same_spec(text):
    spec = read_spec(text)
    assert spec.label == text
    assert read_spec(spec.label) == spec


def test_commas_separate_estimators_and_fields():
    specs = read_specs("told:do=nan,limit=4,gcmi,told,limit=2")
    assert [spec.label for spec in specs] == ["told:do=nan,limit=4", "gcmi", "told:limit=2"]
    pairs = read_specs(["gcmi", ("told", {"limit": 4})])
    assert [spec.label for spec in pairs] == ["gcmi", "told:limit=4"]


def test_tasks_are_suites_patterns_ids_and_members_of_families():
    ids = read_tasks("bmi,outside-ring*,high_mi-spiral-5-650,1v1-normal-0.75")
    assert len(ids) == 42
    assert ids[-2:] == ("outside-ring-0.2", "high_mi-spiral-5-650")


def test_cells_know_what_their_task_belongs_to():
    (cell,) = grid("1v1-normal-0.75", "told", 50, 1)
    assert cell.to_dict()["tags"] == ["bmi", "copula"]


@pytest.mark.parametrize(
    ("tasks", "estimators", "n", "seeds", "said"),
    [
        ("nonsense", "gcmi", 50, 1, "There is no task 'nonsense'"),
        ("", "gcmi", 50, 1, "tasks must name at least one task"),
        ("bmi", "gcm", 50, 1, "Did you mean 'gcmi'"),
        ("bmi", "", 50, 1, "estimators must name at least one"),
        ("bmi", "told:limits=3", 50, 1, "Did you mean 'limit'"),
        ("bmi", "told:limit", 50, 1, "field=value"),
        ("bmi", "told:do=sing", 50, 1, "one of answer"),
        ("bmi", "gcmi", 49, 1, "n must be"),
        ("bmi", None, 50, 1, "estimators must be names"),
        ("bmi", [("gcmi", 3)], 50, 1, "estimators must be names"),
        ("bmi", "gcmi", [50, 2.5], 1, "n must be"),
        ("bmi", "gcmi", 50, 0, "seeds is empty"),
        ("bmi", "gcmi", 50, [-1], "seeds must be"),
    ],
)
def test_what_cannot_be_run_is_refused(tasks, estimators, n, seeds, said):
    with pytest.raises(MMGError, match=said):
        grid(tasks, estimators, n, seeds)
