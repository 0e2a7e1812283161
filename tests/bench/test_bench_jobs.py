"""Jobs in processes of their own: whatever they do, there is an outcome, and nothing half-made under its
name.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.artifacts import unchanged_file
from bench.errors import BenchError
from bench.fingerprints import sha256_of
from bench.jobs.process import JobOutcome, finished, run_job

BEFORE = """
import json, os, pathlib, subprocess, sys, time
job = json.load(open(sys.argv[1]))
out = pathlib.Path(job["out"])
"""
GOOD = """
(out / "made").write_text(job["word"])
(out / "result.json").write_text('{"error": null}')
"""
ELSEWHERE = """
os.chdir("/")
(out / "result.json").write_text(json.dumps({"error": None, "read": pathlib.Path(job["given"]).read_text()}))
"""
ON_A_FULL_DISK = """
import errno
raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/scratch/model.tflite")
"""
WITH_A_CHILD = """
child = subprocess.Popen(["sleep", "60"])
(out / "pid").write_text(str(child.pid))
time.sleep(60)
"""
SLOW = """
import os, pathlib, time
from bench.jobs import entry

def work(job):
    pathlib.Path(job["pid"]).write_text(str(os.getpid()))
    time.sleep(60)

entry.main(work)
"""
SUPERVISOR = """
import pathlib, sys
from bench.jobs.process import run_job

module, pid, folder = sys.argv[1:]
run_job([sys.executable, module], {"pid": pid}, pathlib.Path(folder), 60)
"""


def job(code: str) -> list[str]:
    return [sys.executable, "-c", BEFORE + code]


def test_a_job_leaves_its_files_under_its_name(tmp_path: Path) -> None:
    outcome = run_job(job(GOOD), {"word": "hello"}, tmp_path / "a", timeout=30)
    assert outcome.error is None
    assert (tmp_path / "a" / "made").read_text() == "hello"
    assert finished(tmp_path / "a") == outcome
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_job_finds_the_programs_beside_its_python(tmp_path: Path) -> None:
    code = "import shutil; (out / 'result.json').write_text(json.dumps({'error': None, 'at': shutil.which('own')}))"
    beside = tmp_path / "bin"
    beside.mkdir()
    (beside / "python").symlink_to(sys.executable)
    (beside / "own").write_text("#!/bin/sh")
    (beside / "own").chmod(0o755)
    command = [str(beside / "python"), *job(code)[1:]]
    assert run_job(command, {}, tmp_path / "a", timeout=30).result["at"] == str(beside / "own")


def test_relative_paths_hold_in_a_job_that_changes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("given").write_text("hello")
    outcome = run_job(job(ELSEWHERE), {"given": Path("given")}, Path("a"), timeout=30)
    assert outcome.error is None and outcome.result["read"] == "hello"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('a')\nraise SystemExit('the last words')", "exit code 1: the last words"),
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL, probably for lack of memory"),
        ("pass", "exit code 0: nothing was printed"),
    ],
)
def test_a_job_that_dies_is_an_outcome(code: str, words: str, tmp_path: Path) -> None:
    outcome = run_job(job(code), {}, tmp_path / "a", timeout=30)
    assert outcome.error is not None and words in outcome.error


def test_a_job_is_ended_at_its_limit_with_its_children(tmp_path: Path) -> None:
    outcome = run_job(job(WITH_A_CHILD), {}, tmp_path / "a", timeout=1.5)
    assert outcome.error == "took longer than 2 s, its time limit"
    child = int((tmp_path / "a" / "pid").read_text())
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def test_a_job_that_raises_says_what(tmp_path: Path) -> None:
    module = tmp_path / "raising.py"
    module.write_text(
        "from bench.jobs import entry\n"
        "def work(job):\n    raise ValueError('two\\n  lines')\n"
        "entry.main(work)\n"
    )
    outcome = run_job([sys.executable, str(module)], {}, tmp_path / "a", timeout=30)
    assert outcome.error == "ValueError: two lines"
    assert "Traceback" in outcome.log.read_text()


def test_a_job_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    module, pid_file = tmp_path / "slow.py", tmp_path / "pid"
    module.write_text(SLOW)
    command = [sys.executable, "-c", SUPERVISOR, str(module), str(pid_file), str(tmp_path / "a")]
    supervisor = subprocess.Popen(command)
    deadline = time.monotonic() + 20
    while not (pid_file.is_file() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    worker = int(pid_file.read_text())
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(worker)
    assert finished(tmp_path / "a") is None


def test_a_torn_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"err')
    with pytest.raises(BenchError, match=r"result\.json: cannot be read"):
        finished(tmp_path)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    finally:
        os.sched_yield()


def test_a_file_that_has_changed_since_is_named_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "nobuco-1"
    folder.mkdir()
    file = folder / "model.tflite"
    file.write_bytes(b"as it was converted")
    kept = JobOutcome(folder, {"file": file.name, "sha256": sha256_of(file)})
    assert unchanged_file(kept) == (file, kept.result["sha256"])
    file.write_bytes(b"as it was")
    with pytest.raises(BenchError, match=rf"{file}: has changed since .*remove {folder} to convert"):
        unchanged_file(kept)
    older = JobOutcome(folder, {"file": file.name})
    assert unchanged_file(older, 9)[0] == file
    with pytest.raises(BenchError, match="has changed"):
        unchanged_file(older, 19)
    file.unlink()
    with pytest.raises(BenchError, match=rf"{file}: cannot be read .*remove {folder}"):
        unchanged_file(kept)


def test_a_full_disk_ends_the_run_and_is_no_failure_of_the_job(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with pytest.raises(BenchError, match=r"job: cannot be written: No space left on device; make room"):
        run_job(job(ON_A_FULL_DISK), {}, folder, 60)
    assert finished(folder) is None
