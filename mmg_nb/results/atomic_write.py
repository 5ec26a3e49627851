"""Write a file completely or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader sees either the old or the new content.

    The new content is first written to a temporary file in the same folder and flushed to disk.
    This file then gets the permissions and the name of the old one. It is left behind only if the
    process is killed, and nothing reads it. A link stays; the file that it leads to is replaced.

    Args:
        path: The file, or a link to it.
        data: The new content.

    Raises:
        OSError: The file cannot be written. The old file is unchanged.
    """
    path = Path(os.path.realpath(path))
    # A longer name could exceed the limit of the file system.
    partial = path.with_name(f"{path.name[:40]}.{os.urandom(4).hex()}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
