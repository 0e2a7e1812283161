"""Versions and digests: they show whether a file made earlier would be made in the same way today."""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions by package; packages that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def source_digest(folder: Path) -> str:
    """Digest of all Python files below a folder: their paths and their contents."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def files_digest(*paths: Path) -> str:
    """Digest of the contents of these files."""
    return digest_of(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths))


def digest_of(*parts: object) -> str:
    """Digest of these values, by their text: 12 hexadecimal digits."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:12]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of any size, 64 hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
