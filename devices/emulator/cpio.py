"""Writing an initramfs: a cpio archive of the "newc" form, compressed.

Times, owners and order are fixed, so that the same packages give the same bytes.
"""

from __future__ import annotations

import gzip
import stat
from pathlib import Path


def pack_initramfs(root: Path, target: Path) -> None:
    """Everything below ``root`` as a gzip-compressed cpio archive."""
    paths = sorted(root.rglob("*"))
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as archive:
        for number, path in enumerate(paths, start=1):
            archive.write(_entry(str(path.relative_to(root)), path, number))
        archive.write(_header("TRAILER!!!", 0, 0, 0))


def _entry(name: str, path: Path, number: int) -> bytes:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        content, mode = str(path.readlink()).encode(), 0o120777
    elif stat.S_ISDIR(mode):
        content, mode = b"", 0o040755
    else:
        content, mode = path.read_bytes(), 0o100755 if mode & 0o100 else 0o100644
    return _header(name, mode, len(content), number) + content + bytes(-len(content) % 4)


def _header(name: str, mode: int, size: int, number: int) -> bytes:
    encoded = name.encode() + b"\0"
    owner = links_and_time = device = 0
    fields = [number, mode, owner, owner, links_and_time, links_and_time, size]
    fields += [device] * 4 + [len(encoded), 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return header + bytes(-len(header) % 4)
