"""The code that reproduces a map of a table: `%mmg` lines, or Python."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mmg_nb.jupyter.form import Asked, as_word
from mmg_nb.jupyter.options import MAP_ROWS

__all__ = ["MapCode", "Refined"]

Refined: TypeAlias = tuple[Sequence[int], dict[str, Any], dict[str, Any]]
"""Indices of x, y and perhaps the condition; arguments of `mmg_nb.estimate`; fields of `mmg`."""

_DEFAULTS = {"device": "auto", "seed": 0, "discrete": "auto", "missing": "refuse"}


@dataclass(frozen=True)
class MapCode:
    """What to write to get the numbers of a map again.

    Attributes:
        text: The expression of the table.
        labels: The user's names of the columns that can be used.
        whole: Whether these are all columns of the table.
        arrow: Whether the table selects columns by a method, as PyArrow does.
        rows: As in `explore`.
        seed: As in `explore`.
        device: As in `explore`.
        discrete: As in `explore`.
    """

    text: str
    labels: Sequence[Hashable]
    whole: bool
    arrow: bool
    rows: int | None
    seed: int
    device: str
    discrete: Any

    def lines(self, columns: Sequence[int], refined: Iterable[Refined]) -> str:
        """One `%mmg` line for the map, and one for each refined pair.

        Args:
            columns: Indices of the columns of the map, in order.
            refined: The pairs, and how they were estimated.

        Returns:
            The lines.
        """
        words = ["%mmg explore", as_word(self._table(columns))]
        words += [] if self.rows == MAP_ROWS else ["--rows", str(self.rows).lower()]
        words += ["--seed", str(self.seed)] if self.seed else []
        words += [] if self.device == "auto" else ["--device", self.device]
        words += [] if self._discrete == "auto" else ["--discrete", f'"{self._discrete}"']
        return "\n".join([" ".join(words), *(self._asked(each).line for each in refined)])

    def python(self, columns: Sequence[int], refined: Iterable[Refined]) -> str:
        """The same in Python."""
        table = self._table(columns)
        more = f', missing="drop", rows={self.rows}, seed={self.seed}'
        more += f", discrete={self._discrete!r}" if self._discrete != "auto" else ""
        lines = ["import mmg_nb", "", f"found = mmg_nb.dependency_map({table}{more})"]
        for each in refined:
            asked = self._asked(each)
            x, y = asked.texts["x"], asked.texts["y"]
            words = [x, y, *(f"{role}={t}" for role, t in asked.texts.items() if role == "given")]
            given = {**asked.settings, **asked.fields}
            words += [f"{name}={value!r}" for name, value in given.items()]
            lines.append(f"mmg_nb.estimate({', '.join(words)})")
        return "\n".join(lines)

    @property
    def _discrete(self) -> str:
        return self.discrete if isinstance(self.discrete, str) else ",".join(self.discrete)

    def _table(self, columns: Sequence[int]) -> str:
        if self.whole and list(columns) == list(range(len(self.labels))):
            return self.text
        chosen = repr([self.labels[k] for k in columns])
        return f"{self.text}.select({chosen})" if self.arrow else f"{self.text}[{chosen}]"

    def _asked(self, refined: Refined) -> Asked:
        columns, options, fields = refined
        roles = zip(("x", "y", "given"), columns, strict=False)
        settings = {"device": self.device, **options}
        settings = {
            name: ",".join(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if value != _DEFAULTS[name]
        }
        texts = {role: f"{self.text}[{self.labels[k]!r}]" for role, k in roles}
        return Asked(texts=texts, estimator="mmg", settings=settings, fields=fields)
