"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: whoever reads it, at whatever moment, sees old or new.

    The new one is written beside it and reaches the disk before it takes the name, and the
    permissions of the old one. Nothing but the death of the process leaves that other file behind,
    and nothing ever reads it.

    Args:
        path: Where to.
        data: What to write.

    Raises:
        OSError: It cannot be written; the file that was there is still there.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
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
