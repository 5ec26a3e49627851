"""One file that holds arrays and plain values: written whole or not at all, and checked.

The layout is that of safetensors, so nothing that is read can run code. The plain values are
JSON in its header, beside a checksum of everything.
"""

from __future__ import annotations

import json
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

__all__ = ["Contents", "read", "write"]

FORMAT = "mmg_nb.Checkpoint"
NUMBER = 8
LEFT_ALONE = "The file is left as it is; pass the path of a checkpoint, or make a new one."


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds.

    Attributes:
        values: Plain values.
        arrays: Arrays by name.
    """

    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write(path: Path, contents: Contents) -> None:
    """Replace a file in one step, see `write_whole`.

    Args:
        path: Where to.
        contents: What to write.

    Raises:
        OSError: It cannot be written; the file that was there is still there.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in contents.arrays.items()}
    values = json.dumps(contents.values)
    header = {"format": FORMAT, "number": str(NUMBER), "values": values}
    checked = {**header, "checksum": str(_checksum(values, arrays))}
    write_whole(path, save(arrays, checked))


def read(path: Path) -> Contents:
    """Read what `write` wrote.

    Args:
        path: Where from.

    Returns:
        The contents.

    Raises:
        MMGError: There is no such file, or it is damaged, something else, or too new.
    """
    if not path.is_file():
        what = f"There is no checkpoint at {str(path)!r}."
        raise MMGError(what, "Pass the path that was given as checkpoint.")
    try:
        with safe_open(path, "np") as file:
            header = file.metadata() or {}
            _check_format(path, header)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        what = f"{str(path)!r} is no checkpoint, or is cut off ({error})."
        raise MMGError(what, LEFT_ALONE) from error
    if header.get("checksum") != str(_checksum(header.get("values", ""), arrays)):
        raise MMGError(f"The checkpoint {str(path)!r} is damaged.", LEFT_ALONE)
    return Contents(json.loads(header["values"]), arrays)


def _check_format(path: Path, header: Mapping[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise MMGError(f"{str(path)!r} is no checkpoint of mmg_nb.", LEFT_ALONE)
    number = header.get("number", "")
    if number != str(NUMBER):
        what = f"The checkpoint {str(path)!r} is in format {number}; this version reads {NUMBER}."
        older = number.isdigit() and int(number) < NUMBER
        hint = "Go on with the version of mmg_nb that wrote it" if older else "Update mmg_nb"
        raise MMGError(what, f"{hint}; the file is left as it is.")


def _checksum(values: str, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Of all names, types, shapes and bytes."""
    total = zlib.crc32(values.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return total
