"""What more than two variables share: sums of estimates, their errors and the sign."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError

RNG = np.random.default_rng(0)


def gaussian(rho, n=1000):
    """Three columns with the same correlation: TC = −½ ln(1 − 3ρ² + 2ρ³)."""
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    values = RNG.multivariate_normal(np.zeros(3), covariance, size=n)
    return pd.DataFrame(values, columns=list("abc")), covariance


@pytest.fixture(scope="module")
def shared():
    return mmg_nb.total_correlation(gaussian(0.6)[0], "gcmi")


def test_gaussians_have_their_closed_form(shared):
    """Rejected: the sum over all pairs (0.669 nats), one pair, bits, and 0."""
    covariance = gaussian(0.6)[1]
    total = -0.5 * math.log(np.linalg.det(covariance))
    apart = -0.5 * np.log(np.diag(np.linalg.inv(covariance))).sum()  # Σ ln of √var(xᵢ | others)
    dual = 0.5 * math.log(np.linalg.det(covariance)) - apart
    assert total == pytest.approx(0.5217, abs=1e-3)
    assert abs(shared.mi - total) < 0.08
    assert abs(shared.dual.mi - dual) < 0.08
    assert abs(shared.o_information.mi - (total - dual)) < 0.05
    low, high = shared.interval()
    assert low < total < high
    assert shared.o_information.mi == pytest.approx(shared.mi - shared.dual.mi, abs=1e-12)


def test_parity_is_synergistic_and_a_common_cause_redundant():
    """Each pair of a, b and their parity is independent, so sums over pairs would give 0."""
    a, b = RNG.integers(0, 2, size=(2, 300))
    parity = mmg_nb.total_correlation(pd.DataFrame({"a": a, "b": b, "xor": a ^ b}))
    assert parity.mi == pytest.approx(math.log(2), abs=0.03)
    assert parity.o_information.mi == pytest.approx(-math.log(2), abs=0.03)
    assert parity.kind == "synergistic"
    cause = RNG.normal(size=300)
    table = pd.DataFrame({k: cause + 0.5 * RNG.normal(size=300) for k in "abc"})
    copies = mmg_nb.total_correlation(table)
    assert copies.kind == "redundant"
    assert copies.o_information.mi > 0.2


def test_independent_columns_share_nothing():
    found = mmg_nb.total_correlation(pd.DataFrame(RNG.normal(size=(400, 4)), columns=list("abcd")))
    assert abs(found.mi) < 3 * found.stderr < 0.15
    assert len(found.terms) == 5
    assert found.kind == "neither redundant nor synergistic"


def test_errors_use_how_the_terms_vary_together():
    table = gaussian(0.6, 300)[0]
    found = mmg_nb.total_correlation(table)
    errors = [found.terms[name].stderr for name in ("I(b; a)", "I(c; a, b)")]
    assert found.stderr <= sum(errors)
    assert found.stderr != pytest.approx(math.hypot(*errors), rel=1e-3)
    assert found.mi == found.terms["I(b; a)"].mi + found.terms["I(c; a, b)"].mi


@pytest.mark.parametrize(("stderr", "said"), [(0.05, "reliable"), (0.3, "needs more data")])
def test_a_wide_interval_is_not_called_reliable(shared, stderr, said):
    found = replace(shared, total=replace(shared.total, stderr=stderr))
    facts = found.facts()
    assert facts.badge == said
    assert bool(facts.advice) is (stderr > 0.1)


def test_what_it_shows_saves_and_refuses(shared, tmp_path):
    text = shared.bundle()[0]["text/plain"]
    assert text.startswith("a, b, c share 0.")
    assert "They are redundant: O-information 0." in text
    assert "I(b; a | c): " in text
    assert mmg_nb.TotalCorrelation.load(shared.save(tmp_path / "t.json")) == shared
    frame = shared.to_frame().set_index("quantity")
    assert frame.mi["total correlation"] == shared.mi
    assert frame.stderr["I(b; a | c)"] == shared.terms["I(b; a | c)"].stderr
    wide = pd.DataFrame(RNG.normal(size=(60, 11)))
    with pytest.raises(MMGError, match="At most 10 columns can be used; got 11"):
        mmg_nb.total_correlation(wide)


def test_the_magic_takes_a_table_or_columns(shell):
    table = gaussian(0.6, 200)[0]
    shell.user_ns.update(df=table, u=table.a.to_numpy(), v=table.b.to_numpy())
    whole = shell.run_cell("r = %mmg total df --estimator gcmi\nr")
    assert whole.names == ("a", "b", "c")
    two = shell.run_cell("r = %mmg total u v --estimator gcmi\nr")
    assert two.names == ("u", "v")
    alone = mmg_nb.estimate(table.a, table.b, "gcmi").mi
    assert two.mi == pytest.approx(alone, abs=1e-9)
    with pytest.raises(MMGError, match="one table or several single columns"):
        shell.run_cell("%mmg total u df")
