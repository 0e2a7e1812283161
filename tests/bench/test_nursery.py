"""Jobs that are forked behave as those that begin by themselves."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from bench.jobs import nursery
from bench.jobs.process import JobOutcome, our_python, run_job

JOB = "tests.bench.forked_job"
ROOT = Path(__file__).parents[2]
SUPERVISOR = """
import sys
from pathlib import Path
from bench.jobs import nursery
from bench.jobs.process import our_python, run_job

nursery._FORKED = (sys.argv[1],)
run_job(our_python(sys.argv[1]), {"do": "start another"}, Path(sys.argv[2]), 60)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forked on Linux only")


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "_FORKED", (JOB,))
    monkeypatch.chdir(ROOT)


def run(folder: Path, do: str, timeout: float = 60) -> JobOutcome:
    return run_job(our_python(JOB), {"do": do}, folder, timeout)


def test_it_has_what_is_imported_and_the_surroundings_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_WORD", "one")
    first = run(tmp_path / "a", "tell").result
    monkeypatch.setenv("A_WORD", "two")
    second = run(tmp_path / "b", "tell").result
    assert first["pid"] != second["pid"]
    assert (first["word"], second["word"]) == ("one", "two")
    assert first["imported"]
    assert first["folder"] == first["path"] == str(ROOT)
    assert 100 < first["peak_rss_mb"] < 4000


def test_what_it_prints_is_in_its_log(tmp_path: Path) -> None:
    outcome = run(tmp_path / "a", "raise")
    assert outcome.error == "ValueError: wrong"
    log = outcome.log.read_text(encoding="utf-8")
    assert "printed" in log and "complained" in log and "Traceback" in log


@pytest.mark.parametrize(("do", "said"), [("exit", "exit code 3"), ("die", "ended by SIGSEGV")])
def test_how_it_ended_is_said(tmp_path: Path, do: str, said: str) -> None:
    assert said in str(run(tmp_path / "a", do).error)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _waited(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while not _has_ended(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return _has_ended(pid)


def test_a_time_limit_ends_what_it_has_started_as_well(tmp_path: Path) -> None:
    outcome = run(tmp_path / "a", "start another", timeout=3)
    assert outcome.error == "took longer than 3 s, its time limit"
    assert _waited(int((tmp_path / "a" / "pid").read_text()))


def test_it_ends_with_the_program_that_asked_for_it(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", SUPERVISOR, JOB, str(tmp_path / "a")], cwd=ROOT)
    told = tmp_path / ".a.partial" / "pid"
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    job = psutil.Process(int(told.read_text())).parent()
    assert job is not None
    parent = job.parent()
    assert parent is not None
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    assert _waited(job.pid) and _waited(parent.pid)
    psutil.Process(int(told.read_text())).kill()


def test_another_is_started_where_the_one_that_forks_was_killed(tmp_path: Path) -> None:
    pid = run(tmp_path / "a", "tell").result["pid"]
    process = nursery._NURSERY._process
    assert process is not None
    process.kill()
    process.wait()
    again = run(tmp_path / "b", "tell")
    assert again.error is None and again.result["pid"] != pid


def test_several_at_a_time(tmp_path: Path) -> None:
    outcomes: dict[int, JobOutcome] = {}

    def one(number: int) -> None:
        outcomes[number] = run(tmp_path / str(number), "tell")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({outcome.result["pid"] for outcome in outcomes.values()}) == 6


def test_where_none_can_be_forked_it_begins_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ConnectionError("none today")

    monkeypatch.setattr(nursery, "start", refused)
    found = run(tmp_path / "a", "tell").result
    assert found["error"] is None and not found["imported"]
