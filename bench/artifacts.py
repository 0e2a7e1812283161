"""From models and converters to files that can be launched: everything that happens before the first launch.

All of it is kept under `artifacts/` in the output folder, in folders named after what it was made from, and
is not made again.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import models_zoo
from bench.converters.base import Converter, Reference
from bench.errors import BenchError
from bench.fingerprints import digest_of, sha256_of, source_digest, versions_of
from bench.jobs.process import JobOutcome, finished, job_digest, our_python, run_job
from bench.progress import Reporter
from models_zoo import ModelSpec
from reports.record import Conversion


@dataclass(frozen=True)
class ModelVariant:
    """A model with the choice of its weights."""

    spec: ModelSpec
    weights: str
    seed: int

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
        }


@dataclass(frozen=True)
class Artifact:
    """What one converter made of one model.

    Attributes:
        reference: The model, its inputs and PyTorch's outputs.
        converter: The converter's name.
        version: The converter's version.
        error: Why there is no file; None when there is one.
        file: The `.tflite` file.
        sha256: Its SHA-256.
        inputs: Raw files with the model's inputs, in the order and layout of the file's own.
        outputs: For each output of the file, in its order: which output of PyTorch it is, and the axes that
            transpose PyTorch's to it.
        conversion: What the conversion took, and what is in the file.
        log: What the converter printed.
        samples: Raw files with further inputs, to compare outputs on.
    """

    reference: Reference
    converter: str
    version: str
    error: str | None
    file: Path | None
    sha256: str | None
    inputs: tuple[Path, ...]
    outputs: tuple[tuple[int, tuple[int, ...]], ...]
    conversion: Conversion
    log: Path
    samples: tuple[tuple[Path, ...], ...] = ()


class ArtifactCache:
    """Makes references and artifacts under one output folder, unless they are there already.

    Args:
        out: The output folder.
        timeout: Seconds for one job.
        say: Where progress is reported.
        retry_failed: Whether conversions that failed earlier are tried again.
    """

    def __init__(self, out: Path, timeout: float, say: Reporter, retry_failed: bool = False) -> None:
        self.folder = out / "artifacts"
        self.timeout = timeout
        self.say = say
        self.retry_failed = retry_failed

    def is_made(self, model: ModelVariant, converter: Converter) -> bool:
        """Whether the conversion has been tried: it may have failed."""
        return (self._artifact_folder(model, converter) / "result.json").is_file()

    def references(self, models: Sequence[ModelVariant]) -> list[Reference]:
        """The references of all models, in order.

        Raises:
            BenchError: A model cannot be made or run: that is bad input, not a result.
        """
        missing = [m for m in models if not self._kept(self._reference_folder(m))]
        if missing:
            with self.say.track("PyTorch", len(missing)) as track:
                for model in missing:
                    track.now(model.name)
                    outcome = run_job(
                        our_python("bench.jobs.reference_job"),
                        {"model": model.job()},
                        self._reference_folder(model),
                        self.timeout,
                    )
                    if outcome.error:
                        raise BenchError(_named(model.name, outcome.error) + f" (log: {outcome.log})")
                    track.step(f"{model.name}: weights and outputs")
        return [self._reference(model) for model in models]

    def artifacts(
        self, models: Sequence[ModelVariant], references: Sequence[Reference], converters: Sequence[Converter]
    ) -> list[Artifact]:
        """All artifacts, model by model.

        Args:
            models: The models.
            references: Theirs, in the same order.
            converters: All are used for each model; one that fails leaves an artifact with an error.

        Raises:
            BenchError: A converter's environment cannot be installed, or a file cannot be read.
        """
        pairs = [(m, r, c) for m, r in zip(models, references, strict=True) for c in converters]
        missing = [(m, r, c) for m, r, c in pairs if not self._kept(self._artifact_folder(m, c))]
        if missing:
            with self.say.track("Converting", len(missing)) as track:
                for model, reference, converter in missing:
                    track.now(f"{model.name} with {converter.name}")
                    outcome = converter.convert(
                        reference, self._artifact_folder(model, converter), self.timeout, self.say
                    )
                    seconds = outcome.result.get("seconds")
                    failed = f"FAILED: {outcome.error} (log: {outcome.log})"
                    end = failed if outcome.error else f"{seconds:.1f} s"
                    track.step(f"{model.name} with {converter.name}: {end}", line=True)
        self._inspect([(r, c, self._artifact_folder(m, c)) for m, r, c in pairs])
        return [self._artifact(r, c, self._artifact_folder(m, c)) for m, r, c in pairs]

    def _reference_folder(self, model: ModelVariant) -> Path:
        return self.folder / model.folder_name / "reference"

    def _artifact_folder(self, model: ModelVariant, converter: Converter) -> Path:
        return self.folder / model.folder_name / f"{converter.name}-{converter.version()}"

    @staticmethod
    def _facts(folder: Path) -> Path:
        """Named after what reads the file, so that facts of an older reader are not taken for this one's."""
        return folder / f"facts-{job_digest('facts_job', 'mapping')}"

    def _kept(self, folder: Path) -> JobOutcome | None:
        outcome = finished(folder)
        if outcome is not None and outcome.error and (self.retry_failed or folder.name == "reference"):
            shutil.rmtree(folder)
            return None
        return outcome

    def _reference(self, model: ModelVariant) -> Reference:
        folder = self._reference_folder(model)
        outcome = finished(folder)
        assert outcome is not None
        return Reference(model.name, model.job(), folder, outcome.result)

    def _inspect(self, made: Sequence[tuple[Reference, Converter, Path]]) -> None:
        files = []
        for reference, converter, folder in made:
            outcome = finished(folder)
            assert outcome is not None
            if outcome.error is None and not (self._facts(folder) / "facts.json").is_file():
                files.append(
                    {
                        "file": folder / outcome.result["file"],
                        "out": self._facts(folder),
                        "reference": reference.folder,
                        "inputs": reference.inputs,
                        "outputs": reference.outputs,
                        "samples": reference.samples,
                        "layout": converter.layout,
                    }
                )
        if not files:
            return
        with self.say.track("Inspecting the files", 1) as track:
            outcome = run_job(
                our_python("bench.jobs.facts_job"), {"files": files}, self.folder / "facts", self.timeout
            )
            if outcome.error:
                raise BenchError(f"the converted files cannot be read: {outcome.error} (log: {outcome.log})")
            track.step(f"{len(files)} read")

    def _artifact(self, reference: Reference, converter: Converter, folder: Path) -> Artifact:
        outcome = finished(folder)
        assert outcome is not None
        error, facts = outcome.error, {}
        if error is None:
            facts = json.loads((self._facts(folder) / "facts.json").read_text(encoding="utf-8"))
            error = facts["error"]
        file = folder / outcome.result["file"] if error is None else None
        figures = {key: outcome.result.get(key) for key in ("seconds", "cpu_seconds", "peak_rss_mb")}
        contents = {key: facts[key] for key in ("size_bytes", "n_ops", "transposes", "ops") if key in facts}
        return Artifact(
            reference=reference,
            converter=converter.name,
            version=converter.version(),
            error=error,
            file=file,
            sha256=sha256_of(file) if file else None,
            inputs=tuple(self._facts(folder) / name for name in facts.get("inputs", ())),
            samples=tuple(
                tuple(self._facts(folder) / name for name in names) for names in facts.get("samples", ())
            ),
            outputs=tuple((o["reference"], tuple(o["axes"])) for o in facts.get("outputs", ())),
            conversion=Conversion(**figures, **contents),
            log=outcome.log,
        )


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"
