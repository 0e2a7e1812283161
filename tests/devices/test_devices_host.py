"""The host device, the cache and the locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import devices
from devices.cache import CACHE_VARIABLE, build_once, cache_folder, sha256_of
from devices.host import WAIT_VARIABLE
from devices.locks import device_lock
from tests.devices.processes import wait_for_end


@pytest.fixture
def host(own_cache: Path) -> devices.Device:
    return devices.open_device("host")


def test_importing_the_package_is_cheap() -> None:
    check = (
        "import sys, devices; print(sorted({'numpy', 'adb_shell', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    for name in devices.__all__:
        assert getattr(devices, name) is not None


def test_the_host_is_a_device_and_tells_what_it_is(host: devices.Device) -> None:
    assert isinstance(host, devices.Device)
    info, state = host.info(), host.state()
    assert info.abi in {"x86_64", "arm64"}
    assert info.cores >= 1 and info.memory_bytes > 1 << 28
    assert state.load_1min is not None and state.free_memory_bytes


def test_unknown_device_names_the_nearest() -> None:
    with pytest.raises(devices.DeviceError, match="did you mean host"):
        devices.open_device("hots")


def test_exit_codes_and_streams_are_kept_apart(host: devices.Device) -> None:
    script = "printf 'out\\000\\377'; printf err >&2; exit 7"
    done = host.run(["sh", "-c", script], timeout=10)
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\x00\xff", b"err")


def test_environment_and_folder_reach_the_command(host: devices.Device, tmp_path: Path) -> None:
    done = host.run(
        ["sh", "-c", 'printf "%s %s" "$WORD" "$PWD"'], timeout=10, env={"WORD": "a b"}, cwd=str(tmp_path)
    )
    assert done.stdout.decode() == f"a b {tmp_path}"


def test_a_signal_is_128_and_its_number(host: devices.Device) -> None:
    assert host.run(["sh", "-c", "kill -SEGV $$"], timeout=10).exit_code == 128 + signal.SIGSEGV


def test_a_command_that_is_not_there(host: devices.Device) -> None:
    done = host.run(["/no/such/program"], timeout=10)
    assert done.exit_code == 127 and b"/no/such/program" in done.stderr


@pytest.mark.parametrize("content", [b"neither script nor program", b"\x7fELF\x02\x01\x01" + bytes(57)])
def test_a_file_that_is_no_program(host: devices.Device, tmp_path: Path, content: bytes) -> None:
    """A shell would take it for a script."""
    file = tmp_path / "file"
    file.write_bytes(content)
    file.chmod(0o755)
    done = host.run([str(file)], timeout=10)
    assert done.exit_code == 126 and b"Exec format error" in done.stderr


def test_a_folder_that_is_not_there(host: devices.Device, tmp_path: Path) -> None:
    done = host.run(["true"], timeout=10, cwd=str(tmp_path / "absent"))
    assert done.exit_code == 126 and b"absent" in done.stderr


PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
LARGE_PARENT = f"""
import sys
import devices
ballast = bytearray(b"x") * (200 << 20)
done = devices.open_device("host").run([sys.executable, "-I", "-S", "-c", {PEAK!r}], timeout=60)
print(int(done.stdout))
"""


def test_a_commands_peak_memory_is_its_own(own_cache: Path) -> None:
    """Linux hands a large parent's peak down to what it starts."""
    alone = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PEAK], capture_output=True, text=True, check=True
    )
    done = subprocess.run([sys.executable, "-c", LARGE_PARENT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32 << 10, f"{done.stdout} kB; alone {alone.stdout} kB"


RUN_FOREVER = """
import sys
import devices
devices.open_device("host").run(["sh", "-c", f"echo $$ > {sys.argv[1]}; exec sleep 60"], timeout=60)
"""


def test_a_command_ends_with_the_process_that_asked_for_it(own_cache: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    asking = subprocess.Popen([sys.executable, "-c", RUN_FOREVER, str(pid_file)])
    try:
        deadline = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        asking.kill()
        asking.wait()
    assert wait_for_end(int(pid_file.read_text()))


def test_a_time_out_ends_the_whole_group(host: devices.Device, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    start = time.monotonic()
    done = host.run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout=0.5)
    assert done.timed_out and done.exit_code == 124 and time.monotonic() - start < 10
    assert wait_for_end(int(pid_file.read_text()))


def test_push_is_by_content_and_keeps_what_was_pushed(host: devices.Device, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(b"one")
    first = host.push(file)
    file.write_bytes(b"two")
    second = host.push(file)
    assert Path(first).read_bytes() == b"one" and Path(second).read_bytes() == b"two"
    stamp = Path(second).stat().st_mtime_ns
    assert host.push(file) == second and Path(second).stat().st_mtime_ns == stamp
    assert sha256_of(file) in second


def test_push_of_a_missing_file_names_it(host: devices.Device, tmp_path: Path) -> None:
    with pytest.raises(devices.DeviceError, match=r"nothing\.here"):
        host.push(tmp_path / "nothing.here")


def test_pull_and_its_failure(host: devices.Device, tmp_path: Path) -> None:
    source = tmp_path / "odd name '\"\n"
    source.write_bytes(b"content")
    host.pull(str(source), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    with pytest.raises(devices.DeviceError, match="absent"):
        host.pull(str(tmp_path / "absent"), tmp_path / "copy2")


def test_clean_frees_what_was_pushed(host: devices.Device, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(100_000))
    remote = host.push(file)
    assert host.clean() >= 100_000 and not Path(remote).exists()


def test_an_unwritable_cache_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(devices.DeviceError, match=CACHE_VARIABLE):
        cache_folder("runner")


def test_a_build_that_fails_leaves_nothing(own_cache: Path) -> None:
    target = cache_folder("thing") / "file"

    def half(folder: Path) -> Path:
        (folder / "file").write_text("half")
        raise devices.DeviceError("broke off")

    with pytest.raises(devices.DeviceError):
        build_once(target, half)
    assert not target.exists()
    assert [path.name for path in target.parent.iterdir() if not path.name.endswith(".lock")] == []


HOLD = """
import sys, time
from devices.locks import device_lock
with device_lock("phone"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_processes_cannot_hold_one_device(own_cache: Path) -> None:
    environment = {**os.environ, CACHE_VARIABLE: str(own_cache)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(devices.DeviceError, match=rf"phone is in use by process {holder.pid}"),
            device_lock("phone"),
        ):
            pytest.fail("the lock was given twice")
    finally:
        holder.kill()
        holder.communicate()
    with device_lock("phone", wait_seconds=5):
        pass  # a lock dies with its holder, however it died


def test_this_host_is_waited_for_as_long_as_is_said(
    host: devices.Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WAIT_VARIABLE, "0")
    with device_lock("host"), pytest.raises(devices.DeviceError, match="host is in use"), host.lock():
        pytest.fail("the lock was given twice")
    held = device_lock("host")
    held.__enter__()
    end = threading.Timer(0.3, held.__exit__, (None, None, None))
    end.start()
    monkeypatch.setenv(WAIT_VARIABLE, "30")
    with host.lock():
        end.join()
    for wrong in ("soon", "-1", "inf"):
        monkeypatch.setenv(WAIT_VARIABLE, wrong)
        with pytest.raises(devices.DeviceError, match=f"{WAIT_VARIABLE} is '{wrong}'"):
            host.lock()
