"""A part of the output of a cell that can be replaced."""

from __future__ import annotations

import html
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.display import display

from mmg_nb.results.unfinished import remark_on_stop
from mmg_nb.runs.watching import in_marimo

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["NOTHING", "Card", "Place", "isolates_outputs", "placeholder", "remark_of"]

REOPENED = (
    "If the kernel still runs, the result appears here at the end of the run. "
    "If the kernel was restarted, run this cell again."
)
NO_WIDGETS = (
    "If this page shows no Jupyter widgets, use %mmg config live=card: "
    "the progress is then plain HTML."
)


@dataclass(frozen=True)
class Card:
    """An output, as text and as HTML."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


class Place:
    """A part of an output. Each display replaces the previous one, also in the saved notebook."""

    def __init__(self) -> None:
        self._handle: Any = None

    @property
    def taken(self) -> bool:
        """Whether something is displayed here."""
        return self._handle is not None

    def show(self, shown: Any) -> None:
        """Display an object: at first below the output so far, then in place of the last one.

        `NOTHING` is displayed only in place of something.
        """
        if self._handle is None and shown is NOTHING:
            return
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


def isolates_outputs(shell: InteractiveShell) -> bool:
    """Whether the front end isolates outputs, so that a widget cannot replace HTML in one.

    VS Code, Colab and marimo do; JupyterLab, Notebook 7 and Voila do not.
    """
    known = "google.colab" in sys.modules or in_marimo()
    return known or "__vsc_ipynb_file__" in shell.user_ns


NOTHING = Card("", "")
"""What a view leaves if its caller displays the result, or nobody does."""


def remark_of(result: Any) -> Card:
    """What a view leaves if its caller gets the result: a line after a stop, otherwise nothing."""
    text = remark_on_stop(result)
    return Card(text, f"<p>{html.escape(text)}</p>") if text else NOTHING


def placeholder(what: str, slot: str) -> Card:
    """What an output holds until the end of a run. The widget takes its place in the page.

    Args:
        what: The estimated quantity.
        slot: Identifier of the output.
    """
    first = f"Estimating {what} …"
    small = "<br>".join(map(html.escape, (REOPENED, NO_WIDGETS)))
    page = f"<p>{html.escape(first)}<br><small>{small}</small></p>"
    return Card(first, f'<div data-mmg-slot="{slot}">{page}</div>')
