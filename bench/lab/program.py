"""Which program a machine of the lab runs: all of a lab run the same, or their results could not be pooled."""

import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.fingerprints import digest_of, source_digest, versions_of

_SOURCES = ("bench", "devices", "models_zoo", "nobuco", "reports")
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
    python = platform.python_version_tuple()[:2]
    return digest_of(*(_digest(name) for name in _SOURCES), versions_of(_PACKAGES), python)


def _digest(package: str) -> str:
    spec = find_spec(package)  # without importing it: that takes seconds
    assert spec is not None and spec.origin is not None
    return source_digest(Path(spec.origin).parent)
