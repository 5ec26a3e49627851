"""Results: round trips, intervals and how they show themselves."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status

NAN = float("nan")


@pytest.fixture
def broken(result):
    """A diverged result with numbers that are none."""
    curve = replace(result.curve, mse=np.full_like(result.curve.mse, NAN))
    return replace(result, mi=NAN, stderr=math.inf, curve=curve, status=Status.DIVERGED)


@pytest.fixture
def plain(result):
    """A result of an estimator without curves and error."""
    return replace(
        result, stderr=None, gap=None, forms={}, curve=None, pointwise=None, history=None
    )


@pytest.mark.parametrize("kind", ["result", "broken", "plain"])
def test_round_trips_are_equal(kind, request, tmp_path):
    given = request.getfixturevalue(kind)
    assert MIResult.from_json(given.to_json()) == given
    assert MIResult.from_dict(given.to_dict()) == given
    assert MIResult.load(given.save(tmp_path / "result.json")) == given
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_loaded_result_has_arrays_and_enums(result):
    loaded = MIResult.from_json(result.to_json())
    assert loaded.status is Status.CONVERGED
    assert loaded.pointwise.index.dtype == np.int64
    assert type(loaded.curve.noised) is str
    np.testing.assert_array_equal(loaded.curve.gaps["inner"], result.curve.gaps["inner"])


@pytest.mark.parametrize(
    "change",
    [
        {"mi": 0.5},
        {"status": Status.INTERRUPTED},
        {"notes": ("new",)},
        {"curve": None},
        {"provenance": {"seed": 1}},
    ],
)
def test_different_results_differ(result, change):
    assert replace(result, **change) != result


def test_one_number_of_a_curve_makes_a_difference(result):
    mse = result.curve.mse.copy()
    mse[3] += 1e-9
    assert replace(result, curve=replace(result.curve, mse=mse)) != result
    assert result != "something else"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "reading it failed"),
        ("[1]", "got a list"),
        ('{"format": "other"}', "got 'other'"),
        ('{"format": "mmg_nb.MIResult/1"}', "damaged"),
        ('{"format": "mmg_nb.MIResult/1", "mi": 1, "status": "happy"}', "damaged"),
    ],
)
def test_text_that_is_no_result_is_refused(text, expected):
    with pytest.raises(MMGError, match=expected):
        MIResult.from_json(text)


DEEP = "[" * 100_000 + "]" * 100_000
NESTED = json.loads("[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("mi", "0.5"),
        ("mi", True),
        ("mi", 10**400),
        ("stderr", []),
        ("estimator", None),
        ("n_samples", 1.5),
        ("dim_x", 2**70),
        ("gap", "unknown"),
        ("forms", {"inner": {"mi": 0.5}}),
        ("forms", {"inner": 3}),
        ("forms", [1]),
        ("curve", {"logsnr": [1.0]}),
        ("curve.mse", [1.0, 2.0]),
        ("curve.mse", [[1.0]] * 40),
        ("curve.mse", ["1"] * 40),
        ("curve.mse", [10**30] * 40),
        ("curve.gaps", {}),
        ("curve.gaps.inner", [1.0]),
        ("curve.stderrs", {"inner": [0.1] * 40}),
        ("curve.noised", "z"),
        ("pointwise.index", [0.5] * 5),
        ("history", [1, 2]),
        ("status", ["converged"]),
        ("status", "²"),
        ("notes", "one"),
        ("notes", [1]),
        ("fields", NESTED),
        ("fields", {"a": NESTED}),
        ("error_parts", {"sampling": "0.1"}),
        ("provenance", 3),
    ],
)
def test_a_value_of_another_type_is_refused_as_damage(result, place, value):
    data = result.to_dict()
    *path, last = place.split(".")
    inner = data
    for name in path:
        inner = inner[name]
    inner[last] = value
    with pytest.raises(MMGError, match="this one is damaged") as caught:
        MIResult.from_dict(data)
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(
    "text", [DEEP, '{"format": ' + DEEP + "}", '{"mi": ' + "9" * 5000 + "}", "\0", "²"]
)
def test_a_text_that_python_cannot_read_is_refused(text):
    with pytest.raises(MMGError, match="reading it failed"):
        MIResult.from_json(text)


@pytest.mark.parametrize("data", [None, 3, [], "text", {"format": [[]]}])
def test_what_is_no_dictionary_of_a_result_is_refused(data):
    with pytest.raises(MMGError, match="Expected a result in format"):
        MIResult.from_dict(data)


def test_values_of_a_newer_version_are_left_out(result):
    data = result.to_dict()
    data["curve"]["newer"] = data["newer"] = 1
    assert MIResult.from_dict(data) == result


def test_a_place_that_cannot_be_written_is_named_and_left_clean(result, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(MMGError, match="folder' cannot be written"):
        result.save(tmp_path / "folder")
    with pytest.raises(MMGError, match=r"x\.json' cannot be written"):
        result.save(tmp_path / "nothing" / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_correlation_says_how_strong_it_is():
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    y = 0.8 * x + 0.6 * rng.normal(size=5000)
    assert mmg_nb.estimate(x, y, "gcmi").correlation == pytest.approx(0.8, abs=0.02)
    nothing = replace(mmg_nb.estimate(x, y, "gcmi"), mi=-0.01)
    assert (nothing.correlation, nothing.share) == (0.0, None)


def test_the_share_of_the_entropy_of_a_category():
    label = np.random.default_rng(0).integers(4, size=2000)
    half = mmg_nb.estimate(label // 2, label)
    assert half.share == pytest.approx(0.5, abs=0.01)
    assert mmg_nb.estimate(label.astype(str), label).share == pytest.approx(1.0, abs=0.01)


def test_results_make_a_table():
    x = np.random.default_rng(0).normal(size=(2, 300))
    frame = mmg_nb.estimate(*x, "ksg").to_frame()
    found = mmg_nb.estimate(*x, "ksg")
    assert frame.loc[0, ["mi", "low", "high"]].tolist() == [found.mi, *found.interval()]
    assert frame.loc[0, ["estimator", "rows"]].tolist() == ["ksg", 300]


@pytest.mark.parametrize("level", [0, 1, "0.95", None, True])
def test_an_interval_needs_a_level(result, level):
    with pytest.raises(MMGError, match="level must lie between 0 and 1; got"):
        result.interval(level)


def test_the_kind_of_a_plot_is_not_its_axes(result):
    with pytest.raises(MMGError, match=r"Write plot\(kind='integrand'\)"):
        result.plot("integrand")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MMGError, match=r"nothing\.json"):
        MIResult.load(tmp_path / "nothing.json")


def test_an_older_result_without_newer_parts_loads(result):
    data = result.to_dict()
    del data["pointwise"], data["notes"]
    assert MIResult.from_dict(data) == replace(result, pointwise=None, notes=())


def test_interval_is_the_normal_one(result):
    low, high = result.interval()
    assert low == pytest.approx(result.mi - 1.959964 * 0.02, abs=1e-6)
    assert high == pytest.approx(result.mi + 1.959964 * 0.02, abs=1e-6)
    narrow = result.interval(0.5)
    assert low < narrow[0] < result.mi < narrow[1] < high


def test_no_error_gives_an_endless_interval(plain):
    assert plain.interval() == (-math.inf, math.inf)


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, NAN])
def test_impossible_levels_are_refused(result, level):
    with pytest.raises(MMGError, match="level must lie between 0 and 1"):
        result.interval(level)


def test_a_result_is_not_saved_as_a_picture(result, tmp_path):
    with pytest.raises(MMGError, match=r"--save figure\.PDF"):
        result.save(tmp_path / "figure.PDF")
    assert not list(tmp_path.iterdir())


def test_bits(result):
    assert replace(result, mi=math.log(2)).bits == pytest.approx(1)


@pytest.mark.parametrize(
    ("mi", "said"), [(-0.01, True), (0.0, True), (0.039, True), (0.041, False)]
)
def test_what_cannot_be_told_from_0_is_said_so(result, mi, said):
    assert ("not distinguishable from 0" in repr(replace(result, mi=mi))) is said


@pytest.mark.parametrize("kind", ["result", "broken", "plain"])
def test_repr_is_one_line_without_addresses_or_times(kind, request):
    given = request.getfixturevalue(kind)
    timed = replace(given, provenance={"seconds": 12.25})
    assert "\n" not in repr(given)
    assert "0x" not in repr(given)
    assert repr(timed) == repr(given)


def test_repr_says_what_matters(result):
    expected = "MIResult(0.511 ± 0.020 nats (0.737 bits); fake, 100 rows, 1×1, converged)"
    assert repr(result) == expected


@pytest.mark.parametrize("kind", ["result", "broken", "plain"])
def test_bundle_needs_no_kernel(kind, request):
    given = request.getfixturevalue(kind)
    bundle, metadata = given._repr_mimebundle_()
    images = {"image/png"} if given.curve is not None else set()
    texts = {"text/plain", "text/html", "text/markdown", "text/latex"}
    assert set(bundle) == texts | images
    assert set(metadata) == images
    assert "<style" not in bundle["text/html"]
    assert "<svg" not in bundle["text/html"]
    assert len(bundle["text/html"]) < 100_000


def test_html_holds_the_plot_and_says_it_in_words(result):
    bundle, _ = result._repr_mimebundle_()
    assert f'src="data:image/png;base64,{bundle["image/png"]}"' in bundle["text/html"]
    assert 'alt="Denoising error against log-SNR' in bundle["text/html"]
    assert "0.472 to 0.550 nats" in bundle["text/html"]
    assert "from sampling 0.016, members 0.012 nats" in bundle["text/html"]


def test_html_escapes(plain):
    hostile = "<script>alert('&')</script>"
    page = replace(plain, estimator=hostile, notes=(hostile,))._repr_mimebundle_()[0]["text/html"]
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_remedy_and_shows_it(plain, status):
    assert status.remedy.endswith(".")
    bundle = replace(plain, stderr=0.1, status=status)._repr_mimebundle_()[0]
    for kind in ("text/plain", "text/html", "text/markdown", "text/latex"):
        shown = html.unescape(" ".join(bundle[kind].split())).replace("\\", "")
        assert shown.count(status.remedy) == 1
        assert "_" not in re.sub("normal_scores|<[^>]*>", "", shown)
    assert json.loads(json.dumps(status)) == status.value
