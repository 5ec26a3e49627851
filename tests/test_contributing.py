"""What CONTRIBUTING.md says of the code is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from test_imports import FILES, LAYERS, LAZY_EXCEPTION, RANK, ROOT, imported, layer

REPOSITORY = ROOT.parent
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
DIAGRAM = re.search(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)[1]
EDGES = re.findall(r"^ *(\w+)(?:\[.*?\])? --> (\w+)", DIAGRAM, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`((?:mmg_nb|notebooks|tests)/[\w/]+\.py)(?::([\w.]+))?`", TEXT)))
EXAMPLE = re.search(r"<!-- example estimator -->\n```python\n(.*?)```", TEXT, re.DOTALL)[1]


def reachable(start: str) -> set[str]:
    """Where the arrows of the diagram lead."""
    found: set[str] = set()
    todo = [start]
    while todo:
        node = todo.pop()
        new = {end for begin, end in EDGES if begin == node} - found
        found |= new
        todo += new
    return found


def test_the_diagram_names_every_folder_and_layer():
    words = set(re.findall(r"\w+", DIAGRAM))
    folders = {path.parent.name for path in ROOT.rglob("__init__.py")} - {"mmg_nb"}
    assert len(folders) > 15
    assert folders - words == set()
    layers = {name for names in LAYERS for name in names}
    assert {name for edge in EDGES for name in edge} == layers - {"mmg_nb"}


def test_no_arrow_of_the_diagram_goes_against_the_layers():
    assert len(EDGES) == DIAGRAM.count("-->") > 15
    assert [edge for edge in EDGES if RANK[edge[0]] <= RANK[edge[1]]] == []


@pytest.mark.parametrize("folder", sorted({layer(module) for module in FILES} - {"mmg_nb"}))
def test_all_that_a_folder_imports_lies_along_its_arrows(folder):
    modules = [module for module in FILES if layer(module) == folder]
    used = {layer(other) for m in modules for other in imported(m, at_import=False) & set(FILES)}
    used -= {folder, "mmg_nb"} | {b for a, b in [LAZY_EXCEPTION] if a == folder}
    assert used - reachable(folder) == set()


def test_the_table_describes_every_folder():
    rows = re.findall(r"^\| `(?:mmg_nb/)?([\w/]+)(?:\.py)?` \|", TEXT, re.MULTILINE)
    assert set(RANK) - {"mmg_nb"} <= set(rows)


def defined(path: Path) -> set[str]:
    """Names at the top of a file, and those in its classes as `Class.name`."""

    def names(body: list[ast.stmt]) -> set[str]:
        found = set()
        for node in body:
            if isinstance(node, ast.ClassDef):
                found |= {node.name} | {f"{node.name}.{inner}" for inner in names(node.body)}
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {each.id for each in targets if isinstance(each, ast.Name)}
        return found

    return names(ast.parse(path.read_text(encoding="utf-8")).body)


def test_much_is_named():
    assert len(NAMED) > 50


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_what_is_named_is_there(path, name):
    assert (REPOSITORY / path).exists()
    assert not name or name in defined(REPOSITORY / path)


def test_every_stage_is_told_in_order_and_with_its_thresholds():
    from mmg_nb.estimators.mmg.pipeline import STAGES

    rows = re.findall(r"^\| `(\w+)` \|(.*)", TEXT, re.MULTILINE)
    told = [(name, row) for name, row in rows if name[0].isupper()]
    assert [name for name, _ in told] == [type(stage).__name__ for stage in STAGES]
    thresholds = 0
    for stage, (_, row) in zip(STAGES, told, strict=True):
        for field, value in re.findall(r"`(\w+)` = (\d+(?:\.\d+)?)", row):
            assert getattr(stage, field) == float(value)
            thresholds += 1
    assert thresholds >= 6


def test_the_glossary_is_alphabetical():
    glossary = TEXT.split("\n## Glossary\n")[1]
    terms = re.findall(r"^\* \*\*(.+?)\*\*: ", glossary, re.MULTILINE)
    assert len(terms) > 40
    assert len(terms) == glossary.count("\n* ")
    assert terms == sorted(terms, key=str.casefold)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    assert links
    assert [
        link for link in links if not link.startswith("#") and not (REPOSITORY / link).exists()
    ] == []
    assert {link for link in links if link.startswith("#")} - anchors == set()


def test_the_example_estimator_is_short_and_works(fresh_python):
    """In an interpreter of its own, since it registers a name."""
    assert len(EXAMPLE.splitlines()) <= 20
    code = EXAMPLE + (
        "rng = np.random.default_rng(0)\n"
        "x, y = rng.multivariate_normal([0, 0], [[1, 0.75], [0.75, 1]], size=1000).T\n"
        "found = mmg_nb.estimate(x, y, 'canonical')\n"
        "less = mmg_nb.estimate(x, y, 'canonical', shrink=0.5)\n"
        "print(found.mi, found.stderr, less.mi)\n"
        "mmg_nb.testing.check_estimator(Canonical())\n"
    )
    mi, stderr, less = map(float, fresh_python(code).split())
    truth = 0.4133  # −½ ln(1 − 0.75²)
    assert abs(mi - truth) < 4 * stderr
    for wrong in (0.0, truth / 2, 2 * truth, less):
        assert abs(mi - wrong) > 4 * stderr


def functions():
    """All functions of the package, by place."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds):
                yield f"{module}:{node.lineno} {node.name}", node


def arity(node: ast.FunctionDef) -> int:
    """Number of parameters, but for `self` and `cls`; `*args` and `**kwargs` count as one each."""
    a = node.args
    named = [each.arg for each in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len(
        [*filter(None, (a.vararg, a.kwarg)), *(n for n in named if n not in ("self", "cls"))]
    )


def length(node: ast.FunctionDef) -> int:
    """Lines without the docstring."""
    said = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - said


def test_functions_are_short_and_take_few_arguments():
    found = dict(functions())
    assert len(found) > 1000
    assert {name for name, node in found.items() if arity(node) > 8} == set()
    assert {name for name, node in found.items() if length(node) > 50} == set()
