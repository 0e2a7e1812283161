"""`bench devices`: the devices to measure on, and the emulated machines."""

from dataclasses import asdict
from datetime import datetime

import click

import devices
from bench.commands.options import json_option, print_json


@click.group("devices")
def command() -> None:
    """List devices; build, start and stop emulated machines; clean up what was pushed."""


@command.command("list", short_help="List this host, devices behind adb, emulated machines.")
@json_option
def list_(as_json: bool) -> None:
    """List this host, the devices behind adb, and the machines that can be emulated."""
    entries = devices.list_devices()
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        click.echo(f"{entry.name:24} {entry.kind:9} {'' if entry.usable else 'UNUSABLE: '}{entry.state}")


@command.command("info")
@click.argument("name")
@click.option(
    "--boot",
    is_flag=True,
    help="Start an emulated machine that does not run, to ask it; takes half a minute.",
)
@json_option
def info(name: str, boot: bool, as_json: bool) -> None:
    """Say what a device is and how it is now. An emulated machine that does not run is not started without --boot."""
    found = devices.describe(name, boot=boot)
    if as_json:
        print_json(asdict(found))
        return
    for part in (found.info, found.state or {}):
        for key, value in part.items():
            if value not in (None, (), {}, []):
                words = _moment(value) if key == "taken_at" else _plain(value)
                click.echo(f"{key.replace('_', ' '):20} {words}")
    if found.state is None:
        click.echo(f"{'state':20} not running; --boot starts it and asks for the rest")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(_plain(item) for item in value)
    return str(value)


@command.command("create", short_help="Build an emulated machine, arm or x86; root is not needed.")
@click.argument("kind")
@json_option
def create(kind: str, as_json: bool) -> None:
    """Build the emulated machine KIND (arm or x86) from Debian's packages; root is not needed."""
    _show(devices.create_machine(kind), as_json)


@command.command("start", short_help="Start an emulated machine that runs until it is stopped.")
@click.argument("name")
@json_option
def start(name: str, as_json: bool) -> None:
    """Start an emulated machine (arm, x86, arm:cortex-a53, arm#2) that runs until it is stopped."""
    _show(devices.start_machine(name), as_json)


def _show(entry: devices.DeviceEntry, as_json: bool) -> None:
    if as_json:
        print_json(asdict(entry))
    else:
        click.echo(f"{entry.name}: {entry.state}")


@command.command("stop")
@click.argument("name")
@json_option
def stop(name: str, as_json: bool) -> None:
    """Stop an emulated machine that `bench devices start` started."""
    stopped = devices.stop_machine(name)
    if as_json:
        print_json({"name": name, "stopped": stopped})
    else:
        click.echo(f"{name}: {'stopped' if stopped else 'was not running'}")


@command.command("clean", short_help="Remove from devices what was pushed to them.")
@click.argument("names", nargs=-1, required=True)
@json_option
def clean(names: tuple[str, ...], as_json: bool) -> None:
    """Remove from devices what was pushed to them; of an emulated machine that is not running, its image."""
    freed = {name: devices.clean(name) for name in names}
    if as_json:
        print_json([{"name": name, "freed_bytes": size} for name, size in freed.items()])
        return
    for name, size in freed.items():
        click.echo(f"{name}: {size / 1e6:.1f} MB freed")
