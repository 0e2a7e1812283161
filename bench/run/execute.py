"""A run: models are converted, files are launched on devices, the report is written."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.artifact import Artifact
from bench.artifacts import ArtifactCache
from bench.errors import BenchError
from bench.measure.delegates import check_delegates
from bench.measure.protocol import Target
from bench.measure.schedule import History, Schedule
from bench.measure.workers import Worker, work_on_all
from bench.measure.workload import Effort, Workload, identity_of
from bench.progress import Reporter
from bench.report_files import write_report
from bench.run.options import ZooOptions
from bench.run.output_folder import locked, writable
from bench.run.planning import (
    binary_digest,
    check_sustained,
    chosen_converters,
    chosen_models,
    rounds_of,
    without_a_way,
)
from bench.run.site import Here, Site
from devices import affinity_prefix
from reports import tables
from reports.record import Cell, system_of
from reports.store import RECORDS, RecordStore
from reports.summary import Group, Row, summarise


@dataclass(frozen=True)
class ZooResult:
    """What a run found.

    Attributes:
        out: The folder with the records, artifacts, tables and charts.
        groups: The cells of this run, condensed; what `reports.tables` and `reports.chart` show.
        written: The files of the report.
        troubles: Why devices did not do all their launches; the next run does the rest. Empty when all did.
    """

    out: Path
    groups: list[Group]
    written: list[Path]
    troubles: list[str]

    @property
    def rows(self) -> list[dict[str, object]]:
        """One flat mapping for each cell, with the keys of `report.csv`: what `bench zoo --json` prints."""
        return tables.flat_rows(self.groups)

    @property
    def has_figures(self) -> bool:
        """Whether any cell has one; if not, the rows say why."""
        return any(row.latency for group in self.groups for row in group.rows)

    @property
    def failures(self) -> list[Row]:
        """The cells that failed or whose output is wrong; each row has its `reason`."""
        return [row for group in self.groups for row in group.rows if row.reason is not None]


def zoo(
    options: ZooOptions | None = None, say: Reporter | None = None, site: Site | None = None
) -> ZooResult:
    """Convert models with each converter, run the files on devices, compare.

    What an earlier run in the same folder has converted or measured is not done again. Whatever fails (a model, the
    environment of a converter, a conversion, a launch) ends its own cells alone: it is a result, shown with its reason.

    Args:
        options: What to measure and how; None: the README's models, nobuco against onnx-tf, on this host.
        say: Where progress and warnings go; None: stderr.
        site: Where it is done; None: on this machine.

    Returns:
        The folder and what is in it.

    Raises:
        BenchError: A converter or delegate does not exist, no model runs in PyTorch, the folder cannot be
            written or is in use, or no device did any launch.
        DeviceError: There is no such device, or it cannot be opened, or lacks the cores.
        ModelError: There is no such model.
        ReportError: Records cannot be read or written.
    """
    options, say, site = options or ZooOptions(), say or Reporter(), site or Here()
    models, converters = chosen_models(options), chosen_converters(options)
    for line in without_a_way(options):
        say.line(line)
    baseline = options.baseline_name()
    out = options.out
    with ExitStack() as opened:
        devices = [opened.enter_context(closing(site.target(name, say))) for name in options.devices]
        for device in devices:
            check_sustained(device.name, device.emulated, options)
            check_delegates(device.info(), options.delegates, options.benchmark_binary)
            affinity_prefix(device.info(), options.cores)  # raises for cores that the device does not have
        binary = binary_digest(options)
        cache = ArtifactCache(out, options.timeout, say, options.retry_failed)
        store = RecordStore(writable(out) / RECORDS)
        opened.enter_context(locked(out))
        site.collect(options, store, say)
        contents = store.read()
        for complaint in contents.complaints:
            say.line(f"warning: {complaint}")
        artifacts = site.artifacts(options, cache, models, converters, say)
        cells: list[Cell] = []
        workers = []
        for device in devices:
            runner = site.runner(device, options, say)
            workloads = _workloads(options, artifacts, device, binary, runner)
            cells += [workload.cell for workload in workloads]
            effort = Effort(timeout=options.timeout, settle_seconds=options.settle).on(device.emulated)
            launcher = site.launcher(device, effort, options)
            history = History(contents.records, options.retry_failed)
            rounds = rounds_of(options).on(device.emulated)
            schedule = Schedule(workloads, rounds, history, options.seed)
            workers.append(Worker(launcher, schedule, options.profile, options.sustained))
        work_on_all(workers, store.append, say)
    troubles = [worker.trouble for worker in workers if worker.trouble]
    if len(troubles) == len(workers) and not any(worker.kept for worker in workers):
        raise BenchError("; ".join(troubles))
    records = store.read().records
    # The report is of all that is in the folder, whatever this run was about.
    written = write_report(summarise(records, baseline=baseline), out)
    return ZooResult(out, summarise(records, cells, baseline=baseline), written, troubles)


def _workloads(
    options: ZooOptions, artifacts: Sequence[Artifact], device: Target, binary: str | None, runner: str | None
) -> list[Workload]:
    identity, system = identity_of(device.name, device.info()), system_of(asdict(device.info()))
    return [
        Workload(
            artifact, device.name, identity, delegate, threads, options.chosen_cores, binary, runner, system
        )
        for delegate in options.delegates
        for threads in options.threads
        for artifact in artifacts
    ]
