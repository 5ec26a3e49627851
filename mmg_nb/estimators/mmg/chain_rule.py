"""Split mutual information of numbers and categories into terms that can be estimated.

A denoiser needs a variable of numbers to noise. The closed form of a table needs categories only.
By the chain rule, with x_c the numbers of x and x_d its categories,

    I(x; y | z) = I(x_d; y | z) + I(x_c; y | x_d, z).

If x and y are categories and the condition has numbers z_c,

    I(x; y | z) = I(x; y | z_d) + I(z_c; x | y, z_d) − I(z_c; x | z_d).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmg_nb.data.functions import confirmations
from mmg_nb.data.pairs import Pairs

__all__ = ["Term", "decompose", "is_settled", "part_of"]

Part = tuple[str, str]
"""A variable (x, y or z) and a kind (`c`: its numbers, `d`: its categories)."""
Parts = frozenset[Part]


@dataclass(frozen=True)
class Term:
    """± I(a; b | given), where either a has only numbers, or all three have only categories.

    Attributes:
        sign: 1 or −1.
        a: The noised variable, if it has numbers.
        b: The other variable.
        given: The condition.
        name: E.g. `I(x_c; y | x_d)`.
    """

    sign: int
    a: Parts
    b: Parts
    given: Parts
    name: str

    @property
    def closed(self) -> bool:
        """Whether all parts are categories, so that a closed form exists."""
        return not _numbers(self.a | self.b | self.given)

    @property
    def symmetric(self) -> bool:
        """Whether b also has only numbers, so that either variable can be noised."""
        return not _categories(self.b)


def decompose(pairs: Pairs) -> tuple[Term, ...]:
    """The terms of I(x; y | z).

    Args:
        pairs: The data.

    Returns:
        The terms; a single one if that is enough.
    """
    x, y, z = (_parts(pairs, name) for name in "xyz")
    every = x | y | z

    def term(sign: int, a: Parts, b: Parts, given: Parts) -> Term:
        condition = f" | {_named(given, every)}" if given else ""
        name = f"I({_named(a, every)}; {_named(b, every)}{condition})"
        return Term(sign, a, b, given, name if sign > 0 else "−" + name)

    def split(a: Parts, b: Parts, given: Parts) -> list[Term]:
        if not _categories(a):
            return [term(1, a, b, given)]
        if not _categories(b):
            return [term(1, b, a, given)]
        if _numbers(a):
            rest = _categories(a)
            return [*split(rest, b, given), *split(_numbers(a), b, rest | given)]
        if _numbers(b):
            return split(b, a, given)
        a, b = sorted((a, b), key=min)
        numbers, known = _numbers(given), _categories(given)
        first = [term(1, a, b, known)]
        if not numbers:
            return first
        return [*first, term(1, numbers, a, b | known), term(-1, numbers, a, known)]

    return tuple(split(x, y, z))


def _parts(pairs: Pairs, name: str) -> Parts:
    values, discrete = _columns(pairs, name)
    kinds = {"d" if i in discrete else "c" for i in range(values.shape[1])}
    return frozenset((name, kind) for kind in kinds)


def _columns(pairs: Pairs, name: str) -> tuple[np.ndarray, tuple[int, ...]]:
    discrete = {"x": pairs.discrete_x, "y": pairs.discrete_y, "z": pairs.discrete_z}
    return {"x": pairs.x, "y": pairs.y, "z": pairs.z}[name], discrete[name]


def _numbers(parts: Parts) -> Parts:
    return frozenset(part for part in parts if part[1] == "c")


def _categories(parts: Parts) -> Parts:
    return frozenset(part for part in parts if part[1] == "d")


def _named(parts: Parts, every: Parts) -> str:
    """A text such as `x, y_d`; a variable with all its parts appears without its kind."""
    names = []
    for name in sorted({name for name, _ in parts}):
        here = {part for part in parts if part[0] == name}
        whole = here == {part for part in every if part[0] == name}
        names += [name] if whole else [f"{name}_{kind}" for _, kind in sorted(here)]
    return ", ".join(names)


def part_of(pairs: Pairs, term: Term) -> Pairs:
    """The data of a term.

    Args:
        pairs: All data.
        term: The term.

    Returns:
        Pairs with x = a, y = b and the condition of the term, without notes.
    """
    x, y, z = (_gather(pairs, each) for each in (term.a, term.b, term.given))
    return pairs.with_variables(x, y, z, notes=())


def is_settled(pairs: Pairs) -> bool:
    """Whether the condition's categories determine x or y, so that the term is 0.

    Args:
        pairs: The data of a term.

    Returns:
        The decision; no if too few rows confirm it.
    """
    if not pairs.discrete_z:
        return False
    condition = _rows_as_codes(pairs.z[:, list(pairs.discrete_z)])
    return any(
        confirmations(condition, _rows_as_codes(values), ordered=False)
        for values in (pairs.x, pairs.y)
    )


def _rows_as_codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)


def _gather(pairs: Pairs, parts: Parts) -> tuple[np.ndarray, tuple[int, ...]]:
    found, width = [pairs.x[:, :0]], 0
    discrete: list[int] = []
    for name, kind in sorted(parts):
        values, categories = _columns(pairs, name)
        wanted = [i for i in range(values.shape[1]) if (i in categories) == (kind == "d")]
        found.append(values[:, wanted])
        if kind == "d":
            discrete += range(width, width + len(wanted))
        width += len(wanted)
    return np.concatenate(found, axis=1), tuple(discrete)
