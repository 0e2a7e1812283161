"""What lies on the machines of a lab: files by their content, and records that outlive the scheduler."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.fingerprints import sha256_of
from bench.lab.files import CHUNK_BYTES, FileStore, Tree
from bench.lab.host_folder import HostFolder
from bench.lab.orders import Converted
from bench.lab.transfer import Transfer
from reports.record import LaunchRecord
from tests.reports.make_records import a_record

NAMES = st.text("ab", min_size=1, max_size=2)
TREES = st.dictionaries(
    st.tuples(NAMES, NAMES).map(lambda parts: "/".join(parts) + ".x"), st.binary(max_size=9)
)


def write(root: Path, files: dict[str, bytes]) -> Tree:
    for place, content in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)
    return Tree.of(root, [root] if files else [])


def send(store: FileStore, content: bytes, sha256: str, pieces: int = 2) -> None:
    name = store.begin()
    size = max(1, -(-len(content) // pieces))
    for start in range(0, len(content), size):
        store.add(name, content[start : start + size])
    store.end(name, sha256)


@settings(max_examples=40, deadline=None)
@given(files=TREES, already=st.sets(st.integers(0, 9)))
def test_what_is_missing_is_sent_once_and_lies_where_it_lay(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], already: set[int]
) -> None:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    tree, store = write(here, files), FileStore(there / "files")
    by_sha = {sha: (here / place).read_bytes() for place, sha in tree.files.items()}
    for number, (sha, content) in enumerate(by_sha.items()):
        if number in already:
            send(store, content, sha)
    missing = store.missing(tree)
    assert len(missing) == len(set(missing)) == max(0, len(by_sha) - len(already & set(range(len(by_sha)))))
    for sha in missing:
        send(store, by_sha[sha], sha)
    assert store.missing(tree) == []
    store.place(tree, there / "tree")
    laid_out = (p for p in (there / "tree").rglob("*") if p.is_file())
    assert {p.relative_to(there / "tree").as_posix(): p.read_bytes() for p in laid_out} == files
    again = FileStore(there / "again")
    again.keep(there / "tree", tree)
    assert again.missing(tree) == [] and Tree.of(here, [here] if files else []).digest == tree.digest


def test_a_file_that_arrives_with_other_content_is_not_kept(tmp_path: Path) -> None:
    store, promised = FileStore(tmp_path), "0" * 64
    with pytest.raises(BenchError, match=r"arrived with SHA-256 .*, not 000"):
        send(store, b"something else", promised)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", ["../outside", "/outside", "a/../../outside"])
def test_nothing_is_placed_outside_the_folder(tmp_path: Path, place: str) -> None:
    store = FileStore(tmp_path / "files")
    write(tmp_path / "here", {"a": b"1"})
    sha = sha256_of(tmp_path / "here" / "a")
    store.keep(tmp_path / "here", Tree({"a": sha}))
    with pytest.raises(BenchError, match="outside the folder"):
        store.place(Tree({place: sha}), tmp_path / "tree" / "deep")


def test_a_file_is_read_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(CHUNK_BYTES) + b"end")
    store, tree = FileStore(tmp_path / "files"), Tree.of(tmp_path, [tmp_path / "large"])
    store.keep(tmp_path, tree)
    (sha,) = tree.files.values()
    assert len(store.read(sha, 0)) == CHUNK_BYTES
    assert store.read(sha, CHUNK_BYTES) == b"end" and store.read(sha, CHUNK_BYTES + 3) == b""


def test_a_host_keeps_its_identity_and_shares_it_with_no_other(tmp_path: Path) -> None:
    first = HostFolder(tmp_path / "a").identity
    assert HostFolder(tmp_path / "a").identity == first != HostFolder(tmp_path / "b").identity


def launched(launch: str, **changes: object) -> LaunchRecord:
    return a_record(**changes).model_copy(update={"launch": launch})  # type: ignore[arg-type]


def test_a_launch_is_found_whichever_worker_of_the_host_made_it(tmp_path: Path) -> None:
    folder = HostFolder(tmp_path)
    one, other = folder.journal("run", "desk/adb:A"), folder.journal("run", "desk/adb:B")
    assert one.find("x #0") is None
    other.append(launched("x #0"))
    found = one.find("x #0")
    assert found is not None and found.launch == "x #0"
    one.append(launched("x #1"))
    assert one.find("x #1") is not None and other.find("x #1") is not None
    assert folder.journal("another run", "desk/adb:A").find("x #0") is None


def test_a_launch_lost_with_its_device_is_made_again_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    journal = HostFolder(tmp_path).journal("run", "desk/adb:A")
    journal.append(launched("lost #0", failure="the cable", stage="device"))
    journal.append(launched("crashed #0", failure="exit code 1"))
    journal.append(launched("wrong #0", error=1.0))
    assert journal.find("lost #0") is None
    assert journal.find("crashed #0") is not None and journal.find("wrong #0") is not None


def test_a_journal_torn_by_a_kill_is_read_up_to_there(tmp_path: Path) -> None:
    journal = HostFolder(tmp_path).journal("run", "desk/adb:A")
    journal.append(launched("x #0"))
    (file,) = tmp_path.rglob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"started": "20')
    again = HostFolder(tmp_path).journal("run", "desk/adb:A")
    assert again.find("x #0") is not None and again.find("x #1") is None
    again.append(launched("x #1"))
    assert again.find("x #1") is not None and [each.launch for each in again.records()] == ["x #0", "x #1"]


def test_files_of_runs_that_nobody_goes_on_with_are_removed_and_records_are_not(tmp_path: Path) -> None:
    folder, month_ago = HostFolder(tmp_path / "host"), time.time() - 31 * 86_400
    trees = {}
    for run in ("old", "new"):
        trees[run] = write(tmp_path / run, {"a/model": run.encode() * 1000})
        folder.files.keep(tmp_path / run, trees[run])
        folder.files.place(trees[run], folder.run(run) / "trees" / "t")
        shutil.rmtree(tmp_path / run)
        folder.journal(run, "desk").append(launched("x #0"))
        folder.used(run)
        for path in (tmp_path / "host").rglob("*"):
            os.utime(path, (month_ago, month_ago))
    folder.used("new")
    assert folder.prune() == 3000 and folder.prune() == 0
    assert folder.files.missing(trees["old"]) and not folder.files.missing(trees["new"])
    assert all(folder.journal(run, "desk").find("x #0") for run in ("old", "new"))


class FullDisk:
    """A connection whose pieces find no room here."""

    def on_worker(self, *_: Any) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_here_is_told_with_the_file_that_it_lacked(tmp_path: Path) -> None:
    made = Converted("shelf", "tcp://shelf:1", Tree({"artifacts/net-1/reference/state.pt": "0" * 64}), {})
    transfer = Transfer(cast(Any, FullDisk()))
    with pytest.raises(BenchError, match=r"reference/state\.pt: cannot be written: No space left.*make room"):
        transfer.fetch(made, tmp_path)
    assert not list((tmp_path / "artifacts").rglob("state.pt"))
