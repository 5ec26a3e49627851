"""A part of the output of a cell that can be replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.display import display

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Place", "isolates_outputs"]


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


def isolates_outputs(shell: InteractiveShell) -> bool:
    """Whether the front end isolates outputs, so that a widget cannot replace HTML in one.

    VS Code and Colab do; JupyterLab, Notebook 7 and Voila do not.
    """
    return "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules
