"""Pictures inside HTML, for front ends that show one of the two only."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """A PNG with its words.

    Front ends that know both HTML and PNG show only the HTML, and untrusted notebooks drop
    inline SVG and style sheets but keep data images: hence the PNG inside the HTML.

    Attributes:
        png: The file.
        alt: What it shows, for those who cannot see it.
        width: Width in pixels of the page.
    """

    png: bytes
    alt: str
    width: int

    @cached_property
    def base64(self) -> str:
        """The file as text."""
        return base64.b64encode(self.png).decode("ascii")

    @property
    def tag(self) -> str:
        """The picture as HTML."""
        return (
            f'<img alt="{html.escape(self.alt)}" style="max-width:100%" '
            f'width="{self.width}" src="data:image/png;base64,{self.base64}">'
        )

    def bundle(self, text: str, page: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What `_repr_mimebundle_` returns.

        Args:
            text: The object as text.
            page: The object as HTML, the picture in it.

        Returns:
            Data and metadata by type.
        """
        data = {"text/plain": text, "text/html": page, "image/png": self.base64}
        return data, {"image/png": {"width": self.width}}
