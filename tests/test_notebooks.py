"""What every notebook of the repository promises, without running it to the end."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

from mmg_nb.benchmark import run
from mmg_nb.benchmark.cells import grid

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
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


def test_the_readme_shows_a_result_of_the_quickstart():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"MIResult\(.+\)", readme)
    quickstart = cells(ROOT / "notebooks" / "01_quickstart.ipynb", "code")
    said = [out.get("data", {}).get("text/plain", ()) for c in quickstart for out in c["outputs"]]
    number = re.findall(r"\d\.\d+ ± \d\.\d+ nats", shown)
    assert len(number) == 1
    assert any(number[0] in "".join(text) for text in said)


def test_it_is_saved_as_run_from_top_to_bottom(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any(cell["outputs"] for cell in code)
    for cell in code:
        failed = any(output["output_type"] == "error" for output in cell["outputs"])
        assert failed == ("raises-exception" in cell["metadata"].get("tags", ()))


def test_it_holds_no_trace_of_the_machine_that_ran_it(path):
    """A state of widgets shows as dead widgets, times and warnings change with every run."""
    assert "widgets" not in json.loads(path.read_text(encoding="utf-8"))["metadata"]
    for cell in cells(path, "code"):
        assert "execution" not in cell["metadata"]
        assert all(output.get("name") != "stderr" for output in cell["outputs"])


def test_the_text_holds_no_measured_number(path):
    """Words are not run, so a decimal number in them would outlive what it was read from."""
    text = PAPERS.sub("", sources(path, "markdown")).replace(CRITERION, "")
    assert DECIMAL.findall(text) == []


def test_it_says_how_it_is_run_in_full(path):
    told = "MMG_NB_FULL=1" in sources(path, "markdown")
    used = re.search(r"from paper import (\([^)]*|.*)\bFULL\b", sources(path, "code"))
    assert told == bool(used)


def test_it_leads_on(path):
    linked = re.findall(r"\]\((\w+\.ipynb)\)", sources(path, "markdown"))
    assert "## Where to go next" in sources(path, "markdown")
    assert linked
    assert all((path.parent / name).exists() for name in linked)


FULL = [path for path in NOTEBOOKS if "MMG_NB_FULL=1" in sources(path, "markdown")]


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_full_mode_asks_for_cells_that_exist(path, monkeypatch):
    """Runs the notebook up to its sweep, with the grid in place of the sweep."""
    monkeypatch.syspath_prepend(ROOT / "notebooks")
    monkeypatch.setattr(importlib.import_module("paper"), "FULL", True)
    asked = []

    def ask(*args, **more):
        given = inspect.signature(run).bind(*args, **more).arguments
        asked.append(grid(*(given[name] for name in ("tasks", "estimators", "n", "seeds"))))

    def ask_budgets(tasks, steps, seeds, *, n, **more):
        asked.append(grid([*tasks], [("published", {"steps": each}) for each in steps], n, seeds))

    setup, *others = ("".join(cell["source"]) for cell in cells(path, "code"))
    space = {}
    exec(setup.replace("%matplotlib inline", ""), space)
    space |= {"run": ask, "run_budgets": ask_budgets}
    if "GRID" in space:
        ask(**space["GRID"], out="anywhere")
    for source in others:
        if "if FULL:" in source:
            exec(up_to_the_sweep(source), space)
    assert sum(len(every) for every in asked) >= 6


def test_the_notebooks_that_reproduce_the_paper_have_a_full_mode():
    names = {path.stem[:2] for path in FULL}
    assert names >= {"03", "04", "05", "06", "07", "10"}


def up_to_the_sweep(source):
    tree = ast.parse(source)
    last = [ast.unparse(node).startswith("if FULL:") for node in tree.body].index(True)
    return compile(ast.Module(tree.body[: last + 1], []), "cell", "exec")
