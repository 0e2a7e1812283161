"""The lab as the place where a run is carried out: the same plan and the same records as on this machine."""

import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.artifact import Artifact, ModelVariant
from bench.artifacts import ArtifactCache, named_file
from bench.converters.base import Converter
from bench.converters.nobuco_adapter import Nobuco
from bench.errors import BenchError
from bench.lab import resources, tasks
from bench.lab.connection import Connection, LabWorker, LostOnTheWay
from bench.lab.engine import PATIENCE_SECONDS, checked_address
from bench.lab.orders import Converted, ConvertOrder
from bench.lab.program import program
from bench.lab.remote import RemoteDevice, RemoteLauncher, described, keep_log
from bench.lab.transfer import Parcel, Transfer
from bench.measure.protocol import Launching, Target
from bench.measure.workload import Effort
from bench.progress import Reporter, Track
from bench.run.memory import expected_bytes
from bench.run.options import ZooOptions
from bench.run.output_folder import writable
from bench.run.side_by_side import side_by_side
from bench.run.site import Maker
from devices import DeviceError, DeviceInfo
from reports.record import LaunchRecord
from reports.store import RecordStore

if TYPE_CHECKING:
    from distributed import Client

_RUN = "lab-run"
_FETCHES = 3


class Lab:
    """A `bench.run.site.Site` of many machines.

    Args:
        lab: The scheduler's address, tls://HOST:8786, or a client that the user has.
        certificates: The folder with the certificates; None: the user's own configuration.
        patience: Seconds to wait for a scheduler, or for a machine that can do a piece of work.
        say: Where it is said what is waited for.

    Raises:
        BenchError: The address is wrong, or no scheduler answers there.
    """

    def __init__(
        self,
        lab: "str | Client",
        certificates: Path | None = None,
        patience: float = PATIENCE_SECONDS,
        say: Reporter | None = None,
    ) -> None:
        address = checked_address(lab) if isinstance(lab, str) else lab
        self.connection = Connection(address, certificates, patience, say)
        self.transfer = Transfer(self.connection)
        self._tried: dict[str, Counter[str]] = {}
        self._tell_of_other_programs()

    def close(self) -> None:
        """End the connection, unless it is the user's own."""
        self.connection.close()

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def known(self, name: str, say: Reporter) -> DeviceInfo:
        """See `Site`."""
        found = self._offering(name)
        if not found:
            raise DeviceError(self._no_device(name))
        device = found[0].facts.device
        assert device is not None
        return device

    def target(self, name: str, say: Reporter) -> Target:
        """See `Site`; a device that is not there yet is waited for."""
        if name == "host":
            raise BenchError(f"--device host: means this machine; in a lab, name devices: {self._devices()}")
        self._require_one_place(name)
        return RemoteDevice(described(self.connection, name, "", None, self.transfer))

    def runner(self, target: Target, options: ZooOptions, say: Reporter) -> str | None:
        """See `Site`; built on the machine that has the device."""
        run, binary = run_of(options.out), options.benchmark_binary
        answer = described(self.connection, target.name, run, binary, self.transfer)
        if answer.problem:
            say.line(f"warning: {target.name}: {answer.problem}")
        return answer.runner

    def launcher(self, target: Target, effort: Effort, options: ZooOptions) -> Launching:
        """See `Site`."""
        assert isinstance(target, RemoteDevice)
        return RemoteLauncher(
            target,
            self.connection,
            self.transfer,
            run_of(options.out),
            self._tried.setdefault(run_of(options.out), Counter()),
            effort,
            options.tolerance,
            options.out,
            options.benchmark_binary,
            options.min_alike,
        )

    def collect(self, options: ZooOptions, store: RecordStore, say: Reporter) -> None:
        """Bring what machines of the lab measured for this folder, and nobody was told of, into its store."""
        run, own = run_of(options.out), store.read().records
        known = {record.launch for record in own if record.launch}
        by_host = {worker.facts.host_id: worker for worker in self.connection.workers()}
        for worker in by_host.values():
            brought = 0
            try:
                measured = self.connection.on_worker(worker.address, tasks.measured, run)
            except LostOnTheWay as error:
                say.line(
                    f"warning: {worker.facts.host}: what it measured earlier cannot be asked for: {error}"
                )
                continue
            for launched in measured:
                record = launched.record
                if record.launch is None or (record.stage == "device" and not record.ok):
                    continue
                if record.launch in known:
                    if not any(_same(record, each) for each in own):
                        say.line(
                            f"{worker.facts.host}: a launch was made twice, and counts once: {record.launch}"
                        )
                    continue
                store.append(record)
                keep_log(launched, options.out)
                own.append(record)
                known.add(record.launch)
                brought += 1
            if brought:
                say.line(f"{worker.facts.host}: {brought} of its records were not here yet")
        self._tried[run] = Counter(record.launch.rpartition(" #")[0] for record in own if record.launch)

    def artifacts(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> list[Artifact]:
        """See `Site`; many models at the same time, on machines that have the memory."""
        make = self.maker(options, cache, models, converters, say)
        made: dict[str, list[Artifact]] = {model.name: [] for model in models}
        with say.track("Converting", len(models) * len(converters)) as track:

            def work(model: ModelVariant) -> None:
                for converter in converters:
                    artifact = make(model, converter, track)
                    made[model.name].append(artifact)
                    end = f"FAILED: {artifact.error}" if artifact.error else "there"
                    track.step(f"{model.name} with {named_file(converter)}: {end}", line=bool(artifact.error))

            side_by_side([lambda model=model: work(model) for model in models], self.at_the_same_time(1))
        references = [cache.kept_reference(model) for model in models]
        if all(reference is not None and reference.error for reference in references):
            reasons = "; ".join(str(reference.error) for reference in references if reference)
            raise BenchError(f"there is no model to convert: {reasons}")
        return [artifact for model in models for artifact in made[model.name]]

    def maker(
        self,
        options: ZooOptions,
        cache: ArtifactCache,
        models: Sequence[ModelVariant],
        converters: Sequence[Converter],
        say: Reporter,
    ) -> Maker:
        """See `Site`; all conversions of a model are one piece of work."""
        gates = {model.name: threading.Lock() for model in models}
        done: dict[str, Mapping[str, str]] = {}
        run = run_of(options.out)  # here, where there is one thread

        def make(model: ModelVariant, converter: Converter, track: Track) -> Artifact:
            with gates[model.name]:
                if model.name not in done:
                    track.now(model.name)
                    done[model.name] = self._made(run, options, cache, model, converters)
            unusable = done[model.name].get(converter.name)
            reference = cache.kept_reference(model)
            if reference is None or (reference.error is None and not cache.is_made(model, converter)):
                return cache.unmade(model, converter, unusable or "it was not converted")
            return cache.artifact(model, reference, converter, unusable)

        return make

    def at_the_same_time(self, jobs: int) -> int:
        """See `Site`: enough for all that the lab can do, and for a few to wait."""
        return max(8, 2 * jobs, 4 * len(self.connection.workers()))

    def _made(
        self,
        run: str,
        options: ZooOptions,
        cache: ArtifactCache,
        model: ModelVariant,
        converters: Sequence[Converter],
    ) -> Mapping[str, str]:
        """Have all that is missing of a model made; returns why converters could not, by name."""
        if not cache.lacks(model, converters):
            return {}
        if model.samples is not None:
            reason = f"the images of {model.samples} lie on this machine alone: leave --samples or --lab out"
            return {converter.name: reason for converter in converters}
        of_files = {
            each.name: f"its cost file lies on this machine alone: leave it or --lab out ({each.costs})"
            for each in converters
            if isinstance(each, Nobuco) and each.costs is not None
        }
        if of_files:
            others = [each for each in converters if each.name not in of_files]
            return of_files | dict(self._made(run, options, cache, model, others) if others else {})
        megabytes = expected_bytes(model) / 1e6
        most = max((worker.facts.megabytes for worker in self._fitting()), default=None)
        if most is not None and most < megabytes:
            reason = (
                f"not tried: a model of its size takes about {megabytes / 1e3:.0f} GB while it is converted, and no "
                f"machine of the lab may use more than {most / 1e3:.0f} GB"
            )
            return {converter.name: reason for converter in converters}
        file = model.spec.file
        place = f"models/{model.folder_name}/{file.name}" if file else None
        parcel = Parcel.of(options.out, cache.folders(model, ()), {place: file} if file and place else {})
        order = ConvertOrder(
            run=run,
            model=model,
            model_file=place,
            converters=tuple(converters),
            versions=tuple(each.version() for each in converters),
            folder_name=model.folder_name,
            files=parcel.tree,
            timeout=options.timeout,
            retry_failed=options.retry_failed,
        )
        try:
            made = self._converted(order, parcel, megabytes, options.out)
        except BenchError as error:
            return {converter.name: str(error) for converter in converters}
        return made.unusable

    def _converted(self, order: ConvertOrder, parcel: Parcel, megabytes: float, out: Path) -> Converted:
        asked = resources.for_conversion(megabytes, program())
        words = f"{order.model.name} with {', '.join(each.name for each in order.converters)}"
        for attempt in range(_FETCHES):
            made = self.transfer.supplied(
                lambda: self.connection.ask(tasks.convert, order, asked, words), parcel
            )
            try:
                self.transfer.fetch(made, out)
                return made
            except LostOnTheWay:  # before all was here: another machine does it again
                if attempt + 1 == _FETCHES:
                    raise
        raise AssertionError("the loop above returns or raises")

    def _offering(self, name: str) -> list[LabWorker]:
        asked = {f"{resources.DEVICE} {name}": 1.0}
        return [worker for worker in self.connection.workers() if worker.offers(asked)]

    def _fitting(self) -> list[LabWorker]:
        """The workers that convert, and run the same program."""
        return [
            w for w in self.connection.workers() if w.facts.program == program() and w.facts.device is None
        ]

    def _devices(self) -> str:
        names = sorted({w.facts.device.name for w in self.connection.workers() if w.facts.device})
        return ", ".join(names) or "none is there now"

    def _no_device(self, name: str) -> str:
        return f"--device {name}: no machine of the lab has it; there are: {self._devices()}"

    def _require_one_place(self, name: str) -> None:
        """A phone that two machines reach could be launched on twice at once; two phones of one name would be pooled."""
        everything = [(worker, worker.facts) for worker in self.connection.workers() if worker.facts.serial]
        ours = {facts.serial for _, facts in everything if facts.device and facts.device.name == name}
        places = [worker.name for worker, facts in everything if facts.serial in ours]
        if len(ours) > 1:
            raise BenchError(f"--device {name}: two devices of the lab have this name: {', '.join(places)}")
        if len(places) > 1:
            raise BenchError(
                f"--device {name}: it is attached in two places of the lab, {', '.join(places)}, so that nobody could have "
                "it alone; detach one"
            )

    def _tell_of_other_programs(self) -> None:
        others = sorted({w.facts.host for w in self.connection.workers() if w.facts.program != program()})
        if others:
            self.connection.say.line(
                f"warning: {', '.join(others)}: another version of this program, or of the frameworks; no work goes there"
            )


def run_of(out: Path) -> str:
    """What identifies an output folder in the lab; drawn when it is first used there. Raises BenchError."""
    note = writable(out) / _RUN
    if not note.is_file():
        partial = note.with_name(f".{_RUN}")
        partial.write_text(uuid.uuid4().hex[:16], encoding="ascii")
        partial.replace(note)
    return note.read_text(encoding="ascii").strip()


def _same(one: LaunchRecord, other: LaunchRecord) -> bool:
    return one.launch == other.launch and one.started == other.started and one.host == other.host
