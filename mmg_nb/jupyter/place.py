"""A place in the output of a cell."""

from __future__ import annotations

from typing import Any

from IPython.display import display

__all__ = ["Place"]


class Place:
    """What is shown here replaces what was shown here before, also in the saved notebook."""

    def __init__(self) -> None:
        self._handle: Any = None

    @property
    def taken(self) -> bool:
        """Whether something has been shown."""
        return self._handle is not None

    def show(self, shown: Any) -> None:
        """Show something, below the output so far or in place of what was here."""
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)
