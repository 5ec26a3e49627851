"""What is imported when, and which module may import which."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mmg_nb

ROOT = Path(mmg_nb.__file__).parent

# A folder imports from itself and from those in the lines above its own, never from its
# neighbours in one line, nor from those below.
LAYERS = [
    ["mmg_nb", "errors"],
    ["fields", "polling", "signatures"],
    ["data", "results", "nets"],
    ["plots", "runs"],
    ["denoisers"],
    ["mmse", "training", "keywords"],
    ["estimators"],
    ["job"],
    ["api"],
    ["testing", "sklearn"],
    ["benchmark"],
    ["questions"],
    ["jupyter"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MAY_DRAW = {"plots", "jupyter", "benchmark", "questions"}
LAZY_EXCEPTION = ("results", "plots")  # MIResult.plot
FRONT_END = {"IPython", "ipywidgets", "anywidget", "traitlets", "ipykernel"}
HEAVY = {"torch", "matplotlib", "ipywidgets", "anywidget", "pandas", "sklearn", "dask", "scipy"}


def module_name(path: Path) -> str:
    parts = ("mmg_nb", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "mmg_nb"


def imported(module: str, *, at_import: bool) -> set[str]:
    """Modules named by import statements; at import only those outside functions and hints."""
    found = set()
    todo: list[ast.AST] = [ast.parse(FILES[module].read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            deeper = {f"{node.module}.{alias.name}" for alias in node.names} & set(FILES)
            found |= deeper or {str(node.module)}
        hidden = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if not (at_import and hidden):
            todo += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("module", FILES)
def test_imports_point_one_way(module):
    own = layer(module)
    assert own in RANK, f"give {own!r} a place in LAYERS"
    if own == "mmg_nb":  # the package's own names, all lazy
        assert not imported(module, at_import=True) & set(FILES)
        return
    for other in imported(module, at_import=False) & set(FILES):
        if layer(other) in (own, "mmg_nb") or (own, layer(other)) == LAZY_EXCEPTION:
            continue
        assert RANK[layer(other)] < RANK[own], f"{module} imports {other}"
        assert layer(other) != "plots" or own in MAY_DRAW, f"{module} imports {other}"


FOLDERS = sorted(path for path in ROOT.iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_folder_says_what_lives_there_and_what_it_may_import(folder):
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert re.search(r"May import|Imports nothing", said)


def test_few_files_lie_at_the_top():
    assert len(list(ROOT.glob("*.py"))) <= 12


@pytest.mark.parametrize("module", FILES)
def test_only_the_notebook_side_knows_the_notebook(module):
    outside = {name.split(".")[0] for name in imported(module, at_import=False)}
    if layer(module) not in ("jupyter", "mmg_nb"):
        assert not outside & FRONT_END
    if layer(module) != "plots":
        assert "matplotlib" not in {
            name.split(".")[0] for name in imported(module, at_import=True)
        }


def edges(module: str) -> set[str]:
    """What a module imports, at import or later, but for the one exception.

    Of a package only what it imports at import: its other names are looked up when asked for.
    """
    lazy = FILES[module].name != "__init__.py"
    found = imported(module, at_import=not lazy) & set(FILES) - {"mmg_nb"}
    return {other for other in found if (layer(module), layer(other)) != LAZY_EXCEPTION}


def test_no_circle_not_even_a_lazy_one():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in edges(module):
                visit(other, (*path, module))
            done.add(module)

    for module in FILES:
        visit(module, ())


def loaded(fresh_python, code: str) -> set[str]:
    """Heavy packages that code loads."""
    out = fresh_python(
        f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    )
    return {name.split(".")[0] for name in out.split()} & (HEAVY | {"IPython"})


SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
before = set(sys.modules)
"""


def test_importing_loads_nothing_heavy(fresh_python):
    assert loaded(fresh_python, "import mmg_nb, mmg_nb.api") == set()


def test_loading_the_extension_loads_nothing_heavy(fresh_python):
    code = SHELL + "shell.run_line_magic('load_ext', 'mmg_nb')"
    assert loaded(fresh_python, code) - {"IPython"} == set()


def test_a_notebook_loads_meanwhile_what_the_first_estimate_needs(fresh_python):
    code = """
import threading
shell.kernel = object()
shell.run_line_magic("load_ext", "mmg_nb")
[each.join() for each in threading.enumerate() if each.name == "mmg-prepare"]
assert {"scipy.special", "mmg_nb.jupyter.live"} <= set(sys.modules)
from mmg_nb.api import prepare
from mmg_nb.estimators.gaussian.first_estimate import first_estimate
import numpy as np
known = set(sys.modules)
job = prepare(*np.random.default_rng(0).normal(size=(2, 100)))
first_estimate(job.pairs, job.estimator.denoises)
assert set(sys.modules) == known, set(sys.modules) - known
"""
    assert not loaded(fresh_python, SHELL + code) & {"torch", "matplotlib"}


def test_help_flags_and_completion_load_no_torch(fresh_python):
    code = """
shell.run_line_magic("load_ext", "mmg_nb")
for line in ("", "help", "help mmg", "estimate -h", "config", "plot -h"):
    shell.run_line_magic("mmg", line)
import warnings
warnings.simplefilter("ignore")
text = "%mmg estimate x y --learn"
assert [each.text for each in shell.Completer.completions(text, len(text))] == ["--learning-rate"]
try:
    shell.run_line_magic("mmg", "estimate x y --stesp 3")
except ValueError as error:
    assert "--steps" in str(error)
else:
    raise AssertionError("must be refused")
"""
    assert not loaded(fresh_python, SHELL + code) & {"torch", "matplotlib", "ipywidgets"}


def test_loading_the_extension_looks_up_no_installed_package(fresh_python):
    """Choices of `--estimator` are looked up when they are shown, and then those installed too."""
    code = f"""
import sys
from importlib import metadata
groups, look_up = [], metadata.entry_points
metadata.entry_points = lambda **only: groups.append(only.get("group")) or look_up(**only)
{SHELL}
shell.run_line_magic("load_ext", "mmg_nb")
print(groups.count("mmg_nb.estimators"))
shell.run_line_magic("mmg", "estimate -h")
print(groups.count("mmg_nb.estimators"))
"""
    said = fresh_python(code).splitlines()
    assert said[0] == "0"
    assert int(said[-1]) > 0


def test_closed_forms_load_no_torch(fresh_python):
    code = "import mmg_nb\nprint(mmg_nb.estimate(list(range(60)), list(range(60)), 'gcmi').mi)"
    assert "torch" not in loaded(fresh_python, code)


def test_the_extension_loads_in_a_moment(fresh_python):
    code = (
        "import sys"
        + SHELL
        + """
import time
import numpy  # which notebooks have loaded before
# Of this thread alone: those that numpy's linear algebra starts spin until they have work.
began = time.thread_time()
import mmg_nb
shell.run_line_magic("load_ext", "mmg_nb")
print(time.thread_time() - began)
"""
    )
    # 0.2 s where nothing else works; scipy.stats or PyTorch would add more than what is left.
    assert any(float(fresh_python(code)) < 0.4 for _ in range(3))


def test_public_names_are_all_there():
    for name in mmg_nb.__all__:
        assert getattr(mmg_nb, name) is not None
    assert set(mmg_nb.__all__) <= set(dir(mmg_nb))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mmg_nb.nothing  # noqa: B018


def test_a_first_number_waits_neither_for_the_compiler_nor_for_scikit_learn(fresh_python):
    code = """
import sys, numpy as np, mmg_nb
x = np.random.default_rng(0).normal(size=(200, 2))
short = {"steps": 100, "width": 16, "listen": lambda event: hasattr(event, "loss")}
found = mmg_nb.estimate(x, x[:, 0] + x[:, 1] ** 2, **short)
assert found.status == "interrupted"
print(sorted({"torch._dynamo", "sklearn"} & set(sys.modules)))
"""
    assert fresh_python(code).strip() == "[]"
