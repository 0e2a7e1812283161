"""A model and the file that a converter made of it: what a launch is of."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import models_zoo
from bench.converters.base import Reference
from bench.fingerprints import digest_of, sha256_of, source_digest, versions_of
from bench.jobs.image_files import chosen_images, images_digest
from bench.jobs.process import job_digest
from models_zoo import ModelSpec
from reports.record import FLOAT, Conversion


@dataclass(frozen=True)
class ModelVariant:
    """A model with the choice of its weights. `samples`: a folder of images to find scales from and to judge files by; None:
    made-up ones."""

    spec: ModelSpec
    weights: str
    seed: int
    samples: Path | None = None

    @property
    def name(self) -> str:
        """The model's name in tables and records."""
        return self.spec.name

    @cached_property
    def folder_name(self) -> str:
        """Changes with anything that the reference depends on."""
        made_from: list[object] = [
            self.spec.name,
            self.weights,
            self.seed,
            versions_of(["torch", "torchvision", "numpy"]),
            source_digest(Path(models_zoo.__path__[0])),
            job_digest("reference_job", "models"),
        ]
        if self.spec.file is not None:
            made_from.append(sha256_of(self.spec.file))
        if self.samples is not None:
            made_from.append(images_digest(chosen_images(self.samples)))
        return f"{self.spec.slug[-60:].lstrip('._')}-{digest_of(*made_from)}"

    def job(self) -> dict[str, Any]:
        """The part of a job file that says which model is meant."""
        file = str(self.spec.file.resolve()) if self.spec.file else None
        return {
            "name": self.spec.name,
            "file": file,
            "factory": self.spec.factory,
            "weights": self.weights,
            "seed": self.seed,
            "samples": str(self.samples.resolve()) if self.samples else None,
        }


@dataclass(frozen=True)
class Output:
    """An output of a file: PyTorch's number `reference`, transposed by `axes`.

    Where `scale` is not None its numbers are integers, and stand for (number - zero_point) * scale.
    """

    reference: int
    axes: tuple[int, ...]
    scale: float | None = None
    zero_point: int = 0


@dataclass(frozen=True)
class Answers:
    """How a file's answers on this host agree with PyTorch's.

    Attributes:
        alike: The share of `samples`, none of which the file was calibrated on, that come out alike.
        samples: How many.
        snr: Signal over noise in decibels, of the worst output, on each of the inputs that devices are given.
    """

    alike: float
    samples: int
    snr: tuple[float, ...]


@dataclass(frozen=True)
class Artifact:
    """What one converter made of one model.

    Attributes:
        reference: The model, its inputs and PyTorch's outputs.
        converter: The converter's name.
        precision: Of the file.
        version: The converter's version.
        error: Why there is no file; None when there is one.
        file: The `.tflite` file.
        sha256: Its SHA-256.
        inputs: Raw files with the model's inputs, in the order and layout of the file's own.
        outputs: For each output of the file, in its order, which output of PyTorch it is and how its numbers stand for
            PyTorch's.
        conversion: What the conversion took, and what is in the file.
        log: What the converter printed.
        samples: Raw files with further inputs, to compare outputs on.
        answers: What this host finds of a file of another precision than float32; None for a float32 file.
        origins: Where each op of the file comes from in the PyTorch program, as `bench.jobs.origins` writes it; None:
            the converter does not say.
    """

    reference: Reference
    converter: str
    version: str
    error: str | None
    file: Path | None
    sha256: str | None
    inputs: tuple[Path, ...]
    outputs: tuple[Output, ...]
    conversion: Conversion
    log: Path
    samples: tuple[tuple[Path, ...], ...] = ()
    origins: Path | None = None
    precision: str = FLOAT
    answers: Answers | None = None

    def launch_files(self) -> list[Path]:
        """The files that a launch of it needs, where there is a file: itself, inputs, PyTorch's outputs, origins."""
        assert self.file is not None
        numbers = range(1 + len(self.reference.samples))
        taken = {output.reference for output in self.outputs}
        expected = {self.reference.output_file(n, index) for n in numbers for index in taken}
        own = [self.file, *self.inputs, *(path for sample in self.samples for path in sample)]
        return [*own, *sorted(expected), *([self.origins] if self.origins else [])]

    def moved(self, old: Path, new: Path) -> "Artifact":
        """The same with all its files below `new`, where they lie below `old` now."""

        def at(path: Path) -> Path:
            return new / path.relative_to(old)

        return replace(
            self,
            reference=replace(self.reference, folder=at(self.reference.folder)),
            file=at(self.file) if self.file else None,
            inputs=tuple(at(path) for path in self.inputs),
            samples=tuple(tuple(at(path) for path in paths) for paths in self.samples),
            origins=at(self.origins) if self.origins else None,
            log=at(self.log),
        )
