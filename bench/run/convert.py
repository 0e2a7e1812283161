"""Files made ahead of a measurement, several models at the same time: what `bench convert` does.

They lie where `bench.run.zoo` looks for them. Each file is launched once on this host, to see that its outputs are right
and what XNNPACK takes of it; what was found is kept as launch records in a store of its own, so that a run that was
stopped goes on where it stopped.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

from bench.artifact import Artifact, ModelVariant
from bench.artifacts import ArtifactCache
from bench.errors import BenchError
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher
from bench.measure.workload import Effort, Workload, identity_of
from bench.progress import Reporter
from bench.run.options import ZooOptions
from bench.run.output_folder import locked, writable
from bench.run.planning import chosen_converters, chosen_models, without_a_way
from bench.run.side_by_side import side_by_side
from bench.run.site import Here, Site
from devices import open_device
from reports.record import LaunchRecord
from reports.store import RecordStore

RECORDS = "conversions.jsonl"
_DELEGATE = "xnnpack"


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


def convert(
    options: ZooOptions,
    jobs: int = 1,
    say: Reporter | None = None,
    show: Callable[[Prepared], None] = lambda prepared: None,
    site: Site | None = None,
) -> list[Prepared]:
    """Make the files of all models with all converters, and check each once on this host.

    Args:
        options: `models`, `size`, `converters`, `weights`, `seed`, `samples`, `tolerance`, `timeout`, `out` and
            `retry_failed` count.
        jobs: How many models at the same time, as far as there is memory.
        say: Where progress goes; None: stderr.
        show: Called with each outcome as soon as there is one, by one thread at a time.
        site: Where the files are made; None: on this machine.

    Returns:
        The outcomes, in the order of the models.

    Raises:
        BenchError: A converter does not exist, or the folder cannot be written or is in use.
        ModelError: There is no such model.
        ReportError: Records cannot be read or written.
    """
    if jobs < 1:
        raise BenchError(f"jobs: must be 1 or more, not {jobs}")
    say, site = say or Reporter(), site or Here()
    models, converters = chosen_models(options), chosen_converters(options)
    for line in without_a_way(options):
        say.line(line)
    cache = ArtifactCache(options.out, options.timeout, say, options.retry_failed)
    store = RecordStore(writable(options.out) / RECORDS)
    with ExitStack() as opened:
        opened.enter_context(locked(options.out))
        host = opened.enter_context(closing(open_device("host")))
        identity = identity_of(host.name, host.info())
        known = {record.key: record for record in store.read().records}
        make = site.maker(options, cache, models, converters, say)
        effort = Effort(0.0, num_runs=1, min_seconds=0.0, timeout=options.timeout, settle_seconds=0.0)
        launcher = Launcher(
            host, effort, options.tolerance, environment(), options.out, min_alike=options.min_alike
        )
        gate = threading.Lock()
        outcomes: dict[tuple[str, str, str], Prepared] = {}
        with say.track("Converting", len(models) * len(converters)) as track:

            def prepare(model: ModelVariant) -> None:
                for converter in converters:
                    artifact = make(model, converter, track)
                    workload = Workload(artifact, host.name, identity, _DELEGATE, threads=1)
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

            side_by_side(
                [lambda model=model: prepare(model) for model in models], site.at_the_same_time(jobs)
            )
    return [
        outcomes[model.name, converter.name, converter.precision]
        for model in models
        for converter in converters
    ]


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
