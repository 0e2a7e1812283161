"""What a converter is to the benchmark, and the model that all of them are given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.converters.precisions import WITH_RANGES, WITHOUT_RANGES, computes_with_integers
from bench.jobs.mapping import Layout
from bench.jobs.process import JobOutcome
from bench.peers.environments import Environment
from bench.progress import Reporter


@dataclass(frozen=True)
class Samples:
    """Inputs to find the ranges of activations from, and others to compare on, as `jobs.samples_job` left them.

    Attributes:
        folder: Where the arrays are.
        result: The result of the job.
    """

    folder: Path
    result: dict[str, Any]

    @property
    def error(self) -> str | None:
        """Why there are none; None when there are."""
        return self.result.get("error")

    def missing_for(self, precision: str) -> str | None:
        """Why files of a precision cannot be made or judged with these; None where they can. Files of half precision are
        judged by the error of each number, as float32 ones are, and need none."""
        if self.error is not None:
            return self.error if computes_with_integers(precision) else None
        reason = self.result.get("uncalibrated")
        if reason is None or precision not in WITH_RANGES:
            return None
        return (
            f"there are no samples to find the ranges of {precision} from: {reason}; {', '.join(WITHOUT_RANGES)} need none, "
            "and in Python nobuco.export_tflite takes samples as calibration="
        )

    def files(self, kind: str) -> list[Path]:
        """An array (samples, ...) for each tensor of a `kind`: "calibration" and "check" inputs, "answer" of the latter."""
        return [self.folder / name for name in self.result[kind]]


@dataclass(frozen=True)
class Reference:
    """A model with its inputs, weights and PyTorch's outputs on disk, as `jobs.reference_job` left them.

    Attributes:
        name: The model's name in tables and records.
        model: The part of every job file that says which model is meant.
        folder: Where the arrays and the weights are.
        result: The result of the job.
        further: Samples for files of other precisions than float32; None where there are no such files.
    """

    name: str
    model: dict[str, Any]
    folder: Path
    result: dict[str, Any]
    further: Samples | None = None

    @property
    def error(self) -> str | None:
        """Why the model cannot be made or run in PyTorch; None when it can."""
        return self.result.get("error")

    @property
    def weights(self) -> str:
        """Where the weights come from: "random", "default", "own" or "none"."""
        return self.result["weights"]

    @property
    def seed(self) -> int:
        """Of the random weights and of the inputs."""
        return self.result["seed"]

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Each input's `file` in the folder, its `shape` and its `dtype`."""
        return self.result["inputs"]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The same of each output, in the order of `bench.jobs.models.flatten`."""
        return self.result["outputs"]

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Further inputs to compare outputs on: the `inputs` and `outputs` of each, as above."""
        return self.result.get("samples", [])

    def output_file(self, sample: int, output: int) -> Path:
        """PyTorch's answer to an input: 0 is the model's own, then come the `samples`."""
        outputs = self.samples[sample - 1]["outputs"] if sample else self.outputs
        return self.folder / outputs[output]["file"]

    def job(self) -> dict[str, Any]:
        """What the file of a conversion job says about the model."""
        calibration = self.further.files("calibration") if self.further else []
        return {
            "model": self.model,
            "reference": self.folder,
            "n_outputs": len(self.outputs),
            "calibration": calibration,
        }


class Converter(Protocol):
    """Turns a reference into a `.tflite` file, in a process of its own."""

    @property
    def name(self) -> str:
        """The name on the command line, in tables and in records."""
        ...

    @property
    def precision(self) -> str:
        """Of the files that it makes, one of `precisions.PRECISIONS`."""
        ...

    @property
    def layout(self) -> Layout:
        """Order of the axes of the file's inputs and outputs of rank 3 and more."""
        ...

    @property
    def environment(self) -> Environment | None:
        """The Python environment that it runs in; None: this program's own."""
        ...

    def version(self) -> str:
        """Equal for two conversions only if nothing that makes the file has changed."""
        ...

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """Leave `model.tflite` in `folder`.

        Args:
            reference: The model.
            folder: Where the outcome is kept; it appears when the conversion has ended.
            timeout: Seconds after which the conversion is ended and counts as failed.
            say: Where it is said that an environment is being installed.

        Returns:
            The outcome. Its `seconds`, `cpu_seconds` and `peak_rss_mb` cover everything from the PyTorch
            model in memory to the file on disk. A failed conversion is an outcome with an `error`.
        """
        ...
