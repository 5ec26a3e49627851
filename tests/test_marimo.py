"""Live view, panel and map in marimo, in a real browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("playwright")
pytest.importorskip("marimo")
from lab import CHROMIUM, FLAGS, PATIENCE, TESTS, until
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
expect.set_options(timeout=1000 * PATIENCE)

COLOUR = "node => getComputedStyle(node).borderTopColor"
NOTEBOOK = """
import marimo

app = marimo.App()

@app.cell
def _():
    import numpy as np, pandas as pd
    import mmg_nb
    from fake_estimator import Fake
    mmg_nb.register(Fake)
    x, y = np.random.default_rng(0).normal(size=(2, 100))
    df = pd.DataFrame({"age": x, "bmi": x + y, "sugar": y})
    return df, mmg_nb, x, y

@app.cell
def _(mmg_nb, x, y):
    handle = mmg_nb.start(x, y, "fake", steps=100_000, delay=0.02, curves=True)
    handle
    return (handle,)

@app.cell
def _(handle, mmg_nb, x, y):
    res = mmg_nb.estimate(x, y, "fake", steps=120, delay=0.02, curves=True)
    res
    return (res,)

@app.cell
def _(mmg_nb, res, x, y):
    mmg_nb.compare(x, y, "gcmi,fake")
    return

@app.cell
def _(mmg_nb, res):
    panel = mmg_nb.panel("x", "y", estimator="fake", steps=100_000, delay=0.02)
    panel
    return (panel,)

@app.cell
def _(panel, x):
    later = x + 1
    return (later,)

@app.cell
def _(df, mmg_nb, res):
    mmg_nb.explore(df, target="bmi")
    return
"""


@pytest.fixture
def address(tmp_path):
    """The address of the app, whose cells run when a page opens it."""
    (tmp_path / "app.py").write_text(NOTEBOOK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "marimo", "-q", "run", "--headless", "--no-token"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, f"--port={port}", "app.py"],
            cwd=tmp_path,
            env={**os.environ, **own},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/health"))
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(20)


@pytest.fixture
def page(address):
    """A page, and the errors of its console."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1300, "height": 1600})
        errors = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("console", lambda said: said.type == "error" and errors.append(said.text))
        opened.goto(address, timeout=1000 * PATIENCE)
        yield opened, errors
        browser.close()


def test_marimo_shows_live_view_comparison_panel_and_map(page):
    page, errors = page
    live = page.locator(".mmg-live:visible")
    expect(live).to_have_count(2)  # the handle's, and that of the cell that waits
    live.last.locator("polyline").first.wait_for()
    line = live.first.locator(".mmg-swatch").first
    light = line.evaluate(COLOUR)
    page.evaluate("document.body.style.colorScheme = 'dark'")  # as its dark theme does
    assert line.evaluate(COLOUR) != light
    expect(live).to_have_count(1)  # the result has taken the place of the second one
    expect(page.get_by_text("x tells 0.511")).to_be_visible()
    expect(page.get_by_text("gcmi").first).to_be_visible()
    expect(page.get_by_role("region", name="Map of a table")).to_contain_text("3 of 3 pairs")

    panel = page.get_by_role("region", name="Mutual information panel")
    panel.hover()
    expect(panel.get_by_label("x", exact=True).locator("option")).to_contain_text(["later"])
    panel.get_by_role("button", name="Start", exact=True).click()
    panel.locator("polyline").first.wait_for()
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.get_by_role("region", name="Result")).to_contain_text("stopped early")

    live.get_by_role("button", name="Stop").click()
    expect(page.locator(".mmg-live:visible")).to_have_count(0)
    # Two results, and the run in the history of the panel.
    expect(page.get_by_text("stopped early")).to_have_count(3)
    assert errors == []
