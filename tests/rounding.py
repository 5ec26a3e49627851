"""A pytest plugin that rounds differently, and notes how near each assertion came to failing.

Loaded by `fragile.py` alone. Every processor adds up a matrix product in an order of its own. Here
each element of a float32 product is changed by up to `SIZE` of itself. The change is a hash of the
element, so the same operation on the same arrays still gives the same bits.
"""

from __future__ import annotations

import ast
import json
import os
import re
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import Library

SEED = int(os.environ.get("ROUNDING_SEED", "0"))  # 0: leave products as they are
MARGINS = os.environ.get("ROUNDING_MARGINS")  # file that gets a line for each comparison
SIZE = 1e-6
ODD = -1640531527  # 2³²/golden ratio, as Knuth's multiplicative hash has it
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")
LIBRARY = Library("aten", "IMPL")
SEEN: dict[tuple[str, int], int] = {}  # how often each line has been asserted


def rounded(value: Tensor) -> Tensor:
    """The same up to `SIZE` of each element; float64 as it is."""
    if value.dtype != torch.float32:
        return value
    bits = value.detach().contiguous().view(torch.int32)
    hashed = (bits ^ (SEED * 0x5BD1E995 & 0x7FFFFFFF)) * ODD
    return value + value * (hashed ^ (hashed >> 15)).float() * (SIZE / 2**31)


def _replace(name: str) -> None:
    out = getattr(torch.ops.aten, name).out

    def product(*args: object, **more: object) -> Tensor:
        first = next(each for each in args if isinstance(each, Tensor))
        return rounded(out(*args, **more, out=first.new_empty(0)))

    LIBRARY.impl(name, product, "CPU")


def _convolution(*args: object, **more: object) -> Tensor:
    return rounded(conv2d(*args, **more))


if SEED:
    conv2d, F.conv2d = F.conv2d, _convolution
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that these replace others is meant
        for each in PRODUCTS:
            _replace(each)


def margin(said: str) -> float | None:
    """By how much a comparison of numbers held, from pytest's explanation of it."""
    said = re.sub(r"np\.float(?:32|64)\(([^()]*)\)", r"\1", said.splitlines()[0])
    near = re.fullmatch(r"(\S+) == (\S+) ± (\S+)", said)
    if near:
        found, expected, allowed = (float(v) for v in near.groups())
        return allowed - abs(found - expected)
    try:
        tree = ast.parse(said, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        return None
    left, right = _value(tree.left), _value(tree.comparators[0])
    if left is None or right is None:
        return None
    if isinstance(tree.ops[0], (ast.Lt, ast.LtE)):
        return right - left
    return left - right if isinstance(tree.ops[0], (ast.Gt, ast.GtE)) else None


def _value(node: ast.expr) -> float | None:
    allowed = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)
    if not all(isinstance(each, allowed) for each in ast.walk(node)):
        return None
    found = eval(compile(ast.Expression(node), "said", "eval"), {})
    return float(found) if isinstance(found, (int, float)) else None


@pytest.hookimpl
def pytest_assertion_pass(item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
    held = margin(expl)
    if MARGINS and held is not None:
        nth = SEEN[item.nodeid, lineno] = SEEN.get((item.nodeid, lineno), 0) + 1
        line = {"test": item.nodeid, "line": lineno, "nth": nth, "margin": held}
        with open(MARGINS, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
