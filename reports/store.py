"""Append-only store of launch records: one JSON object a line, each written whole or not at all."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from reports.errors import ReportError
from reports.record import LaunchRecord


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
        whole, torn = self._split()
        contents = Contents()
        for number, line in whole:
            contents.records.append(_parse(self.path, number, line))
        if torn:
            contents.complaints.append(
                f"{self.path}: ignored its torn last line ({len(torn)} bytes, left by an interrupted write)"
            )
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

    def _split(self) -> tuple[Iterator[tuple[int, bytes]], bytes]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return iter(()), b""
        except OSError as error:
            raise ReportError(f"{self.path}: cannot be read: {error.strerror}") from error
        *lines, torn = data.split(b"\n")
        return ((number, line) for number, line in enumerate(lines, start=1) if line.strip()), torn


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


def _parse(path: Path, number: int, line: bytes) -> LaunchRecord:
    try:
        return LaunchRecord.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise ReportError(
            f"{path}, line {number}: not a launch record of this version ({where}: {first['msg']}); "
            "fix or remove the line, or give another --out"
        ) from error


def _cannot_write(path: Path, error: OSError) -> ReportError:
    way_out = "free some space" if error.errno == errno.ENOSPC else "give another --out"
    return ReportError(f"{path}: cannot be written: {error.strerror}; {way_out}")
