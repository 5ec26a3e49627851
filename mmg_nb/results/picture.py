"""Pictures inside HTML, for front ends that show either HTML or PNG."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["Picture"]

LEAST = 0.7  # of the width; in a smaller picture words are hard to read


@dataclass(frozen=True)
class Picture:
    """A PNG with its alternative text.

    A front end that supports HTML and PNG shows only the HTML. Untrusted notebooks remove inline
    SVG and style sheets but keep data images. Therefore the PNG is embedded in the HTML.

    Attributes:
        png: The bytes of the file.
        alt: A description of the picture, for readers who cannot see it.
        width: Displayed width in CSS pixels.
    """

    png: bytes
    alt: str
    width: int

    @cached_property
    def base64(self) -> str:
        """The file as base64 text."""
        return base64.b64encode(self.png).decode("ascii")

    @property
    def tag(self) -> str:
        """The picture as an HTML element. In a narrow page it shrinks a little, then scrolls."""
        least = round(LEAST * self.width)
        style = f"max-width:100%;min-width:{least}px;border-radius:6px"
        return (
            f'<div style="overflow-x:auto"><img alt="{html.escape(self.alt)}" style="{style}" '
            f'width="{self.width}" src="data:image/png;base64,{self.base64}"></div>'
        )

    def bundle(self, text: str, page: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The return value of `_repr_mimebundle_`.

        Args:
            text: The object as text.
            page: The object as HTML, including the picture.

        Returns:
            Data and metadata by MIME type.
        """
        data = {"text/plain": text, "text/html": page, "image/png": self.base64}
        words = {"alt": self.alt} if self.alt else {}
        return data, {"image/png": {"width": self.width, **words}}
