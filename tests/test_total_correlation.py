"""What more than two variables share: sums of estimates, their errors and the sign."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import estimator_class

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
    assert (
        len(found.terms) == 9
    )  # 3 without a condition, 2 with one, and each of those shuffled twice
    assert found.kind == "neither redundant nor synergistic"


def noise_at(place, seed, n, strength):
    """Two columns that depend on each other, and one that depends on nothing."""
    rng = np.random.default_rng(seed)
    a, b, noise = rng.normal(size=(3, n))
    columns = [a, strength * a + math.sqrt(1 - strength**2) * b]
    columns.insert(place, noise)
    return pd.DataFrame(dict(zip("uvw", columns, strict=True)))


@pytest.mark.parametrize(("n", "strength"), [(300, 0.7), (300, 0.97), (600, 0.7)])
def test_a_column_of_noise_is_neither_redundant_nor_synergistic(n, strength):
    """A condition of noise adds columns, and so a bias, which looks like redundancy."""
    mistaken = 0
    for place in range(3):
        tables = [noise_at(place, (place, seed), n, strength) for seed in range(20)]
        found = [mmg_nb.total_correlation(table, progress=False) for table in tables]
        assert abs(np.mean([each.o_information.mi for each in found])) < 0.02
        mistaken += sum(each.kind != "neither redundant nor synergistic" for each in found)
    assert mistaken <= 3  # of 60


def test_two_pairs_that_have_nothing_to_do_with_each_other_are_neither():
    kinds = []
    for seed in range(12):
        one, other = (noise_at(2, key, 300, 0.8) for key in ((seed, 0), (seed, 1)))
        table = pd.DataFrame({"a": one.u, "b": one.v, "c": other.u, "d": other.v})
        kinds.append(mmg_nb.total_correlation(table, progress=False).kind)
    assert sum(kind != "neither redundant nor synergistic" for kind in kinds) <= 1


TRIPLES = {
    "copy": (lambda a, b, e: (a, b, a + 0.3 * e), "redundant"),
    "common cause": (lambda a, b, e: (a, a + 0.6 * b, a + 0.6 * e), "redundant"),
    "parity of signs": (lambda a, b, e: (a, b, np.sign(a * b) * np.exp(e)), "synergistic"),
    "sum": (lambda a, b, e: (a, b, a + b + 0.5 * e), "synergistic"),
}


@pytest.mark.parametrize("kind", TRIPLES)
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_redundant_and_synergistic_columns_are_found(kind, order):
    build, expected = TRIPLES[kind]
    for seed in range(5):
        a, b, e = np.random.default_rng(seed).normal(size=(3, 300))
        b = 0.7 * a + 0.7 * b if kind == "copy" else b
        columns = [build(a, b, e)[k] for k in order]
        table = pd.DataFrame(dict(zip("abc", columns, strict=True)))
        assert mmg_nb.total_correlation(table, progress=False).kind == expected


def test_the_sums_are_those_of_the_terms_and_shuffles():
    found = mmg_nb.total_correlation(gaussian(0.5, 300)[0])
    term = {name: each.mi for name, each in found.terms.items()}
    shuffles = [term[f"I(b; a | c, shuffle {k})"] for k in (1, 2)]
    assert found.o_information.mi == pytest.approx(np.mean(shuffles) - term["I(b; a | c)"])
    assert found.dual.mi == pytest.approx(found.mi - found.o_information.mi)
    chance = np.var(shuffles, ddof=1)
    assert found.o_information.stderr > math.sqrt(chance) > 0


def test_what_trains_is_not_trained_for_shuffled_rows(monkeypatch, shared):
    monkeypatch.setattr(estimator_class("gcmi"), "trains", True)
    found = mmg_nb.total_correlation(gaussian(0.6, 200)[0], "gcmi")
    assert list(found.terms) == ["I(b; a)", "I(b; a | c)", "I(c; a, b)"]
    difference = found.terms["I(b; a)"].mi - found.terms["I(b; a | c)"].mi
    assert found.o_information.mi == pytest.approx(difference)
    assert len(shared.terms) == 5


def test_all_terms_use_the_rows_in_which_nothing_is_missing():
    table = gaussian(0.6, 300)[0].assign(empty=np.nan, z=RNG.normal(size=300))
    gaps = table.copy()
    for place, name in enumerate("abcz"):
        gaps.loc[place * 20 : place * 20 + 9, name] = np.nan
    complete = gaps[list("abcz")].dropna()
    found = mmg_nb.total_correlation(gaps, given="z", missing="drop")
    assert found.n_samples == len(complete) == 260
    assert set(found.left_out) == {"empty"}
    again = mmg_nb.total_correlation(complete, given="z")
    assert found.to_frame().equals(again.to_frame())
    (said,) = [note for note in found.notes if "were dropped" in note]
    assert said.startswith("40 of 300 rows were dropped because of missing values (a: 10, b: 10")


def test_a_column_that_gaps_leave_constant_is_left_out():
    table = gaussian(0.6, 200)[0]
    table = table.assign(d=np.where(np.arange(200) < 100, 1.0, 2.0))
    table.loc[100:, "a"] = np.nan
    found = mmg_nb.total_correlation(table, missing="drop")
    assert found.names == ("a", "b", "c")
    assert found.left_out == {"d": "it is constant"}
    assert any(note.startswith("Whether a is missing depends on d, so") for note in found.notes)


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


def test_too_many_columns_are_told_before_rows_are_left_out():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(300, 30))).add_prefix("c")
    table = table.mask(rng.random(table.shape) < 0.15)
    with pytest.raises(MMGError, match="At most 10 columns can be used; got 30"):
        mmg_nb.total_correlation(table, missing="drop")
