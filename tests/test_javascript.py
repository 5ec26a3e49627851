"""The JavaScript of the widgets: its types, and the events that it listens to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmg_nb.jupyter.explore_view import MapWidget
from mmg_nb.jupyter.live import LiveWidget
from mmg_nb.jupyter.panel import PanelWidget

CHECKS = Path(__file__).parent / "javascript"
COMPILER = CHECKS / "node_modules" / ".bin" / "tsc"
WIDGETS = (LiveWidget, PanelWidget, MapWidget)
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": True,
    "noImplicitAny": False,  # not every parameter says its type yet
    "target": "ES2022",
    "lib": ["ES2022", "DOM", "DOM.Iterable"],
    "module": "ESNext",
    "moduleResolution": "bundler",
    "typeRoots": [str(CHECKS / "node_modules")],
    "types": ["@anywidget/types"],
}


def checked(folder: Path, modules: dict[str, str]) -> str:
    """What the compiler says of modules; empty if it finds nothing."""
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))
    (folder / "node_modules").symlink_to(CHECKS / "node_modules")
    done = subprocess.run([COMPILER, "-p", folder], capture_output=True, text=True, cwd=folder)
    return done.stdout


@pytest.mark.skipif(
    not COMPILER.exists() or shutil.which("node") is None,
    reason="run npm ci --prefix tests/javascript first",
)
def test_the_types_of_all_modules_fit(tmp_path):
    good = {widget.__name__: widget._esm for widget in WIDGETS}
    bad = {"Bad": MapWidget._esm + '\ncorrelation("text"); ticks(1);'}
    found = checked(tmp_path, {**good, **bad})
    lines = [line for line in found.splitlines() if not line.startswith(" ")]
    assert [line for line in lines if not line.startswith("Bad.js")] == []
    assert len(lines) == 2


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.__name__)
def test_only_events_of_the_specification_are_used(widget):
    """https://anywidget.dev/en/afm: `change:<name>` and `msg:custom`, and never `change` alone."""
    events = re.findall(r"\bmodel\.(?:on|off)\(\s*([\"'`].*?[\"'`])", widget._esm)
    assert len(events) >= 4
    assert all(re.fullmatch(r"[\"'`](msg:custom|change:[\w${}]+)[\"'`]", each) for each in events)


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.__name__)
def test_watched_state_exists(widget):
    (watched,) = re.findall(r"const WATCHED = \[(.*?)\];", widget._esm, re.DOTALL)
    names = set(re.findall(r'"(\w+)"', watched))
    asked = set(re.findall(r'model\.get\("(\w+)"\)', widget._esm))
    assert names
    assert names | asked <= set(widget.class_traits(sync=True))
