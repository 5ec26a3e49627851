"""Information between numbers and categories as a sum of terms that can be computed.

A denoiser needs numbers to noise, and a table needs categories only. By the chain rule, with x_c
the numbers of x and x_d its categories,

    I(x; y | z) = I(x_d; y | z) + I(x_c; y | x_d, z),

and where categories x, y meet numbers z_c in the condition,

    I(x; y | z) = I(x; y | z_d) + I(z_c; x | y, z_d) − I(z_c; x | z_d).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmg_nb.data.pairs import Pairs

__all__ = ["Term", "decompose", "part_of"]

Part = tuple[str, str]
"""A variable, x, y or z, and a kind, `c` for its numbers or `d` for its categories."""
Parts = frozenset[Part]


@dataclass(frozen=True)
class Term:
    """± I(a; b | given), where a is all numbers, or all three are all categories.

    Attributes:
        sign: 1 or −1.
        a: What is noised, if anything can be.
        b: The other.
        given: What is conditioned on.
        name: E.g. `I(x_c; y | x_d)`.
    """

    sign: int
    a: Parts
    b: Parts
    given: Parts
    name: str

    @property
    def closed(self) -> bool:
        """Whether there are only categories."""
        return not _numbers(self.a | self.b | self.given)

    @property
    def symmetric(self) -> bool:
        """Whether b, too, is all numbers, so that either can be noised."""
        return not _categories(self.b)


def decompose(pairs: Pairs) -> tuple[Term, ...]:
    """The terms of I(x; y | z).

    Args:
        pairs: The data.

    Returns:
        One term where that will do.
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
    """`x, y_d`: a variable that is there as a whole goes without its kind."""
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
        Pairs with the term's a as x, b as y and condition as given, without notes.
    """
    (x, in_x), (y, in_y), (z, in_z) = (_gather(pairs, v) for v in (term.a, term.b, term.given))
    return replace(
        pairs,
        x=x,
        y=y,
        given=z if z.shape[1] else None,
        discrete_x=in_x,
        discrete_y=in_y,
        discrete_z=in_z,
        notes=(),
    )


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
