"""Append-only store of launch records: one JSON object a line, each written whole or not at all."""

import errno
import gc
import marshal
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from reports.errors import ReportError
from reports.record import (
    Cell,
    Conversion,
    Delegation,
    Environment,
    LaunchRecord,
    Provenance,
    Settling,
    as_of_today,
)

RECORDS = "records.jsonl"
"""The store's name in a folder of results."""

_SHARED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cell": Cell.model_validate,
    "provenance": Provenance.model_validate,
    "conversion": Conversion.model_validate,
    "delegation": Delegation.model_validate,
    "settling": Settling.model_validate,
    "environment": Environment.model_validate,
    "device_info": lambda info: info,
}


@dataclass(frozen=True)
class Contents:
    """What a store holds: its records, and complaints about what could not be read."""

    records: list[LaunchRecord] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class RecordStore:
    """Reads and appends records. Only one process may append: lock the folder first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Contents:
        """All records, in order of writing.

        A last line without its newline is what a killed process or a full disk leaves: there is a complaint about
        it, and it is left out.

        Raises:
            ReportError: Another line cannot be read: something else has changed the file.
        """
        contents, parser = Contents(), _Parser(self.path)
        with _without_garbage_collection():
            for number, line in self._lines():
                if not line.endswith(b"\n"):
                    contents.complaints.append(
                        f"{self.path}: ignored its torn last line ({len(line)} bytes, left by an interrupted write)"
                    )
                elif line.strip():
                    contents.records.append(parser.record(number, line))
        return contents

    def append(self, record: LaunchRecord) -> None:
        """Write one record and wait until it is on the disk.

        Raises:
            ReportError: It cannot be written; then no part of it is in the file.
        """
        line = record.model_dump_json().encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        try:
            end = _cut_torn_tail(descriptor)
            try:
                written = os.write(descriptor, line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        finally:
            os.close(descriptor)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open("rb") as file:
                yield from enumerate(file, start=1)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ReportError(f"{self.path}: cannot be read: {error.strerror}") from error


def _cut_torn_tail(descriptor: int) -> int:
    """Cut what follows the last newline, so that the next record has a line of its own; returns the end."""
    end = os.fstat(descriptor).st_size
    keep = end
    while keep > 0:
        start = max(0, keep - 65536)
        newline = os.pread(descriptor, keep - start, start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep != end:
        os.ftruncate(descriptor, keep)
    return keep


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Records hold no cycles, and looking for some among millions of new objects takes longer than reading them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_NO_FIELDS: set[str] = set()


def _small(record: LaunchRecord) -> LaunchRecord:
    """The record without its notes on which fields it was given: a third of its memory, and of no use to anybody here."""
    for part in (record, record.timing, record.accuracy):
        if part is not None:
            object.__setattr__(part, "__pydantic_fields_set__", _NO_FIELDS)
    return record


class _Parser:
    """Reads lines, and keeps once what many of them share: most of a line repeats what the one before it says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shared: dict[tuple[str, bytes], Any] = {}

    def record(self, number: int, line: bytes) -> LaunchRecord:
        """The record of a line. Raises ReportError."""
        try:
            data = as_of_today(from_json(line))
            try:
                for name in self._shared_names(data):
                    data[name] = self._part(name, data[name])
                return _small(LaunchRecord.model_validate(data))
            except ValidationError:
                return LaunchRecord.model_validate(as_of_today(from_json(line)))  # for the field's full name
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "line"
            raise self._unreadable(number, f"{where}: {first['msg']}") from error
        except ValueError as error:
            raise self._unreadable(number, f"line: {error}") from error

    @staticmethod
    def _shared_names(data: Any) -> list[str]:
        return (
            [name for name in _SHARED if isinstance(data.get(name), dict)] if isinstance(data, dict) else []
        )

    def _part(self, name: str, part: dict[str, Any]) -> Any:
        # Format 2, because later ones depend on which objects happen to be shared.
        key = name, marshal.dumps(part, 2)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = _SHARED[name](part)
        return found

    def _unreadable(self, number: int, why: str) -> ReportError:
        return ReportError(
            f"{self._path}, line {number}: not a launch record of this version ({why}); "
            "fix or remove the line, or give another --out"
        )


def _cannot_write(path: Path, error: OSError) -> ReportError:
    way_out = "free some space" if error.errno == errno.ENOSPC else "give another --out"
    return ReportError(f"{path}: cannot be written: {error.strerror}; {way_out}")
