"""What every estimator of the registry promises, asked of each in the same way."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from oracle import PAIRS

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import build, estimator_class, names
from mmg_nb.fields import field_infos
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Finished, Started, Step

CLOSED = ("gcmi", "cca", "ksg")
TRAINED = tuple(name for name in names() if name not in CLOSED)

# Short trainings: enough for one Gaussian pair, so that the whole file takes seconds.
SMALL = {"steps": 200, "batch": 128, "width": 16, "blocks": 1, "folds": 3, "learning_rate": 1e-2}
SHORT = {
    "mmg": {"steps": 60, "width": 16, "blocks": 1},
    "published": {"steps": 60},
    "minde": {**SMALL, "draws": 40},
}

PAIR = PAIRS["1x1"]
N = 1000
X, Y = PAIR.sample(N, 0)


def fields(name: str) -> dict:
    return {} if name in CLOSED else SHORT.get(name, SMALL)


def run(name: str, x=X, y=Y, **changes) -> MIResult:
    return mmg_nb.estimate(x, y, name, device="cpu", **{**fields(name), **changes})


@cache
def first(name: str) -> MIResult:
    return run(name)


@pytest.mark.parametrize("name", [n for n in names() if n != "published"])
def test_a_gaussian_pair_is_found_and_nothing_else(name):
    """Within three standard errors of the truth; not of 0, half or double."""
    result = first(name)
    assert abs(result.mi - PAIR.mi) < 3 * result.stderr
    for wrong in (0.0, PAIR.mi / 2, 2 * PAIR.mi):
        assert abs(result.mi - wrong) > 3 * result.stderr


@pytest.mark.parametrize("name", [n for n in names() if n != "published"])
def test_the_parts_of_the_error_make_the_error(name):
    result = first(name)
    if result.error_parts:
        assert math.hypot(*result.error_parts.values()) == pytest.approx(result.stderr)
    assert bool(result.error_parts) == (name in ("mmg", "minde"))


@pytest.mark.parametrize("name", [n for n in names() if n != "published"])
def test_independent_data_tell_nothing(name):
    result = run(name, y=np.random.default_rng(1).permutation(Y))
    assert abs(result.mi) < 4 * result.stderr
    assert result.stderr < PAIR.mi / 8  # an error that admits anything says nothing


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_and_the_result_survives_json(name):
    again = run(name)
    assert (again.mi, again.stderr, again.notes) == (
        first(name).mi,
        first(name).stderr,
        first(name).notes,
    )
    assert MIResult.from_json(again.to_json()) == again
    assert again.fields == {**again.fields, **fields(name)}
    assert build(name, again.fields) == build(name, fields(name))


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_gives_another_estimate(name):
    assert run(name, seed=1, steps=5).mi != run(name, steps=5).mi


@pytest.mark.parametrize("name", [n for n in names() if n != "published"])
def test_the_order_of_rows_does_not_matter(name):
    order = np.random.default_rng(2).permutation(N)
    found = run(name, X[order], Y[order])
    if name in CLOSED:
        assert found.mi == pytest.approx(first(name).mi, abs=1e-10)
    else:
        allowed = 3 * math.hypot(found.stderr, first(name).stderr)
        assert abs(found.mi - first(name).mi) < allowed


@pytest.mark.parametrize("name", names())
def test_inputs_are_left_alone_and_the_result_says_what_it_is_of(name):
    x, y = X.copy(), Y.copy()
    heard: list = []
    result = run(name, x, y, listen=heard.append, **({} if name in CLOSED else {"steps": 2}))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert (result.estimator, result.n_samples, result.dim_x, result.dim_y) == (name, N, 1, 1)
    assert isinstance(heard[0], Started)
    assert heard[-1] == Finished(result)
    assert result.provenance["seed"] == 0
    assert result.stderr > 0


@pytest.mark.parametrize("name", TRAINED)
def test_a_stop_keeps_what_was_learnt(name):
    def stop(event):
        return isinstance(event, Step) and event.step == 3

    result = run(name, listen=stop)
    assert result.status is Status.INTERRUPTED
    assert math.isfinite(result.mi)


@pytest.mark.parametrize("name", names())
def test_fewer_rows_than_a_batch_give_an_answer(name):
    """Whatever the batch is by default: it must neither hang nor fail on 60 rows."""
    changes = {} if name in CLOSED else {"steps": 3}
    result = mmg_nb.estimate(X[:60], Y[:60], name, device="cpu", **changes)
    assert math.isfinite(result.mi)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X, Y[:-1], "as many rows"),
        (X[:20], Y[:20], "At least 50 samples"),
        (X.reshape(10, 100, 1, 1, 1), Y, "must have shape"),
        (np.where(np.arange(N)[:, None] == 3, np.nan, X), Y, "must be finite"),
        (np.ones_like(X), Y, "must vary"),
        (X + 1j, Y, "must hold numbers"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, x, y, said):
    with pytest.raises(MMGError, match=said):
        run(name, x, y)


@pytest.mark.parametrize("name", names())
def test_wrong_fields_are_refused_and_all_are_described(name):
    with pytest.raises(MMGError, match="has no field 'colour'"):
        run(name, colour=1)
    owner = estimator_class(name)
    assert owner.name == name
    assert 20 < len(owner.summary) < 90
    assert all(info.help and not info.help.endswith(".") for info in field_infos(owner))


@pytest.mark.parametrize("name", TRAINED)
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(MMGError, match="There is no device 'cuda:99'"):
        mmg_nb.estimate(X, Y, name, device="cuda:99")


@pytest.mark.parametrize("name", ["gcmi", "cca"])
def test_closed_forms_refuse_more_columns_than_rows(name):
    wide = np.random.default_rng(3).normal(size=(60, 70))
    with pytest.raises(MMGError, match="more rows than columns; got 60 rows, 71 columns"):
        run(name, wide, Y[:60])
