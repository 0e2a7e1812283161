"""Which program a machine of the lab runs: all of a lab run the same, or their results could not be pooled."""

import platform
from functools import cache
from pathlib import Path

import bench
import devices
import models_zoo
import nobuco
import reports
from bench.fingerprints import digest_of, source_digest, versions_of

_PACKAGES = (
    "torch",
    "torchvision",
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "numpy",
    "onnx",
    "pydantic",
    "distributed",
)


@cache
def program() -> str:
    """Equal on two machines whose sources, frameworks and Python (3.x) are the same."""
    sources = [
        source_digest(Path(each.__path__[0])) for each in (bench, devices, models_zoo, nobuco, reports)
    ]
    python = platform.python_version_tuple()[:2]
    return digest_of(*sources, versions_of(_PACKAGES), python)
