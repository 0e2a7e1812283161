"""Files between the program that measures and the machines of a lab: by content, once for each machine."""

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from bench.errors import BenchError
from bench.fingerprints import sha256_of
from bench.lab import tasks
from bench.lab.connection import Connection, LostOnTheWay
from bench.lab.files import CHUNK_BYTES, Tree
from bench.lab.orders import Converted, Missing

_ATTEMPTS = 5

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Parcel:
    """Files that an order needs, and where they are here, by content."""

    tree: Tree
    sources: Mapping[str, Path]

    @classmethod
    def of(cls, root: Path, paths: Iterable[Path], more: Mapping[str, Path] | None = None) -> "Parcel":
        """Files below `root`, and `more` by the places that they are to have."""
        tree = Tree.of(root, paths)
        sources = {sha: root / place for place, sha in tree.files.items()}
        places = dict(tree.files)
        for place, path in (more or {}).items():
            places[place] = sha256_of(path)
            sources[places[place]] = path
        return cls(Tree(places), sources)


class Transfer:
    """Sends and fetches files."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._gates: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.sent: list[tuple[str, str]] = []

    def supplied(self, ask: Callable[[], Answer | Missing], parcel: Parcel) -> Answer:
        """Ask for a piece of work, and send the files that are missing until it is done. Raises what `ask` raises.

        Raises:
            LostOnTheWay: Machines were lost again and again while files were sent.
        """
        attempts = 0
        while isinstance(answer := ask(), Missing):
            try:
                self.send(answer, parcel)
            except LostOnTheWay:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise
        return answer

    def send(self, missing: Missing, parcel: Parcel) -> None:
        """Send what a machine said that it lacks. Raises BenchError when a file changed meanwhile."""
        connection, address = self._connection, missing.address
        with self._gates[missing.host]:  # of two threads that send the same, the second finds it there
            for sha in missing.contents:
                name = connection.on_worker(address, tasks.begin, sha)
                if name is None:
                    continue
                with parcel.sources[sha].open("rb") as file:
                    while piece := file.read(CHUNK_BYTES):
                        connection.on_worker(address, tasks.add, name, piece)
                connection.on_worker(address, tasks.end, name, sha)
                self.sent.append((missing.host, sha))

    def fetch(self, made: Converted, out: Path) -> None:
        """Bring the folders of a model into the output folder; a folder appears when all of it is there."""
        folders: defaultdict[PurePosixPath, dict[str, str]] = defaultdict(dict)
        for place, sha in made.files.files.items():
            pure = PurePosixPath(place)
            if len(pure.parts) < 4 or ".." in pure.parts:  # artifacts/MODEL/FOLDER/FILE
                raise BenchError(f"{made.host} sent a file for {place!r}, where none belongs")
            folder = PurePosixPath(*pure.parts[:3])
            folders[folder][str(pure.relative_to(folder))] = sha
        for folder, files in folders.items():
            target = out / folder
            if not all(_is(target / place, sha) for place, sha in files.items()):
                self._fetch_folder(made.address, files, target)

    def _fetch_folder(self, address: str, files: Mapping[str, str], target: Path) -> None:
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for place, sha in files.items():
            path = partial / place
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    while piece := self._connection.on_worker(address, tasks.read, sha, file.tell()):
                        file.write(piece)
            except OSError as error:
                shutil.rmtree(partial, ignore_errors=True)
                raise BenchError(
                    f"{target / place}: cannot be written: {error.strerror or error}; make room, or give another --out"
                ) from error
            if sha256_of(path) != sha:
                raise BenchError(
                    f"{target / place}: arrived with other content than was announced; check the network"
                )
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)


def _is(path: Path, sha: str) -> bool:
    return path.is_file() and sha256_of(path) == sha
