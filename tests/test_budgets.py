"""Growing numbers of steps from one training: the same estimates as from separate trainings."""

from __future__ import annotations

import pytest

from mmg_nb.benchmark import budgets, run
from mmg_nb.benchmark.commands import main
from mmg_nb.benchmark.records import read_records
from mmg_nb.errors import MMGError
from mmg_nb.estimators.published import run as published
from mmg_nb.runs.events import Step

TASK, N = "1v1-normal-0.75", 400


def test_records_equal_those_of_a_sweep_that_trains_each_from_the_start(tmp_path, monkeypatch):
    """Stopped twice in the first training of 40 steps, and once in the second."""
    stops = [3, 25, 11]

    def until(end):
        def listen(event):
            if isinstance(event, Step) and stops and event.step == stops[0]:
                return bool(stops.pop(0))
            return False

        return listen

    monkeypatch.setattr(budgets, "_until", until)
    monkeypatch.setattr(published, "CHECKS", 3)
    monkeypatch.setattr(published, "VALIDATION_DRAWS", 64)
    asked = budgets.Budgets(
        task=TASK, steps=(7, 40), n=N, seed=3, out=tmp_path / "a.jsonl", folder=tmp_path / "kept"
    )
    left = [asked.run(progress=False) for _ in range(4)]
    assert left == [4, 2, 1, 0]
    labels = [("published", {"steps": k, "adaptive": a}) for k in (7, 40) for a in (False, True)]
    swept = run(TASK, labels, N, [3], tmp_path / "b", listen=lambda progress: None).records
    found = read_records(tmp_path / "a.jsonl")
    assert [each["id"] for each in found] == [each["id"] for each in swept]
    for each, same in zip(found, swept, strict=True):
        assert each.keys() == same.keys()
        for name in ("forms", "mi_true", "tags", "status", "fields"):
            assert each[name] == same[name], name
    assert len({each["mi"] for each in found}) == len(found)


def test_steps_that_do_not_increase_are_refused(tmp_path):
    asked = budgets.Budgets(
        task=TASK, steps=(9, 5), n=N, seed=0, out=tmp_path / "a", folder=tmp_path
    )
    with pytest.raises(MMGError, match="must increase"):
        asked.run()


def test_the_command_trains_all_tasks_to_one_budget_before_the_next(tmp_path, capsys):
    out = tmp_path / "a.jsonl"
    words = [
        "budgets",
        f"{TASK},1v1-additive-0.1",
        "--steps",
        "1,2",
        "--n",
        "300",
        "--seeds",
        "5,",
    ]
    words += ["--out", str(out), "--folder", str(tmp_path / "kept"), "--minutes"]
    assert main([*words, "0"]) == 130
    assert "8 records are missing" in capsys.readouterr().out
    assert main([*words, "5"]) == 0
    steps = [each["fields"]["steps"] for each in read_records(out)]
    assert steps == [1, 1, 1, 1, 2, 2, 2, 2]
