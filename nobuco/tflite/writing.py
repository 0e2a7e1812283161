"""Files that are written: one that gets its name only when it is complete, and text."""

import os
import tempfile
from pathlib import Path
from typing import Any

from nobuco.tflite.errors import TFLiteFileError


def write_text(path: Path, text: str) -> None:
    """Raises TFLiteFileError where there is no folder for it, or it cannot be written for another reason."""
    if not path.parent.is_dir():
        raise TFLiteFileError(
            f"{path}: cannot be written: there is no folder {str(path.parent)!r}: make it, or give another path"
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TFLiteFileError(f"{path}: cannot be written: {error.strerror}: give another path") from error


class file_to_become:
    """A temporary file beside `path`, renamed to it when the block succeeds and removed when it does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_dir():
                raise IsADirectoryError(None, "is a directory")
            handle, name = tempfile.mkstemp(
                dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".part"
            )
        except OSError as error:
            raise TFLiteFileError(f"{self._path}: cannot be written: {error.strerror}") from error
        os.close(handle)
        self._temporary = Path(name)
        return self._temporary

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if kind is None:
                # mkstemp makes files for the owner only; give it the permissions that open() would have
                mask = os.umask(0)
                os.umask(mask)
                self._temporary.chmod(0o666 & ~mask)
                self._temporary.replace(self._path)
            elif isinstance(error, OSError):
                raise TFLiteFileError(f"{self._path}: cannot be written: {error.strerror}") from error
        finally:
            self._temporary.unlink(missing_ok=True)
