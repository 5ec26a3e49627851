"""A run computes the same bits whatever the user has set for numpy, torch and pandas."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from resuming import content

import mmg_nb
from mmg_nb.estimators.mmg_images import run as image_run
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.runs.surroundings import usual_surroundings

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 8))
X[:, 1] *= 1e-200  # its square is 0, which numpy may report
X[:, 2] = np.exp(2 * X[:, 2])
Y = np.column_stack([X[:, 0] + 0.1 * rng.normal(size=300), X[:, 2] * rng.normal(size=300)])
IMAGES = rng.normal(size=(60, 4, 4))

SHORT = {"steps": 8, "width": 8, "blocks": 1, "folds": 2, "batch": 32}
FIELDS = {
    "mmg": {"steps": 40, "width": 8, "blocks": 1, "draws": 4, "folds": 3, "gap": "cross"},
    "mmg_images": {"steps": 2, "width": 2, "draws": 4},
    "published": {"steps": 8, "adaptive": True},
    "minde": SHORT | {"draws": 4},
}


def setting(change, value, before):
    """A context manager for a setting of the process."""

    @contextmanager
    def changed():
        change(value)
        try:
            yield
        finally:
            change(before)

    return changed


SURROUNDINGS = {
    "dtype float64": setting(torch.set_default_dtype, torch.float64, torch.float32),
    "dtype bfloat16": setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "gradients off": lambda: torch.set_grad_enabled(False),
    "another device": lambda: torch.device("meta"),
    "another default device": setting(torch.set_default_device, "meta", None),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": setting(torch.use_deterministic_algorithms, True, False),
    "numpy raises": lambda: np.errstate(all="raise"),
    "pandas texts": lambda: pd.option_context("mode.string_storage", "python"),
}


@pytest.fixture(scope="module", autouse=True)
def _short_validation():
    """Validation is the longest part of two steps, and needs no precision in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_run, "VALIDATION_DRAWS", 64)
        yield


def run(name):
    owner = estimator_class(name)
    images = "images" in owner.needs
    x, y = (IMAGES, Y[:60]) if images else (pd.DataFrame(X).add_prefix("column "), Y)
    fields = FIELDS.get(name, SHORT) if owner.trains else {}
    return content(mmg_nb.estimate(x, y, name, device="cpu", **fields))


@cache
def usual(name):
    return run(name)


USUAL = ("mmg", "ksg", "infonce", "mmg_images")  # checked at every change


@pytest.mark.parametrize("kind", SURROUNDINGS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.accuracy) for name in names()],
)
def test_every_estimator_gives_the_same_bits(name, kind):
    expected = usual(name)
    with SURROUNDINGS[kind]():
        assert run(name) == expected


def test_the_surroundings_of_the_user_are_restored():
    def state():
        device = torch.empty(0).device.type
        autocast, inference = torch.is_autocast_enabled("cpu"), torch.is_inference_mode_enabled()
        return np.geterr(), torch.is_grad_enabled(), autocast, inference, device

    plain = state()
    with ExitStack() as stack:
        for kind in ("inference", "another default device", "autocast", "numpy raises"):
            stack.enter_context(SURROUNDINGS[kind]())
        before = state()
        assert all(a != b for a, b in zip(before, plain, strict=True))
        with usual_surroundings():
            assert state() == plain
        assert state() == before
        with pytest.raises(mmg_nb.MMGError):
            mmg_nb.estimate(X, Y[:7], "gcmi")
        assert state() == before
