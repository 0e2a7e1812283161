"""Files that are made or fetched once and kept: where they are, and how they get there in one piece."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.errors import DeviceError

CACHE_VARIABLE = "NOBUCO_CACHE_DIR"
_CHUNK = 1 << 20


def cache_root() -> Path:
    """The cache folder: ``$NOBUCO_CACHE_DIR`` when set, else the user's own (``~/.cache/nobuco``)."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("nobuco", appauthor=False))


def cache_folder(*parts: str) -> Path:
    """``cache_root()/part/part/...``, made when it is not there."""
    folder = cache_root().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(
            f"cannot make the cache folder {folder}: {error.strerror}",
            f"set {CACHE_VARIABLE} to a writable folder",
        ) from error
    return folder


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DeviceError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A folder in ``beside``, so that its content can be renamed there; removed at the end."""
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=beside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def build_once(target: Path, build: Callable[[Path], Path]) -> Path:
    """Return ``target``, made by ``build`` when it is not there.

    ``build`` gets an empty folder and returns the file or folder it made in it, which is then renamed to
    ``target``: a process that dies half-way leaves no half-made target. Of several processes one builds and
    the rest wait.
    """
    if target.exists():
        return target
    from filelock import FileLock

    # Fails with a plain message when the cache is not writable.
    cache_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if not target.exists():
            with temporary_folder(target.parent) as folder:
                build(folder).replace(target)
    return target


def store_copy(source: Path, folder: Path) -> Path:
    """Copy ``source`` to ``folder/<sha256>/<name>`` unless that file is there already."""
    digest = sha256_of(source)
    target = folder / digest / source.name

    def build(scratch: Path) -> Path:
        copy = scratch / source.name
        shutil.copyfile(source, copy)
        copy.chmod(source.stat().st_mode & 0o777)
        return copy

    return build_once(target, build)
