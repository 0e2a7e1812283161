"""What a lab is doing: its machines and devices, what runs, what waits and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lab.connection import Connection, LabWorker
from bench.lab.program import program


@dataclass(frozen=True)
class WorkerStatus:
    """A worker; `device` and `soc` are None for one that converts. `same_program`: whether it takes work from here."""

    name: str
    host: str
    address: str
    device: str | None
    model: str | None
    soc: str | None
    abi: str | None
    memory_gb: float | None
    same_program: bool


@dataclass(frozen=True)
class Running:
    """A piece of work that a worker does now."""

    what: str
    worker: str
    seconds: float


@dataclass(frozen=True)
class Waiting:
    """A piece of work that nobody does yet, and why."""

    what: str
    why: str
    seconds: float | None


@dataclass(frozen=True)
class LabStatus:
    """What a lab is doing."""

    scheduler: str
    workers: list[WorkerStatus]
    running: list[Running]
    waiting: list[Waiting]


def look(address: str, certificates: Path | None) -> LabStatus:
    """Ask the scheduler at this address. Raises BenchError when none answers."""
    connection = Connection(address, certificates)
    try:
        workers = connection.workers()
        names = {worker.address: worker.name for worker in workers}
        tasks = connection.on_scheduler(tasks_of)
    finally:
        connection.close()
    running = [
        Running(task["what"], names.get(task["worker"], str(task["worker"])), task["running_seconds"])
        for task in tasks
        if task["running_seconds"] is not None
    ]
    busy = {each.worker: each.what for each in running}
    waiting = [
        Waiting(task["what"], _why(task, workers, names, busy), task["unrunnable_seconds"])
        for task in tasks
        if task["running_seconds"] is None
    ]
    return LabStatus(address, [_worker(worker) for worker in workers], running, waiting)


def tasks_of(dask_scheduler: Any) -> list[dict[str, Any]]:
    """What is to be done, as the scheduler has it; runs there."""
    executing = {
        task: seconds for each in dask_scheduler.workers.values() for task, seconds in each.executing.items()
    }
    now = time.monotonic()
    return [
        {
            "what": str(task.key).partition(": ")[2].rpartition(" (")[0] or str(task.key),
            "worker": task.processing_on.address if task.processing_on else None,
            "running_seconds": executing.get(task),
            "unrunnable_seconds": now - dask_scheduler.unrunnable[task]
            if task in dask_scheduler.unrunnable
            else None,
            "resources": dict(task.resource_restrictions or {}),
        }
        for task in dask_scheduler.tasks.values()
        if task.state in ("processing", "queued", "no-worker", "waiting")
    ]


def _why(
    task: dict[str, Any], workers: Sequence[LabWorker], names: dict[str, str], busy: dict[str, str]
) -> str:
    if task["worker"] is not None:
        name = names.get(task["worker"], task["worker"])
        return f"{name} is busy with {busy[name]}" if name in busy else f"{name} is about to begin it"
    lacking = [
        resource
        for resource, number in task["resources"].items()
        if not any(worker.resources.get(resource, 0.0) >= number for worker in workers)
    ]
    return f"no machine offers {', '.join(lacking or task['resources'] or ['a worker'])}"


def _worker(worker: LabWorker) -> WorkerStatus:
    facts, device = worker.facts, worker.facts.device
    return WorkerStatus(
        name=worker.name,
        host=facts.host,
        address=worker.address,
        device=device.name if device else None,
        model=device.model if device else None,
        soc=device.soc if device else None,
        abi=device.abi if device else None,
        memory_gb=None if device else facts.megabytes / 1e3,
        same_program=facts.program == program(),
    )


def described(status: LabStatus) -> str:
    """The same in words."""
    lines = [f"Scheduler {status.scheduler}"]
    lines += [_line(worker) for worker in status.workers] or ["No machine has joined yet."]
    lines += [f"runs   {each.what}, on {each.worker} for {each.seconds:.0f} s" for each in status.running]
    lines += [f"waits  {each.what}: {each.why}" for each in status.waiting]
    if not status.running and not status.waiting:
        lines.append("Nothing runs, nothing waits.")
    return "\n".join(lines)


def _line(worker: WorkerStatus) -> str:
    if worker.device is None:
        what = f"converts, in up to {worker.memory_gb:.1f} GB"
    else:
        what = ", ".join(str(part) for part in (worker.model, worker.soc, worker.abi) if part)
    other = "" if worker.same_program else "; ANOTHER PROGRAM: takes no work from here"
    return f"{worker.name:32} {what}{other}"
