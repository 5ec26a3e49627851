"""The tokenizer of the magic's line."""

from __future__ import annotations

import pytest

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.tokens import tokenize, unquoted


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("", []),
        ("   ", []),
        ("estimate x y", ["estimate", "x", "y"]),
        ("  x\t  y ", ["x", "y"]),
        ("x[:, :2] y", ["x[:, :2]", "y"]),
        ('df[["a", "b"]] df.c', ['df[["a", "b"]]', "df.c"]),
        ('df["a b"] f(x, {1: (2, 3)})', ['df["a b"]', "f(x, {1: (2, 3)})"]),
        ("'x + y' \"z\"", ["x + y", "z"]),
        ("'a' + 'b'", ["a", "+", "b"]),
        ("x['a']['b']", ["x['a']['b']"]),
        (r"--out C:\tmp\a", ["--out", r"C:\tmp\a"]),
        (r"df['it\'s'] y", [r"df['it\'s']", "y"]),
        ("df['(['] y", ["df['([']", "y"]),
        ("x y # a comment's ( quote", ["x", "y"]),
        ("df['#1'] y#z", ["df['#1']", "y"]),
        ("# all", []),
        ("--loc=-2 --o='a b'", ["--loc=-2", "--o='a b'"]),
    ],
)
def test_a_line_is_split_outside_quotes_and_brackets(line, texts):
    read = tokenize(line)
    assert [token.text for token in read.tokens] == texts
    assert not read.silent
    for token in read.tokens:
        assert line[token.start + token.quoted :].startswith(token.text)


@pytest.mark.parametrize(
    ("line", "texts", "silent"),
    [
        ("x y;", ["x", "y"], True),
        ("x y ;  # quiet", ["x", "y"], True),
        ("x y # loud;", ["x", "y"], False),
        ("x 'y;'", ["x", "y;"], False),
        (";", [], True),
        ("x; y", ["x;", "y"], False),
    ],
)
def test_a_trailing_semicolon_suppresses_the_display(line, texts, silent):
    read = tokenize(line)
    assert [token.text for token in read.tokens] == texts
    assert read.silent is silent


@pytest.mark.parametrize(
    ("line", "what", "at"),
    [
        ("estimate x' y", "quote ' is never closed", 10),
        ('x "y', 'quote " is never closed', 2),
        ("x[:, (1 y", "( is never closed", 5),
        ("x[0 # ]", "[ is never closed", 1),
        ("x] y", "] has no matching opening bracket", 1),
        ("x[(0] y", "] has no matching opening bracket", 4),
    ],
)
def test_the_error_points_at_the_unbalanced_character(line, what, at):
    with pytest.raises(MMGError) as caught:
        tokenize(line)
    assert what in caught.value.what
    assert caught.value.remedy == f"It is the last character here: {line[: at + 1]}"


def test_only_quotes_around_the_whole_text_are_removed():
    assert unquoted("'a b'") == "a b"
    assert unquoted("'a' + 'b'") == "'a' + 'b'"
    assert unquoted("'") == "'"
