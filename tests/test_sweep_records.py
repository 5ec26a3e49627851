"""The file of records: whole lines only, whatever happens."""

from __future__ import annotations

import os

import pytest

from mmg_nb.benchmark.records import RecordFile, latest, read_records, records_path
from mmg_nb.benchmark.worker import FORMAT
from mmg_nb.errors import MMGError


def record(name, **more):
    return {"format": FORMAT, "id": name, "status": "converged", "note": "σ\n", **more}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "file.jsonl"
    with RecordFile(path) as file:
        file.append(record("a"))
        file.append(record("b"))
    return path


def test_records_are_read_back_in_order(path):
    assert read_records(path) == [record("a"), record("b")]
    assert path.read_bytes().count(b"\n") == 2


def test_opening_tells_what_is_there_and_appends(path):
    with RecordFile(path) as file:
        assert file.records == (record("a"), record("b"))
        file.append(record("c"))
    assert [r["id"] for r in read_records(path)] == ["a", "b", "c"]


def test_a_line_cut_anywhere_is_dropped_or_completed(path):
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for length in range(start, len(whole) + 1):
        path.write_bytes(whole[:length])
        kept = ["a", "b"] if length >= len(whole) - 1 else ["a"]
        assert [r["id"] for r in read_records(path)] == kept
        with RecordFile(path) as file:
            assert [r["id"] for r in file.records] == kept
            file.append(record("c"))
        assert [r["id"] for r in read_records(path)] == [*kept, "c"]
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("content", [b"an essay", b"an essay\n", b'{"cells": []}', b"[1]\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(MMGError, match="is not a record of a sweep"):
        RecordFile(path)
    assert path.read_bytes() == content


def test_a_damaged_line_is_named(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:30] + b"\n" + lines[1])
    with pytest.raises(MMGError, match="Line 2"):
        read_records(path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(MMGError, match="could not read"):
        read_records(tmp_path / "none.jsonl")


def test_a_full_disk_leaves_no_part_of_a_line(path, monkeypatch):
    before = path.read_bytes()
    write = os.write
    with RecordFile(path) as file:
        monkeypatch.setattr(os, "write", lambda where, data: write(where, data[:20]))
        with pytest.raises(MMGError, match=r"20 of .*\nFinished cells are kept"):
            file.append(record("c"))
    assert path.read_bytes() == before


def test_numbers_that_json_does_not_know_are_refused(path):
    with RecordFile(path) as file, pytest.raises(ValueError, match="JSON"):
        file.append(record("c", mi=float("nan")))


def test_one_sweep_at_a_time(path):
    with RecordFile(path), pytest.raises(MMGError, match="Another sweep"):
        RecordFile(path)
    RecordFile(path).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MMGError, match=r"x.jsonl' cannot be written \(.+\)\.\nSet out="):
        RecordFile(tmp_path / "file" / "x.jsonl")


def test_the_last_record_of_a_cell_counts():
    records = [record("a", status="failed"), record("b"), record("a")]
    assert latest(records) == {"a": record("a"), "b": record("b")}


def test_the_ending_is_added_only_where_it_lacks(tmp_path):
    assert records_path(tmp_path / "x.v2") == tmp_path / "x.v2.jsonl"
    assert records_path("x.jsonl").name == "x.jsonl"
