"""Check the path of a file that a user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmg_nb.errors import MMGError

__all__ = ["as_path", "whole_path"]


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


def whole_path(path: Any, name: str, remedy: str) -> Path:
    """The same from the root of the file system, so that the current folder may change.

    Args:
        path: What the user gave. `~` is the user's folder.
        name: What it is the path of, for the message.
        remedy: What to do if it is no path of a file.

    Returns:
        The path. The file need not exist.

    Raises:
        MMGError: It is no path of a file, or it cannot be completed.
    """
    given = as_path(path, name, remedy)
    try:
        return given.expanduser().absolute()
    except (OSError, RuntimeError) as error:  # the current folder is gone; no such user
        what = f"The path {str(path)!r} cannot be completed ({error})."
        raise MMGError(what, "Write the whole path, beginning with /.") from error
