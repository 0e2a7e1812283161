"""In which numbers a file stores its weights and computes: the names that all converters share."""

import difflib

from bench.errors import BenchError
from bench.fingerprints import digest_of, files_digest
from bench.jobs.image_files import READER
from bench.jobs.process import job_digest
from reports.record import FLOAT

WITH_RANGES = ("int8", "int8-io", "int16x8", "auto")
"""Of these the scales of activations are found from samples."""
WITHOUT_RANGES = ("fp16", "int8-dynamic", "int8-weights", "int4-weights")
PRECISIONS = (FLOAT, *WITHOUT_RANGES, *WITH_RANGES)
KNOWN = ", ".join(PRECISIONS)
SAMPLES = ("samples_job", "image_files", "image_samples")
"""The jobs' modules that samples are made by."""


def computes_with_integers(precision: str) -> bool:
    """Whether its files round so coarsely that they are judged by their answers, not by the error of each number."""
    return precision not in (FLOAT, "fp16")


def calibration_digest(precision: str) -> str:
    """Changes with the samples that files of a precision are made from; empty where they are made from none."""
    return samples_digest() if precision in WITH_RANGES else ""


def samples_digest() -> str:
    """Changes with what makes samples."""
    return digest_of(job_digest(*SAMPLES), files_digest(READER))


def check_precision(name: str) -> str:
    """The name, if it is one. Raises BenchError."""
    if name in PRECISIONS:
        return name
    if name.endswith("%") or name.replace(".", "", 1).isdigit():
        raise BenchError(
            f"precision {name!r}: how narrow intervals are to become is --interval {name}; a precision is one of {KNOWN}"
        )
    near = difflib.get_close_matches(name.lower(), PRECISIONS, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {KNOWN}"
    raise BenchError(f"unknown precision {name!r}; {hint}")
