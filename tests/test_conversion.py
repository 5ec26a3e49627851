"""Texts that are numbers or dates: the advice on how to convert them works."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.data.columns import read_columns
from mmg_nb.data.conversion import MAX_TEXTS, conversion_of
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError

N = 200
V = (1000 * np.random.default_rng(2).standard_cauchy(N)).round(2)
DAYS = pd.date_range("2023-06-01", periods=N)


def written(form, old="", new=""):
    return [form.format(v).translate(str.maketrans(old, new)) for v in V]


NUMBERS = {
    "percent": written("{:.2f}%"),
    "decimal comma": written("{:.2f}", ".", ","),
    "small decimal comma": [f"{v / 1000:.3f}".replace(".", ",") for v in V],
    "thousands": written("{:,.2f}"),
    "German": written("{:,.2f}", ",.", ".,"),
    "Swiss": written("{:,.2f}", ",", "'"),
    "French": written("{:,.2f} €", ",.", "\u202f,"),
    "dollars": [f"${abs(v):,.2f}" for v in V],
    "unit and blanks": written(" {:.2f} kg"),
    "minus sign": written("{:.2f}", "-", "\u2212"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_line_of_pandas_reads_every_number(name):
    texts = NUMBERS[name]
    found = conversion_of(sorted({*texts}), dates=True)
    read = eval(found.code, {"column": pd.Series(texts), "pandas": pd})
    expected = V / 1000 if name.startswith("small") else np.abs(V) if name == "dollars" else V
    np.testing.assert_allclose(read, expected, atol=6e-4)
    count = len({*texts})
    assert found.evidence.startswith(f"{count} of {count} different texts are numbers, such as")


@pytest.mark.parametrize("place", ["n/a", "?", "-", "unknown", "<0.01"])
def test_placeholders_become_missing(place):
    for texts, what in ((written("{:.2f}"), "numbers"), (DAYS.strftime("%d.%m.%Y"), "dates")):
        held = [place, *texts[1:]]
        found = conversion_of(sorted({*held}), dates=True)
        count = len({*held})
        said = f"{count - 1} of {count} different texts are {what}, {place!r} is not"
        assert found.evidence == said
        read = eval(found.code, {"column": pd.Series(held), "pandas": pd})
        assert list(np.flatnonzero(read.isna())) == [0]


@pytest.mark.parametrize(
    "form", ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%Y-%m-%d", "%d-%b-%Y", "%B %d, %Y"]
)
def test_the_line_of_pandas_reads_dates(form):
    texts = DAYS.strftime(form)
    found = conversion_of(sorted(texts), dates=True)
    read = eval(found.code, {"column": pd.Series(texts), "pandas": pd})
    assert (read.to_numpy() == DAYS.to_numpy()).all()
    assert conversion_of(sorted(texts), dates=False) is None


@pytest.mark.parametrize(
    "form", ["patient {}", "P{:03d}", "{0}-{0}", "2024-{:05d}", "192.168.0.{}", "{}.{}.x", "a{}%"]
)
def test_identifiers_are_neither(form):
    assert conversion_of(sorted(form.format(i, i + 3) for i in range(N)), dates=True) is None


def test_estimates_tables_and_rankings_say_how():
    table = pd.DataFrame({"v": V, "share": NUMBERS["percent"], "w": V + 1})
    table["many"] = np.array(["n/a", "0,5", "1,5", "2,5", "3,5"])[np.arange(N) % 5]
    code = "column.str.removesuffix('%').astype(float)"
    count = table.share.nunique()
    with pytest.raises(MMGError) as caught:
        make_pairs(table.share, V)
    assert str(caught.value).splitlines() == [
        f"x: column share is text. {count} of {count} different texts are numbers, such as "
        f"{max(table.share)!r}.",
        f"Convert it with pandas: {code}",
    ]
    kept = make_pairs(table[["share", "w"]], V, skip=True)
    assert any(note.endswith(f"left out. Convert it with pandas: {code}") for note in kept.notes)
    many = make_pairs(table.many, V)
    assert many.discrete_x == (0,)
    assert "4 of 5 different texts are numbers, 'n/a' is not" in many.notes[0]
    coerced = "pandas.to_numeric(column.str.replace(',', '.'), errors='coerce')"
    assert many.notes[0].endswith(coerced)
    assert make_pairs(table.many, V, discrete="x").notes == many.notes[1:]
    described = mmg_nb.describe(table)
    assert (described["share"].change, described["many"].change) == (code, coerced)
    assert not described["share"].usable
    with pytest.raises(MMGError, match=r"share was left out because .* keeps it\."):
        mmg_nb.rank(table, "share")


def test_of_many_texts_some_are_looked_at():
    texts = sorted(f"{v:.4f}%" for v in np.random.default_rng(1).normal(size=100 * MAX_TEXTS))
    started = time.process_time()
    found = conversion_of(texts, dates=True)
    assert time.process_time() - started < 2
    assert found.evidence.startswith(
        f"{MAX_TEXTS} of {MAX_TEXTS} different texts that were looked"
    )
    assert found.code == "pandas.to_numeric(column.str.removesuffix('%'), errors='coerce')"


def column_of(*texts):
    return read_columns(np.array([[t] for t in texts] * 20, dtype=object), "x")[0]


@pytest.mark.parametrize(
    "texts", [("4_11", "12_5", "4_115"), ("2023_11", "2023_12"), ("1_000.5", "2_000.5", "7")]
)
def test_texts_with_underscores_are_no_numbers(texts):
    assert (column_of(*texts).kind, column_of(*texts).origin) == ("category", "")
    assert column_of(*texts).conversion is None


def test_whole_numbers_may_be_codes_whatever_their_form():
    for texts in (("2E5", "1E3", "7"), (" 12", "7 ", "12"), ("+3", "007")):
        found = column_of(*texts)
        assert (found.kind, found.origin) == ("category", "digits")
        assert len(np.unique(found.values)) == len({text.strip() for text in texts})
    assert column_of("1e-3", "7").kind == column_of("2.5E3", " 7\n").kind == "number"
    gaps = np.isnan(column_of("3", "nan", "4", " NaN").values)
    assert gaps[:4].tolist() == [False, True, False, True]
    assert not np.isnan(column_of("3", "nan", "b").values).any()
