"""A label: its levels are clusters, and what networks find is at most its entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.denoisers.gaussian import Samples
from mmg_nb.denoisers.mixture import MixtureDenoiser
from mmg_nb.denoisers.residual import AnchorSummary
from mmg_nb.estimators.mmg.run import _possible
from mmg_nb.results.facts import CEILING
from mmg_nb.results.finding import Finding

CENTRES = np.array([[1.4, -0.6], [-0.7, 0.9], [-0.5, -0.8]])
SHARES = np.array([0.5, 0.3, 0.2])
SPREAD = np.array([0.5, 0.3])  # standard deviations of both columns of x


def exact_denoiser():
    """The exact mixture as one member, whose label is a code."""
    anchor = AnchorSummary(torch.tensor(SPREAD**2)[None, None].float(), 1)
    means = torch.tensor(CENTRES)[None].float()
    return MixtureDenoiser(anchor, means, torch.tensor(SHARES).log()[None].float())


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    level = rng.choice(3, n, p=SHARES)
    return CENTRES[level] + SPREAD * rng.normal(size=(n, 2)), level, rng.normal(size=(n, 2))


@pytest.mark.parametrize("logsnr", [-3.0, 0.0, 2.5, 7.0])
def test_predictions_are_posterior_means_of_the_mixture(logsnr):
    x, level, eps = drawn(40)
    alpha, sigma = math.sqrt(1 / (1 + math.exp(-logsnr))), math.sqrt(1 / (1 + math.exp(logsnr)))
    z = alpha * x + sigma * eps
    rng = np.random.default_rng(1)
    some = rng.choice(3, 400_000, p=SHARES)
    values = CENTRES[some] + SPREAD * rng.normal(size=(len(some), 2))

    def posterior_mean(place, among):
        """Mean noise by weighting draws of x with the likelihood of z."""
        noise = (place - alpha * among) / sigma
        weight = np.exp(-0.5 * (noise**2).sum(1))
        return weight @ noise / weight.sum()

    rows = Samples(
        *(torch.tensor(v)[None].float() for v in (x, x - CENTRES[level], level[:, None]))
    )
    found = [
        exact_denoiser()(
            rows,
            torch.tensor(eps)[None].float(),
            torch.full((1, len(x)), logsnr),
            torch.full((1, len(x), 1), given),
        )[0].numpy()
        for given in (False, True)
    ]
    spread = 0.02 if logsnr < 5 else 0.1  # of the weighted means
    for i in range(4):
        same = values[some == level[i]]
        assert found[0][i] == pytest.approx(posterior_mean(z[i], values), abs=spread)
        assert found[1][i] == pytest.approx(posterior_mean(z[i], same), abs=spread)


def classes(n, seed, count=4, columns=12, apart=1.1):
    """Normal classes, and the exact log-ratio of every row."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.normal(size=(count, columns))
    level = rng.integers(count, size=n)
    x = centres[level] + rng.normal(size=(n, columns))
    fit = -0.5 * ((x[:, None] - centres) ** 2).sum(-1)
    fit -= fit.max(axis=1, keepdims=True)
    ratio = fit[np.arange(n), level] - np.log(np.exp(fit).mean(axis=1))
    return x, level, ratio


def test_few_rows_of_separate_classes_are_not_estimated_too_high():
    """Without the mixture 1.5 and 1.9 nats, and intervals that miss."""
    for seed in (0, 1):
        truth = classes(100_000, seed)[2].mean()
        x, level, _ = classes(100_000, seed)
        rows = np.arange(240)
        result = mmg_nb.estimate(x[rows], level[rows], discrete="y", steps=400)
        low, high = result.interval()
        assert low < truth < high
        assert result.mi < truth + 0.2
        assert result.stderr < 0.25


def test_an_estimate_above_the_entropy_is_the_entropy():
    label = np.repeat([0.0, 1.0], [60, 20])
    pairs = make_pairs(np.arange(80.0), label, discrete="y")
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert pairs.entropies == pytest.approx({"y": entropy})
    assert _possible(pairs, Finding(mi=0.9 * entropy)).notes == ()
    found = _possible(pairs, Finding(mi=entropy + 0.05, stderr=0.03, error_parts={"a": 0.03}))
    assert found.mi == pytest.approx(entropy)
    assert found.error_parts[CEILING] == pytest.approx(0.05)
    assert found.stderr == pytest.approx(math.hypot(0.05, 0.03))
    assert "more than the entropy of y" in found.notes[0]
    far = _possible(pairs, Finding(mi=9.0, stderr=0.0))
    assert far.mi > 2 * far.stderr > 0
    numbers = make_pairs(np.arange(80.0), np.arange(80.0)[::-1])
    assert _possible(numbers, Finding(mi=9.0)).mi == 9.0


def test_the_entropy_of_a_function_is_not_above_itself():
    x = np.random.default_rng(3).standard_normal(400)
    result = mmg_nb.estimate(x, np.where(x > 0.3, "a", "b"))
    assert CEILING not in result.error_parts
    assert any("function" in note for note in result.notes)
    assert not any("impossible" in note for note in result.notes)
