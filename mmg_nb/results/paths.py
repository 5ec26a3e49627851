"""Check the path of a file that a user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmg_nb.errors import MMGError

__all__ = ["as_path"]


def as_path(path: Any, name: str, remedy: str) -> Path:
    """The path as an object.

    Args:
        path: What the user gave.
        name: What it is the path of, for the message.
        remedy: What to do if it is no path of a file.

    Returns:
        The path. The file need not exist.

    Raises:
        MMGError: It is neither a text nor a path, it is empty, or it contains a null character.
    """
    if isinstance(path, (str, Path)) and "\0" not in str(path) and Path(path).name:
        return Path(path)
    raise MMGError(f"{name} must be the path of a file; got {repr(path)[:80]}.", remedy)
