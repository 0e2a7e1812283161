"""adb against the real adbd of an emulated machine."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import devices
from devices.adb.connect import connect_tcp
from devices.adb.device import AdbDevice
from devices.emulator.device import EmulatedDevice
from devices.errors import CommandInterrupted
from devices.interruption import interrupt
from tests.devices.conftest import boot
from tests.effort import FULL

pytestmark = pytest.mark.emulator

ODD_NAMES = [
    "a b",
    "quote'\"",
    "$(touch x)`y`",
    "back\\slash",
    "comma,name",
    "-dash",
    "grüße-試験",
    "line\nbreak",
    "*?[x]",
]


@contextmanager
def second_way(device: EmulatedDevice) -> Iterator[AdbDevice]:
    """The same machine as a plain adb device, with a connection of its own."""
    with device.awake():
        assert device._machine is not None
        port = device._machine.port
        other = AdbDevice(f"adb:127.0.0.1:{port}", lambda: connect_tcp(device.name, "127.0.0.1", port))
        yield other
        other.close()


def shell(device: devices.Device, script: str, timeout: float = 60) -> devices.RunResult:
    return device.run(["sh", "-c", script], timeout=timeout)


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.bin"
    path.write_bytes(os.urandom((200 if FULL else 40) << 20))
    return path


@pytest.fixture(scope="module")
def sixty_mb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("medium") / "medium.bin"
    path.write_bytes(os.urandom(60 << 20))
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_identity_and_state(arm: EmulatedDevice) -> None:
    info, state = arm.info(), arm.state()
    assert isinstance(arm, devices.Device) and arm.emulated
    assert (info.kind, info.abi, info.cores, info.soc) == ("emulated", "arm64", 1, "Cortex-A76")
    assert info.memory_bytes > 2 << 30 and "image" in info.model and not info.android
    assert state.load_1min is not None and state.free_memory_bytes and state.thermal_status is None


@pytest.mark.parametrize("code", [0, 1, 7, 124, 255])
def test_exit_codes(arm: EmulatedDevice, code: int) -> None:
    done = shell(arm, f"echo out; echo err >&2; exit {code}")
    assert (done.exit_code, done.stdout, done.stderr, done.timed_out) == (code, b"out\n", b"err\n", False)


def test_a_signal_is_128_and_its_number(arm: EmulatedDevice) -> None:
    assert shell(arm, "kill -SEGV $$").exit_code == 128 + signal.SIGSEGV


def test_a_command_that_is_not_there(arm: EmulatedDevice) -> None:
    done = arm.run(["/no/such/program"], timeout=10)
    assert done.exit_code == 127 and b"/no/such/program" in done.stderr


def test_binary_output_comes_unchanged(arm: EmulatedDevice, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 + b"\r\n\n\0"
    (tmp_path / "binary").write_bytes(content)
    remote = arm.push(tmp_path / "binary")
    assert arm.run(["cat", remote], timeout=60).stdout == content
    assert shell(arm, f"cat {remote} >&2").stderr == content


@pytest.mark.parametrize("word", [*ODD_NAMES, "", 'it\'s "$HOME" \\ `id`\t'])
def test_arguments_environment_and_folder_are_quoted(arm: EmulatedDevice, word: str) -> None:
    assert arm.run(["printf", "%s", word], timeout=10).stdout.decode() == word
    assert shell(arm, "true").exit_code == 0
    done = arm.run(["sh", "-c", 'printf %s "$WORD"'], timeout=10, env={"WORD": word})
    assert done.stdout.decode() == word
    if word:
        folder = f"/data/local/tmp/{word}"
        assert arm.run(["mkdir", "-p", folder], timeout=10).exit_code == 0
        assert arm.run(["sh", "-c", 'printf %s "$PWD"'], timeout=10, cwd=folder).stdout.decode() == folder
        assert arm.run(["rmdir", folder], timeout=10).exit_code == 0


def test_a_folder_that_is_not_there(arm: EmulatedDevice) -> None:
    done = arm.run(["true"], timeout=10, cwd="/no/such/folder")
    assert done.exit_code == 1 and b"/no/such/folder" in done.stderr


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_file_names(arm: EmulatedDevice, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(name.encode())
    remote = arm.push(tmp_path / name)
    arm.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == name.encode()


def test_push_is_by_content_and_verified(arm: EmulatedDevice, tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_text("#!/bin/sh\necho one\n")
    file.chmod(0o755)
    remote = arm.push(file)
    assert arm.run([remote], timeout=10).stdout == b"one\n"
    assert arm.push(file) == remote
    # Someone wrote over it on the device; size and name are as before.
    assert shell(arm, f"printf '#!/bin/sh\\necho two\\n' > {remote}").exit_code == 0
    with second_way(arm) as other:
        assert other.push(file) == remote
        assert other.run([remote], timeout=10).stdout == b"one\n"


def test_push_and_pull_of_a_large_file(arm: EmulatedDevice, large_file: Path, tmp_path: Path) -> None:
    remote = arm.push(large_file)
    arm.pull(remote, tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest_of(large_file)
    assert shell(arm, f"rm -r {Path(remote).parent}").exit_code == 0


def test_many_commands_on_small_files(arm: EmulatedDevice) -> None:
    folder, count = "/data/local/tmp/many", 1000 if FULL else 100
    shell(arm, f"mkdir -p {folder}")
    for number in range(count):
        done = shell(arm, f"echo {number} > {folder}/{number}; read n < {folder}/{number}; echo $n")
        assert done.exit_code == 0 and done.stdout == f"{number}\n".encode()
    assert shell(arm, f"ls {folder} | wc -l; rm -r {folder}").stdout.strip() == str(count).encode()


def test_a_time_out_ends_the_command_and_its_children(arm: EmulatedDevice) -> None:
    start = time.monotonic()
    done = shell(arm, "echo begun; (while :; do :; done) & while :; do :; done", timeout=2)
    assert done.timed_out and done.exit_code == 124 and done.stdout == b"begun\n"
    assert time.monotonic() - start < 20
    assert shell(arm, "ps | grep -c '[d]o :; done'").stdout.strip() == b"0"


def test_pull_of_a_missing_file_names_it(arm: EmulatedDevice, tmp_path: Path) -> None:
    with pytest.raises(devices.DeviceError, match="/no/such/file"):
        arm.pull("/no/such/file", tmp_path / "x")


def test_a_full_disk_is_named_and_leaves_nothing(arm: EmulatedDevice, sixty_mb: Path) -> None:
    arm._pushed.clear()
    shell(arm, "mount -o remount,size=30m /data")
    try:
        with pytest.raises(devices.DeviceError, match=r"No space left.*devices clean"):
            arm.push(sixty_mb)
    finally:
        shell(arm, "mount -o remount,size=75% /data")
    remote = f"/data/local/tmp/nobuco/files/{digest_of(sixty_mb)}"
    assert shell(arm, f"test -e {remote}").exit_code == 1


@contextmanager
def killing_adbd(device: EmulatedDevice, *, after: float) -> Iterator[None]:
    """Kill the device's adbd once, while the block runs."""
    with second_way(device) as assassin:
        assassin.info()

        def kill() -> None:
            time.sleep(after)
            # The answer cannot come: the messenger was shot.
            with suppress(devices.DeviceError):
                assassin.run(["killall", "-9", "adbd"], timeout=10)

        thread = threading.Thread(target=kill)
        thread.start()
        yield
        thread.join()


def test_adbd_killed_in_the_middle_of_a_push(arm: EmulatedDevice, sixty_mb: Path) -> None:
    shell(arm, f"rm -rf /data/local/tmp/nobuco/files/{digest_of(sixty_mb)}")
    arm._pushed.clear()
    with killing_adbd(arm, after=1.0):
        remote = arm.push(sixty_mb)
    assert shell(arm, f"sha256sum < {remote}", 120).stdout.split()[0].decode() == digest_of(sixty_mb)
    shell(arm, f"rm -r {Path(remote).parent}")


def test_adbd_killed_in_the_middle_of_a_run(arm: EmulatedDevice) -> None:
    with killing_adbd(arm, after=0.5), pytest.raises(CommandInterrupted, match=r"arm.*while it ran sh"):
        shell(arm, "while :; do :; done", timeout=30)
    assert shell(arm, "echo back").stdout == b"back\n"
    # The command outlived its connection and was found again.
    assert shell(arm, "ps | grep -c '[d]o :; done'").stdout.strip() == b"0"


def test_clean_removes_what_was_pushed(arm: EmulatedDevice, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    remote = arm.push(tmp_path / "file")
    assert arm.clean() >= 1 << 20
    assert shell(arm, f"test -e {remote}").exit_code == 1
    assert arm.push(tmp_path / "file") == remote
    assert shell(arm, f"test -e {remote}").exit_code == 0


ANDROID_STAND_INS = {
    "getprop": "echo '[ro.build.version.sdk]: [34]'; echo '[ro.product.model]: [Stand-in]'; "
    "echo '[ro.hardware.egl]: [none]'",
    "dumpsys": "case $1 in thermalservice) echo 'Thermal Status: 1' ;; battery) echo '  level: 80' ;; esac",
    "cmd": 'echo "$@" >> /tmp/cmd.log',
}


def test_an_android_of_stand_ins(arm: EmulatedDevice) -> None:
    """Android's programs are stand-ins; adbd and everything between is real."""
    for name, script in ANDROID_STAND_INS.items():
        shell(arm, f"printf '%s\\n' '#!/bin/sh' {shlex.quote(script)} > /bin/{name}; chmod 755 /bin/{name}")
    try:
        with second_way(arm) as phone:
            info, state = phone.info(), phone.state()
            assert info.android and info.model == "Stand-in" and "gpu-opencl" in info.delegates
            assert (state.thermal_status, state.battery_percent) == ("light", 80.0)
            with phone.hold_performance() as held:
                assert held
        log = shell(arm, "cat /tmp/cmd.log").stdout.decode().splitlines()
        assert log == [f"power set-fixed-performance-mode-enabled {word}" for word in ("true", "false")]
    finally:
        shell(arm, "cd /bin; rm -f getprop dumpsys cmd /tmp/cmd.log")


def test_two_processes_cannot_want_one_device(arm: EmulatedDevice, own_cache: Path) -> None:
    script = """
import devices, time
with devices.open_device("arm").lock():
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(devices.DeviceError, match=f"device arm is in use by process {holder.pid}"),
            arm.lock(),
        ):
            pytest.fail("the lock was given twice")
    finally:
        holder.kill()
        holder.communicate()
    with arm.lock():
        assert shell(arm, "true").exit_code == 0


def test_two_names_of_one_device_are_one_device(arm: EmulatedDevice) -> None:
    with (
        second_way(arm) as phone,
        phone.lock(),
        pytest.raises(devices.DeviceError, match="device arm is in use by process"),
        arm.lock(),
    ):
        pytest.fail("the device was given away twice")
    with arm.lock():
        assert shell(arm, "true").exit_code == 0


def test_a_device_that_tells_nothing_of_itself_is_locked_by_name(
    arm: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdbDevice, "_own_marks", lambda self: [])
    with arm.lock(), pytest.raises(devices.DeviceError, match="device arm is in use"), arm.lock():
        pytest.fail("the device was given away twice")


def test_ctrl_c_in_the_middle_of_a_run(arm: EmulatedDevice) -> None:
    """As a worker meets it: the command ends on the device, too, and the connection stays good."""
    ended: list[BaseException] = []

    def work() -> None:
        try:
            shell(arm, "while :; do :; done", timeout=60)
        except KeyboardInterrupt as error:
            ended.append(error)
            assert shell(arm, "ps | grep -c '[d]o :; done'").stdout.strip() == b"0"

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(1.0)
    interrupt(thread)
    thread.join(timeout=20)
    assert not thread.is_alive() and len(ended) == 1
    assert shell(arm, "echo on").stdout == b"on\n"


def test_a_device_that_vanishes() -> None:
    doomed = boot("arm#3")
    with second_way(doomed) as phone:
        phone.name = "adb:phone"
        assert shell(phone, "true").exit_code == 0
        threading.Timer(1.0, doomed.close).start()
        start = time.monotonic()
        with pytest.raises(devices.DeviceError, match="adb:phone"):
            shell(phone, "while :; do :; done", timeout=60)
        with pytest.raises(devices.DeviceError, match=r"adb:phone.*cannot be reached"):
            phone.state()
        assert time.monotonic() - start < 30
