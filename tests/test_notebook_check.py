"""The check of the saved notebooks: what must turn a cell red, and what must not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from fake_estimator import make_result

TESTS = Path(__file__).parent
CONFTEST = TESTS.parent / "notebooks" / "conftest.py"
SETUP = """import numpy as np
import mmg_nb
from fake_estimator import Fake
mmg_nb.register(Fake)
%load_ext mmg_nb
%mmg config estimator=fake
x, y = np.random.default_rng(0).normal(size=(2, 100))"""
ESTIMATE = "%mmg estimate x y --curves"


def stream(text, name="stdout"):
    return [{"output_type": "stream", "name": name, "text": text}]


def shown(kind="display_data", **data):
    extra = {"execution_count": 1} if kind == "execute_result" else {}
    bundle = {name.replace("_", "/"): text for name, text in data.items()}
    return [{"output_type": kind, "data": bundle, "metadata": {}, **extra}]


def card(mi=None, picture=None):
    """The saved card of an estimate, with another number or picture in it."""
    result = make_result()
    result = replace(result, mi=result.mi if mi is None else mi)
    bundle = result._repr_mimebundle_()[0]
    if picture:
        bundle["text/html"] = bundle["text/html"].replace(bundle["image/png"], picture)
        bundle["image/png"] = picture
        bundle["text/latex"] = bundle["text/latex"].replace(r"\qbezier", r"\qbezier[9]")
    return shown(
        text_plain=bundle["text/plain"],
        text_html=bundle["text/html"],
        text_latex=bundle["text/latex"],
        text_markdown=bundle["text/markdown"],
        image_png=bundle["image/png"],
    )


SAID = "There is no variable 'z'.\nArrays here: x (100), y (100)."
ERROR = [{"output_type": "error", "ename": "MMGError", "evalue": SAID, "traceback": []}]
USAGE = "UsageError: Line magic function `%nosuch` not found.\n"
WIDE = {"mmg_nb": {"rtol": 0.1}}
CLEAR = "from IPython.display import *\nprint('old')\nclear_output({})\nprint('new 0.5')"
HANDLE = "h = display('first 1.5', display_id=True)\nh.update('second 2.5')"
FIGURE = "display({'text/plain': 'x', 'text/html': '<img alt=\"0.5\">'}, raw=True)"
RAISES = {"tags": ["raises-exception"]}

# source, saved outputs, metadata, whether it must pass
CELLS = {
    "setup": (SETUP, [], {}, True),
    "equal": ("print('a 1.23456')", stream("a 1.23456\n"), {}, True),
    "near": ("print('a 1.23456')", stream("a 1.23461\n"), {}, True),
    "altered": ("print('a 1.23456')", stream("a 1.23556\n"), {}, False),
    "negated": ("print('a 1.23456')", stream("a -1.23456\n"), {}, False),
    "near 0": ("print('a 1e-9')", stream("a 2e-8\n"), {}, True),
    "whole number": ("print(10000)", stream("10001\n"), {}, False),
    "word": ("print('a 1.5')", stream("b 1.5\n"), {}, False),
    "wide": ("print(1.25, 7)", stream("1.3 7\n"), WIDE, True),
    "too wide": ("print(1.25, 7)", stream("1.5 7\n"), WIDE, False),
    "wide whole number": ("print(1.25, 7)", stream("1.25 8\n"), WIDE, False),
    "value": ("0.1 + 0.2", shown("execute_result", text_plain="0.3"), {}, True),
    "altered value": ("0.1 + 0.2", shown("execute_result", text_plain="0.4"), {}, False),
    "lost output": ("pass", stream("gone\n"), {}, False),
    "new output": ("print('new')", [], {}, False),
    "semicolon": ("1 + 1;", [], {}, True),
    "usage error": ("%nosuch", [], {}, False),
    "saved usage error": ("%nosuch", stream(USAGE, "stderr"), {}, False),
    "mistake": ("%mmg estimate x z", [], {}, False),
    "saved mistake": ("%mmg estimate x z", ERROR, {}, False),
    "expected mistake": ("%mmg estimate x z", ERROR, RAISES, True),
    "expected in vain": ("pass", [], RAISES, False),
    "replaced": (HANDLE, shown(text_plain="'second 2.5'"), {}, True),
    "replaced, altered": (HANDLE, shown(text_plain="'second 2.6'"), {}, False),
    "cleared": (CLEAR.format(False), stream("new 0.5\n"), {}, True),
    "cleared late": (CLEAR.format("wait=True"), stream("new 0.5\n"), {}, True),
    "not cleared": (CLEAR.format(False), stream("old\nnew 0.5\n"), {}, False),
    "figure": (FIGURE, shown(text_plain="x"), {}, True),
    "figure, altered": (FIGURE, shown(text_plain="y"), {}, False),
    "card": (ESTIMATE, card(), {}, True),
    "card, other picture": (ESTIMATE, card(picture="iVBORw0KGgo="), {}, True),
    "card, altered": (ESTIMATE, card(mi=0.512), {}, False),
    "card, altered, wide": (ESTIMATE, card(mi=0.512), WIDE, True),
}


def notebook():
    cells = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": f"cell{number}",
            "metadata": metadata,
            "source": source,
            "outputs": outputs,
        }
        for number, (source, outputs, metadata, _) in enumerate(CELLS.values())
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Name of each cell -> what was wrong with it, or nothing."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(CONFTEST, folder)
    (folder / "cells.ipynb").write_text(json.dumps(notebook()), encoding="utf-8")
    options = "--nbval --nbval-current-env --nbval-cell-timeout 60 -p no:cacheprovider --junitxml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), "verdicts.xml", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    cases = ElementTree.parse(folder / "verdicts.xml").iter("testcase")
    return {
        name: [fault.text or "" for fault in case] for name, case in zip(CELLS, cases, strict=True)
    }


@pytest.mark.parametrize("name", CELLS)
def test_the_check_sees_what_a_reader_would(verdicts, name):
    assert (verdicts[name] == []) is CELLS[name][-1], verdicts[name]


def test_the_verdict_says_why(verdicts):
    assert "UsageError" in verdicts["saved usage error"][0]
    assert "raised nothing" in verdicts["expected in vain"][0]
