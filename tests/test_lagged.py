"""When one series tells about another: lags, their unit, the best one, and what is shown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.questions.moments import clock_of, read_lags, read_moments
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

N = 700


def noise(seed, n=N, memory=0.0):
    """A Gaussian series whose autocorrelation at lag k is memory^k, of variance 1."""
    steps = np.random.default_rng(seed).normal(size=n + 200)
    out = np.zeros(n + 200)
    for t in range(1, n + 200):
        out[t] = memory * out[t - 1] + math.sqrt(1 - memory**2) * steps[t]
    return out[200:]


DRIVE = noise(0, memory=0.6)
RHO = 0.8
ANSWER = RHO * np.roll(DRIVE, 3) + math.sqrt(1 - RHO**2) * noise(1)
TIMES = pd.date_range("2020-01-01", periods=N, freq="30min")


@pytest.fixture(scope="module")
def profile():
    x, y = pd.Series(DRIVE, TIMES, name="drive"), pd.Series(ANSWER, TIMES, name="answer")
    return mmg_nb.lagged(x, y, "gcmi", lags="-6:6")


def test_a_gaussian_pair_has_the_profile_of_its_cross_correlation(profile):
    """ρ(k) = 0.8 · 0.6^|k − 3|, and I = −½ ln(1 − ρ²). Rejects lag −3, lag 0, bits and half."""
    truth = -0.5 * np.log1p(-((RHO * 0.6 ** np.abs(profile.lag - 3)) ** 2))
    assert profile.best == 3
    assert profile.best_interval == (3, 3)
    low, high = profile.interval()
    assert ((low <= truth) & (truth <= high)).sum() >= 12  # of 13
    assert abs(profile.mi[profile.lag == 3][0] - 0.511) < 0.08
    assert profile.n_samples == N - 12


def test_a_square_after_two_rows_is_found_by_neighbours():
    x = noise(4)
    y = np.roll(x, 2) ** 2 + 0.3 * noise(5)
    found = mmg_nb.lagged(x, y, lags=range(-3, 4))
    assert found.best == 2
    assert found.best_interval == (2, 2)
    linear = mmg_nb.lagged(x, y, "gcmi", lags=range(-3, 4))
    assert linear.mi.max() < 0.1 < found.mi.max()


def test_independent_series_tell_nothing_at_any_lag():
    """Series with long memory look dependent; independent rows would give false alarms."""
    found = [
        mmg_nb.lagged(noise(s, 400, 0.95), noise(s + 50, 400, 0.95), "gcmi", lags="-2:2")
        for s in range(8)
    ]
    assert sum(each.distinguishable for each in found) <= 1
    naive = [each.mi.max() > 3 * 1 / 400 for each in found]
    assert sum(naive) > 4  # so the test rejects errors that ignore the series


def test_lags_stay_within_a_series():
    """Three stations below each other: pairs across their borders would dilute the lag."""
    labels = np.repeat(["a", "b", "c"], [100, 60, 40])
    moments = read_moments(200, labels, -2, 5)
    x, t = np.arange(200), moments.at(np.arange(200), "y")
    assert len(t) == 200 - 3 * 7
    assert (moments.at(x, "x", 5) == t - 5).all()
    assert (labels[moments.at(x, "x", 5)] == labels[t]).all()
    assert (labels[moments.at(x, "x", -2)] == labels[t]).all()
    mixed = np.random.default_rng(0).permutation(200)  # rows of one series need not be adjacent
    order = np.argsort(labels[mixed], kind="stable")
    again = read_moments(200, labels[mixed], 0, 5)
    assert (labels[mixed][again.at(x, "x", 5)] == labels[mixed][again.at(x, "y")]).all()
    assert len(order) == 200


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (TIMES, "90 minutes"),
        (pd.date_range("2020-01-31", periods=N, freq="ME"), "3 months"),
        (pd.date_range("2020", periods=N, freq="D"), "3 days"),
        (pd.period_range("2000", periods=N, freq="Q"), "9 months"),
        (pd.RangeIndex(N), "3 rows"),
    ],
)
def test_lags_are_told_in_the_unit_of_the_index(times, said):
    assert clock_of(pd.Series(DRIVE, times)).words(3) == said


def test_lags_are_given_in_rows_or_in_times():
    clock = clock_of(pd.Series(DRIVE, TIMES))
    assert read_lags(pd.to_timedelta(["1h", "-30min"]), clock) == (-1, 2)
    assert read_lags("-2:1", clock) == (-2, -1, 0, 1)
    assert read_lags("0:24:12", clock) == (0, 12, 24)
    assert read_lags("5, 1", clock) == (1, 5)
    assert read_lags(4, clock) == (4,)
    for bad in ("a:b", "", "3:1", [1.5], [pd.Timedelta("20min")], None):
        with pytest.raises(MMGError, match="ag"):
            read_lags(bad, clock)


def test_uneven_times_are_reported_and_unordered_ones_refused():
    uneven = TIMES[np.sort(np.random.default_rng(0).choice(N, 200, replace=False))]
    assert "not evenly spaced" in clock_of(pd.Series(0.0, uneven)).notes[0]
    with pytest.raises(MMGError, match="not in order"):
        clock_of(pd.Series(DRIVE, TIMES[::-1]))


def test_what_it_shows_and_saves(profile, tmp_path):
    text = profile.bundle()[0]["text/plain"]
    assert text.startswith("drive tells most about answer 90 minutes later: 0.")
    assert "95 % interval of the best lag: 90 minutes." in text
    assert "lag 3: 0." in text
    assert profile.to_frame().loc[3, "minutes"] == 90
    label = profile.plot().get_xlabel()
    assert label == "lag, minutes: ← answer first | drive first →"
    assert mmg_nb.LagProfile.load(profile.save(tmp_path / "lag.json")) == profile


def test_a_stop_leaves_out_the_lags_that_follow():
    found = mmg_nb.lagged(
        DRIVE, ANSWER, "gcmi", listen=lambda e: isinstance(e, Step) and e.step == 4
    )
    assert found.status is Status.INTERRUPTED
    assert found.lag.tolist() == [-20, -19, -18, -17]
    assert found.stopped_after == "4 of 41 lags"


def test_the_magic_reads_lags_and_a_condition(shell):
    shell.user_ns.update(drive=DRIVE, answer=ANSWER)
    found = shell.run_cell("r = %mmg lag drive answer --lags -3:5 --estimator gcmi\nr")
    assert found.best == 3
    assert found.names == ("drive", "answer")
    same = shell.run_cell("r = %mmg lag drive answer --lags 2,3 --estimator gcmi --given drive\nr")
    assert same.names[2] == "drive"
    with pytest.raises(MMGError, match="lags must be whole numbers"):
        shell.run_cell("%mmg lag drive answer --lags soon")


def test_dropped_moments_are_not_counted():
    drive = DRIVE.copy()
    drive[[50, 51, 200]] = np.nan
    found = mmg_nb.lagged(drive, ANSWER, "gcmi", lags=range(-3, 7), missing="drop")
    assert (found.best, found.n_samples) == (3, len(DRIVE) - 9 - 3)
