"""What every estimator of the registry promises, asked of each in the same way."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from oracle import PAIRS

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg_images import run as image_run
from mmg_nb.estimators.registry import build, estimator_class, names
from mmg_nb.results.result import MIResult
from mmg_nb.testing import check_estimator
from mmg_nb.testing.subject import TRUTH, Subject, as_images

TRAINED = tuple(name for name in names() if estimator_class(name).trains)
ON_IMAGES = tuple(name for name in names() if "images" in estimator_class(name).needs)
ON_NUMBERS = tuple(name for name in names() if name not in ON_IMAGES)

# Short trainings: enough for one Gaussian pair, so that the whole file takes seconds.
SMALL = {"steps": 200, "batch": 128, "width": 16, "blocks": 1, "folds": 3, "learning_rate": 1e-2}
SHORT = {
    "mmg": {"steps": 60, "width": 16, "blocks": 1},
    "mmg_images": {"steps": 6, "width": 2, "draws": 2},
    "published": {"steps": 20},
    "minde": {**SMALL, "draws": 40},
}
ACCURACY = {"finds_a_gaussian_pair", "finds_nothing_in_independent_data"}
EXCUSED = {
    # It finds the pair after thousands of steps; with few its error is larger than the truth.
    "published": ACCURACY,
    # Six steps teach a U-Net nothing; test_images.py trains longer.
    "mmg_images": ACCURACY,
    # Images have no `blocks`, which shortens this training; test_images.py has them.
    "mmg": {"takes_images_or_not"},
}

pytestmark = pytest.mark.usefixtures("predicted_once")
PAIR = PAIRS["1x1"]
N = 1000
X, Y = PAIR.sample(N, 0)


def fields(name: str) -> dict:
    return SHORT.get(name, SMALL) if name in TRAINED else {}


def run(name: str, x=X, y=Y, **changes) -> MIResult:
    return mmg_nb.estimate(x, y, name, device="cpu", **{**fields(name), **changes})


@cache
def first(name: str) -> MIResult:
    return run(name)


@pytest.fixture(scope="module", autouse=True)
def _short_validation():
    """Validation is the longest part of six steps, and needs no precision in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_run, "VALIDATION_DRAWS", 64)
        yield


@pytest.mark.parametrize("name", names())
def test_the_contract_is_kept(name):
    check_estimator(build(name, fields(name)), skip=EXCUSED.get(name, ()))


def test_the_truth_of_the_checks_is_that_of_the_oracle():
    subject = Subject(build("gcmi", {}))
    assert pytest.approx(PAIR.mi) == TRUTH
    pointwise = PAIR.log_ratio(*subject.pair)
    assert abs(pointwise.mean() - PAIR.mi) < 3 * pointwise.std() / math.sqrt(len(pointwise))


@pytest.mark.parametrize("name", [n for n in ON_NUMBERS if n != "published"])
def test_those_that_tell_the_parts_of_their_error(name):
    assert bool(first(name).error_parts) == (name in ("mmg", "minde"))
    assert first(name).stderr > 0


@pytest.mark.parametrize("name", names())
def test_fields_of_the_result_build_the_same_estimator(name):
    asked = build(name, fields(name))
    result = first(name) if name in ON_NUMBERS else Subject(asked).first
    assert result.fields == {**result.fields, **fields(name)}
    assert build(name, result.fields) == asked


@pytest.mark.parametrize("name", [n for n in TRAINED if n in ON_NUMBERS])
def test_another_seed_gives_another_estimate(name):
    assert run(name, seed=1, steps=5).mi != run(name, steps=5).mi


@pytest.mark.parametrize("name", [n for n in names() if n not in TRAINED])
def test_the_order_of_rows_does_not_matter_to_closed_forms(name):
    order = np.random.default_rng(2).permutation(N)
    assert run(name, X[order], Y[order]).mi == pytest.approx(first(name).mi, abs=1e-10)


@pytest.mark.parametrize("name", ON_NUMBERS)
def test_fewer_rows_than_a_batch_give_an_answer(name):
    """Whatever the batch is by default: it must neither hang nor fail on 60 rows."""
    changes = {"steps": 3} if name in TRAINED else {}
    result = mmg_nb.estimate(X[:60], Y[:60], name, device="cpu", **changes)
    assert math.isfinite(result.mi)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X, Y[:-1], "equal numbers of rows"),
        (X[:20], Y[:20], "At least 50 rows"),
        (X.reshape(10, 100, 1, 1, 1), Y, "must have shape"),
        (np.where(np.arange(N)[:, None] == 3, np.nan, X), Y, "must be finite"),
        (np.ones_like(X), Y, "must vary"),
        (X + 1j, Y, "must hold numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, x, y, said):
    with pytest.raises(MMGError, match=said):
        run(name, x, y)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_what_needs_images_refuses_numbers(name):
    with pytest.raises(MMGError, match="needs images in x or y"):
        run(name)


@pytest.mark.parametrize("name", names())
def test_wrong_fields_are_refused_and_all_are_described(name):
    with pytest.raises(MMGError, match="has no field 'colour'"):
        run(name, colour=1)
    owner = estimator_class(name)
    assert owner.name == name
    assert 20 < len(owner.summary) < 90


@pytest.mark.parametrize("name", TRAINED)
def test_a_device_that_is_not_there_is_refused(name):
    x = as_images(X) if name in ON_IMAGES else X
    with pytest.raises(MMGError, match="There is no device 'cuda:99'"):
        mmg_nb.estimate(x, Y, name, device="cuda:99")


@pytest.mark.parametrize("name", ["gcmi", "cca"])
def test_closed_forms_refuse_more_columns_than_rows(name):
    wide = np.random.default_rng(3).normal(size=(60, 70))
    with pytest.raises(MMGError, match="more rows than columns; got 60 rows, 71 columns"):
        run(name, wide, Y[:60])
