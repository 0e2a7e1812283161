"""`bench devices`: what can be measured on, and the emulated machines."""

from contextlib import closing
from dataclasses import asdict

import click

import devices
from bench.commands.options import json_option, print_json


@click.group("devices")
def command() -> None:
    """List devices; build, start and stop emulated machines; clean up what was pushed."""


@command.command("list")
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
@json_option
def info(name: str, as_json: bool) -> None:
    """Tell what a device is and how it is now."""
    with closing(devices.open_device(name)) as device:
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
    entry = devices.create_machine(kind)
    click.echo(f"{entry.name}: {entry.state}")


@command.command("start")
@click.argument("name")
def start(name: str) -> None:
    """Start an emulated machine (arm, x86, arm:cortex-a53, arm#2) that stays until it is stopped."""
    entry = devices.start_machine(name)
    click.echo(f"{entry.name}: {entry.state}")


@command.command("stop")
@click.argument("name")
def stop(name: str) -> None:
    """Stop an emulated machine that was started to stay."""
    click.echo(f"{name}: {'stopped' if devices.stop_machine(name) else 'was not running'}")


@command.command("clean")
@click.argument("names", nargs=-1, required=True)
def clean(names: tuple[str, ...]) -> None:
    """Remove from devices what was pushed to them; of emulated machines that do not run, the image."""
    for name in names:
        click.echo(f"{name}: {devices.clean(name) / 1e6:.1f} MB freed")
