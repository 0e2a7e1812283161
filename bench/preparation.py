"""From models and converters to files that can be launched: everything that happens before the first launch.

All of it is kept under `artifacts/` in the output folder, named after what it was made from, and not made
again.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import models_zoo
from bench.converters.base import (
    Converter,
    Reference,
    digest_of,
    files_digest,
    source_digest,
    versions_of,
)
from bench.errors import BenchError
from bench.jobs import JobOutcome, finished, our_python, run_job
from bench.progress import Reporter
from models_zoo import ModelSpec
from reports.record import Conversion

_CONVERTERS = Path(__file__).parent / "converters"


@dataclass(frozen=True)
class Wanted:
    """A model with the choice of its weights."""

    spec: ModelSpec
    weights: str
    seed: int

    @cached_property
    def folder_name(self) -> str:
        made_from: list[object] = [
            self.spec.name,
            self.weights,
            self.seed,
            versions_of(["torch", "torchvision", "numpy"]),
        ]
        made_from.append(source_digest(Path(models_zoo.__path__[0])))
        made_from.append(files_digest(_CONVERTERS / "reference_job.py", _CONVERTERS / "torch_side.py"))
        if self.spec.file is not None:
            made_from.append(hashlib.sha256(self.spec.file.read_bytes()).hexdigest())
        return f"{self.spec.slug[-60:].lstrip('._')}-{digest_of(*made_from)}"

    def job(self) -> dict[str, Any]:
        file = str(self.spec.file.resolve()) if self.spec.file else None
        return {
            "name": self.spec.name,
            "file": file,
            "factory": self.spec.factory,
            "weights": self.weights,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Candidate:
    """One converter's file for one model; without a file, `error` tells why."""

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


class Workshop:
    """Makes references and candidates under one output folder."""

    def __init__(self, out: Path, timeout: float, say: Reporter, retry_failed: bool = False) -> None:
        self.folder = out / "artifacts"
        self.timeout = timeout
        self.say = say
        self.retry_failed = retry_failed

    def reference_folder(self, wanted: Wanted) -> Path:
        return self.folder / wanted.folder_name / "reference"

    def candidate_folder(self, wanted: Wanted, converter: Converter) -> Path:
        return self.folder / wanted.folder_name / f"{converter.name}-{converter.version()}"

    def is_made(self, wanted: Wanted, converter: Converter) -> bool:
        return (self.candidate_folder(wanted, converter) / "result.json").is_file()

    def references(self, wanted: Sequence[Wanted]) -> list[Reference]:
        """Raises BenchError for a model that cannot be made or run: a bad input, not a result."""
        missing = [w for w in wanted if not self._kept(self.reference_folder(w))]
        if missing:
            with self.say.track("PyTorch", len(missing)) as track:
                for w in missing:
                    track.now(w.spec.name)
                    outcome = run_job(
                        our_python("bench.converters.reference_job"),
                        {"model": w.job()},
                        self.reference_folder(w),
                        self.timeout,
                    )
                    if outcome.error:
                        raise BenchError(_named(w.spec.name, outcome.error) + f" (log: {outcome.log})")
                    track.step(f"{w.spec.name}: weights and outputs")
        return [self._reference(w) for w in wanted]

    def candidates(
        self, wanted: Sequence[Wanted], references: Sequence[Reference], converters: Sequence[Converter]
    ) -> list[Candidate]:
        """All files, model by model; a converter that fails is a candidate with an error."""
        pairs = [(w, r, c) for w, r in zip(wanted, references, strict=True) for c in converters]
        missing = [(w, r, c) for w, r, c in pairs if not self._kept(self.candidate_folder(w, c))]
        for converter in dict.fromkeys(c for _, _, c in missing):
            if converter.environment is not None:
                converter.environment.ensure(self.say)
        if missing:
            with self.say.track("Converting", len(missing)) as track:
                for w, reference, converter in missing:
                    track.now(f"{w.spec.name} with {converter.name}")
                    outcome = converter.convert(
                        reference, self.candidate_folder(w, converter), self.timeout, self.say
                    )
                    seconds = outcome.result.get("seconds")
                    failed = f"FAILED: {outcome.error} (log: {outcome.log})"
                    end = failed if outcome.error else f"{seconds:.1f} s"
                    track.step(f"{w.spec.name} with {converter.name}: {end}", line=True)
        self._look_into([(r, c, self.candidate_folder(w, c)) for w, r, c in pairs])
        return [self._candidate(r, c, self.candidate_folder(w, c)) for w, r, c in pairs]

    @staticmethod
    def _facts(folder: Path) -> Path:
        """Named after what reads the file, so that facts of an older reader are not taken for this one's."""
        return folder / f"facts-{files_digest(_CONVERTERS / 'facts_job.py', _CONVERTERS / 'mapping.py')}"

    def _kept(self, folder: Path) -> JobOutcome | None:
        outcome = finished(folder)
        if outcome is not None and outcome.error and (self.retry_failed or folder.name == "reference"):
            shutil.rmtree(folder)
            return None
        return outcome

    def _reference(self, wanted: Wanted) -> Reference:
        folder = self.reference_folder(wanted)
        outcome = finished(folder)
        assert outcome is not None
        return Reference(wanted.spec.name, wanted.job(), folder, outcome.result)

    def _look_into(self, made: Sequence[tuple[Reference, Converter, Path]]) -> None:
        files = []
        for reference, converter, folder in made:
            outcome = finished(folder)
            assert outcome is not None
            if outcome.error is None and not (self._facts(folder) / "facts.json").is_file():
                files.append(
                    {
                        "file": str(folder / outcome.result["file"]),
                        "out": str(self._facts(folder)),
                        "reference": str(reference.folder),
                        "inputs": reference.inputs,
                        "outputs": reference.outputs,
                        "layout": converter.layout,
                    }
                )
        if not files:
            return
        with self.say.track("Looking into the files", 1) as track:
            outcome = run_job(
                our_python("bench.converters.facts_job"),
                {"files": files},
                self.folder / "facts",
                self.timeout,
            )
            if outcome.error:
                raise BenchError(f"the converted files cannot be read: {outcome.error} (log: {outcome.log})")
            track.step(f"{len(files)} read")

    def _candidate(self, reference: Reference, converter: Converter, folder: Path) -> Candidate:
        outcome = finished(folder)
        assert outcome is not None
        error, facts = outcome.error, {}
        if error is None:
            facts = json.loads((self._facts(folder) / "facts.json").read_text(encoding="utf-8"))
            error = facts["error"]
        file = folder / outcome.result["file"] if error is None else None
        figures = {key: outcome.result.get(key) for key in ("seconds", "cpu_seconds", "peak_rss_mb")}
        contents = {key: facts[key] for key in ("size_bytes", "n_ops", "transposes", "ops") if key in facts}
        return Candidate(
            reference=reference,
            converter=converter.name,
            version=converter.version(),
            error=error,
            file=file,
            sha256=_sha256(file) if file else None,
            inputs=tuple(self._facts(folder) / name for name in facts.get("inputs", ())),
            outputs=tuple((o["reference"], tuple(o["axes"])) for o in facts.get("outputs", ())),
            conversion=Conversion(**figures, **contents),
            log=outcome.log,
        )


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
