"""What a card says of a result, in each of its formats."""

from __future__ import annotations

import base64
import html
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fake_estimator import make_result
from nbconvert.exporters import LatexExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

import mmg_nb
from mmg_nb.results.facts import Badge, badge, facts, number
from mmg_nb.results.held_out_test import HeldOutTest
from mmg_nb.results.interval_bar import interval_bar
from mmg_nb.results.status import Status


@pytest.fixture
def bare(result):
    """A result without curves, so that nothing is drawn."""
    return replace(result, curve=None)


def in_words(result, unit="nats"):
    """Every text of the bundle on one line, by kind, without markup."""
    bundle, _ = result.bundle(unit)
    page = html.unescape(re.sub(r"<[^>]+>", " ", bundle["text/html"]))
    plain = bundle["text/markdown"].replace("\\", "")
    latex = re.sub(r"\\ensuremath\{(.+?)\}", r"\1", bundle["text/latex"])
    latex = latex.replace(r"\pm", "±").replace(r"\times", "×").replace("\\", "")
    texts = {"text": bundle["text/plain"], "html": page, "markdown": plain, "latex": latex}
    return {kind: " ".join(text.split()) for kind, text in texts.items()}


def test_every_format_says_the_same(bare):
    given = replace(bare, names=("body_mass & fat", "target"), notes=("A note. Do this.",) * 2)
    said = facts(given)
    expected = [said.headline, str(said.badge), *said.lines, said.method, "A note. Do this."]
    assert said.headline == "body_mass & fat tells 0.511 ± 0.020 nats about target"
    for kind, text in in_words(given).items():
        for each in (*expected, *(text for _, text in said.details)):
            assert text.count(each) == 1, (kind, each)


def test_bits_are_the_same_facts_in_another_unit(bare):
    said = facts(bare, "bits")
    assert said.headline == "x tells 0.737 ± 0.029 bits about y"
    assert said.range == "95 % interval: 0.680 to 0.794 bits"
    assert "That is 0.511 nats" in said.meaning
    assert facts(bare).value == pytest.approx(said.value * math.log(2))


def test_the_equivalent_correlation_is_that_of_the_gaussian_pair(bare):
    assert "as strong as a correlation of 0.80 between" in facts(bare).meaning
    assert "a partial correlation of 0.80" in facts(replace(bare, dim_z=1)).meaning
    assert "correlation of almost 1" in facts(replace(bare, mi=9.5)).meaning
    assert "correlation" not in facts(replace(bare, mi=-0.2, stderr=None)).meaning


def test_of_categories_the_share_of_the_entropy_is_given():
    sex = pd.Series(["a", "b"] * 100, name="sex")
    found = mmg_nb.estimate(sex, sex.rename("copy"), "ksg")
    assert found.entropies == pytest.approx({"x": math.log(2), "y": math.log(2)})
    share = round(100 * found.mi / math.log(2))
    assert f"{share} % of the entropy of copy" in facts(found).meaning


def test_names_come_from_columns():
    table = pd.DataFrame({f"column {i}": range(100) for i in range(9)}) % 17
    found = mmg_nb.estimate(table["column 1"], table, "cca", discrete="none")
    assert found.called[0] == "column 1"
    assert re.fullmatch(r"column 0, .* and \d more", found.called[1])
    unnamed = mmg_nb.estimate(table["column 1"].to_numpy(), table[["column 2"]], "cca")
    assert unnamed.called == ("x", "column 2", "")


def test_a_run_stopped_after_a_step_does_not_look_like_a_result(bare):
    stopped = replace(bare, status=Status.INTERRUPTED)
    said = facts(stopped)
    assert said.headline == "Not a final result. So far: x tells 0.511 ± 0.020 nats about y"
    assert (said.badge, said.interval, said.meaning) == ("stopped early", None, "")
    assert repr(stopped).startswith("MIResult(stopped early; so far 0.511")
    assert "<img" not in stopped.bundle()[0]["text/html"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Badge.RELIABLE),
        ({"mi": 0.0, "stderr": 0.002}, Badge.RELIABLE),
        ({"status": Status.INTERRUPTED, "notes": ("It may be infinite.",)}, Badge.STOPPED),
        ({"status": Status.DIVERGED}, Badge.FAILED),
        ({"status": Status.STEP_LIMIT}, Badge.MORE_STEPS),
        ({"status": Status.STEP_LIMIT, "notes": ("It may be infinite.",)}, Badge.INFINITE),
        ({"notes": ("Mutual information may be larger.",)}, Badge.LARGER),
        ({"stderr": None}, Badge.NO_ERROR),
        ({"stderr": 0.15}, Badge.MORE_DATA),
        ({"mi": 5.0, "stderr": 0.15}, Badge.RELIABLE),
    ],
)
def test_one_badge_says_the_most_serious_reservation(bare, change, expected):
    assert badge(replace(bare, **change)) is expected


def test_functions_of_each_other_may_be_infinite():
    x = pd.Series(range(100), dtype=float)
    for estimator in ("gcmi", "cca", "ksg"):
        found = mmg_nb.estimate(x, 2 * x, estimator)
        assert badge(found) is Badge.INFINITE
        assert facts(found).interval is None


def test_neighbours_in_many_columns_give_no_upper_limit():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(100, 60))
    found = mmg_nb.estimate(x, x[:, 17] + 0.3 * rng.normal(size=100), "ksg")
    said = facts(found)
    assert said.badge is Badge.LARGER
    assert said.interval is None
    assert "at most" not in said.meaning
    assert "nothing measurable" not in said.headline


def test_no_dependence_is_said_with_its_upper_limit(bare):
    said = facts(replace(bare, mi=-0.0001, stderr=0.002))
    assert said.headline == "x tells nothing measurable about y: 0.000 ± 0.002 nats"
    assert said.meaning == "Not distinguishable from 0; at most about 0.004 nats."
    wide = facts(replace(bare, mi=0.3, stderr=0.2))
    assert wide.headline == "x tells 0.300 ± 0.200 nats about y"
    assert "Not distinguishable from 0" in wide.meaning


def test_a_test_that_finds_dependence_is_not_contradicted(bare):
    """The error bar may reach 0 although shuffled rows show that there is something."""
    weak = replace(bare, mi=0.05, stderr=0.03, test=HeldOutTest((0.3, 0.001), 999, 0.05, ()))
    said = facts(weak)
    assert said.headline == "x tells 0.050 ± 0.030 nats about y"
    assert said.meaning == "A test finds dependence (p = 0.002), of at most about 0.109 nats."
    assert "a test finds dependence (p = 0.002)" in repr(weak)
    unclear = replace(weak, test=HeldOutTest((0.3, 0.04), 999, 0.05, ()))
    for other in (unclear, bare, replace(weak, mi=0.02), replace(weak, dim_z=1)):
        assert "test" not in facts(other).meaning + repr(other)
    assert "correlation" in facts(replace(weak, mi=0.5)).meaning


def test_the_reason_of_a_wide_interval_is_said(bare):
    """A table sorted by class needs another reading of its rows, not more of them."""
    parts = {"sampling": 0.1, "rows in series": 0.28}
    wide = replace(bare, mi=0.7, stderr=0.3, error_parts=parts)
    assert "rows='independent'" in facts(wide).advice
    assert "rows='independent'" in in_words(wide)["html"]
    assert "%mmg test" not in facts(wide).advice
    assert facts(replace(wide, mi=0.1)).advice.endswith("%mmg test, or mmg_nb.independence_test.")
    other = replace(wide, error_parts={"sampling": 0.28, "rows in series": 0.1})
    assert facts(other).advice == Badge.MORE_DATA.advice
    assert facts(replace(bare, error_parts=wide.error_parts)).advice == ""


def test_a_stopped_run_says_how_to_go_on(bare, tmp_path, monkeypatch):
    stopped = replace(bare, status=Status.INTERRUPTED)
    assert "--" not in facts(stopped).advice  # the panel and Python have no flags
    assert "Only a run that keeps a checkpoint file can be continued." in facts(stopped).advice
    file = tmp_path / "my run.mmg"
    kept = replace(stopped, provenance={"checkpoint": str(file)})
    assert f"%mmg resume {str(file)!r}" in facts(kept).advice
    file.touch()
    monkeypatch.chdir(tmp_path)
    assert "mmg_nb.resume('my run.mmg')" in facts(kept).advice


def test_zero_has_no_sign():
    assert (number(-0.0004), number(-0.0006), number(0.0)) == ("0.000", "-0.001", "0.000")


def test_an_interval_bar_is_an_image_in_proportion():
    tag = interval_bar(1, 2, 3, 0, 4)
    drawn = base64.b64decode(re.search('base64,(.+?)"', tag)[1]).decode()
    left, right = re.search(r'M([\d.]+) 7.0H([\d.]+)" stroke="#2', drawn).groups()
    assert re.search(r'cx="([\d.]+)', drawn)[1] == "100.0"
    assert (left, right) == ("53.0", "147.0")
    assert 'alt="interval from 1.000 to 3.000 on an axis from 0.000 to 4.000"' in tag
    assert interval_bar(0, 0, 0, 0, 0).startswith("<img")
    open_dot = interval_bar(1, 2, 3, 0, 4, final=False)
    assert 'alt="preliminary interval from 1.000 to 3.000' in open_dot
    drawn = base64.b64decode(re.search('base64,(.+?)"', open_dot)[1]).decode()
    assert re.search(r'<circle cx="100.0" cy="7.0" r="4" fill="none"', drawn)
    assert interval_bar(-math.inf, 0, math.inf, 0, 1) == "–"


def test_a_notebook_as_latex_has_the_numbers_and_the_curves():
    """nbconvert takes `text/latex` and leaves out the picture."""
    result = make_result()
    data, metadata = result.bundle()
    output = new_output("execute_result", data, execution_count=1, metadata=metadata)
    notebook = new_notebook(cells=[new_code_cell("res", execution_count=1, outputs=[output])])
    tex = LatexExporter().from_notebook_node(notebook)[0]
    assert r"0.511 \ensuremath{\pm} 0.020 nats" in tex
    lines = re.findall(r"\\qbezier\((.*?),(.*?)\)\((.*?)\)\((.*?),(.*?)\)", tex)
    bins = len(result.curve.logsnr)
    assert len(lines) == 2 * (bins - 1)
    heights = np.array([[float(each[1])] for each in lines]).reshape(2, bins - 1)
    scale = 45 / result.curve.mse.max()
    np.testing.assert_allclose(heights[0], scale * result.curve.mse[:-1], atol=0.051)
    gap = (heights[0] - heights[1]) / scale
    np.testing.assert_allclose(gap, result.curve.gaps["inner"][:-1], atol=0.11 / scale)
    nothing = replace(result.curve, mse=np.full(bins, np.nan))
    assert "qbezier" not in replace(result, curve=nothing).bundle()[0]["text/latex"]
