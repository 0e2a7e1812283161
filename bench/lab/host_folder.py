"""The folder of one machine of a lab: files by content, and for each run what was made and what was measured for it."""

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.lab.files import FileStore
from reports.record import LaunchRecord
from reports.store import RecordStore

_USED = "used"
_REMADE = ("artifacts", "trees", "models", "locks")
_KEPT_DAYS = 30.0


class HostFolder:
    """All worker processes of a machine share it.

    Args:
        path: Made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = FileStore(path / "files")

    @property
    def identity(self) -> str:
        """Tells this machine's folder from all others."""
        note = self.path / "host-id"
        if not note.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            partial = note.with_name(f".{uuid.uuid4().hex}")
            partial.write_text(uuid.uuid4().hex[:12], encoding="ascii")
            try:
                note.hardlink_to(partial)  # of several processes, one is first
            except FileExistsError:
                pass
            finally:
                partial.unlink()
        return note.read_text(encoding="ascii")

    def run(self, run: str) -> Path:
        """The folder of one run."""
        return self.path / "runs" / run

    def used(self, run: str) -> None:
        """Note that a run goes on."""
        self.run(run).mkdir(parents=True, exist_ok=True)
        (self.run(run) / _USED).touch()

    def prune(self, days: float = _KEPT_DAYS) -> int:
        """Remove the files of runs that nobody has gone on with for so many days, never records; returns the bytes freed."""
        oldest, freed = time.time() - days * 86_400, 0
        for note in self.path.glob(f"runs/*/{_USED}"):
            if note.stat().st_mtime < oldest:
                for name in _REMADE:
                    shutil.rmtree(note.with_name(name), ignore_errors=True)
        for file in (self.path / "files").rglob("*"):
            found = file.stat()
            # A file that lies anywhere else, too, has another name: those that have none are of no run any more.
            if file.is_file() and found.st_nlink == 1 and found.st_mtime < oldest:
                file.unlink()
                freed += found.st_size
        return freed

    def journal(self, run: str, worker: str) -> "Journal":
        """What was measured here for a run, where this worker adds what it measures."""
        return Journal(self.run(run) / "records", worker)


class Journal:
    """The records of one run on one machine: a file for each worker, which alone appends to it.

    Args:
        folder: Where the files are.
        worker: Whose file is appended to.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder = folder
        self._own = RecordStore(folder / f"{worker.replace('/', '-').replace(':', '-')}.jsonl")
        self._read: dict[Path, tuple[int, dict[str, LaunchRecord]]] = {}

    def append(self, record: LaunchRecord) -> None:
        """Write a record and wait until it is on the disk. Raises ReportError."""
        self._own.append(record)

    def find(self, launch: str) -> LaunchRecord | None:
        """The record of a launch that need not be done again; None when there is none."""
        return next((found[launch] for found in self._all() if launch in found), None)

    def records(self) -> list[LaunchRecord]:
        """The records of all launches that need not be done again, and of those that were lost with their device."""
        return [
            record
            for path in sorted(self._folder.glob("*.jsonl"))
            for record in RecordStore(path).read().records
        ]

    def _all(self) -> Iterator[dict[str, LaunchRecord]]:
        for path in sorted(self._folder.glob("*.jsonl")):
            size = path.stat().st_size
            if path not in self._read or self._read[path][0] != size:
                records = RecordStore(path).read().records
                done = {r.launch: r for r in records if r.launch and (r.ok or r.stage != "device")}
                self._read[path] = size, done
            yield self._read[path][1]
