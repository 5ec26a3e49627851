"""The widgets in a real browser, without a notebook: what they do with what the kernel sends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright")
from bare_page import BarePage
from lab import CHROMIUM, FLAGS
from playwright.sync_api import sync_playwright

from mmg_nb.jupyter.explore import Explorer

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
COLUMNS = 60
FRAMES = "() => new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end)))"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def wide_map(browser, shell):
    """A map of 60 columns that is filled in closed form."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, COLUMNS)) + rng.normal(size=(60, 1)))
    explorer = Explorer(shell, table, "wide")
    shown = BarePage(browser, explorer._widget)
    shown.until(lambda: explorer._phase == "nearest neighbours")
    explorer.stop()
    explorer.wait()
    shown.exchange()
    yield shown
    explorer.close()


def test_sixty_columns_stay_fluid(wide_map):
    """Counts of work, since times depend on what else the machine does."""
    page, errors = wide_map.page, wide_map.errors
    canvas = page.get_by_role("application")

    def counted(name):
        page.evaluate(FRAMES)  # what is due has then been drawn
        return int(canvas.get_attribute(f"data-{name}"))

    frames, cells = counted("frames"), counted("cells")
    box = canvas.bounding_box()
    under = set()
    for step in range(8):
        page.mouse.move(box["x"] + 200 + 31 * step, box["y"] + 120)
        counted("frames")
        under.add(page.locator(".mmg-under").inner_text())
    assert len(under) == 8
    assert frames + 8 <= counted("frames") <= frames + 24
    assert counted("cells") == cells  # the mouse does not draw them again
    said = wide_map.widget.said
    wide_map.widget.put(said={**said, "percent": 41}, marks=bytes(1770), answers=[{"columns": []}])
    wide_map.exchange()
    assert counted("cells") == cells + COLUMNS * (COLUMNS - 1)  # once for a message
    page.get_by_label("Search columns").fill("17")
    assert counted("cells") == cells + (COLUMNS + 1) * (COLUMNS - 1)
    assert float(canvas.evaluate("node => node.clientHeight")) < 200
    assert errors == []
