"""What every notebook of the repository promises, read without running it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEACHING = ("01", "02")
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?!\w|\.\d)")
CRITERION = "0.05 nats"  # within which a task counts as solved
PAPERS = re.compile(r"arXiv[ :]\d+\.\d+")


def cells(path: Path, kind: str) -> list[dict]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def sources(path: Path, kind: str) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in cells(path, kind))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_the_readme_leads_to_it(path):
    assert f"(notebooks/{path.name})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_saved_as_run_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]


def test_the_text_holds_no_measured_number(path):
    """Words are not run, so a decimal number in them would outlive what it was read from."""
    text = PAPERS.sub("", sources(path, "markdown")).replace(CRITERION, "")
    assert DECIMAL.findall(text) == []


def test_it_says_how_it_is_run_in_full(path):
    told = "MMG_NB_FULL=1" in sources(path, "markdown")
    used = re.search(r"from paper import .*\bFULL\b", sources(path, "code"))
    assert told == bool(used) == (not path.stem.startswith(TEACHING))


def test_it_leads_on(path):
    linked = re.findall(r"\]\((\w+\.ipynb)\)", sources(path, "markdown"))
    assert "## Where to go next" in sources(path, "markdown")
    assert linked
    assert all((path.parent / name).exists() for name in linked)
