"""What `check_estimator` passes, and what each of its checks is there to catch."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from dataclasses import MISSING, dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from fake_estimator import Fake
from histogram_estimator import Histogram

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Started, Step
from mmg_nb.testing import CHECKS, ContractError, check_estimator
from mmg_nb.testing.subject import Subject

FOUND = Histogram.estimate


@dataclass(frozen=True, kw_only=True)
class Counting(Histogram):
    """Sends steps, and stops when asked to."""

    name: ClassVar[str] = "counting"
    trains: ClassVar[bool] = True

    def estimate(self, pairs, run):
        found = super().estimate(pairs, run)
        for step in range(1, 21):
            if run.listen(Step(step, 20)):
                return mmg_nb.Finding(mi=found.mi, stderr=found.stderr, status=Status.INTERRUPTED)
        return found


def test_a_sound_estimator_passes():
    check_estimator(Histogram)
    check_estimator(Histogram(bins=20))
    check_estimator(Counting())


def test_one_without_a_standard_error_passes():
    check_estimator(broken(lambda self, pairs, run: mmg_nb.Finding(mi=FOUND(self, pairs, run).mi)))


def broken(estimate=FOUND, **members):
    """`Histogram` with something else in it."""
    made = type("Broken", (Histogram,), {"estimate": estimate, "name": "broken", **members})
    return dataclass(frozen=True, kw_only=True)(made)


# --- five ways to be wrong that are easily overlooked


CALLS = itertools.count()


def not_deterministic(self, pairs, run):
    rows = np.arange(pairs.n_samples) != next(CALLS) % pairs.n_samples  # each call lacks another
    return FOUND(self, replace(pairs, x=pairs.x[rows], y=pairs.y[rows]), run)


def wrong_for_independent_data(self, pairs, run):
    found = FOUND(self, pairs, run)
    return replace(found, mi=max(found.mi, 0.2))


def changes_its_input(self, pairs, run):
    found = FOUND(self, pairs, run)
    pairs.y[:] = np.sort(pairs.y, axis=0)
    return found


def ignores_a_stop(self, pairs, run):
    for step in range(20):
        run.listen(Step(step + 1, 20))
    return FOUND(self, pairs, run)


def returns_bits(self, pairs, run):
    found = FOUND(self, pairs, run)
    return replace(found, mi=found.mi / np.log(2))


@pytest.mark.parametrize(
    ("estimate", "check", "what", "remedy"),
    [
        (
            not_deterministic,
            "repeats_itself_for_equal_seeds",
            r"Two runs with seed 0 give \(0\.\d+, .* and \(0\.\d+, .*; expected the same\.",
            r"Draw random numbers from run\.rng\(\) only",
        ),
        (
            wrong_for_independent_data,
            "finds_nothing_in_independent_data",
            r"broken gives 0\.200 ± 0\.\d+ nats for independent x and y; expected 0 within",
            "Remove the bias",
        ),
        (
            changes_its_input,
            "leaves_its_input_alone",
            r"broken changes its input: y",
            r"Work on a copy: x = pairs\.x\.copy\(\)",
        ),
        (
            ignores_a_stop,
            "stops_when_asked",
            r"Asked to stop at step 3, broken does 17 more of 20 steps; expected at most 3\.",
            r"if run\.listen\(Step\(done, total\)\): break",
        ),
        (
            returns_bits,
            "answers_in_nats",
            r"broken gives 0\.\d+ ± 0\.\d+ nats, as if in bits; expected 0\.413 nats",
            "multiply by ln 2",
        ),
    ],
)
def test_a_broken_estimator_is_told_what_is_wrong(estimate, check, what, remedy):
    with pytest.raises(ContractError) as caught:
        check_estimator(broken(estimate))
    error = caught.value
    assert error.check == check
    assert str(error).startswith(f"{check}: ")
    assert re.search(what, error.what), error.what
    assert re.search(remedy, error.remedy), error.remedy


# --- every check fails for something


def changed(**values):
    """An estimate with other values."""

    def estimate(self, pairs, run):
        found = FOUND(self, pairs, run)
        return mmg_nb.Finding(**{"mi": found.mi, "stderr": found.stderr, **values})

    return broken(estimate)


def shifted(shift):
    """An estimate that is off by a function of estimator, data and run."""

    def estimate(self, pairs, run):
        found = FOUND(self, pairs, run)
        return replace(found, mi=found.mi + float(shift(self, pairs, run)))

    return broken(estimate)


def disturbs_global_state(self, pairs, run):
    return 1e-3 * np.random.normal()  # noqa: NPY002


def adds_to_bins(self):
    object.__setattr__(self, "bins", self.bins + 1)


def announces_itself_late(self, pairs, run):
    run.listen(Step(1, 1))
    run.listen(Started("broken", pairs.n_samples, 1, 1, "cpu", 1))
    return FOUND(self, pairs, run)


def fails_on_few(self, pairs, run):
    return 1 / (pairs.n_samples > 60) - 1


def first_columns(self, pairs, run):
    wide = pairs.dim_x + pairs.dim_y > 2
    return mmg_nb.Estimate(float("nan"), 0.1) if wide else FOUND(self, pairs, run)


def no_categories(self, pairs, run):
    if pairs.discrete_y:
        raise TypeError("a defect")
    return FOUND(self, pairs, run)


def depends_on_the_first_row(self, pairs, run):
    first = Subject(Histogram()).pair[0][0, 0]
    return 0.2 * (pairs.n_samples == 1000 and pairs.x[0, 0] != first)


WRONG = [
    ("describes_itself", broken(summary="")),
    ("describes_itself", broken(name="not a name")),
    ("describes_itself", Fake.__base__),
    ("rebuilds_from_its_fields", broken(__post_init__=adds_to_bins)),
    ("says_what_it_found", changed(mi=float("nan"))),
    ("says_what_it_found", changed(stderr=0.0)),
    ("says_what_it_found", changed(status=Status.INTERRUPTED)),
    ("says_what_it_found", broken(announces_itself_late)),
    ("answers_in_nats", Fake(steps=2)),
    ("leaves_global_random_state_alone", shifted(disturbs_global_state)),
    ("stops_when_asked", broken(trains=True)),
    ("finds_a_gaussian_pair", shifted(lambda self, pairs, run: -0.1)),
    ("finds_a_gaussian_pair", changed(stderr=0.2)),
    ("finds_a_gaussian_pair", changed(mi=0.3, stderr=None)),
    ("finds_nothing_in_independent_data", changed(stderr=0.06)),
    ("survives_json", changed(notes=(b"bytes",))),
    ("adds_up_its_error", changed(error_parts={"sampling": 1.0})),
    ("ignores_the_order_of_rows", shifted(depends_on_the_first_row)),
    ("takes_few_rows", shifted(fails_on_few)),
    ("takes_several_columns", broken(first_columns)),
    ("takes_a_condition_or_not", broken(accepts=frozenset({"given"}))),
    ("takes_categories_or_not", broken(no_categories, accepts=frozenset({"discrete"}))),
    ("takes_images_or_not", broken(accepts=frozenset({"images"}))),
]


@pytest.mark.parametrize(("check", "estimator"), WRONG)
def test_every_check_catches_something(check, estimator):
    with pytest.raises(ContractError) as caught:
        check_estimator(estimator)
    assert caught.value.check == check, str(caught.value)
    assert caught.value.remedy


def test_no_check_is_without_an_example():
    easily_overlooked = {"leaves_its_input_alone", "repeats_itself_for_equal_seeds"}
    assert {check for check, _ in WRONG} | easily_overlooked == set(CHECKS)
    assert all(check.__doc__ for check in CHECKS.values())


# --- the call


def test_what_is_skipped_is_not_checked():
    check_estimator(broken(returns_bits), skip=("answers_in_nats", "finds_a_gaussian_pair"))
    check_estimator(broken(changes_its_input), skip="leaves_its_input_alone")
    with pytest.raises(MMGError, match="There is no check 'answers_in_bits'") as caught:
        check_estimator(Histogram, skip="answers_in_bits")
    assert "Did you mean 'answers_in_nats'" in caught.value.remedy


def test_a_defect_keeps_its_traceback_and_names_the_check():
    def defect(self, pairs, run):
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError) as caught:
        check_estimator(broken(defect))
    (note,) = caught.value.__notes__
    assert note == "Raised in the check 'says_what_it_found' of Broken(bins=16)."


def test_a_field_without_a_default_is_told():
    @dataclass(frozen=True, kw_only=True)
    class NoDefault(Histogram):
        name: ClassVar[str] = "no_default"
        depth: int = mmg_nb.field(MISSING, "how deep")

    with pytest.raises(ContractError, match="Give every field a default"):
        check_estimator(NoDefault)


def test_what_needs_categories_has_no_data_here():
    with pytest.raises(MMGError, match="has no data for an estimator that needs discrete"):
        check_estimator(broken(needs=frozenset({"discrete"}), accepts=frozenset({"discrete"})))


def test_the_global_random_state_is_as_before():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    check_estimator(Histogram)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_no_test_framework_is_needed():
    code = "import sys, mmg_nb.testing; assert not {'pytest', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
