"""Tables and frames, by records whose numbers can be checked in the head."""

from __future__ import annotations

import json
import math

import pytest

from mmg_nb.benchmark import load, table
from mmg_nb.benchmark.labelling import labels
from mmg_nb.benchmark.tables import tabulate
from mmg_nb.benchmark.worker import FORMAT
from mmg_nb.errors import MMGError


def record(task, seed, mi, *, true=1.0, half=0.1, tags=("bmi",), label="mmg", **more):
    fields = more.pop("fields", {"steps": 1})
    interval = None if mi is None or half is None else [mi - half, mi + half]
    return {
        "format": FORMAT,
        "id": f"{label}-{json.dumps(fields)}/{task}/{more.get('n', 1000)}/{seed}",
        "estimator": label.partition(":")[0],
        "label": label,
        "fields": fields,
        "task": task,
        "n": 1000,
        "seed": seed,
        "tags": list(tags),
        "mi": mi,
        "stderr": 0.05,
        "mi_true": None if mi is None else true,
        "interval": interval,
        "forms": {} if mi is None else {"inner": {"mi": mi, "stderr": 0.05}},
        "status": "failed" if mi is None else "converged",
        "seconds": 2.0,
        "traceback": None,
        **more,
    }


RECORDS = [
    record("a", 0, 1.20, tags=("bmi", "copula")),  # +0.20: outside its interval
    record("a", 1, 0.80, tags=("bmi", "copula")),  # −0.20: outside
    record("b", 0, 1.04, seconds=4.0),  # +0.04: inside
    record("b", 1, None),
    record("c", 0, 2.09, true=2.0, half=0.3, tags=("outside",)),  # 0.09 of 2.0: within 5 %
    record("c", 0, 2.30, true=2.0, half=0.2, tags=("outside",), label="gcmi"),
]


def rows(by="group", records=RECORDS):
    return {(row.group, row.n, row.estimator): row for row in tabulate(records, by).rows}


def test_groups_overlap_only_in_all_bmi():
    assert [key[0] for key in rows()] == ["copula", "other BMI", "all BMI", "outside", "outside"]


def test_errors_of_opposite_sign_do_not_cancel():
    row = rows()["copula", 1000, "mmg"]
    assert row.error == pytest.approx(0.2)
    assert row.mi == pytest.approx(1.0)
    assert (row.solved, row.tasks, row.cells) == (0, 1, 2)


def test_tasks_weigh_the_same_whatever_their_number_of_seeds():
    row = rows()["all BMI", 1000, "mmg"]
    assert row.error == pytest.approx((0.2 + 0.04) / 2)
    assert (row.solved, row.tasks, row.cells, row.failed) == (1, 2, 3, 1)
    assert row.seconds == pytest.approx((2 + 2 + 4) / 3)
    assert row.half_width == pytest.approx(0.1)


def test_coverage_counts_cells_and_has_a_binomial_error():
    row = rows()["all BMI", 1000, "mmg"]
    assert row.coverage == pytest.approx(1 / 3)
    assert row.coverage_error == pytest.approx(math.sqrt(0.4 * 0.6 / 3))


def test_five_percent_of_a_large_truth_are_solved():
    assert rows()["outside", 1000, "mmg"].solved == 1
    assert rows()["outside", 1000, "gcmi"].solved == 0


def test_an_estimator_without_error_bars_has_no_coverage():
    (row,) = tabulate([record("a", 0, 1.0, half=None)], "task").rows
    assert (row.coverage, row.half_width, row.error) == (None, None, 0.0)


def test_a_group_in_which_all_failed_is_a_row():
    (row,) = tabulate([record("a", 0, None)], "task").rows
    assert (row.failed, row.tasks, row.error) == (1, 0, None)


def test_a_truth_that_nobody_knows_is_left_out_of_errors(tmp_path):
    tags = ("consistency",)
    unknown = record("d", 0, 3.0, true=None, tags=tags)
    (row,) = rows(records=[unknown, record("e", 0, 1.2, tags=tags)]).values()
    assert (row.group, row.tasks, row.mi) == ("consistency", 2, pytest.approx(2.1))
    assert (row.error, row.solved, row.coverage) == (pytest.approx(0.2), 0, 0.0)
    assert "| – | – |" in tabulate([unknown]).to_markdown()
    (tmp_path / "x.jsonl").write_text(json.dumps(unknown) + "\n", encoding="utf-8")
    assert load(tmp_path / "x.jsonl")[["mi_true", "error", "covered"]].isna().all(axis=None)


def test_rows_by_task():
    found = rows("task")
    assert list(found) == [
        ("a", 1000, "mmg"),
        ("b", 1000, "mmg"),
        ("c", 1000, "mmg"),
        ("c", 1000, "gcmi"),
    ]
    assert found["b", 1000, "mmg"].failed == 1


def test_n_is_kept_apart_and_rises():
    more = [record("a", 0, 1.1, n=10_000), record("a", 0, 1.3, n=200)]
    assert [row.n for row in tabulate(more, "task").rows] == [200, 10_000]


def test_records_made_with_other_defaults_are_told_apart():
    new = record("b", 0, 1.0, fields={"steps": 2, "gap": "x"})
    other = record("b", 0, 1.0, label="mmg:steps=9", fields={"steps": 9, "gap": "x"})
    names = labels([RECORDS[2], new, other])
    assert list(names.values()) == ["mmg: steps=1, gap=–", "mmg: steps=2, gap=x", "mmg:steps=9"]


def test_a_table_shows_itself():
    shown = tabulate(RECORDS[2:4])
    assert shown.to_markdown().splitlines()[0].startswith("| group | n | estimator | tasks |")
    assert (
        "| other BMI | 1000 | mmg | 1 | 1.000 | 1.040 | 0.0400 | 1/1 | 1.00 ± 0.47 "
        "| 0.1000 | 4 | 1 |" in shown.to_markdown()
    )
    assert "<td>1.00 ± 0.47</td>" in shown._repr_html_()
    assert repr(shown) == shown.to_markdown()


def test_labels_are_escaped_in_html():
    assert "<b>" not in tabulate([record("<b>", 0, 1.0)], "task").to_html()


@pytest.fixture
def files(tmp_path):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    again = record("a", 0, 1.01, tags=("bmi", "copula"))
    first.write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    second.write_text(json.dumps(again) + "\n" + '{"format": "mmg_nb.ce')
    return first, second


def test_the_later_file_counts_and_a_torn_line_does_not(files):
    (row,) = [r for r in table(files, "task").rows if r.group == "a"]
    assert row.error == pytest.approx((0.01 + 0.2) / 2)
    assert table(str(files[0])).rows == tabulate(RECORDS).rows


def test_by_is_checked(files):
    with pytest.raises(MMGError, match="'group' or 'task'"):
        table(files, "seed")


def test_a_frame_has_a_row_a_cell_and_numbers_in_columns(files):
    frame = load(files).set_index(["label", "task", "seed"])
    assert len(frame) == 6
    assert frame.loc[("mmg", "b", 0), "error"] == pytest.approx(0.04)
    assert frame.loc[("mmg", "b", 0), "covered"]
    assert not frame.loc[("mmg", "a", 1), "covered"]
    assert frame.loc[("mmg", "c", 0), "low"] == pytest.approx(1.79)
    assert frame.loc[("mmg", "c", 0), "mi_inner"] == pytest.approx(2.09)
    assert frame[["mi", "error", "mi_inner", "high"]].isna().sum().tolist() == [1, 1, 1, 1]
    assert {str(frame[c].dtype) for c in ("mi", "mi_inner", "low", "seconds")} == {"float64"}


def test_an_empty_file_is_an_empty_frame(tmp_path):
    (tmp_path / "x.jsonl").touch()
    assert load(tmp_path / "x.jsonl").empty
    assert table(tmp_path / "x.jsonl").rows == ()
