"""Files by their content: what a machine has under a SHA-256, it need not be sent again."""

import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from bench.errors import BenchError
from bench.fingerprints import digest_of, sha256_of

CHUNK_BYTES = 16 << 20
"""What travels in one message."""


@dataclass(frozen=True)
class Tree:
    """Files by their place below some folder, each known by its SHA-256."""

    files: Mapping[str, str]

    @classmethod
    def of(cls, root: Path, paths: Iterable[Path]) -> "Tree":
        """These files and all files in these folders, by their place below `root`. Hidden ones are left out."""
        found: dict[str, str] = {}
        for path in paths:
            inner = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            for file in inner:
                place = file.relative_to(root)
                if not any(part.startswith(".") for part in place.parts):
                    found[place.as_posix()] = sha256_of(file)
        return cls(found)

    @cached_property
    def digest(self) -> str:
        """Equal for trees of equal files in equal places."""
        return digest_of(*sorted(f"{sha} {place}" for place, sha in self.files.items()))


class FileStore:
    """Files under their SHA-256. Several processes may use a folder at the same time.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the file of this content is, or will be."""
        return self.folder / sha256[:2] / sha256

    def missing(self, tree: Tree) -> list[str]:
        """The contents of a tree that are not here, each once."""
        return [sha for sha in dict.fromkeys(tree.files.values()) if not self.path(sha).is_file()]

    def keep(self, root: Path, tree: Tree) -> None:
        """Keep the files of a tree that lie below `root`."""
        for place, sha in tree.files.items():
            if not self.path(sha).is_file():
                _link(root / place, self.path(sha))

    def place(self, tree: Tree, root: Path) -> None:
        """Lay the files of a tree out below `root`. Raises BenchError when a place lies outside."""
        for place, sha in tree.files.items():
            pure = PurePosixPath(place)
            if pure.is_absolute() or ".." in pure.parts:
                raise BenchError(
                    f"a file cannot be placed at {place!r}, outside the folder that was meant for it"
                )
            if not (root / place).is_file():
                _link(self.path(sha), root / place)

    def read(self, sha256: str, offset: int) -> bytes:
        """A piece of a file, of at most CHUNK_BYTES; empty at its end."""
        with self.path(sha256).open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)

    def begin(self) -> str:
        """A file that is to come in pieces; returns what it is called until its content is known."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f".{uuid.uuid4().hex}"
        (self.folder / name).touch()
        return name

    def add(self, name: str, piece: bytes) -> None:
        """The next piece."""
        with (self.folder / name).open("ab") as file:
            file.write(piece)

    def end(self, name: str, sha256: str) -> None:
        """All pieces are there. Raises BenchError when they do not make the content that was announced."""
        partial = self.folder / name
        arrived = sha256_of(partial)
        if arrived != sha256:
            partial.unlink()
            raise BenchError(
                f"a file arrived with SHA-256 {arrived}, not {sha256}; check the network and the disks"
            )
        self.path(sha256).parent.mkdir(exist_ok=True)
        partial.replace(self.path(sha256))


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:60]}.{uuid.uuid4().hex}")
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
        shutil.copymode(source, partial)
    partial.replace(target)
