"""From a model to the file of it that is fastest on a device: layers measured, a cost file, two files compared."""

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.artifact import ModelVariant
from bench.artifacts import ArtifactCache
from bench.converters.registry import get_converter
from bench.errors import BenchError
from bench.fingerprints import digest_of
from bench.jobs.process import finished, job_digest, our_python, run_job
from bench.measure.delegates import check_delegates
from bench.measure.launching import prepared_runner
from bench.measure.targets import open_target
from bench.measure.workload import identity_of
from bench.progress import Reporter
from bench.run import ZooOptions, ZooResult, zoo
from bench.run.output_folder import writable
from bench.run.planning import chosen_models
from bench.tune.cost_file import save
from bench.tune.layers import WAYS, Layer
from bench.tune.memory import Memory
from devices import Device, LaunchRequest, launch, wait_until_settled
from models_zoo import Weights
from reports.record import system_of
from reports.stats import FEWEST_FOR_INTERVAL
from reports.summary import Row

_ROUNDS = 7
"""Of each layer on a device that is timed: enough for an interval. On an emulated one a single launch decides."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What is tuned, and where.

    Attributes:
        model: A model's name, or `path/to/file.py:factory`.
        device: As `bench zoo` takes it, and so are `delegate`, `threads`, `size`, `weights`, `seed`, `timeout`, `settle` and
            `out`.
        rounds: Launches of each layer; None: as many as an interval takes, one on an emulated device.
        growth: Whether forms that make the file larger are tried.
        costs: The cost file to write; None: `DEVICE.json` in the folder.

    Raises:
        BenchError: Too few rounds for an interval.
    """

    model: str
    device: str = "host"
    delegate: str = "xnnpack"
    threads: int = 1
    size: int | None = None
    weights: Weights = "random"
    seed: int = 0
    rounds: int | None = None
    growth: bool = True
    timeout: float = 900.0
    settle: float = 60.0
    out: Path = Path("results")
    costs: Path | None = None

    def __post_init__(self) -> None:
        if self.rounds is not None and self.rounds < FEWEST_FOR_INTERVAL:
            raise BenchError(
                f"rounds: must be {FEWEST_FOR_INTERVAL} or more, for an interval, not {self.rounds}"
            )

    @property
    def optimize(self) -> str:
        """As `nobuco.export_tflite` takes it."""
        return "speed" if self.growth else "balanced"

    @property
    def command(self) -> str:
        """What a user types for the same."""
        words = ["bench tune", self.model, "--device", self.device, "--delegate", self.delegate]
        words += ["--threads", str(self.threads)]
        words += ["--size", str(self.size)] if self.size else []
        words += [] if self.growth else ["--no-growth"]
        return " ".join(words)


@dataclass(frozen=True)
class Tuned:
    """What was found.

    Attributes:
        layers: All that have several forms, the costliest first.
        emulated: Whether instructions were counted.
        costs: The cost file, for `nobuco.export_tflite(..., target=costs)`.
        result: The model's files on the device, with and without the cost file.
        usual, tuned: Their cells.
        fastest: The file to ship: the tuned one where it is certainly faster.
    """

    layers: list[Layer]
    emulated: bool
    costs: Path
    result: ZooResult
    usual: Row
    tuned: Row
    fastest: Path | None

    @property
    def same(self) -> bool:
        """Whether both files are one: the usual forms are the fastest here."""
        return self.tuned.reason is None and (
            self.usual.provenance.file_sha256 == self.tuned.provenance.file_sha256
        )


def tune(options: TuneOptions, say: Reporter | None = None) -> Tuned:
    """Measure the forms of each distinct layer of a model on a device, and the files that come of it.

    What was measured before, of this or another model with such a layer, on the same device with the same runtime, is not
    measured again.

    Args:
        options: What and where.
        say: Where progress goes; None: stderr.

    Raises:
        BenchError: A name is wrong, the model does not run or is not converted, a folder cannot be written.
        DeviceError: There is no such device, or it cannot be used.
    """
    say = say or Reporter()
    run = ZooOptions(
        models=(options.model,),
        size=options.size,
        devices=(options.device,),
        delegates=(options.delegate,),
        threads=(options.threads,),
        converters=("nobuco",),
        weights=options.weights,
        seed=options.seed,
        timeout=options.timeout,
        settle=options.settle,
        out=options.out,
        baseline="nobuco",
    )
    variants = chosen_models(run)
    if len(variants) != 1:
        raise BenchError(f"{options.model}: is a group of {len(variants)} models; tune one at a time")
    (model,) = variants
    with closing(open_target(options.device, say)) as device:
        check_delegates(device.info(), run.delegates, None)
        layers = _layers(model, options, say)
        place = {
            "device": identity_of(device.name, device.info()),
            "runtime": prepared_runner(device, None, say),
            "system": system_of(vars(device.info())),
            "delegate": options.delegate,
            "threads": options.threads,
        }
        memory = Memory(place)
        if known := memory.recall(layers):
            say.line(f"{known} of {len(layers)} layers were measured before")
        rounds = 1 if device.emulated else options.rounds or _ROUNDS
        with device.lock(), device.hold_performance():
            _measure(device, layers, rounds, options, memory, say)
        emulated, name = device.emulated, device.name
        costs = options.costs or options.out / f"{name.replace('/', '-')}.json"
        facts = {
            "delegate": options.delegate,
            "threads": options.threads,
            "optimize": options.optimize,
            "command": options.command,
        }
        save(costs, layers, device, str(place["runtime"]), facts)
    names = ("nobuco", f"nobuco:{costs}")
    converters = [get_converter(each) for each in names]
    result = zoo(ZooOptions(**{**vars(run), "converters": names}), say)
    rows = {row.cell.converter: row for group in result.groups for row in group.rows}
    usual, tuned = (rows[converter.name] for converter in converters)
    best = converters[tuned.verdict == "faster"]
    cache = ArtifactCache(options.out, options.timeout, say)
    artifact = cache.artifact(model, cache.reference(model), best)
    layers.sort(key=lambda layer: -(layer.cost("plain") or 0.0) * layer.count)
    return Tuned(layers, emulated, costs, result, usual, tuned, artifact.file)


def _layers(model: ModelVariant, options: TuneOptions, say: Reporter) -> list[Layer]:
    """The layers of the model that have several forms, as files of their own."""
    cache = ArtifactCache(writable(options.out), options.timeout, say)
    reference = cache.reference(model)
    if reference.error:
        raise BenchError(f"{model.name}: does not run in PyTorch: {reference.error}")
    digest = digest_of(get_converter("nobuco").version(), job_digest("trials_job"), options.optimize)
    folder = cache.folder / model.folder_name / f"layers-{digest}"
    outcome = finished(folder)
    if outcome is None or outcome.error:
        with say.track("Cutting out layers", 1) as track:
            track.now(model.name)
            job = {**reference.job(), "optimize": options.optimize}
            outcome = run_job(our_python("bench.jobs.trials_job"), job, folder, options.timeout)
            track.step(f"{model.name}: {outcome.error or len(outcome.result['trials'])}")
    if outcome.error:
        raise BenchError(f"{model.name}: {outcome.error} (log: {outcome.log})")
    return [
        Layer(
            each["form"],
            each["layer"],
            each["said"],
            each["count"],
            files={way: folder / each[way] for way in WAYS},
        )
        for each in outcome.result["trials"]
    ]


def _measure(
    device: Device, layers: Sequence[Layer], rounds: int, options: TuneOptions, memory: Memory, say: Reporter
) -> None:
    """All layers in each round, in a random order of its own; a layer's two forms one after the other."""
    order = random.Random(options.seed)
    todo = [(n, layer) for n in range(rounds) for layer in order.sample(list(layers), len(layers))]
    todo = [(n, layer) for n, layer in todo if any(n not in layer.figures[way] for way in WAYS)]
    with say.track(f"Layers on {device.name}", len(todo)) as track:
        for done, (number, layer) in enumerate(todo, 1):
            track.now(f"{layer.form}: {layer.said}")
            wait_until_settled(device, timeout=options.settle)
            for way in order.sample(WAYS, len(WAYS)):
                if layer.failure is None:
                    _launch(device, layer, way, number, options)
            if layer.failure is not None and number == 0:
                say.line(f"{layer.form}: {layer.said}: FAILED: {layer.failure}")
            if done == len(todo) or todo[done][0] != number:
                memory.keep(layers)
            track.step(layer.form)


def _launch(device: Device, layer: Layer, way: str, number: int, options: TuneOptions) -> None:
    request = LaunchRequest(
        layer.files[way],
        options.delegate,
        options.threads,
        warmup_seconds=0.1,
        num_runs=1 if device.emulated else 5,
        min_seconds=0.2,
        max_seconds=2.0,
        timeout=options.timeout,
    )
    result = launch(device, request)
    if result.ok:
        ordered = sorted(result.times_us)
        layer.figures[way][number] = ordered[len(ordered) // 2]
    else:
        layer.failure = f"{way}: {result.error}"
