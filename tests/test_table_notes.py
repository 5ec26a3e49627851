"""Notes of questions about tables: each said once, with advice that such a question can follow."""

from __future__ import annotations

import ast
import re

import numpy as np
import pandas as pd
import pytest

import mmg_nb
from mmg_nb.data.choice import read_choice
from mmg_nb.questions.answer import said_once
from mmg_nb.questions.table_columns import read_columns
from mmg_nb.questions.table_pairs import TablePairs

N = 200
RNG = np.random.default_rng(2)
WALK = np.cumsum(RNG.normal(size=N))
TABLE = pd.DataFrame(
    {
        "age": (50 + 10 * RNG.normal(size=N)).round(),
        "low, high": RNG.normal(size=N).round(1),
        "sex": np.arange(N) % 2,
        "t": WALK + RNG.normal(size=N),
        "slow": WALK,
    }
)


def noted(found, words):
    return [(k, note) for k, note in enumerate(found.notes) if words in note]


def rank(table, **more):
    return mmg_nb.rank(table, "t", pairs=False, **more)


@pytest.mark.parametrize("ask", [rank, mmg_nb.dependency_map, mmg_nb.total_correlation])
def test_notes_of_a_table_are_said_once(ask):
    found = ask(TABLE)
    ((ties, note),) = noted(found, "Repeated values")
    assert re.match(r"Repeated values in 2 columns \(age: \d\d%, low, high: \d\d%\)", note)
    assert len(noted(found, "1 column of few whole numbers is treated as categories (sex: 2")) == 1
    ((series, order),) = noted(found, "Neighbouring rows depend")
    ((jitter, _),) = noted(found, "Values repeat")
    assert series < jitter < ties  # what changes an error bar comes first
    assert not any(alone in order for alone in ("rows=", "groups="))


def test_alike_notes_say_whose_numbers_they_give():
    """Rejected: a number that is said of columns that have another one; the common note first."""
    remarks = [
        ("a", "All."),
        ("a", "Of 9 rows."),
        ("b", "All."),
        ("b", "Of 7 rows."),
        ("c", "All."),
    ]
    found = said_once(remarks, of_columns=True)
    assert found == ("a; b: Of 9 rows. (The numbers are those of a.)", "a; b; c: All.")


def test_the_advice_of_notes_of_a_table_works():
    shuffled = rank(TABLE.sample(frac=1, random_state=0))
    assert not noted(shuffled, "Neighbouring rows depend")
    ((_, note),) = noted(shuffled, "Repeated values")
    advice = re.search(r"To treat one of them as categories, use discrete=(.*)\.$", note)[1]
    again = rank(TABLE, discrete=ast.literal_eval(advice))
    ((_, less),) = noted(again, "Repeated values in 1 column (")
    assert noted(again, "(sex: 2 values)")  # the automatic reading still holds
    last = re.search(r"To treat it as categories, use discrete=(.*)\.$", less)[1]
    assert set(ast.literal_eval(last)) == {"auto", "age", "low, high"}


def test_estimators_of_numbers_advise_no_categories():
    ((_, note),) = noted(mmg_nb.dependency_map(TABLE, "gcmi"), "Repeated values")
    assert note.endswith("which is right for rounded measurements.")


def test_a_map_to_explore_advises_what_it_takes():
    table = TABLE[["age", "sex", "t"]]

    def filled(discrete):
        choice = read_choice(discrete)
        pairs = TablePairs(read_columns(table, choice), rows=None, seed=0, choice=choice)
        assert pairs.fill(lambda event: False)
        return pairs

    said = " ".join(text for text, _ in filled("auto").remarks())
    assert "as categories, use discrete='auto,age'." in said
    assert "discrete='x'" not in said
    chosen = filled("auto,age")
    assert "repeated values" not in " ".join(text for text, _ in chosen.remarks())
    same = mmg_nb.dependency_map(table, discrete="auto,age", missing="drop")
    assert chosen.map().to_frame().equals(same.to_frame())
