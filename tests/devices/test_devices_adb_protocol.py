"""adb's corners against protocol stand-ins: refused keys, silence, strangers, and a running adb server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NoReturn

import pytest

import devices
from devices.adb import messages
from devices.adb.android import THERMAL_STATUSES, battery_fields, identity, thermal_fields
from devices.adb.connect import connect_tcp
from devices.adb.discover import attached_devices, open_adb
from devices.adb.keys import key_path, load_signer
from devices.adb.server import server_devices
from devices.emulator.device import EmulatedDevice
from devices.protocol import DeviceState
from tests.devices import adb_stand_ins as stand_ins


@pytest.fixture
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANDROID_USER_HOME", str(tmp_path / "android"))
    return key_path()


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")  # nothing listens there


def test_a_key_is_made_once_and_is_private(own_key: Path) -> None:
    load_signer()
    assert own_key.stat().st_mode & 0o777 == 0o600
    public, private = own_key.with_name("adbkey.pub").read_bytes(), own_key.read_bytes()
    load_signer()
    assert (own_key.read_bytes(), own_key.with_name("adbkey.pub").read_bytes()) == (private, public)


def test_a_broken_key_is_named(own_key: Path) -> None:
    own_key.parent.mkdir()
    own_key.write_text("no key")
    with pytest.raises(devices.DeviceError, match="adbkey"):
        load_signer()


def test_a_key_that_nobody_accepts(own_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "APPROVAL_SECONDS", 0.5)
    stand_in = stand_ins.RefusesKeys()
    with (
        stand_ins.serving(stand_in) as port,
        pytest.raises(devices.DeviceError, match=r"does not trust this computer: unlock it, accept the key"),
    ):
        connect_tcp("adb:stand-in", "127.0.0.1", port)
    assert stand_in.seen == [2, 3]  # a signature, then the public key
    assert stand_in.public_key.rstrip(b"\0") == own_key.with_name("adbkey.pub").read_bytes().strip()


@pytest.mark.parametrize(
    ("stand_in", "words"),
    [
        (stand_ins.stays_silent, "does not answer"),
        (stand_ins.speaks_http, "does not speak adb"),
        (stand_ins.wants_tls, "adb pair"),
    ],
)
def test_strangers_on_the_port(stand_in: object, words: str) -> None:
    with stand_ins.serving(stand_in) as port:  # pyright: ignore[reportArgumentType]
        start = time.monotonic()
        with pytest.raises(devices.DeviceError, match=words):
            connect_tcp("adb:stand-in", "127.0.0.1", port, timeout=1)
        assert time.monotonic() - start < 5


def test_nobody_on_the_port(no_server: None) -> None:
    device = devices.open_device("adb:127.0.0.1:9")
    with pytest.raises(
        devices.DeviceError, match=r"adb:127\.0\.0\.1:9 cannot be reached: Connection refused"
    ):
        device.info()


def test_no_device_and_several(no_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.adb.discover.usb_serials", list)
    with pytest.raises(devices.DeviceError, match="adb sees no device"):
        devices.open_device("adb")
    with stand_ins.serving(stand_ins.AdbServer({"A1": "device", "B2": "unauthorized"}, no_stream)) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        assert [(row.serial, row.state) for row in server_devices()] == [
            ("A1", "device"),
            ("B2", "unauthorized"),
        ]
        assert [row.through for row in attached_devices()] == ["adb server"] * 2
        with pytest.raises(devices.DeviceError, match="adb sees 2 devices; name one: adb:A1, adb:B2"):
            devices.open_device("adb")
        with pytest.raises(devices.DeviceError, match="does not trust this computer"):
            open_adb("adb:B2").info()


def no_stream(service: str) -> NoReturn:
    raise AssertionError(f"nobody should have asked for {service}")


@pytest.mark.emulator
def test_through_an_adb_server(arm: EmulatedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adb server is a stand-in; behind it is the machine's real adbd."""
    with arm.awake():
        assert arm._machine is not None
        link = connect_tcp("arm", "127.0.0.1", arm._machine.port)
        server = stand_ins.AdbServer({"emulated-1": "device"}, lambda service: link.open(service, 10))
        with stand_ins.serving(server) as port:
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
            device = devices.open_device("adb:emulated-1")
            assert device.info().abi == "arm64"
            done = device.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=20)
            assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
            (tmp_path / "file").write_bytes(bytes(range(256)) * 5000)
            remote = device.push(tmp_path / "file")
            device.pull(remote, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
            assert device.run(["sh", "-c", "while :; do :; done"], timeout=1).timed_out
            with pytest.raises(devices.DeviceError, match="/no/such"):
                device.pull("/no/such", tmp_path / "x")
            device.close()
        link.close()


THERMAL = """\
IsStatusOverride: false
Thermal Status: 2
Cached temperatures:
	Temperature{mValue=36.1, mType=3, mName=skin, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
	Temperature{mValue=41.5, mType=0, mName=CPU0, mStatus=0}
	Temperature{mValue=38.2, mType=3, mName=skin, mStatus=2}
	Temperature{mValue=-273.0, mType=9, mName=off, mStatus=0}
"""
BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  status: 2
  level: 45
  scale: 50
  temperature: 310
"""


def test_android_services_are_read() -> None:
    fields = thermal_fields(THERMAL, DeviceState(taken_at=0.0))
    assert fields["thermal_status"] == "moderate" == THERMAL_STATUSES[2]
    assert fields["temperatures_c"] == {"CPU0": 41.5, "skin": 38.2}
    assert battery_fields(BATTERY) == {"battery_percent": 90.0, "charging": True}
    assert thermal_fields("Can't find service: thermalservice", DeviceState(taken_at=0.0)) == {}
    assert battery_fields("") == {}


def test_android_properties_are_read() -> None:
    fields = identity(
        {
            "ro.build.version.sdk": "34",
            "ro.build.version.release": "14",
            "ro.product.manufacturer": "Maker",
            "ro.product.model": "Phone 1",
            "ro.soc.manufacturer": "Chips",
            "ro.soc.model": "C100",
            "ro.hardware.egl": "adreno",
        }
    )
    assert (fields["model"], fields["soc"], fields["gpu"]) == ("Maker Phone 1", "Chips C100", "adreno")
    assert fields["os"] == "Android 14 (API 34)" and fields["android"]
