"""From models and converters to files that can be launched: everything that happens before the first launch.

All of it is kept under `artifacts/` in the output folder, in folders named after what it was made from, and
is not made again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.artifact import Answers, Artifact, ModelVariant, Output
from bench.converters.base import Converter, Reference, Samples
from bench.converters.precisions import samples_digest
from bench.errors import BenchError
from bench.fingerprints import digest_of, sha256_of
from bench.jobs.forecasts import rules_digest
from bench.jobs.process import ORIGINS, JobOutcome, amend, finished, job_digest, not_done, our_python, run_job
from bench.progress import Reporter
from reports.record import FLOAT, Conversion


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

    def failed(self, model: ModelVariant, converter: Converter) -> bool:
        """Whether the conversion has been tried and failed."""
        outcome = finished(self._artifact_folder(model, converter))
        return outcome is not None and outcome.error is not None

    def references(self, models: Sequence[ModelVariant]) -> list[Reference]:
        """The references of all models, in order; that of a model that cannot be made or run has an `error`."""
        missing = [m for m in models if self._kept(self._reference_folder(m)) is None]
        if missing:
            with self.say.track("PyTorch", len(missing)) as track:
                for model in missing:
                    track.now(model.name)
                    outcome = self._make_reference(model)
                    if outcome.error:
                        failure = f"FAILED: {_named(model.name, outcome.error)} (log: {outcome.log})"
                        track.step(failure, line=True)
                    else:
                        track.step(f"{model.name}: weights and outputs")
        return [self._reference(model) for model in models]

    def reference(self, model: ModelVariant) -> Reference:
        """The reference of one model, as in `references`."""
        if self._kept(self._reference_folder(model)) is None:
            self._make_reference(model)
        return self._reference(model)

    def artifacts(
        self,
        models: Sequence[ModelVariant],
        references: Sequence[Reference],
        converters: Sequence[Converter],
        unusable: Mapping[str, str] | None = None,
    ) -> list[Artifact]:
        """All artifacts, model by model; one that could not be made has an `error`.

        Args:
            models: The models.
            references: Theirs, in the same order.
            converters: All are used for each model.
            unusable: Those that cannot run here, by name, with the reason.
        """
        unusable = unusable or {}
        pairs = [(m, r, c) for m, r in zip(models, references, strict=True) for c in converters]
        todo = [p for p in pairs if p[1].error is None]
        missing = [p for p in todo if self.to_be_made(p[0], p[2])]
        self._tell_of_earlier_failures([p for p in todo if p not in missing])
        missing = [p for p in missing if p[2].name not in unusable]
        if missing:
            with self.say.track("Converting", len(missing)) as track:
                for model, reference, converter in missing:
                    track.now(f"{model.name} with {named_file(converter)}")
                    outcome = self.convert(model, reference, converter)
                    seconds = outcome.result.get("seconds")
                    failed = f"FAILED: {outcome.error} (log: {outcome.log})"
                    end = failed if outcome.error else f"{seconds:.1f} s"
                    track.step(f"{model.name} with {named_file(converter)}: {end}", line=True)
        made = [(m, r, c) for m, r, c in todo if self.is_made(m, c)]
        with self.say.track("Inspecting the files", 1) as track:
            read = self.inspect(made)
            if read:
                track.step(f"{read} read")
        return [self.artifact(m, r, c, unusable.get(c.name)) for m, r, c in pairs]

    def to_be_made(self, model: ModelVariant, converter: Converter) -> bool:
        """Whether the conversion is to be done: it has not been tried, or its failure deserves another attempt."""
        return self._kept(self._artifact_folder(model, converter)) is None

    def convert(self, model: ModelVariant, reference: Reference, converter: Converter) -> JobOutcome:
        """Do one conversion, whether or not it was done before. A failure is an outcome with an `error`."""
        folder = self._artifact_folder(model, converter)
        before = finished(folder)
        if converter.precision != FLOAT:
            further = self._further(model)
            if missing := further.missing_for(converter.precision):
                return not_done(folder, missing, JobOutcome(further.folder, further.result))
            reference = replace(reference, further=None if further.error else further)
        outcome = converter.convert(reference, folder, self.timeout, self.say)
        if outcome.error is None:
            outcome = amend(outcome, folder, sha256=sha256_of(folder / outcome.result["file"]))
        if outcome.error and before is not None:
            return amend(outcome, folder, attempts=before.attempts + 1)
        return outcome

    def _tell_of_earlier_failures(self, kept: Sequence[tuple[ModelVariant, Reference, Converter]]) -> None:
        for model, _, converter in kept:
            outcome = finished(self._artifact_folder(model, converter))
            if outcome is not None and outcome.error:
                self.say.line(
                    f"{model.name} with {named_file(converter)}: not converted again, it failed in an earlier run: "
                    f"{outcome.error} (log: {outcome.log}); --retry-failed tries it again"
                )

    def kept_reference(self, model: ModelVariant) -> Reference | None:
        """The reference of one model, without making it; None when it is not there."""
        return None if finished(self._reference_folder(model)) is None else self._reference(model)

    def lacks(self, model: ModelVariant, converters: Sequence[Converter]) -> bool:
        """Whether anything is to be made of this model: its reference, or a conversion."""
        if self._kept(self._reference_folder(model)) is None:
            return True
        reference = self._reference(model)
        return reference.error is None and any(self.to_be_made(model, each) for each in converters)

    def folders(self, model: ModelVariant, converters: Sequence[Converter]) -> list[Path]:
        """The folders of a model that are there: of its reference, and of what the converters made."""
        all_of_them = [self._reference_folder(model), *(self._artifact_folder(model, c) for c in converters)]
        return [folder for folder in all_of_them if folder.is_dir()]

    def make(
        self,
        model: ModelVariant,
        converters: Sequence[Converter],
        unusable: Mapping[str, str],
    ) -> None:
        """Make all that is missing of one model, one after the other, and read the files."""
        reference = self.reference(model)
        if reference.error is None:
            for converter in converters:
                if converter.name not in unusable and self.to_be_made(model, converter):
                    self.convert(model, reference, converter)
            made = [(model, reference, each) for each in converters if self.is_made(model, each)]
            self.inspect(made)

    def unmade(self, model: ModelVariant, converter: Converter, reason: str) -> Artifact:
        """What stands for an artifact that could not even be tried; no reference is needed."""
        weights = "own" if model.spec.file else model.weights
        result = {"weights": weights, "seed": model.seed, "inputs": [], "outputs": []}
        folder = self._artifact_folder(model, converter)
        return Artifact(
            reference=Reference(model.name, model.job(), self._reference_folder(model), result),
            converter=converter.name,
            version=converter.version(),
            error=reason,
            file=None,
            sha256=None,
            inputs=(),
            outputs=(),
            precision=converter.precision,
            conversion=Conversion(),
            log=JobOutcome(folder, {}).log,
        )

    def _make_reference(self, model: ModelVariant) -> JobOutcome:
        command = our_python("bench.jobs.reference_job")
        return run_job(command, {"model": model.job()}, self._reference_folder(model), self.timeout)

    def _further(self, model: ModelVariant) -> Samples:
        """The samples for files of other precisions, made if they are not there."""
        folder = self.folder / model.folder_name / f"samples-{samples_digest()}"
        outcome = finished(folder)
        if outcome is None or outcome.error:
            job = {"model": model.job(), "reference": self._reference_folder(model)}
            outcome = run_job(our_python("bench.jobs.samples_job"), job, folder, self.timeout)
        return Samples(folder, outcome.result)

    def _to_be_judged_on(self, model: ModelVariant, converter: Converter) -> dict[str, list[Path]]:
        if converter.precision == FLOAT:
            return {}
        further = self._further(model)
        return {} if further.error else {kind: further.files(kind) for kind in ("check", "answer")}

    def _reference_folder(self, model: ModelVariant) -> Path:
        return self.folder / model.folder_name / "reference"

    def _artifact_folder(self, model: ModelVariant, converter: Converter) -> Path:
        return (
            self.folder
            / model.folder_name
            / f"{named_file(converter).replace(' ', '-')}-{converter.version()}"
        )

    @staticmethod
    def _facts(folder: Path) -> Path:
        """Named after what reads the file, so that facts of an older reader are not taken for this one's."""
        reader = job_digest("facts_job", "forecasts", "mapping")
        return folder / f"facts-{digest_of(reader, samples_digest(), rules_digest())}"

    @classmethod
    def _facts_file(cls, folder: Path) -> Path:
        return cls._facts(folder) / "facts.json"

    def _kept(self, folder: Path) -> JobOutcome | None:
        """What an earlier run left here, unless it is to be done again."""
        outcome = finished(folder)
        if outcome is None or not outcome.error:
            return outcome
        again = self.retry_failed or folder.name == "reference" or outcome.may_pass(self.timeout)
        return None if again else outcome

    def _reference(self, model: ModelVariant) -> Reference:
        folder = self._reference_folder(model)
        outcome = finished(folder)
        assert outcome is not None
        result = outcome.result
        if outcome.error:
            weights = "own" if model.spec.file else model.weights
            result = {**result, "weights": weights, "seed": model.seed, "inputs": [], "outputs": []}
        return Reference(model.name, model.job(), folder, result)

    def inspect(self, made: Sequence[tuple[ModelVariant, Reference, Converter]]) -> int:
        """Read the files of these conversions that have not been read; returns how many there were.

        They share one process. A file that ends it is left out, with the reason, and the others are read.
        """
        files = []
        for model, reference, converter in made:
            folder = self._artifact_folder(model, converter)
            outcome = finished(folder)
            assert outcome is not None
            if outcome.error is None and not self._facts_file(folder).is_file():
                files.append(
                    {
                        "file": unchanged_file(outcome)[0],
                        "out": self._facts(folder),
                        "reference": reference.folder,
                        "inputs": reference.inputs,
                        "outputs": reference.outputs,
                        "samples": reference.samples,
                        "layout": converter.layout,
                        **self._to_be_judged_on(model, converter),
                    }
                )
        left = files
        while left:
            # Named after its first file: several threads may inspect at the same time.
            log_folder = self.folder / f"facts-{digest_of(left[0]['out'])}"
            outcome = run_job(our_python("bench.jobs.facts_job"), {"files": left}, log_folder, self.timeout)
            unread = [item for item in left if not (item["out"] / "facts.json").is_file()]
            if not unread:
                break
            error = f"the file cannot be read: {outcome.error} (log: {outcome.log})"
            unread[0]["out"].mkdir(parents=True, exist_ok=True)
            (unread[0]["out"] / "facts.json").write_text(json.dumps({"error": error}), encoding="utf-8")
            left = unread[1:]
        return len(files)

    def artifact(
        self, model: ModelVariant, reference: Reference, converter: Converter, unusable: str | None = None
    ) -> Artifact:
        """What the converter made of the model, or why it made nothing.

        Args:
            model: The model.
            reference: Its reference.
            converter: The converter.
            unusable: Why the converter cannot run here; None when it can.
        """
        folder = self._artifact_folder(model, converter)
        outcome = None if reference.error else finished(folder)
        if outcome is None:
            reason = f"the model does not run in PyTorch: {reference.error}" if reference.error else unusable
            assert reason is not None
            outcome = JobOutcome(reference.folder if reference.error else folder, {"error": reason})
        error, facts = outcome.error, {}
        if error is None:
            facts = json.loads(self._facts_file(folder).read_text(encoding="utf-8"))
            error = facts["error"]
        answers = facts.get("answers")
        file, sha256 = unchanged_file(outcome, facts["size_bytes"]) if error is None else (None, None)
        origins = folder / ORIGINS
        figures = {key: outcome.result.get(key) for key in ("seconds", "cpu_seconds", "peak_rss_mb")}
        contents = {
            key: facts[key]
            for key in ("size_bytes", "n_ops", "transposes", "ops", "forecasts")
            if key in facts
        }
        return Artifact(
            reference=reference,
            converter=converter.name,
            version=converter.version(),
            error=error,
            file=file,
            sha256=sha256,
            inputs=tuple(self._facts(folder) / name for name in facts.get("inputs", ())),
            samples=tuple(
                tuple(self._facts(folder) / name for name in names) for names in facts.get("samples", ())
            ),
            outputs=tuple(
                Output(**{**each, "axes": tuple(each["axes"])}) for each in facts.get("outputs", ())
            ),
            conversion=Conversion(**figures, **contents, origins=origins.is_file() if file else None),
            log=outcome.log,
            origins=origins if error is None and origins.is_file() else None,
            precision=converter.precision,
            answers=Answers(**{**answers, "snr": tuple(map(float, answers["snr"]))}) if answers else None,
        )


def unchanged_file(outcome: JobOutcome, size: int | None = None) -> tuple[Path, str]:
    """The file that a conversion left, with its SHA-256. Raises BenchError where it is another by now, or gone.

    `size`: of the file when it was read, in bytes: all that is known of conversions of earlier versions."""
    file = outcome.folder / outcome.result["file"]
    way_out = f"remove {outcome.folder} to convert it again"
    try:
        found, bytes_now = sha256_of(file), file.stat().st_size
    except OSError as error:
        raise BenchError(f"{file}: cannot be read ({error.strerror}); {way_out}") from error
    if found != outcome.result.get("sha256", found) or bytes_now != (bytes_now if size is None else size):
        raise BenchError(f"{file}: has changed since it was converted ({bytes_now:,} bytes now); {way_out}")
    return file, found


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def named_file(converter: Converter) -> str:
    """`nobuco int8`; the converter's name alone of float32 files."""
    return converter.name if converter.precision == FLOAT else f"{converter.name} {converter.precision}"
