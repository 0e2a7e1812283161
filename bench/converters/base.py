"""What a converter is to the benchmark, and the model that all of them are given."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

from bench.environments import Environment
from bench.jobs import JobOutcome
from bench.progress import Reporter

Layout = Literal["channels first", "channels last"]


@dataclass(frozen=True)
class Reference:
    """A model with its inputs, weights and PyTorch's outputs on disk (see `reference_job`).

    `model` is the part of every job file that says which model is meant.
    """

    name: str
    model: dict[str, Any]
    folder: Path
    result: dict[str, Any]

    @property
    def weights(self) -> str:
        return self.result["weights"]

    @property
    def seed(self) -> int:
        return self.result["seed"]

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return self.result["inputs"]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return self.result["outputs"]

    def job(self) -> dict[str, Any]:
        return {"model": self.model, "reference": str(self.folder), "n_outputs": len(self.outputs)}


class Converter(Protocol):
    """Turns a reference into a `.tflite` file, in a process of its own."""

    name: str
    layout: Layout
    """Order of the axes of the file's inputs and outputs of rank 3 and more."""
    environment: Environment | None
    """What it runs in; None: this program's own."""

    def version(self) -> str:
        """Equal for two conversions only if nothing that makes the file has changed."""
        ...

    def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
        """Leave `model.tflite` in `folder`.

        The outcome's `seconds`, `cpu_seconds` and `peak_rss_mb` are those of the whole way from the PyTorch
        model in memory to the file on disk.
        """
        ...


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions; packages that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def source_digest(folder: Path) -> str:
    """Hash of all Python files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def files_digest(*paths: Path) -> str:
    """Hash of the content of these files."""
    return digest_of(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths))


def digest_of(*parts: object) -> str:
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:12]
