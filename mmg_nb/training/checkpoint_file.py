"""One file of arrays and plain values, written completely or not at all, with a checksum.

The layout is that of safetensors, so reading a file never executes code. The header holds the
plain values as JSON, and a checksum of all content.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mmg_nb.errors import MMGError
from mmg_nb.results.atomic_write import write_whole

__all__ = ["Contents", "damaged", "read", "write"]

FORMAT = "mmg_nb.Checkpoint"
NUMBER = 14
LEFT_ALONE = "The file was not changed. Pass the path of a checkpoint, or a new path."


@dataclass(frozen=True, eq=False)
class Contents:
    """The content of a file.

    Attributes:
        values: Plain values.
        arrays: Arrays by name.
    """

    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write(path: Path, contents: Contents) -> None:
    """Replace a file in one step; see `write_whole`.

    Args:
        path: The file.
        contents: The new content.

    Raises:
        OSError: The file cannot be written. The old file is unchanged.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in contents.arrays.items()}
    values = json.dumps(contents.values)
    header = {"format": FORMAT, "number": str(NUMBER), "values": values}
    checked = {**header, "checksum": str(_checksum(values, arrays))}
    write_whole(path, save(arrays, checked))


def read(path: Path) -> Contents:
    """Read a file that `write` wrote.

    Args:
        path: The file.

    Returns:
        The content.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, or has another format.
    """
    if os.path.isdir(path):
        what = f"{str(path)!r} is a folder, not a checkpoint."
        raise MMGError(what, "Pass the path of a file in it, such as 'run.mmg'.")
    if not os.path.isfile(path):  # unlike path.is_file(), no error if the name is too long
        what = f"There is no checkpoint at {str(path)!r}."
        raise MMGError(what, "Pass the path that was given as checkpoint.")
    try:
        with safe_open(path, "np") as file:
            header = file.metadata() or {}
            _check_format(path, header)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except MMGError:
        raise
    # numpy has no bfloat16, for example; safetensors then fails in several ways.
    except (OSError, SafetensorError, AttributeError, TypeError, ValueError) as error:
        what = f"{str(path)!r} is no checkpoint, or is incomplete ({error})."
        raise MMGError(what, LEFT_ALONE) from error
    text = header.get("values", "")
    if header.get("checksum") != str(_checksum(text, arrays)):
        raise damaged(path, "its checksum differs")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    return Contents(values, arrays)


def damaged(path: Path, why: object) -> MMGError:
    """The error of a file whose content is not what this package writes.

    Args:
        path: The file.
        why: What is wrong with it.
    """
    return MMGError(f"The checkpoint {str(path)!r} is damaged ({why}).", LEFT_ALONE)


def _check_format(path: Path, header: Mapping[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise MMGError(f"{str(path)!r} is no checkpoint of mmg_nb.", LEFT_ALONE)
    number = header.get("number", "")
    if number != str(NUMBER):
        found = f"The checkpoint {str(path)!r} is in format {number[:20]}"
        what = f"{found}; this version reads {NUMBER}."
        older = number in map(str, range(NUMBER))
        hint = "Resume it with the version of mmg_nb that wrote it" if older else "Update mmg_nb"
        raise MMGError(what, f"{hint}; the file was not changed.")


def _checksum(values: str, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Checksum of all names, types, shapes and bytes."""
    total = zlib.crc32(values.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return total
