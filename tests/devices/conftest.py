"""Emulated machines for tests: booted once a session, stopped at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import devices
from devices.emulator.device import EmulatedDevice


def boot(name: str) -> EmulatedDevice:
    """A machine of a test's own; skips, naming the package to install, where QEMU is missing."""
    try:
        device = devices.open_device(name)
    except devices.DeviceError as error:
        pytest.skip(str(error))
    assert isinstance(device, EmulatedDevice)
    device.info()
    return device


@pytest.fixture(scope="session")
def arm() -> Iterator[EmulatedDevice]:
    device = boot("arm")
    yield device
    device.close()


@pytest.fixture(scope="session")
def x86() -> Iterator[EmulatedDevice]:
    device = boot("x86")
    yield device
    device.close()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that is empty and this test's alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NOBUCO_CACHE_DIR", str(folder))
    return folder
