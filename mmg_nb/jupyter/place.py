"""A part of the output of a cell that can be replaced."""

from __future__ import annotations

from typing import Any

from IPython.display import display

__all__ = ["Place"]


class Place:
    """A part of an output. Each display replaces the previous one, also in the saved notebook."""

    def __init__(self) -> None:
        self._handle: Any = None

    @property
    def taken(self) -> bool:
        """Whether something is displayed here."""
        return self._handle is not None

    def show(self, shown: Any) -> None:
        """Display an object: at first below the output so far, then in place of the last one."""
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)
