"""Errors that a user can correct: what was expected, what came, and what to do."""

from __future__ import annotations

import traceback

__all__ = ["MMGError"]


class MMGError(ValueError):
    """A user's mistake, reported in two lines.

    IPython prints what `_render_traceback_` returns instead of the traceback. A notebook user
    then reads two lines. The cell still fails, and "Run All" stops. Errors that are not a user's
    mistake keep their traceback.

    Args:
        what: What was expected and what came.
        remedy: What to do.

    Attributes:
        full_traceback: Whether IPython prints the whole traceback.
    """

    full_traceback = False

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n{self.remedy}" if self.remedy else self.what

    def _render_traceback_(self) -> list[str]:
        if self.full_traceback:
            return "".join(traceback.format_exception(self)).splitlines()
        return [f"\x1b[31mmmg_nb:\x1b[0m {self.what}", *([self.remedy] if self.remedy else [])]
