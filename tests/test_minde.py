"""MINDE: its schedule, its denoisers, and both forms at the exact scores of a Gaussian pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import PAIRS

import mmg_nb
from mmg_nb.denoisers.channel import scales, transmit
from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.estimators.minde import run as minde_fit
from mmg_nb.estimators.minde.denoisers import ConditionalDenoiser, JointDenoiser
from mmg_nb.results.result import MIResult

PAIR = PAIRS["1x1"]
RHO = float(PAIR.k[0, 0])


class ExactJoint(Denoiser):
    """The posterior means of a Gaussian pair of correlation ρ, laid out as in `JointDenoiser`."""

    def forward(self, samples, eps, logsnr, given):
        alpha, sigma = scales(logsnr)
        z = transmit(samples.x, eps, logsnr)
        a, s = alpha[..., 0].double(), sigma[..., 0].double()
        cov = torch.tensor([[1.0, RHO], [RHO, 1.0]], dtype=torch.float64)
        noisy = a[..., None, None] ** 2 * cov + s[..., None, None] ** 2 * torch.eye(2)
        both = s[..., None] * torch.linalg.solve(noisy, z.double().unsqueeze(-1))[..., 0]
        other = samples.x.flip(-1).double()
        left = z.double() - alpha * RHO * other
        alone = sigma * left / (alpha**2 * (1 - RHO**2) + sigma**2)
        return torch.where(given, alone, both).float()


class ExactConditional(Denoiser):
    """The same for x noised and y given."""

    def forward(self, samples, eps, logsnr, given):
        alpha, sigma = scales(logsnr)
        z = transmit(samples.x, eps, logsnr)
        known = sigma * (z - alpha * RHO * samples.y) / (alpha**2 * (1 - RHO**2) + sigma**2)
        return torch.where(given, known, sigma * z)


def exact(monkeypatch, kind):
    """`minde` whose denoiser is the exact one; untrained, one weight a member to select."""

    class Held(kind):
        def __init__(self, members, dim_x, dim_y, *, width, blocks, generator):
            super().__init__()
            self.net = torch.nn.Module()
            self.net.unused = torch.nn.Parameter(torch.zeros(members, 1, 1))
            self.net.hidden_matrices = list

    for name in ("JointDenoiser", "ConditionalDenoiser"):
        monkeypatch.setattr(minde_fit, name, Held)


@pytest.mark.parametrize("sigma", [False, True])
@pytest.mark.parametrize(
    ("form", "kind"), [("conditional", ExactConditional), ("joint", ExactJoint)]
)
def test_exact_scores_give_the_exact_answer(monkeypatch, form, kind, sigma):
    exact(monkeypatch, kind)
    x, y = PAIR.sample(4000, 0)
    result = mmg_nb.estimate(
        x, y, "minde", form=form, sigma=sigma, steps=0, folds=2, transform="none", device="cpu"
    )
    assert result.gap == ("sigma" if sigma else "orthogonal")
    assert abs(result.mi - PAIR.mi) < 4 * result.stderr
    for wrong in (0.0, PAIR.mi / 2, 2 * PAIR.mi, PAIR.mi / math.log(2)):
        assert abs(result.mi - wrong) > 4 * result.stderr
    area = float(np.dot(result.curve.integrand(result.gap), result.curve.width))
    assert area == pytest.approx(result.mi, abs=0.02)
    assert MIResult.from_json(result.to_json()) == result


def test_the_range_is_that_of_the_published_schedule():
    assert minde_fit.schedule_logsnr(1.0) == pytest.approx(-10.05, abs=0.01)
    assert minde_fit.schedule_logsnr(1e-3) == pytest.approx(9.12, abs=0.01)


@pytest.mark.parametrize("kind", [ConditionalDenoiser, JointDenoiser])
def test_untrained_denoisers_know_the_standard_normal_and_nothing_else(kind):
    generator = torch.Generator().manual_seed(0)
    denoiser = kind(2, 3, 1, width=16, blocks=1, generator=generator)
    dim = 4 if kind is JointDenoiser else 3
    x, eps = torch.randn(2, 2, 5, dim, generator=generator).unbind(0)
    logsnr = torch.zeros(2, 5)
    given = torch.tensor([True, False, True, False, True]).view(1, 5, 1)
    out = denoiser(Samples(x, x, x[..., :1]), eps, logsnr, given)
    torch.testing.assert_close(out, math.sqrt(0.5) * (x + eps) * math.sqrt(0.5))


def test_the_joint_denoiser_sees_the_other_variable_clean_where_it_is_given():
    """Noise on y must not change the prediction of the noise of x given y, and vice versa."""
    generator = torch.Generator().manual_seed(0)
    denoiser = JointDenoiser(1, 1, 1, width=16, blocks=1, generator=generator)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    x, eps = torch.randn(2, 1, 4, 2, generator=generator).unbind(0)
    logsnr, given = torch.zeros(1, 4), torch.tensor([True, True, False, False]).view(1, 4, 1)
    other = eps.clone()
    other[..., 1] += 1.0
    before, after = (denoiser(Samples(x, x, x), e, logsnr, given)[0] for e in (eps, other))
    torch.testing.assert_close(before[:2, 0], after[:2, 0])
    assert ((before[2:, 0] - after[2:, 0]).abs() > 1e-3).all()
    assert ((before[:, 1] - after[:, 1]).abs() > 1e-3).all()


def test_both_forms_learn_a_gaussian_pair():
    x, y = PAIR.sample(1000, 0)
    for form in ("conditional", "joint"):
        result = mmg_nb.estimate(
            x, y, "minde", form=form, steps=300, width=16, blocks=1, folds=2, device="cpu"
        )
        assert abs(result.mi - PAIR.mi) < 0.5 * PAIR.mi
