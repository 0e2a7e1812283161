"""`bench devices`: what can be measured on, and the emulated machines."""

from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from bench.commands.options import json_option, print_json
from bench.errors import BenchError
from devices import open_device


@click.group("devices")
def command() -> None:
    """List devices; build, start and stop emulated machines; clean up what was pushed."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List this host, the emulated machines, and what adb sees."""
    rows = [_host(), *_emulated(), *_attached()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:24} {row['kind']:9} {row['state']}")


def _host() -> dict[str, Any]:
    with closing(open_device("host")) as device:
        info = device.info()
    return {
        "name": "host",
        "kind": info.kind,
        "state": f"ready: {info.soc or info.model}, {info.cores} cores",
    }


def _emulated() -> list[dict[str, Any]]:
    from devices.emulator.image import find_image
    from devices.emulator.kinds import KINDS, parse_machine
    from devices.emulator.machine import find_running, qemu_path
    from devices.errors import DeviceError

    rows = []
    for name, kind in KINDS.items():
        spec = parse_machine(name)
        try:
            qemu_path(spec)
            state = "built" if find_image(kind) else "is built on first use"
            if running := find_running(spec):
                state = f"runs, adb on 127.0.0.1:{running.port}"
        except DeviceError as error:
            state = f"cannot run: {error}"
        rows.append({"name": name, "kind": "emulated", "state": state})
    return rows


def _attached() -> list[dict[str, Any]]:
    from devices.adb.discover import attached_devices

    return [
        {
            "name": f"adb:{device.serial}",
            "kind": "adb",
            "state": f"{'ready' if device.state == 'device' else device.state}, by {device.through}",
        }
        for device in attached_devices()
    ]


@command.command("info")
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Tell what a device is and how it is now."""
    with closing(open_device(name)) as device:
        found = {"info": asdict(device.info()), "state": asdict(device.state())}
    if as_json:
        print_json(found)
        return
    for part in found.values():
        for key, value in part.items():
            if value not in (None, (), {}, []):
                click.echo(f"{key.replace('_', ' '):20} {_plain(value)}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(_plain(item) for item in value)
    return str(value)


@command.command("create")
@click.argument("kind")
def create(kind: str) -> None:
    """Build the emulated machine KIND (arm or x86) from Debian's packages; no root is needed."""
    from devices.emulator.image import build_image, find_image
    from devices.emulator.machine import qemu_path

    spec = _machine(kind)
    qemu_path(spec)
    there = find_image(spec.kind) is not None
    if not there:
        click.echo(f"{kind}: fetching packages and building", err=True)
    image = build_image(spec.kind)
    click.echo(f"{kind}: {'built already' if there else 'built'} in {image.kernel.parent}")


@command.command("start")
@click.argument("name")
def start(name: str) -> None:
    """Start an emulated machine (arm, x86, arm:cortex-a53, arm#2) that stays until it is stopped."""
    from devices.emulator.machine import start_detached

    running = start_detached(_machine(name))
    click.echo(f"{running.name}: runs (process {running.pid}), adb on 127.0.0.1:{running.port}")


@command.command("stop")
@click.argument("name")
def stop(name: str) -> None:
    """Stop an emulated machine that was started to stay."""
    from devices.emulator.machine import stop_detached

    spec = _machine(name)
    click.echo(f"{spec.name}: {'stopped' if stop_detached(spec) else 'was not running'}")


@command.command("clean")
@click.argument("names", nargs=-1, required=True)
def clean(names: tuple[str, ...]) -> None:
    """Remove from devices what was pushed to them."""
    for name in names:
        with closing(open_device(name)) as device, device.lock():
            freed = device.clean()
        click.echo(f"{name}: {freed / 1e6:.1f} MB freed")


def _machine(name: str):
    from devices.emulator.kinds import KINDS, is_machine_name, parse_machine

    if not is_machine_name(name):
        raise BenchError(f"{name!r} is not an emulated machine; those are {', '.join(KINDS)}")
    return parse_machine(name)
