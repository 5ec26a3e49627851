"""An append-only file of records, one JSON object a line, that survives any kill."""

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

__all__ = ["RecordFile", "latest", "read_records", "records_path"]

_BEGINNING = f'{{"format": "{FORMAT}"'.encode()


def records_path(out: str | Path) -> Path:
    """The file meant by `out`: `.jsonl` is appended unless it is there."""
    path = Path(out)
    return path if path.suffix == ".jsonl" else path.with_name(path.name + ".jsonl")


def read_records(path: str | Path) -> list[Record]:
    """Read a file of records. A last line that a kill cut short is left out.

    Args:
        path: The file.

    Returns:
        The records in order of their lines.

    Raises:
        MMGError: There is no such file, or a line is no record.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        what = f"Expected a file of records at {str(path)!r}; could not read it ({error})."
        raise MMGError(what, "Pass the file that a sweep wrote (out=, --out).") from error
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
            what = f"Line {number} of {str(path)!r} is no record of a sweep."
            raise MMGError(what, "Give another file, or remove that line.")
        yield record


def _record(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value.get("format") == FORMAT else None


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """The last record of every cell, by cell id: a retried cell replaces its failure."""
    return {record["id"]: record for record in records}


class RecordFile:
    """A file of records, open for appending by one sweep at a time.

    Opening creates it where needed and removes a line that a kill cut short.

    Args:
        path: The file.

    Attributes:
        records: The records found when it was opened.

    Raises:
        MMGError: It cannot be written, another sweep is writing it, or it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            what = f"{str(path)!r} cannot be written ({error.strerror})."
            raise MMGError(what, "Give out= (--out) a file in a folder of yours.") from error
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
            what = f"The last line of {str(self.path)!r} is no record of a sweep."
            raise MMGError(what, "Give another file, or remove that line.")

    def append(self, record: Record) -> None:
        """Write one record so that it is either there, whole and on disk, or not at all."""
        self._write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, size)
            raise OSError(f"only {written} of {len(data)} bytes fit into {str(self.path)!r}")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file, which lets another sweep open it."""
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
    """Keep other sweeps out until the descriptor is closed, be it by a kill."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        what = f"Another sweep is writing {str(path)!r}."
        raise MMGError(what, "Wait for it, or give this one another file.") from error
