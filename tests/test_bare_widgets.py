"""The widgets in a real browser, without a notebook: what they do with what the kernel sends."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("playwright")
from bare_page import PATIENCE, BarePage
from lab import CHROMIUM, FLAGS
from playwright.sync_api import expect, sync_playwright

import mmg_nb
from mmg_nb.jupyter.explore import Explorer
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.panel import Panel
from mmg_nb.jupyter.runs import Runs, RunTable
from mmg_nb.plots.result import PNG_WIDTH
from mmg_nb.results.status import Status

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
COLUMNS = 60
expect.set_options(timeout=1000 * PATIENCE)
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
    shown.until(lambda: explorer._fill.phase == "nearest neighbours")
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


def test_errors_stand_at_the_control_that_caused_them(browser, shell):
    table = pd.DataFrame({f"column {k}": [np.nan, *range(99)] for k in range(12)})
    shell.user_ns["df"] = table.assign(ward=["a", "b"] * 50)
    panel = Panel(shell).choose(x="df[['column 1', 'column 3']]", y="x", estimator="ksg", k=3)
    shown = BarePage(browser, panel._widget)
    page = shown.page
    columns = page.get_by_role("group", name="Columns for x", exact=True)
    assert columns.get_by_role("checkbox", checked=True).count() == 2
    assert "2 of 13" in columns.inner_text()
    assert columns.get_by_text("category").count() == 1  # the kind of `ward`
    start = page.get_by_role("button", name="Start")
    problems = page.locator(".mmg-problem:visible, .mmg-message:visible")

    def blamed(control, text):
        start.press("Enter")
        shown.until(lambda: text in " ".join(problems.all_inner_texts()))
        assert problems.count() == 1
        field = page.get_by_label(control, exact=True)
        assert field.get_attribute("aria-invalid") == "true"
        assert field.evaluate("node => node === document.activeElement")
        assert (
            text
            in page.locator(f"#{field.get_attribute('aria-describedby').split()[-1]}").inner_text()
        )

    blamed("x", "x must be finite")
    page.get_by_label("missing", exact=True).select_option("drop")
    page.get_by_label("discrete", exact=True).fill("wards")
    blamed("discrete", "wards")
    page.get_by_label("discrete", exact=True).fill("auto")
    page.get_by_label("Search columns for x").fill("1")
    columns.get_by_role("button", name="None").click()
    assert "1 of 13" in columns.inner_text()  # those that are found
    page.get_by_label("Search columns for x").fill("")
    columns.get_by_role("button", name="None").click()
    blamed("x", "Choose at least one column")
    columns.get_by_role("checkbox", name="column 2").check()
    field = page.get_by_label("seed", exact=True)
    assert not field.is_visible()
    field.evaluate("node => { node.value = '-1'; }")
    blamed("seed", "seed must")  # the fold is open now
    field.fill("1")
    start.press("Enter")
    shown.until(lambda: panel.run is not None and panel.run.state.ended)
    shown.until(lambda: page.get_by_role("region", name="Result").count() == 1)
    assert problems.count() == 0
    assert f"Show run {panel.run.number}" in page.locator(".mmg-history").inner_html()
    assert shown.errors == []
    panel.close()


@pytest.fixture
def compared(browser, shell):
    """A panel that shows the comparison of three runs, one of them with long names."""
    shell.user_ns["df"] = pd.DataFrame({"wave": range(60), "a_rather_long_column_name": range(60)})
    panel = Panel(shell).choose(x="x[:, 0]", y="y", estimator="ksg", k=5)
    shown = BarePage(browser, panel._widget)
    panel.start().wait()
    panel.choose(x="df[['wave', 'a_rather_long_column_name']]", y="y[:60]").start().wait()
    panel.choose(x="x", y="y", estimator="gcmi").start().wait()
    shown.until(lambda: len(panel._widget.rows) == 3 and panel._widget.view == "result")
    panel.compare()
    shown.exchange()
    yield shown
    panel.close()


def cut_off(part, seen):
    """Of elements in a part of the page: those that are not wholly inside it."""
    frame = part.bounding_box()
    boxes = [each.bounding_box() for each in part.locator(seen).all()]
    assert boxes
    inside = [
        frame["x"] - 1 <= b["x"] and b["x"] + b["width"] <= frame["x"] + frame["width"] + 1
        for b in boxes
        if b is not None
    ]
    return inside.count(False)


@pytest.mark.parametrize("width", [1100, 860])  # of a page of 1300 pixels; with a side bar
def test_tables_of_the_panel_are_not_cut_off(compared, width):
    page = compared.page
    page.set_viewport_size({"width": width, "height": 900})
    assert cut_off(page.get_by_role("region", name="Result"), "td img, td span, td div") == 0
    assert cut_off(page.locator(".mmg-scroll"), "th, td, td button") == 0
    for row in page.locator(".mmg-history tbody tr").all():
        cells = [each.bounding_box() for each in row.locator("td").all()]
        cells = [each for each in cells if each is not None]
        assert all(a["x"] + a["width"] <= b["x"] + 1 for a, b in itertools.pairwise(cells))
    assert compared.errors == []


def test_a_narrow_panel_shows_the_estimates_of_its_runs_first(compared):
    page = compared.page
    page.set_viewport_size({"width": 365, "height": 900})
    for text in (
        ".mmg-result td span, .mmg-result td img",
        ".mmg-history td, .mmg-history td button",
    ):
        assert cut_off(page.locator(".mmg"), text) == 0
    for row in page.locator(".mmg-history tbody tr").all():
        estimate, quantity = (row.locator("td").nth(k).bounding_box() for k in (2, 4))
        assert estimate["height"] < 25  # one line
        assert estimate["y"] < quantity["y"]
        assert row.bounding_box()["height"] < 160
    assert page.get_by_role("columnheader", name="quantity", exact=True).count() == 1
    assert compared.errors == []


def test_a_narrow_table_of_runs_shows_estimates(browser, shell):
    said = "no clear dependence: p = 0.34"
    answer = SimpleNamespace(status=Status.CONVERGED, summary_in=lambda unit: said)
    table = Runs()
    for what in ("test of df.height, df.a_rather_long_column_name", "test of x, y"):
        run = Run(lambda listen: answer, what=what, estimator="ksg")
        run.start().wait()
        table.add(run)
    page = browser.new_page(viewport={"width": 380, "height": 900})
    page.set_content(RunTable.of(table)._repr_html_())
    for row in page.locator("tbody tr").all():
        cell = row.locator("td").filter(has_text=said).bounding_box()
        assert cell["x"] + cell["width"] < 200
        assert row.bounding_box()["height"] < 110
    page.close()


def test_a_figure_scrolls_in_a_narrow_page(browser, result):
    page = browser.new_page(viewport={"width": 300, "height": 900})
    page.set_content(f"<body style='margin:0'>{result.bundle()[0]['text/html']}</body>")
    figure = page.get_by_role("img").last
    width = PNG_WIDTH
    for size, shown in ((300, 0.7 * width), (0.8 * width, 0.8 * width), (2 * width, width)):
        page.set_viewport_size({"width": round(size), "height": 900})
        assert figure.bounding_box()["width"] == pytest.approx(shown, abs=1)
        assert page.evaluate("document.documentElement.scrollWidth") <= round(size)
    page.close()


def test_a_page_that_is_opened_again_has_the_same_choices(browser, shell):
    shell.user_ns["df"] = pd.DataFrame({f"column {k}": range(100) for k in range(3)})
    panel = Panel(shell).choose(x="x", y="y", estimator="gcmi")
    first = BarePage(browser, panel._widget)

    def chosen(page, *labels):
        return [page.get_by_label(label, exact=True).input_value() for label in labels]

    page = first.page
    page.get_by_label("x", exact=True).select_option("df")
    page.get_by_role("checkbox", name="column 2").check()
    page.get_by_label("y", exact=True).select_option(label="expression…")
    page.get_by_label("Expression for y").fill("y + 1")
    page.get_by_label("estimator", exact=True).select_option("mmg")
    page.get_by_label("effort", exact=True).select_option("quick")
    page.get_by_text("More settings").click()
    page.get_by_label("seed", exact=True).press_sequentially("7")
    page.get_by_text("Compare with").click()
    page.get_by_label("ksg", exact=True).check()
    first.exchange()
    first.exchange()  # the page hears of its own choices
    labels = "x", "y", "Expression for y", "estimator", "effort", "seed"
    before = chosen(page, *labels)
    assert before[0] == "df"
    assert before[2:] == ["y + 1", "mmg", "quick", "70"]

    again = BarePage(browser, panel._widget).page
    assert chosen(again, *labels) == before
    for name, on in (("column 1", False), ("column 2", True), ("ksg", True), ("gcmi", False)):
        assert again.get_by_label(name, exact=True).is_checked() is on
    panel.choose(effort="normal", beside="")
    first.exchange()
    assert chosen(page, *labels) == [*before[:4], "normal", "70"]
    run = panel.choose(estimator="gcmi").start()  # what the browser chose, and Python
    assert run.what == "I(df['column 2']; y + 1)"
    run.wait()
    assert first.errors == []
    panel.close()


def test_the_keyboard_reaches_what_can_be_scrolled(browser, shell):
    x, y = np.random.default_rng(0).normal(size=(2, 60))
    table = mmg_nb.compare(x, y, "gcmi,ksg").html()
    panel = Panel(shell)
    shown = BarePage(browser, panel._widget, width=360)
    page, keys, put = shown.page, shown.page.keyboard, panel._widget.put
    said = dict.fromkeys(("what", "subject", "doing", "estimate", "hint", "phase"), "x")
    live = {"view": "live", "said": {**said, "state": "running", "percent": 3}}
    start = page.get_by_role("button", name="Start")
    for name, state, before in (
        ("Result", {"view": "result", "shown": table}, "More settings"),
        ("Estimates so far", {**live, "standing": table, "steerable": True}, "Stop"),
    ):
        put(**state)
        shown.exchange()
        part = page.get_by_role("region", name=name)
        expect(part).to_have_attribute("tabindex", "0")
        page.get_by_text(before, exact=True).focus()
        keys.press("Tab")
        expect(part).to_be_focused()
        keys.press("ArrowRight")
        page.wait_for_function("() => document.activeElement.scrollLeft > 0")
        start.focus()
        page.set_viewport_size({"width": 1300, "height": 900})
        expect(part).not_to_have_attribute("tabindex", "0")
        page.set_viewport_size({"width": 360, "height": 900})
    assert shown.errors == []
    panel.close()
