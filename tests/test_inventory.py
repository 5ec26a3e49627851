"""What files of records hold, and that the README of the kept results says it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_sweep_tables import record

from mmg_nb.benchmark.commands import main
from mmg_nb.benchmark.inventory import inventory, put_into
from mmg_nb.errors import MMGError

ROOT = Path(__file__).parents[1]
RESULTS = Path("notebooks/results")
DOCUMENT = RESULTS / "README.md"
AGAIN = (
    "python -m mmg_nb.benchmark inventory notebooks/results/*.jsonl"
    " --into notebooks/results/README.md"
)


@pytest.fixture
def path(tmp_path):
    records = [
        record("a", 0, 1.2, seconds=1800.0, device="cpu"),
        record("a", 1, None, device=None),
        record("b", 0, 1.0, seconds=1800.0, device="cuda:0", tags=("high_mi", "copula")),
        record("a", 0, 1.2, seconds=0.0, device="cpu", label="gcmi"),
        record("a", 0, 1.2, seconds=0.0, device="cpu", n=500, tags=("user's",)),
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return path


def test_a_row_tells_tasks_seeds_estimators_gaps_and_time(path):
    header, _, small, large = inventory([path]).splitlines()
    cells = [cell.strip() for cell in large.strip("|").split("|")]
    told = dict(zip([cell.strip() for cell in header.strip("|").split("|")], cells, strict=True))
    assert told.pop("file").startswith("[x](")
    assert told == {
        "tasks": "1 bmi, 1 high_mi",
        "n": "1 000",
        "seeds": "2",
        "estimators": "`mmg`, `gcmi`",
        "cells": "3 of 8",
        "device": "cpu, cuda:0",
        "hours": "1.00",
    }
    assert "| 1 other | 500 |" in small


def test_a_table_is_put_between_its_marks(path, tmp_path, capsys):
    document = tmp_path / "README.md"
    document.write_text("a\n<!-- kept results: begin -->\nold\n<!-- kept results: end -->\nb\n")
    assert main(["inventory", str(path), "--into", str(document)]) == 0
    text = document.read_text()
    assert inventory([path], tmp_path) in text
    assert "[x](x.jsonl)" in text
    assert "old" not in text
    assert text.startswith("a\n<!--")
    assert text.endswith("-->\nb\n")
    assert put_into(text, inventory([path], tmp_path)) == text
    assert main(["inventory", str(path)]) == 0
    assert capsys.readouterr().out == inventory([path]) + "\n"
    with pytest.raises(MMGError, match="no markers"):
        put_into("nothing", "table")


def test_links_start_where_the_document_is(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "[x](x.jsonl)" in inventory(["x.jsonl"])
    assert "[x](x.jsonl)" in inventory(["x.jsonl"], ".")
    assert "[x](../x.jsonl)" in inventory(["x.jsonl"], "docs")
    assert "[x](../x.jsonl)" in inventory([path], "docs")


def test_the_readme_says_what_is_kept(monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = DOCUMENT.read_text(encoding="utf-8")
    told = inventory(RESULTS.glob("*.jsonl"), RESULTS)
    assert put_into(readme, told) == readme, f"run: {AGAIN}"
    assert AGAIN in readme


def test_the_readme_explains_every_file_and_links_to_none_that_is_missing():
    readme = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    kept = [path.name for path in (ROOT / RESULTS).glob("*.json*")]
    assert len(kept) >= 10
    assert [name for name in kept if f"| `{name}` |" not in readme] == []
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert [link for link in links if not (ROOT / RESULTS / link).exists()] == []
