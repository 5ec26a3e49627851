"""A table to explore in a real browser, in a real JupyterLab."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from lab import CHROMIUM, FLAGS, PATIENCE, Lab, Visit, until
from playwright.sync_api import Locator, expect, sync_playwright

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
expect.set_options(timeout=1000 * PATIENCE)

SETUP = """
import numpy as np, pandas as pd
import mmg_nb
from mmg_nb.jupyter import background, explore_pairs
%load_ext mmg_nb
rng = np.random.default_rng(0)
cause = rng.normal(size=80)
df = pd.DataFrame({"cause": cause, "effect": cause + 0.3 * rng.normal(size=80),
    "kind": np.where(cause > 0, "up", "down"), "noise": rng.normal(size=80), "same": 1.0})
few = {"mmg": {"steps": 20, "folds": 2}, "ksg": {}}
explore_pairs.start = lambda x, y, name, **more: background.start(
    x, y, name, **{**few[name], **more})
"""
CONTROL = re.compile(r"- (button|combobox|textbox|checkbox|progressbar|img|application)\b(.*)")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folder for screenshots: MMG_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("MMG_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def page_of_maps(tmp_path_factory):
    """A page with a map of five columns."""
    lab = Lab(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks"))
    lab.write("maps.ipynb", SETUP, "%mmg explore df --target effect")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = Visit(lab, browser, "maps.ipynb")
        opened.run_all()
        yield opened
        browser.close()
    lab.stop()


def maps_in(opened: Visit) -> Locator:
    return opened.page.get_by_role("region", name="Map of a table")


def button(where: Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def test_the_map_fills_and_a_pair_is_opened_and_refined(page_of_maps, pictures):
    shown, page = maps_in(page_of_maps).first, page_of_maps.page
    expect(shown).to_contain_text("6 of 6 pairs")
    expect(shown).to_contain_text("1 column is left out")
    ranking = shown.get_by_role("region", name="Ranking")
    expect(ranking).to_contain_text("What tells most about effect?")
    expect(ranking.get_by_role("button").first).to_have_attribute(
        "aria-label", re.compile("cause")
    )
    ranking.get_by_role("button").first.click()
    pair = shown.get_by_role("region", name="Pair")
    expect(pair).to_contain_text("effect – cause")
    expect(pair.get_by_role("img", name="Scatter plot of 80 rows")).to_be_visible()
    page.screenshot(path=pictures / "explore_pair.png")
    refine = button(pair, "Refine")
    expect(refine).to_have_attribute("title", re.compile("all rows.*half a minute"))
    refine.click()
    expect(pair).to_contain_text("denoisers")
    expect(button(pair, "Refine longer")).to_have_attribute("title", re.compile("more steps"))
    pair.locator(".mmg-notes summary").click()
    expect(pair.locator(".mmg-notes")).to_contain_text("The button Refine longer")
    expect(pair).not_to_contain_text("step_limit")
    assert_numbers_follow_the_unit(page_of_maps, shown, pair)
    expect(pair.get_by_role("img", name=re.compile("Denoising error"))).to_be_visible()
    pair.get_by_label("given", exact=True).select_option("given kind")
    expect(pair.locator(".mmg-bars")).to_contain_text("given kind")
    page.screenshot(path=pictures / "explore_refined.png")
    assert page_of_maps.errors == []


def assert_numbers_follow_the_unit(opened, shown, pair):
    """Each value of a bar, the headline and the legend have one unit."""
    values = pair.locator(".mmg-value")
    for text in values.all_inner_texts():
        assert text.endswith(" nats"), text
    expect(pair.locator(".mmg-headline")).to_contain_text("nats")
    expect(shown.locator(".mmg-legend")).to_contain_text("numbers: nats")


def test_the_keyboard_is_enough_and_every_control_has_a_name(page_of_maps):
    shown, keys = maps_in(page_of_maps).first, page_of_maps.page.keyboard
    cells = page_of_maps.page.locator(".jp-Cell").count()
    shown.get_by_role("application").focus()
    under = shown.locator(".mmg-under")
    before = under.inner_text()
    keys.press("ArrowRight")
    expect(under).not_to_have_text(before)
    moved = under.inner_text()
    keys.press("ArrowDown")
    expect(under).not_to_have_text(moved)
    keys.press("Enter")
    title = under.inner_text().partition(":")[0]
    expect(shown.get_by_role("region", name="Pair").locator("h4")).to_have_text(title)
    for key in "abbdd":
        keys.press(key)
    assert page_of_maps.page.locator(".jp-Cell").count() == cells
    shown.get_by_text("Columns (4 of 4)").click()
    controls = CONTROL.findall(shown.aria_snapshot())
    assert {kind for kind, _ in controls} >= {"button", "combobox", "textbox", "checkbox"}
    assert [each for each in controls if not re.match(r' "[^"]+"', each[1])] == []
    shown.get_by_role("checkbox", name="noise").uncheck()
    expect(shown.get_by_text("Columns (3 of 4)")).to_be_visible()
    shown.get_by_text("Columns (3 of 4)").click()
    assert page_of_maps.errors == []


def test_it_is_exported(page_of_maps):
    shown, page = maps_in(page_of_maps).first, page_of_maps.page
    shown.get_by_text("Export", exact=True).click()
    with page.expect_download(timeout=1000 * PATIENCE) as download:
        button(shown, "Figure, SVG").click()
    file = download.value.path().read_text(encoding="utf-8")
    assert download.value.suggested_filename == "df_map.svg"
    assert "<svg" in file
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_text("Export", exact=True).click()
    button(shown, "Copy %mmg lines").click()
    expect(shown).to_contain_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("%mmg explore df[[")
    assert "--given df['kind']" not in copied  # neighbours only, so not among the refined
    assert page_of_maps.errors == []


def test_colours_follow_the_theme_and_a_narrow_page(page_of_maps, pictures):
    shown, page = maps_in(page_of_maps).first, page_of_maps.page
    shown.scroll_into_view_if_needed()
    canvas = shown.get_by_role("application")
    light, frames = canvas.screenshot(), canvas.get_attribute("data-frames")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    until(lambda: canvas.get_attribute("data-frames") != frames)
    assert canvas.screenshot() != light
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.set_viewport_size({"width": 600, "height": 1000})
    expect(canvas).to_be_visible()
    assert shown.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.screenshot(path=pictures / "explore_narrow.png")
    page.set_viewport_size({"width": 1300, "height": 1000})


def test_a_closed_map_leaves_its_picture(page_of_maps):
    shown = maps_in(page_of_maps).first
    button(shown, "Close").click()
    output = page_of_maps.page.locator(".jp-OutputArea-output img").first
    expect(output).to_be_visible()
    expect(maps_in(page_of_maps)).to_have_count(0)
    outputs = page_of_maps.save()["cells"][1]["outputs"]
    assert set(outputs[0]["data"]) == {"text/plain", "text/html", "image/png"}
    assert page_of_maps.errors == []
