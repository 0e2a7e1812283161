"""What the engine runs on a worker: plain functions, which it can send by name.

Those that launch or convert are tasks and wait for their turn. The others only look at files; the engine runs them at once,
also while a launch is going on.
"""

from typing import Any

from bench.lab.member import Member
from bench.lab.orders import (
    Converted,
    ConvertOrder,
    DeviceAnswer,
    DeviceOrder,
    Launched,
    LaunchOrder,
    Missing,
)


def _member(worker: Any = None) -> Member:
    """The member that this process is."""
    from distributed import get_worker

    process: Any = worker or get_worker()
    return process.member


def describe(order: DeviceOrder) -> DeviceAnswer | Missing:
    """See `Member.describe`."""
    return _member().describe(order)


def launch(order: LaunchOrder) -> Launched | Missing:
    """See `Member.launch`."""
    return _member().launch(order)


def convert(order: ConvertOrder) -> Converted | Missing:
    """See `Member.convert`."""
    return _member().convert(order)


def measured(run: str, dask_worker: Any) -> list[Launched]:
    """All that was measured on this machine for a run."""
    member = _member(dask_worker)
    with member.disk():
        records = member.folder.journal(run, member.name).records()
        return [Launched(record, member.log_of(run, record)) for record in records]


def read(sha256: str, offset: int, dask_worker: Any) -> bytes:
    """A piece of a file; see `FileStore.read`."""
    member = _member(dask_worker)
    with member.disk():
        return member.folder.files.read(sha256, offset)


def begin(sha256: str, dask_worker: Any) -> str | None:
    """See `FileStore.begin`; None when the file is there already."""
    member = _member(dask_worker)
    with member.disk():
        return None if member.folder.files.path(sha256).is_file() else member.folder.files.begin()


def add(name: str, piece: bytes, dask_worker: Any) -> None:
    """See `FileStore.add`."""
    member = _member(dask_worker)
    with member.disk():
        member.folder.files.add(name, piece)


def end(name: str, sha256: str, dask_worker: Any) -> None:
    """See `FileStore.end`."""
    member = _member(dask_worker)
    with member.disk():
        member.folder.files.end(name, sha256)
