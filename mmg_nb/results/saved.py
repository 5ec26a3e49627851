"""Results as JSON, in a text and in a file."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from mmg_nb.errors import MMGError
from mmg_nb.results.atomic_write import write_whole
from mmg_nb.results.paths import as_path
from mmg_nb.results.plain import ArrayRecord, as_plain, from_plain

__all__ = ["SavedRecord"]

PICTURES = (".pdf", ".svg", ".png", ".eps", ".ps", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")


class SavedRecord(ArrayRecord):
    """Base of frozen dataclasses that can be saved as JSON.

    Attributes:
        FORMAT: Name and version of the format.
    """

    FORMAT: ClassVar[str]

    @abstractmethod
    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The card by MIME type, with metadata.

        Args:
            unit: `nats` or `bits`.
        """

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.bundle()

    def _repr_html_(self) -> str:  # marimo would show the texts of a bundle side by side
        return str(self.bundle()[0]["text/html"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, texts, lists and dictionaries."""
        return {"format": self.FORMAT, **as_plain(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Args:
            data: What `to_dict` gave.

        Returns:
            An equal result.

        Raises:
            MMGError: `data` does not describe a result.
        """
        if not isinstance(data, Mapping) or data.get("format") != cls.FORMAT:
            found = data.get("format") if isinstance(data, Mapping) else data
            got = repr(found)[:80] if isinstance(found, str) else f"a {type(found).__name__}"
            what = f"Expected a result in format {cls.FORMAT}; got {got}."
            raise MMGError(what, cls._remedy())
        try:
            result: Self = from_plain(cls, dict(data), "the result")
            result._check()
        except (TypeError, ValueError) as error:
            what = f"Expected a complete result; this one is damaged ({error})."
            raise MMGError(what, cls._remedy()) from error
        return result

    def _check(self) -> None:
        """Check that the parts belong together.

        Raises:
            ValueError: They do not.
        """

    @classmethod
    def _remedy(cls) -> str:
        return f"Pass what {cls.__name__}.to_json or {cls.__name__}.save wrote."

    def to_json(self) -> str:
        """The result as JSON text. Non-finite numbers are written as NaN and Infinity."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`.

        Raises:
            MMGError: The text is not JSON, or does not describe a result.
        """
        try:
            data = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            what = f"Expected the JSON text of a result; reading it failed: {error}."
            raise MMGError(what, cls._remedy()) from error
        if not isinstance(data, dict):
            what = f"Expected the JSON text of a result; got a {type(data).__name__}."
            raise MMGError(what, cls._remedy())
        return cls.from_dict(data)

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON. The file is replaced in one step.

        Args:
            path: Where to write.

        Returns:
            The path written.

        Raises:
            MMGError: The file cannot be written, or its ending is that of a picture.
        """
        path = as_path(path, "path", "Try res.save('result.json').")
        if path.suffix.lower() in PICTURES:
            what = f"save writes a result as JSON, not a figure; got {str(path)[:80]!r}."
            remedy = f"%mmg plot res --save {path.name}, or res.plot().figure.savefig(…)."
            raise MMGError(what, f"For a figure: {remedy}")
        try:
            write_whole(path, self.to_json().encode())
        except OSError as error:
            what = f"{str(path)!r} cannot be written ({error.strerror})."
            raise MMGError(what, "Choose a file in a folder that you can write to.") from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            MMGError: There is no such file, or it does not contain a result.
        """
        remedy = f"Pass the path that {cls.__name__}.save returned."
        path = as_path(path, "path", remedy)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"Expected a saved result at {str(path)!r}; could not read it ({error})."
            raise MMGError(what, remedy) from error
        return cls.from_json(text)
