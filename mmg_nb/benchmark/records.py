"""An append-only file of records: one JSON object per line, safe against kills."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mmg_nb.benchmark.worker import FORMAT, Record
from mmg_nb.errors import MMGError
from mmg_nb.results.paths import as_path

__all__ = ["RecordFile", "latest", "read_records", "records_path"]

_BEGINNING = f'{{"format": "{FORMAT}"'.encode()


def records_path(out: str | Path) -> Path:
    """The path of the file `out`, with the suffix `.jsonl` added if it is missing."""
    path = as_path(out, "out (--out)", "Try out='sweep.jsonl'.")
    return path if path.suffix == ".jsonl" else path.with_name(path.name + ".jsonl")


def read_records(path: str | Path) -> list[Record]:
    """Read a file of records. An incomplete last line, left by a kill, is skipped.

    Args:
        path: The file.

    Returns:
        The records in order of their lines.

    Raises:
        MMGError: The file does not exist, or a line is not a record.
    """
    path = as_path(path, "path", "Pass a file that a sweep has written (out=, --out).")
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"Expected a file of records at {str(path)!r}; could not read it ({error})."
        raise MMGError(what, "Pass a file that a sweep has written (out=, --out).") from error
    *lines, tail = data.split(b"\n")
    records = list(_parsed(lines, path))
    last = _record(tail)
    return records if last is None else [*records, last]


def _parsed(lines: Iterable[bytes], path: str | Path) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            what = f"Line {number} of {str(path)!r} is not a record of a sweep."
            raise MMGError(what, "Use another file, or remove this line.")
        yield record


def _record(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value.get("format") == FORMAT else None


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """The last record of each cell, by cell id. The record of a retry replaces the failure."""
    return {record["id"]: record for record in records}


class RecordFile:
    """A file of records. One sweep at a time can open it and append records.

    Opening creates a missing file. It also removes an incomplete last line, left by a kill.

    Args:
        path: The file.

    Attributes:
        records: The records in the file when it was opened.

    Raises:
        MMGError: The file cannot be written, another sweep has opened it, or it is not a file of
            records.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            what = f"{str(path)!r} cannot be written ({error.strerror})."
            raise MMGError(
                what, "Set out= (--out) to a file in a folder that you can write to."
            ) from error
        try:
            _lock(self._descriptor, path)
            self.records = tuple(read_records(path))
            self._repair()
        except BaseException:
            self.close()
            raise

    def _repair(self) -> None:
        data = self.path.read_bytes()
        tail = data[data.rfind(b"\n") + 1 :]
        if not tail:
            return
        if _record(tail) is not None:
            self._write(b"\n")
        elif _BEGINNING.startswith(tail[: len(_BEGINNING)]):
            os.ftruncate(self._descriptor, len(data) - len(tail))
        else:
            what = f"The last line of {str(self.path)!r} is not a record of a sweep."
            raise MMGError(what, "Use another file, or remove this line.")

    def append(self, record: Record) -> None:
        """Write one record to disk, completely or not at all.

        Raises:
            MMGError: It cannot be written, for example because the disk is full.
        """
        data = json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            self._write(data)
        except OSError as error:
            what = f"{str(self.path)!r} cannot be written ({error.strerror or error})."
            remedy = "Finished cells are kept. Free the disk, and call the same sweep again."
            raise MMGError(what, remedy) from error

    def _write(self, data: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, size)
            raise OSError(f"only {written} of {len(data)} bytes fit into {str(self.path)!r}")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file. Another sweep can then open it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _lock(descriptor: int, path: Path) -> None:
    """Lock the file until the descriptor is closed. A kill closes it as well."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        what = f"Another sweep is writing to {str(path)!r}."
        raise MMGError(what, "Wait until it ends, or use another file for this sweep.") from error
