"""Errors a user can mend: what was expected, what came, and what to do."""

from __future__ import annotations

import traceback

__all__ = ["MMGError"]


class MMGError(ValueError):
    """A mistake in what was asked, told in two lines.

    IPython shows `_render_traceback_` instead of the traceback, so that a notebook user reads two
    lines, while the cell still fails and "Run All" stops. Defects keep their traceback.

    Args:
        what: What was expected and what came.
        remedy: What to do about it.

    Attributes:
        full_traceback: Show the whole traceback in IPython after all.
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
