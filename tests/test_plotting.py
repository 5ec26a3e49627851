"""Plots: their data as numbers; then that they draw and do not change the session."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from fake_estimator import make_result
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import mmg_nb
from mmg_nb import IndependenceTest, MIResult, estimate
from mmg_nb.errors import MMGError
from mmg_nb.plots import rows as plots
from mmg_nb.plots.axes import axes_png, save_figure
from mmg_nb.plots.forest import plot_estimates
from mmg_nb.plots.result import (
    KINDS,
    PNG_WIDTH,
    gap_data,
    integrand_data,
    plot_result,
    result_png,
    training_data,
)
from mmg_nb.questions.comparison import Comparison, Line
from mmg_nb.questions.transfer import Direction, TransferEntropy

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_area_of_the_gap_plot_is_twice_the_mi(result):
    data = gap_data(result)
    area = np.sum((data.without - data.with_it) * result.curve.width)
    assert area == pytest.approx(2 * result.mi, rel=0.01)
    assert data.form == "inner"


@pytest.mark.parametrize(("noised", "given"), [("x", "y"), ("y", "x")])
def test_the_curves_are_named_after_what_is_given(result, noised, given):
    axes = plot_result(replace(result, curve=replace(result.curve, noised=noised)))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"without {given}", f"with {given}"]


@pytest.mark.parametrize("name", ["mean concavity", "od280/od315_of_diluted_wines"])
def test_the_legend_covers_no_curve(result, name):
    measured = replace(result.curve, mse_given_y=result.curve.mse + 0.05)
    axes = plot_result(replace(result, names=("x", name), curve=measured))
    axes_png(axes)  # the layout is computed on drawing
    box = axes.get_legend().get_window_extent()
    for line in axes.lines:
        assert box.count_contains(axes.transData.transform(line.get_xydata())) == 0


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_a_figure_is_saved_with_fonts_that_journals_accept(result, tmp_path, ending):
    file = save_figure(plot_result(result), tmp_path / f"figure.{ending}")
    assert b"/FontType 3" not in file.read_bytes()
    assert mpl.rcParams["pdf.fonttype"] == 3
    for name, said in (("figure.doc", "Formats: "), ("no/figure.pdf", "write to")):
        with pytest.raises(MMGError, match=said):
            save_figure(plot_result(result), tmp_path / name)


def test_the_area_follows_the_form_reported(result):
    data = gap_data(replace(result, gap="orthogonal"))
    area = np.sum((data.without - data.with_it) * result.curve.width)
    assert area == pytest.approx(2.6 * result.mi, rel=0.01)
    assert data.excess_visible
    assert not gap_data(result).excess_visible


@pytest.mark.parametrize(("dim", "enlarged"), [(1, False), (25, True)])
def test_a_gap_too_small_to_see_is_enlarged(dim, enlarged):
    result = make_result(dim=dim)
    assert gap_data(result).enlarged is enlarged
    axes = plot_result(result)
    assert len(axes.child_axes) == int(enlarged)
    if enlarged:
        np.testing.assert_array_equal(
            axes.child_axes[0].lines[0].get_ydata(), result.curve.gaps["inner"]
        )


def test_the_gap_plot_names_its_area(result):
    axes = plot_result(result)
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["area = 2·MI = 1.022 nats"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), result.curve.mse)


def test_the_integrand_is_half_the_gap_with_the_reported_form_first(result):
    data = integrand_data(result)
    assert list(data.forms) == ["inner", "orthogonal"]
    other = integrand_data(replace(result, gap="orthogonal"))
    assert list(other.forms) == ["orthogonal", "inner"]
    value, error = data.forms["orthogonal"]
    np.testing.assert_allclose(value, 0.5 * result.curve.gaps["orthogonal"])
    np.testing.assert_allclose(error, 0.5 * result.curve.stderrs["orthogonal"])
    assert np.sum(data.forms["inner"][0]) * 0.5 == pytest.approx(result.mi, rel=0.01)


def test_the_integrand_plot_shows_every_form_and_emphasises_one(result):
    axes = plot_result(result, kind="integrand")
    lines = {line.get_label(): line for line in axes.lines}
    reported = lines["inner: 0.511 ± 0.020 nats (reported)"]
    other = lines["orthogonal: 0.664 ± 0.030 nats"]
    assert reported.get_linewidth() > other.get_linewidth()
    assert reported.get_linestyle() != other.get_linestyle()


def test_a_very_large_form_does_not_compress_the_reported_one(result):
    gaps = {**result.curve.gaps, "orthogonal": result.curve.gaps["inner"] * 1000}
    low, high = integrand_data(replace(result, curve=replace(result.curve, gaps=gaps))).span
    assert high - low < 20 * np.max(result.curve.integrand("inner"))


def test_training_shows_the_validation_record_and_labels_it(result):
    data = training_data(result)
    assert list(data.step) == [0, 10]
    assert data.final == result.mi
    labels = [text.get_text() for text in plot_result(result, kind="training").legend_.texts]
    assert labels == ["validation estimate", "result", "validation loss (right axis)"]


def test_units_stand_on_the_axes(result):
    for kind in ("gap", "integrand"):
        assert "ln(signal power / noise power)" in plot_result(result, kind=kind).get_xlabel()
    assert "nats per unit log-SNR" in plot_result(result, kind="integrand").get_ylabel()
    assert "nats" in plot_result(result, kind="training").get_ylabel()


def test_an_unknown_kind_raises_an_error_that_lists_the_kinds(result):
    with pytest.raises(MMGError) as caught:
        result.plot(kind="gaps")
    assert caught.value.remedy == "Kinds: gap, integrand, training, pointwise, data."


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_without_data_for_a_kind_raises_an_error(result, kind):
    empty = replace(result, estimator="gcmi", curve=None, history=None, sample=None)
    with pytest.raises(MMGError, match=rf"'gcmi' has no data for kind='{kind}'"):
        empty.plot(kind=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_given_axes_are_used_and_returned(result, kind):
    axes = Figure().add_subplot()
    assert result.plot(axes, kind) is axes
    assert axes.lines or axes.collections


@pytest.mark.parametrize("kind", KINDS)
def test_new_axes_are_displayed_in_a_notebook(result, kind):
    bundle, metadata = result.plot(kind=kind)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert "0x" not in bundle["text/plain"]
    alt = result.alt(kind)
    assert metadata == {"image/png": {"width": PNG_WIDTH, "alt": alt}}
    assert f'alt="{alt}"' in bundle["text/html"]


def test_drawing_survives_a_diverged_run(result):
    nothing = np.full_like(result.curve.mse, np.nan)
    gaps = dict.fromkeys(result.curve.gaps, nothing)
    curve = replace(result.curve, mse=nothing, mse_given_y=nothing, gaps=gaps, stderrs=gaps)
    broken = replace(result, mi=float("nan"), curve=curve)
    for kind in KINDS:
        broken.plot(kind=kind)
    assert result_png(broken).startswith(PNG)


def test_the_session_keeps_its_style(result):
    before = dict(mpl.rcParams)
    assert result_png(result).startswith(PNG)
    assert dict(mpl.rcParams) == before


def test_a_dark_style_of_the_session_leaves_the_letters_dark(result):
    with mpl.rc_context({"text.color": "white", "axes.labelcolor": "white"}):
        axes = plot_result(result)
    assert axes.xaxis.label.get_color() == axes.texts[0].get_color() == "#222222"


ANSWERS = {
    "comparison": lambda result: Comparison((Line("fake", result),)).plot(truth=1.0),
    "test": lambda result: IndependenceTest(result, (0.1, 0.0, 0.2), "permutations").plot(),
    "transfer": lambda result: TransferEntropy(
        (Direction("x", "y", 0.2, 0.05, (0.0, 0.1, 0.05)),), (1, 1), "", "ksg", 100
    ).plot(),
}


PAGES = "#ffffff", "#111111", "#212121"  # of JupyterLab: light, dark, and the panel in the dark


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    colour = np.asarray(colour)
    linear = np.where(colour > 0.04045, ((colour + 0.055) / 1.055) ** 2.4, colour / 12.92)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", [*KINDS, *ANSWERS])
def test_a_picture_can_be_read_on_light_and_on_dark_pages(result, kind, page):
    axes = ANSWERS[kind](result) if kind in ANSWERS else result.plot(kind=kind)
    pixels = np.asarray(Image.open(io.BytesIO(axes_png(axes))).convert("RGBA")) / 255.0
    *paper, cover = pixels[0, 0]
    paper = luminance(cover * np.array(paper) + (1 - cover) * np.array(to_rgb(page)))
    figure = axes.get_figure()
    words = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    contrasts = {text.get_text(): _contrast(paper, text) for text in words}
    assert len(contrasts) > 3
    assert min(contrasts.values()) >= 4.5, contrasts
    assert axes.xaxis.label.get_color() == "#222222"
    assert figure.get_facecolor() == (1, 1, 1, 1)  # `savefig` has white paper


def _contrast(paper, text):
    return (paper + 0.05) / (luminance(to_rgb(text.get_color())) + 0.05)


def test_every_figure_of_an_answer_says_what_it_shows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 3)).cumsum(axis=1), columns=["a", "b", "c"])
    lags = mmg_nb.lagged(table.a, table.b, "gcmi", lags="-1:1")
    answers = [
        mmg_nb.compare(table.a, table.b, "gcmi,cca"),
        mmg_nb.dependency_map(table, "gcmi"),
        mmg_nb.independence_test(table.a, table.b, "gcmi", permutations=19),
        mmg_nb.rank(table, "c", "gcmi"),
        mmg_nb.total_correlation(table, "gcmi"),
        mmg_nb.transfer_entropy(table.a, table.b, "gcmi", surrogates=19),
        lags,
    ]
    for found in answers:
        assert found.plot().alt == found.alt() != ""
    axes = answers[0].plot(ax=lags.plot(), unit="bits")
    assert axes.alt == f"{lags.summary}. {answers[0].alt('bits')}"
    assert lags.plot(Figure().add_subplot()).lines  # axes of matplotlib take no text


def test_few_estimates_need_little_height():
    few, many = (
        plot_estimates({str(k): (1.0, (0.9, 1.1)) for k in range(n)}).get_figure() for n in (2, 20)
    )
    assert few.get_figheight() < 2 < 6 < many.get_figheight() < 8


def test_noise_is_not_enlarged(result):
    gaps = {form: 1e-8 * gap for form, gap in result.curve.gaps.items()}
    nothing = replace(result, mi=1e-9, curve=replace(result.curve, gaps=gaps))
    axes = plot_result(nothing)
    assert axes.child_axes == []
    assert [text.get_text() for text in axes.texts] == ["no gap: area = 2·MI = 0.000 nats"]


def test_no_pyplot_and_no_matplotlib_before_the_first_plot(fresh_python):
    fresh_python("""
import sys
import mmg_nb, mmg_nb.plots.result, mmg_nb.results.result
assert "matplotlib" not in sys.modules
from fake_estimator import make_result
make_result()._repr_mimebundle_()
make_result().plot()._repr_mimebundle_()
assert "matplotlib.pyplot" not in sys.modules
""")


def test_a_card_needs_no_latex(result):
    with mpl.rc_context({"text.usetex": True}), np.errstate(all="raise"):
        for shown in (result, result.plot(kind="integrand"), result.plot(kind="training")):
            assert "image/png" in shown._repr_mimebundle_()[0]
        assert mpl.rcParams["text.usetex"]


def table_with_gaps():
    """800 rows of a named index, a third of them with a gap; `square` depends on `a` only."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=800)
    table = pd.DataFrame(
        {
            "noise": rng.normal(size=800),
            "a": a,
            "square": a**2 + 0.1 * rng.normal(size=800),
            "kind": np.where(a > 0, "up", "down"),
            "ward": rng.choice([f"ward {k}" for k in range(20)], 800),
        },
        index=[f"patient {k}" for k in range(800)],
    )
    table.loc[table.index[::3], "a"] = np.nan
    return table


def test_drawn_rows_are_those_of_the_user():
    table = table_with_gaps()
    found = estimate(table[["noise", "a"]], table["square"], "ksg", missing="drop")
    data = plots.rows_data(found, True)
    assert data.names == ("a", "square", "")
    assert data.about == f"{len(data.x)} of 533 rows, 1 of 2 columns of x"
    np.testing.assert_array_equal(data.x, table.loc[list(data.labels), "a"])
    np.testing.assert_array_equal(data.y, table.loc[list(data.labels), "square"])
    rows = table["a"].dropna().index
    known = pd.Series(found.pointwise.mi, rows[found.pointwise.index])
    np.testing.assert_array_equal(data.mi, known[list(data.labels)])
    assert {known.idxmax(), known.idxmin()} <= set(data.labels)
    named = {text.get_text() for text in found.plot(kind="pointwise").texts}
    assert 3 <= len(named) <= 6
    assert named <= {*known.nlargest(9).index, *known.nsmallest(9).index}
    assert MIResult.from_json(found.to_json()) == found


def test_categories_are_drawn_with_their_names_and_counts():
    table = table_with_gaps().iloc[:400]
    data = plots.rows_data(estimate(table["kind"], table["ward"], "ksg"), False)
    assert data.levels["x"] == ("down", "up")
    assert len(data.levels["y"]) == 12
    assert data.levels["y"][-1] == "others"
    shown = data.table(np.ones(400))
    for place, ward in enumerate(data.levels["y"][:-1]):
        counts = table.loc[table["ward"] == ward, "kind"].value_counts()
        assert list(shown[place]) == [counts["down"], counts["up"]]
    assert shown.sum() == 400
    gaps = estimate(table["a"], table["kind"].mask(table["noise"] > 1), "ksg", missing="category")
    axes = gaps.plot(kind="data")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["down", "up", "missing"]


def test_images_have_no_rows_to_draw(result):
    for kind, part in (("data", "sample"), ("pointwise", "sample"), ("pointwise", "pointwise")):
        with pytest.raises(MMGError, match=f"no data for kind='{kind}'"):
            replace(result, **{part: None}).plot(kind=kind)
