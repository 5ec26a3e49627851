"""What the exact density finds in the rows of a sweep."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from mmg_nb.benchmark import run, table, task
from mmg_nb.benchmark.cells import grid
from mmg_nb.benchmark.commands import main
from mmg_nb.benchmark.exact import EXACT, exact_record
from mmg_nb.benchmark.records import read_records


def test_a_sweep_gets_the_mean_log_ratio_of_its_own_rows(tmp_path, capsys):
    out = tmp_path / "sweep.jsonl"
    run("1v1-normal-0.75,outside-clayton-2", "gcmi", 400, 2, out, listen=lambda progress: None)
    assert main(["exact", str(out), "--out", str(out)]) == 0
    assert "4 records were added" in capsys.readouterr().out
    records = [record for record in read_records(out) if record["label"] == EXACT]
    for record in records:
        values = task(record["task"]).sample_pointwise(400, record["seed"])[2]
        assert record["mi"] == pytest.approx(values.mean())
        low, high = record["interval"]
        assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=1e-3)
    assert {record["seed"] for record in records} == {0, 1}
    rows = {(row.group, row.estimator): row for row in table(out).rows}
    exact = rows["all BMI", EXACT]
    assert exact.cells == 2
    assert exact.error == pytest.approx(
        sum(abs(r["mi"] - r["mi_true"]) for r in records if "bmi" in r["tags"]) / 2
    )
    assert main(["exact", str(out), "--out", str(out)]) == 0
    assert len(read_records(out)) == 8


def test_a_task_without_a_known_density_has_no_estimate(monkeypatch):
    unknown = SimpleNamespace(
        mi_true=math.nan, sample_pointwise=lambda n, seed: (None, None, np.full(n, np.nan))
    )
    monkeypatch.setattr("mmg_nb.benchmark.exact.task", lambda task_id: unknown)
    (cell,) = grid("1v1-normal-0.75", "gcmi", 50, 1)
    record = exact_record(cell)
    assert (record["mi"], record["mi_true"], record["status"]) == (None, None, "failed")
