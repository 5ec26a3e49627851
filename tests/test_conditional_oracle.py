"""Conditional information with exact denoisers: nothing is trained, all figures have a truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chains import MODELS, Gaussian3
from oracle import CPU, TrainedGaussian
from torch import Generator

from mmg_nb.data.splits import EvaluationFold, Member
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.logsnr import uniform_bins
from mmg_nb.estimators.mmg.conditioning import without_condition
from mmg_nb.mmse.evaluation import Design, EvaluationRows, Model, measure
from mmg_nb.mmse.gap import FORMS
from mmg_nb.mmse.standard_error import estimate_from_points
from mmg_nb.runs.events import silent

N = 4000
LIMIT = 4.0
models = pytest.mark.parametrize("model", MODELS)


def exact(model: Gaussian3) -> tuple[Model, np.ndarray]:
    """Exact anchor and denoiser of two members, and the map of (x, z) that they are made for."""
    x, y, z = model.parts
    cov = model.covariance

    def regression(target, known):
        return np.linalg.solve(cov[np.ix_(known, known)], cov[np.ix_(known, target)])

    on_z, on_both = regression(x, z), regression(x, np.r_[y, z])
    null = cov[np.ix_(x, x)] - cov[np.ix_(x, z)] @ on_z
    left = cov[np.ix_(x, x)] - cov[np.ix_(x, np.r_[y, z])] @ on_both
    variances, basis = np.linalg.eigh(null)
    white = basis / np.sqrt(variances)  # (x − m(z)) @ white is white given z
    variances, rotation = np.linalg.eigh(white.T @ left @ white)
    upper = on_both @ white
    upper[len(y) :] -= on_z @ white
    anchor = Anchor(torch.tensor(upper).repeat(2, 1, 1))
    anchor.rotation = torch.tensor(rotation).repeat(2, 1, 1)
    v = torch.tensor(variances).float().repeat(2, 1, 1)
    return Model(anchor, TrainedGaussian(v)), np.r_[white, -on_z @ white]


def measured(model, x, y, z, seed):
    exact_model, rest = exact(model)
    proposal = uniform_bins(-12.0, 14.0, 0.5, CPU)
    return measure(
        exact_model,
        EvaluationRows(
            torch.tensor(np.c_[x, z] @ rest),
            torch.tensor(np.c_[y, z]),
            np.arange(len(x)),
            [EvaluationFold(np.arange(len(x)), (0, 1))],
        ),
        Design(proposal=proposal, bins=proposal, draws=8),
        Generator().manual_seed(seed),
        silent,
    )


@models
def test_every_form_is_the_exact_conditional_information(model):
    model = MODELS[model]
    found = measured(model, *model.sample(N, 1), seed=1)
    for form in FORMS:
        estimate = estimate_from_points(found.points, form)
        error = estimate.stderr + 1e-3  # with nothing to learn both branches agree exactly
        assert abs(estimate.mi - model.given) < LIMIT * error
        for wrong in (model.alone, 2 * model.given + 0.1, model.given / np.log(2) + 0.1):
            assert abs(estimate.mi - wrong) > LIMIT * error


def test_rows_of_another_condition_are_noticed():
    model = MODELS["tangled"]
    x, y, z = model.sample(N, 1)
    found = measured(model, x, y, np.random.default_rng(0).permutation(z), seed=1)
    estimate = estimate_from_points(found.points, "difference")
    assert abs(estimate.mi - model.given) > LIMIT * estimate.stderr


def test_the_curves_of_both_branches_are_exact():
    """mmse(x | λ, z) of a Gaussian with unit variance given z is α²."""
    model = MODELS["collider"]
    curve = measured(model, *model.sample(N, 2), seed=2).curve
    given = 1 - np.exp(-2 * model.given)  # squared partial correlation
    snr = np.exp(curve.logsnr)
    np.testing.assert_allclose(curve.mse, snr / (1 + snr), atol=0.25)
    v = (1 - given) * snr
    np.testing.assert_allclose(curve.mse_given_y, v / (1 + v), atol=0.25)


@models
def test_what_the_condition_leaves_is_white_and_tells_as_much(model):
    model = MODELS[model]
    values = [torch.tensor(v) for v in model.sample(20_000, 3)]
    x, y, z = ((v - v.mean(0)) / v.std(0) for v in values)
    member = Member(np.arange(18_000), np.arange(18_000, 20_000))
    fields = {"width": 16, "steps": 0, "batch": 64, "generator": Generator().manual_seed(0)}
    left_x, left_y = (without_condition(v, z, member, "x", **fields) for v in (x, y))
    joint = np.cov(torch.cat([left_x, left_y, z], dim=1).numpy().T)
    dim_x, dim_y = left_x.shape[1], left_y.shape[1]
    np.testing.assert_allclose(joint[:dim_x, :dim_x], np.eye(dim_x), atol=1e-3)
    np.testing.assert_allclose(joint[: dim_x + dim_y, dim_x + dim_y :], 0, atol=0.05)
    cross = joint[:dim_x, dim_x : dim_x + dim_y]
    rho = np.linalg.svd(cross, compute_uv=False)
    assert -0.5 * np.log1p(-(rho**2)).sum() == pytest.approx(model.given, abs=0.03)
