"""Files made ahead of a measurement, several models at the same time: what `bench convert` does.

They lie where `bench.run.zoo` looks for them. Each file is launched once on this host, to see that its outputs are right
and what XNNPACK takes of it; what was found is kept as launch records in a store of its own, so that a run that was
stopped goes on where it stopped.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psutil

from bench.artifacts import Artifact, ArtifactCache, ModelVariant
from bench.converters.base import Converter
from bench.errors import BenchError
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher
from bench.measure.workload import Effort, Workload, identity_of
from bench.progress import Reporter, Track
from bench.run.options import ZooOptions
from bench.run.output_folder import locked, writable
from bench.run.planning import chosen_converters, chosen_models, without_a_way
from bench.run.setting_up import set_up
from devices import open_device
from devices.interruption import interrupt
from reports.record import LaunchRecord
from reports.store import RecordStore

RECORDS = "conversions.jsonl"
_DELEGATE = "xnnpack"
_BASE_BYTES = 1.2e9
_BYTES_PER_WEIGHT_BYTE = 12
"""What nobuco's conversions were measured to take: the frameworks, and the weights as TensorFlow's converter copies them."""
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Prepared:
    """One model and converter: the launch that checked the file, or the failure in its place.

    Attributes:
        record: As in the store.
        earlier: Whether an earlier run did it.
    """

    record: LaunchRecord
    earlier: bool

    @property
    def reason(self) -> str | None:
        """Why there is no file to rely on; None when the file is right."""
        accuracy = self.record.accuracy
        if not self.record.ok:
            return f"{self.record.stage} failed: {self.record.error}"
        if accuracy is None or not accuracy.right:
            return "wrong output" if accuracy is None else f"wrong output: {accuracy.fault}"
        return None


class MemoryShares:
    """Lets work begin when the memory that it is expected to take is free.

    Args:
        total: Bytes to share out.
    """

    def __init__(self, total: float) -> None:
        self.total = total
        self._taken: list[float] = []
        self._changed = threading.Condition()

    @contextmanager
    def share(self, size: float) -> Iterator[None]:
        """Hold `size` bytes during the block; what is larger than the whole waits until it is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or sum(self._taken) + size <= self.total)
            self._taken.append(size)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(size)
                self._changed.notify_all()


def expected_bytes(model: ModelVariant) -> float:
    """The memory that a conversion is expected to take, by the model's parameters; those of a user's own are unknown."""
    entry = model.spec.entry
    return _BASE_BYTES + _BYTES_PER_WEIGHT_BYTE * 4 * (entry.parameters if entry else 10e6)


def convert(
    options: ZooOptions,
    jobs: int = 1,
    say: Reporter | None = None,
    show: Callable[[Prepared], None] = lambda prepared: None,
) -> list[Prepared]:
    """Make the files of all models with all converters, and check each once on this host.

    Args:
        options: `models`, `size`, `converters`, `weights`, `seed`, `tolerance`, `timeout`, `out` and `retry_failed` count.
        jobs: How many models at the same time, as far as there is memory.
        say: Where progress goes; None: stderr.
        show: Called with each outcome as soon as there is one, by one thread at a time.

    Returns:
        The outcomes, in the order of the models.

    Raises:
        BenchError: A converter does not exist, or the folder cannot be written or is in use.
        ModelError: There is no such model.
        ReportError: Records cannot be read or written.
    """
    if jobs < 1:
        raise BenchError(f"jobs: must be 1 or more, not {jobs}")
    say = say or Reporter()
    models, converters = chosen_models(options), chosen_converters(options)
    for line in without_a_way(options):
        say.line(line)
    cache = ArtifactCache(options.out, options.timeout, say, options.retry_failed)
    store = RecordStore(writable(options.out) / RECORDS)
    with ExitStack() as opened:
        opened.enter_context(locked(options.out))
        host = opened.enter_context(closing(open_device("host")))
        known = {record.key: record for record in store.read().records}
        unusable = set_up(converters, models, cache, say)
        effort = Effort(0.0, num_runs=1, min_seconds=0.0, timeout=options.timeout, settle_seconds=0.0)
        launcher = Launcher(
            host, effort, options.tolerance, environment(), options.out, min_alike=options.min_alike
        )
        shares, gate = MemoryShares(0.9 * psutil.virtual_memory().available), threading.Lock()
        outcomes: dict[tuple[str, str, str], Prepared] = {}
        with say.track("Converting", len(models) * len(converters)) as track:

            def prepare(model: ModelVariant) -> None:
                for converter in converters:
                    artifact = _artifact(cache, model, converter, unusable.get(converter.name), shares, track)
                    workload = Workload(artifact, host.name, identity_of(host), _DELEGATE, threads=1)
                    with gate:  # one at a time: launches are short, and the store takes one writer
                        before = known.get(workload.key(0))
                        if before is None or _to_be_done_again(before, artifact, options.retry_failed):
                            outcome = Prepared(_checked(launcher, workload), earlier=False)
                            store.append(outcome.record)
                        else:
                            outcome = Prepared(before, earlier=True)
                        outcomes[model.name, converter.name, converter.precision] = outcome
                        track.step(
                            f"{model.name} with {outcome.record.cell.label}: {outcome.reason or 'right'}"
                        )
                        show(outcome)

            _side_by_side([lambda model=model: prepare(model) for model in models], jobs)
    return [
        outcomes[model.name, converter.name, converter.precision]
        for model in models
        for converter in converters
    ]


def _artifact(
    cache: ArtifactCache,
    model: ModelVariant,
    converter: Converter,
    unusable: str | None,
    shares: MemoryShares,
    track: Track,
) -> Artifact:
    """The artifact, made if it is not there, while its share of the memory is held."""
    if cache.to_be_made(model, converter) and not unusable:
        needed, there = expected_bytes(model), psutil.virtual_memory().total
        if needed > there:
            unusable = (
                f"not tried: a model of its size takes about {needed / 1e9:.0f} GB while it is converted, and this "
                f"machine has {there / 1e9:.0f} GB"
            )
        with shares.share(needed):
            track.now(f"{model.name} with {converter.name}, {converter.precision}")
            reference = cache.reference(model)
            if not reference.error and not unusable:
                cache.convert(model, reference, converter)
    else:
        reference = cache.reference(model)
    if not reference.error and cache.is_made(model, converter):
        cache.inspect([(model, reference, converter)])
    return cache.artifact(model, reference, converter, unusable)


def _checked(launcher: Launcher, workload: Workload) -> LaunchRecord:
    if workload.artifact.file is None:
        return launcher.failed_conversion(workload)
    return launcher.launch(workload, 0, check_output=True)


def _to_be_done_again(before: LaunchRecord, artifact: Artifact, retry_failed: bool) -> bool:
    """Whether what an earlier run found does not hold any more, or is to be looked at again."""
    if before.stage == "conversion":
        return before.error != artifact.error
    wrong = not before.ok or before.accuracy is None or not before.accuracy.right
    return before.stage == "device" or (wrong and retry_failed)


def _side_by_side(work: Sequence[Callable[[], None]], jobs: int) -> None:
    """Do all of it, `jobs` at the same time; Ctrl-C and errors end the others, with the processes that they started."""
    threads: set[threading.Thread] = set()

    def begin(one: Callable[[], None]) -> None:
        threads.add(threading.current_thread())
        one()

    with ThreadPoolExecutor(jobs) as pool:
        waiting: set[Future[None]] = {pool.submit(begin, one) for one in work}
        try:
            while waiting:
                # In short waits: a signal may wake another thread, and only this one can act on it.
                done, waiting = wait(waiting, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            for thread in threads:
                interrupt(thread)
            raise
