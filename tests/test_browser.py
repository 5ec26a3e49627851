"""Live view and panel in a real browser, in a real JupyterLab."""

from __future__ import annotations

import os
import re
from pathlib import Path

import ipykernel
import nbformat
import pytest

pytest.importorskip("playwright")
from ipywidgets.embed import dependency_state
from lab import CHROMIUM, FLAGS, PATIENCE, Lab, Visit, until
from playwright.sync_api import Locator, expect, sync_playwright

from mmg_nb.jupyter.form import describe
from mmg_nb.jupyter.panel import PanelWidget

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
hears = pytest.mark.skipif(
    ipykernel.version_info < (7,), reason="this kernel hears no button while a cell runs"
)
expect.set_options(timeout=1000 * PATIENCE)

SETUP = """
import numpy as np, pandas as pd
import mmg_nb
from fake_estimator import Fake
mmg_nb.register(Fake)
%load_ext mmg_nb
%mmg config estimator=fake
rng = np.random.default_rng(0)
x, y, short = rng.normal(size=(100, 2)), rng.normal(size=100), rng.normal(size=60)
df = pd.DataFrame(rng.normal(size=(100, 3)), columns=["age", "bmi", "sugar"])
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folder for screenshots: MMG_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("MMG_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def visit(lab, browser):
    """Open an existing notebook, or a new one with the given cells; close all pages at the end."""
    visits = []

    def open_notebook(name, *cells, busy=False):
        if cells:
            lab.write(name, SETUP, *cells)
        visits.append(Visit(lab, browser, name, busy=busy))
        return visits[-1]

    yield open_notebook
    for each in visits:
        each.page.close()


@pytest.fixture(scope="module")
def panels(visit):
    """A page with two panels."""
    long = "--steps 2000 --delay 0.02 --curves"
    opened = visit("panels.ipynb", f"%mmg panel x y {long}", "%mmg panel y x --steps 5")
    opened.run_all()
    return opened


def panels_in(opened: Visit) -> Locator:
    return opened.page.get_by_role("region", name="Mutual information panel")


def button(where: Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def result_in(panel: Locator) -> Locator:
    return panel.get_by_role("region", name="Result")


def frames(live: Locator) -> int:
    return int(live.get_attribute("data-frames"))


def frames_in_two_seconds(live: Locator) -> int:
    live.locator("polyline").first.wait_for()
    before = frames(live)
    live.page.wait_for_timeout(2000)
    return frames(live) - before


def test_a_panel_is_started_watched_and_stopped(panels, pictures):
    panel = panels_in(panels).first
    panel.get_by_label("x", exact=True).select_option("df")
    panel.get_by_label("age", exact=True).check()
    panel.get_by_label("sugar").check()
    button(panel, "Start").click()
    assert 4 <= frames_in_two_seconds(panel.locator(".mmg-live")) <= 11
    panels.page.screenshot(path=pictures / "panel_live.png")
    button(panel, "Stop").click()
    expect(result_in(panel)).to_contain_text("stopped early")
    expect(panel.locator(".mmg-history tbody")).to_contain_text("I(df[['age', 'sugar']]; y)")
    expect(result_in(panel).locator("img").last).to_be_visible()
    panels.page.screenshot(path=pictures / "panel_result.png")
    assert panels.errors == []


def test_several_estimators_run_side_by_side(panels, pictures):
    panel = panels_in(panels).first
    panel.get_by_text("Compare with").click()
    others = panel.get_by_role("group", name="Compare with")
    expect(others.get_by_label("fake")).to_be_hidden()
    others.get_by_label("gcmi").check()
    others.get_by_label("ksg").check()
    button(panel, "Start").click()
    expect(result_in(panel)).to_contain_text("running")
    panels.page.screenshot(path=pictures / "panel_compares.png")
    button(panel, "Stop").click()
    expect(result_in(panel).locator("img").last).to_be_visible()
    expect(panel.locator(".mmg-history tbody")).to_contain_text("gcmi, ksg, fake")
    panels.page.screenshot(path=pictures / "panel_compared.png")
    others.get_by_label("gcmi").uncheck()
    others.get_by_label("ksg").uncheck()
    assert panels.errors == []


def test_the_panel_shows_an_error_for_an_invalid_choice(panels, pictures):
    panel = panels_in(panels).last
    panel.get_by_label("y", exact=True).select_option("short")
    button(panel, "Start").click()
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("x and y must have equal numbers of rows")
    panels.page.screenshot(path=pictures / "panel_message.png")
    panel.get_by_label("y", exact=True).select_option("")
    button(panel, "Start").click()
    expect(alert).to_contain_text("Choose a variable for y.")
    expect(alert).to_contain_text("Arrays here: x (100×2)")
    panel.get_by_label("y", exact=True).select_option("x")
    expect(alert).to_be_hidden()
    panel.get_by_text("More settings").click()
    panel.get_by_label("rounds", exact=True).scroll_into_view_if_needed()
    panel.get_by_label("steps", exact=True).fill("-1")
    button(panel, "Start").click()
    expect(alert).to_be_in_viewport(ratio=1)
    panel.get_by_label("steps", exact=True).fill("5")
    expect(alert).to_be_hidden()
    panel.get_by_text("More settings").click()
    assert panels.errors == []


def test_two_panels_do_not_disturb_each_other(panels):
    first, second = panels_in(panels).first, panels_in(panels).last
    expect(panels_in(panels)).to_have_count(2)
    button(first, "Start").click()
    expect(button(first, "Stop")).to_be_enabled()
    button(second, "Start").click()
    expect(result_in(second)).to_contain_text("0.511")
    expect(second.get_by_role("alert")).to_be_hidden()
    expect(button(first, "Stop")).to_be_enabled()
    button(first, "Stop").click()
    expect(button(first, "Start")).to_be_enabled()
    assert panels.errors == []


KINDS = ("button", "combobox", "textbox", "checkbox", "progressbar", "img")
CONTROL = re.compile(rf"- ({'|'.join(KINDS)})\b(.*)")


def test_every_control_has_a_name_and_the_keyboard_is_enough(panels, pictures):
    panel, keys = panels_in(panels).first, panels.page.keyboard
    panel.get_by_text("More settings").click()
    panel.get_by_label("steps", exact=True).focus()
    for _ in range(40):  # the settings that follow
        keys.press("Tab")
        if button(panel, "Start").evaluate("node => node === document.activeElement"):
            break
    expect(button(panel, "Start")).to_be_focused(timeout=2000)
    keys.press("Enter")
    panel.locator("polyline").first.wait_for()
    controls = CONTROL.findall(panel.aria_snapshot())
    assert {kind for kind, _ in controls} == set(KINDS)
    assert [each for each in controls if not re.match(r' "[^"]+"', each[1])] == []
    image = panel.get_by_role("img").first
    expect(image).to_have_attribute("aria-label", re.compile("Denoising error.* nats"))
    expect(panel.get_by_role("status").first).to_contain_text("training")
    button(panel, "Stop").focus()
    keys.press("Space")
    expect(button(panel, "Start")).to_be_enabled()
    # Letters must not run notebook commands while a control of the panel has the focus.
    cells = panels.page.locator(".jp-Cell").count()
    button(panel, "Show run 1").focus()
    for key in "abbdd":
        keys.press(key)
    assert panels.page.locator(".jp-Cell").count() == cells
    assert panels.errors == []


def test_colours_follow_the_theme(panels):
    line = panels_in(panels).first.locator(".mmg-swatch.mmg-a").first
    colour = "node => getComputedStyle(node).borderTopColor"
    light = line.evaluate(colour)
    panels.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert line.evaluate(colour) != light
    panels.page.evaluate("document.body.dataset.jpThemeLight = 'true'")


@hears
def test_a_cell_that_waits_is_watched_paused_and_stopped(visit, pictures):
    opened = visit("live.ipynb", "%mmg estimate x y --steps 2000 --delay 0.02 --curves -o res")
    opened.run_all()
    page, live = opened.page, opened.page.locator(".mmg-live")
    assert 4 <= frames_in_two_seconds(live) <= 11
    page.screenshot(path=pictures / "live.png")
    live.get_by_role("img").first.hover()
    expect(live.locator("tspan")).to_have_count(2)  # both errors at the mouse
    button(live, "Pause").click()
    button(live, "Resume").click()
    expect(button(live, "Pause")).to_be_enabled()
    answer = "stop => { stop.click(); return stop.textContent; }"
    assert button(live, "Stop").evaluate(answer) == "Stopping…"  # before the kernel hears of it
    output = page.locator(".jp-OutputArea-output").last
    expect(output).to_contain_text("x tells 0.511")
    expect(output).to_contain_text("stopped early")
    expect(live).to_have_count(0)
    assert opened.errors == []


@hears
def test_python_calls_and_handles_show_the_same_view(visit, pictures):
    options = '"fake", steps=2000, delay=0.02, curves=True'
    cells = (f"mmg_nb.start(x, y, {options})", f"res = mmg_nb.estimate(x, y, {options})", "res")
    opened = visit("python.ipynb", *cells)
    opened.run_all()
    outputs = opened.page.locator(".jp-OutputArea-output")
    live = opened.page.locator(".mmg-live")
    expect(live).to_have_count(2)
    live.last.locator("polyline").first.wait_for()
    opened.page.screenshot(path=pictures / "python.png")
    button(live.last, "Stop").click()
    expect(outputs.last).to_contain_text("Not a final result. So far: x tells 0.511")
    expect(live).to_have_count(1)
    button(live.first, "Stop").click()
    expect(outputs.first).to_contain_text("Not a final result. So far: x tells 0.511")
    expect(live).to_have_count(0)
    assert opened.errors == []


@pytest.mark.accuracy
def test_a_page_opened_again_during_a_run_shows_its_result(visit, pictures):
    long = "%mmg estimate x y --steps 5000 --delay 0.02 --curves"
    opened = visit("again.ipynb", long, "pass")
    opened.run_all()
    opened.page.locator(".mmg-live polyline").first.wait_for()
    assert "Estimating I(x; y)" in str(opened.save()["cells"][1]["outputs"])
    opened.page.close()

    again = visit("again.ipynb", busy=True)
    output = again.page.locator(".jp-OutputArea-output").first
    expect(output).to_contain_text("If the kernel still runs, the result appears here")
    again.page.screenshot(path=pictures / "again_during.png")
    again.interrupt()
    expect(output).to_contain_text("x tells 0.511")
    expect(output).to_contain_text("stopped early")
    expect(output.locator("img").last).to_be_visible()
    expect(again.page.get_by_text("Error displaying widget")).to_have_count(0)
    again.page.screenshot(path=pictures / "again_result.png")

    # The next run closes the widget; what it showed stays.
    last = again.page.locator(".jp-CodeCell").last
    last.locator(".cm-content").fill("%mmg estimate y x --steps 20 --delay 0.05")
    again.page.keyboard.press("Control+Enter")
    expect(last.locator(".jp-OutputArea-output")).to_contain_text("reliable")
    expect(output).to_contain_text("x tells 0.511")
    assert again.errors == []


def with_state_of_a_widget(path: Path) -> None:
    """Add the state of the panel's widget, which front ends save on request."""
    notebook = nbformat.read(path, 4)
    (slot,) = re.findall('data-mmg-slot="(.+?)"', notebook.cells[1].outputs[0].data["text/html"])
    widget = PanelWidget(slot=slot, form=describe())
    state = {"version_major": 2, "version_minor": 0, "state": dependency_state(widget)}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    nbformat.write(notebook, path)
    widget.close()


@pytest.mark.accuracy
def test_a_saved_panel_shows_its_result_with_and_without_its_kernel(visit, lab, pictures):
    opened = visit("saved.ipynb", "%mmg panel x y --steps 5 --curves")
    opened.run_all()
    panel = panels_in(opened)
    button(panel, "Start").click()
    expect(result_in(panel).locator("img").last).to_be_visible()
    until(lambda: "<img" in str(opened.save()["cells"][1]["outputs"]))
    notebook = opened.save()
    assert "widgets" not in notebook["metadata"]
    assert set(notebook["cells"][1]["outputs"][0]["data"]) == {"text/plain", "text/html"}

    opened.page.reload()  # the kernel still runs, and so does its panel
    expect(button(panels_in(opened), "Show run 1")).to_be_enabled()
    assert opened.errors == []
    opened.page.close()
    lab.end_kernels()

    with_state_of_a_widget(lab.root / "saved.ipynb")
    again = visit("saved.ipynb")
    output = again.page.locator(".jp-OutputArea-output").first
    expect(output).to_contain_text("x tells 0.511")
    expect(output.locator("img").last).to_be_visible()
    # The page is not trusted: it keeps images, but no SVG elements and no computed positions.
    bar = output.get_by_role("img", name="interval from 0.472 to 0.550")
    assert bar.evaluate("image => image.naturalWidth") == 200
    again.page.wait_for_timeout(2500)  # a widget without a kernel would show an error by now
    expect(panels_in(again)).to_have_count(0)
    expect(again.page.get_by_text("Error displaying widget")).to_have_count(0)
    again.page.screenshot(path=pictures / "saved.png")
    # anywidget reports an error of its own for a model without a kernel.
    assert [error for error in again.errors if not error.startswith("[anywidget]")] == []
