"""What a run measures and how: the options of `bench zoo`, for Python and for the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.converters.precisions import check_precision
from bench.converters.registry import BASELINE, get_converter
from bench.errors import BenchError
from bench.measure.schedule import PILOT_ROUNDS
from bench.measure.workload import MIN_ALIKE, Effort
from models_zoo import Weights
from reports.record import FLOAT

DEFAULT_ROUNDS = PILOT_ROUNDS


@dataclass(frozen=True, kw_only=True)
class ZooOptions:
    """The options of `bench.run.zoo`, with the defaults of `bench zoo`.

    Attributes:
        models: Models, groups of models, or `path/to/file.py:factory`; `models_zoo.names()` lists them.
        size: Height and width of the images, for models of the catalogue; None: each model's own.
        converters: Converters to compare; `bench.converters.registry.NAMES` lists them.
        devices: Devices to run on, by the names of `bench devices list`, `arm` or `arm-emulated`.
        delegates: Delegates to ask for; `devices.launches.DELEGATES` lists them.
        threads: Numbers of threads.
        cores: Cores to run on: `big`, `little`, `all`, or numbers such as `4-7` or `0,2`.
        benchmark_binary: An official `benchmark_model`, built for the device, to launch with.
        settle: Longest wait, in seconds, for a steady temperature before each launch.
        rounds: Launches of each cell; None: DEFAULT_ROUNDS, fewer where they would not fit `minutes`.
        minutes: Time for measuring on each device, when `rounds` is None.
        precisions: Those of the files; `bench.converters.precisions.PRECISIONS` lists them. A converter without a way to one
            is left out there.
        interval: Half-width of the intervals to reach within `minutes`, as a share of the figure; None: no more rounds
            than `rounds` says.
        weights: "random" from the seed, or "default": torchvision's trained ones.
        seed: For weights and inputs.
        samples: Folder of images that scales are found from, and others of it that files with integers are judged by; None:
            made-up ones.
        tolerance: Largest error against PyTorch, max|difference| / max|reference|, for a file to get a speed;
            None: `bench.measure.workload.TOLERANCE`, or that of half precision.
        min_alike: Share of samples that are to come out as PyTorch's for a file that computes with integers to get a speed:
            such files are not judged by `tolerance`.
        timeout: Seconds for one conversion or one launch.
        out: Folder for records, artifacts, tables and charts. What is there is not done again.
        baseline: The converter that others are compared with; None: onnx-tf, if it is measured.
        retry_failed: Whether what failed in earlier runs is tried again.
        profile: Whether each cell with a figure is also profiled, op by op, in launches of their own.
        sustained: Minutes for which each device is then kept at work, all cells in turns without a pause, for a figure of
            the warm device; None: no such run. No emulated device warms up.

    Raises:
        BenchError: A value is out of range. Names are checked by the run itself.
    """

    models: Sequence[str] = ("readme",)
    size: int | None = None
    converters: Sequence[str] = ("nobuco", "onnx-tf")
    precisions: Sequence[str] = (FLOAT,)
    devices: Sequence[str] = ("host",)
    delegates: Sequence[str] = ("xnnpack",)
    threads: Sequence[int] = (1,)
    cores: str = "all"
    benchmark_binary: Path | None = None
    settle: float = Effort.settle_seconds
    rounds: int | None = None
    minutes: float = 6.0
    interval: float | None = None
    weights: Weights = "random"
    seed: int = 0
    samples: Path | None = None
    tolerance: float | None = None
    min_alike: float = MIN_ALIKE
    timeout: float = 900.0
    out: Path = Path("results")
    baseline: str | None = None
    retry_failed: bool = False
    profile: bool = False
    sustained: float | None = None

    def __post_init__(self) -> None:
        for name in ("models", "converters", "precisions", "devices", "delegates", "threads"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        object.__setattr__(self, "out", Path(self.out))
        if self.samples is not None:
            object.__setattr__(self, "samples", Path(self.samples))
        if self.benchmark_binary is not None:
            object.__setattr__(self, "benchmark_binary", Path(self.benchmark_binary))
        for number in self.threads:
            _require(number >= 1, "threads", number, "1 or more")
        _require(self.rounds is None or self.rounds >= 1, "rounds", self.rounds, "1 or more")
        for name in self.precisions:
            check_precision(name)
        _require(self.interval is None or 0 < self.interval < 1, "interval", self.interval, "between 0 and 1")
        if self.interval is not None and self.rounds is not None:
            raise BenchError("interval: takes as many rounds as it needs; leave rounds out")
        _require(0 <= self.min_alike <= 1, "min_alike", self.min_alike, "from 0 to 1")
        _require(self.size is None or self.size >= 1, "size", self.size, "1 or more")
        _require(self.minutes > 0, "minutes", self.minutes, "more than 0")
        _require(self.sustained is None or self.sustained > 0, "sustained", self.sustained, "more than 0")
        _require(self.settle >= 0, "settle", self.settle, "0 or more")
        _require(self.timeout >= 1, "timeout", self.timeout, "1 or more")
        _require(self.tolerance is None or self.tolerance >= 0, "tolerance", self.tolerance, "0 or more")
        _require(
            self.weights in get_args(Weights), "weights", repr(self.weights), " or ".join(get_args(Weights))
        )

    @property
    def chosen_cores(self) -> str | None:
        """The cores asked for; None when the device chooses."""
        return None if self.cores == "all" else self.cores

    def baseline_name(self) -> str:
        """The converter that others are compared with. Raises BenchError for one that is not measured."""
        if self.baseline is None:
            return BASELINE
        name = get_converter(self.baseline).name
        if name not in self.converters:
            raise BenchError(
                f"baseline: {name} is not among the converters to compare, {', '.join(self.converters)}; "
                "add it to them"
            )
        return name


def _several(name: str, values: Sequence[object]) -> tuple[object, ...]:
    if isinstance(values, str):
        raise BenchError(f"{name}: takes a list, not one string; write [{values!r}]")
    if not values:
        raise BenchError(f"{name}: give at least one")
    return tuple(dict.fromkeys(values))


def _require(holds: bool, name: str, value: object, what: str) -> None:
    if not holds:
        raise BenchError(f"{name}: must be {what}, not {value}")
