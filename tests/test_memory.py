"""How much memory rows take."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PEAK = """
import numpy as np
import torch
from mmg_nb.training.anchor_fit import fit_anchor
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.denoisers.members import member_rows
from mmg_nb.data.splits import make_cross_fit


def kilobytes(name):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def work(n):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n, 20))
    before = kilobytes("VmRSS")
    plan = make_cross_fit(make_pairs(x, y), 3, False, rng)
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    options = {"width": 64, "steps": 10, "batch": 256, "generator": torch.Generator()}
    anchor, _ = fit_anchor(x, y, plan.members, **options)
    rows = member_rows(x, y, anchor, [member.fit for member in plan.members])
    return kilobytes("VmHWM") - before


work(1000)  # loads what is loaded once
print(work(400_000))
"""


@pytest.mark.accuracy
def test_rows_take_two_or_three_times_their_own_size_besides(fresh_python):
    """It is 2.4 times; copies of them in float64, stacked for every member, took 5 times."""
    own = 400_000 * 2 * 20 * 8
    assert own < 1024 * int(fresh_python(PEAK)) < 3 * own
