"""Transfer entropy: both directions, their truth, surrogates, and what is shown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Step

N = 1200


def coupled(seed, n=N, c=0.5):
    """x drives y after one step: xₜ = 0.6 xₜ₋₁ + ε, yₜ = 0.5 yₜ₋₁ + c xₜ₋₁ + η."""
    noise = np.random.default_rng(seed).normal(size=(n, 2))
    x, y = np.zeros((2, n))
    for t in range(1, n):
        x[t] = 0.6 * x[t - 1] + noise[t, 0]
        y[t] = 0.5 * y[t - 1] + c * x[t - 1] + noise[t, 1]
    return x, y


def truth(c=0.5):
    """½ ln(var(yₜ | yₜ₋₁) / var(η)), from the stationary covariance of the two series."""
    step = np.array([[0.6, 0.0], [c, 0.5]])
    covariance = np.eye(2)
    for _ in range(500):
        covariance = step @ covariance @ step.T + np.eye(2)
    lagged = (step @ covariance)[1, 1]
    return 0.5 * math.log(covariance[1, 1] - lagged**2 / covariance[1, 1])


@pytest.fixture(scope="module")
def found():
    x, y = coupled(0)
    return mmg_nb.transfer_entropy(pd.Series(x, name="wind"), pd.Series(y, name="power"), "gcmi")


def test_coupled_autoregressions_have_their_closed_form(found):
    """Rejected: the other direction, I(x past; y) without the past of y (0.31), bits, half, 0."""
    assert truth() == pytest.approx(0.147, abs=1e-3)
    assert abs(found.forward.mi - truth()) < 2.5 * found.forward.stderr < 0.06
    assert abs(found.backward.mi) < 0.01
    assert found.p_value[0] == found.forward.floor == 0.01
    assert found.p_value[1] > 0.05


def test_neighbours_find_the_same_and_a_delayed_square():
    x, y = coupled(1, 400)
    near = mmg_nb.transfer_entropy(x, y, surrogates=19)
    assert abs(near.forward.mi - truth()) < 0.07
    rng = np.random.default_rng(2)
    drive, noise = rng.normal(size=(2, 300))
    other = np.r_[0, 0, drive[:-2] ** 2] + 0.3 * noise
    late = mmg_nb.transfer_entropy(drive, other, history=(1, 2), surrogates=19)
    early = mmg_nb.transfer_entropy(drive, other, history=(1, 1), surrogates=19)
    assert late.forward.mi > 0.3
    assert late.forward.p_value == 0.05
    assert abs(early.forward.mi) < 0.1  # one step back is too early


def test_a_common_driver_is_removed_by_a_condition():
    rng = np.random.default_rng(3)
    drive = rng.normal(size=N)
    x = np.roll(drive, 1) + 0.5 * rng.normal(size=N)
    y = np.roll(drive, 2) + 0.5 * rng.normal(size=N)
    plain = mmg_nb.transfer_entropy(x, y, "gcmi", surrogates=19)
    assert plain.forward.mi > 0.2
    known = mmg_nb.transfer_entropy(x, y, "gcmi", history=(2, 1), given=drive, surrogates=19)
    assert known.forward.mi < 0.01


def test_independent_long_memory_keeps_the_level():
    """Shuffled rows, which lose the autocorrelation, would give false alarms in most data sets."""
    weights = np.r_[1, np.cumprod((np.arange(1, 800) - 1 + 0.4) / np.arange(1, 800))]
    alarms = []
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(size=(2, 1100))
        x, y = (np.convolve(each, weights)[800:1100] for each in noise)
        alarms += (mmg_nb.transfer_entropy(x, y, "gcmi", surrogates=19).p_value <= 0.05).tolist()
    assert sum(alarms) <= 4  # of 16; 1 is expected


def test_what_it_shows_and_saves(found, tmp_path):
    text = found.bundle()[0]["text/plain"].replace("\n", " ")
    assert text.startswith("wind → power: 0.")
    assert "from 99 shifted copies of the source (surrogates). With so many, p" in text
    assert "p cannot be below 0.01." in text
    assert "prediction, not causation" in text
    frame = found.to_frame()
    assert frame["source"].tolist() == ["wind", "power"]
    assert (frame["low"] < frame["mi"]).all()
    labels = [each.get_text() for each in found.plot().get_yticklabels()]
    assert labels == ["wind → power", "power → wind"]
    assert mmg_nb.TransferEntropy.load(found.save(tmp_path / "te.json")) == found


def test_a_stop_keeps_the_direction_that_is_known():
    x, y = coupled(0, 300)
    early = mmg_nb.transfer_entropy(
        x, y, "gcmi", listen=lambda e: isinstance(e, Step) and e.step == 30
    )
    assert early.status is Status.INTERRUPTED
    assert len(early.forward.null) == 30


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": 2}, "history must be two whole numbers"),
        ({"history": (0, 1)}, "history must be two whole numbers"),
        ({"surrogates": 5}, "surrogates must be a whole number of at least 19"),
        ({"given": np.zeros(3)}, "equal numbers of rows; got 1200, 1200, 3"),
        ({"history": (1, 1199)}, "At least 50 rows must have values at all lags; got 1 of 1200"),
    ],
)
def test_what_cannot_be_asked_is_refused(change, said):
    x, y = coupled(0)
    with pytest.raises(MMGError, match=said):
        mmg_nb.transfer_entropy(x, y, "gcmi", **change)


def test_the_magic_reads_the_history(shell):
    x, y = coupled(0, 300)
    shell.user_ns.update(wind=x, power=y)
    line = "%mmg transfer wind power --estimator gcmi --history 2,1 --surrogates 19"
    found = shell.run_cell(f"r = {line}\nr")
    assert found.history == (2, 1)
    assert found.forward.arrow == "wind → power"
    with pytest.raises(MMGError, match="history must be two whole numbers"):
        shell.run_cell(f"{line} --history long".replace("--history 2,1 ", ""))


def test_moments_with_missing_values_are_left_out():
    x, y = coupled(5, 500)
    z = np.random.default_rng(6).normal(size=500)
    x[[40, 41, 260]], y[499], z[100] = np.nan, np.nan, np.nan
    x, y = pd.Series(x, name="wind"), pd.Series(y, name="power")
    options = {"missing": "drop", "surrogates": 39}
    alone = mmg_nb.transfer_entropy(x, y, "gcmi", **options)
    assert alone.n_samples == 499 - 5  # of wind now or before: 40, 41, 42, 260, 261
    panel = mmg_nb.transfer_entropy(x, y, given=z, series=np.arange(500) // 250, **options)
    assert panel.n_samples == 498 - 6
    for found in (alone, panel):
        assert [len(each.null) for each in found.directions] == [39, 39]
        assert found.p_value[0] == found.forward.floor
        assert abs(found.forward.mi - truth()) < 0.08
        assert found.status is Status.CONVERGED


def test_fewer_moments_have_fewer_shifts():
    x, y = coupled(7, 120)
    x[10:40] = np.nan
    found = mmg_nb.transfer_entropy(x, y, missing="drop", surrogates=99)
    counts = [len(each.null) for each in found.directions]
    assert counts == [2 * (89 // 4), 2 * (88 // 4)]
    assert (found.n_samples, found.status) == (88, Status.CONVERGED)
