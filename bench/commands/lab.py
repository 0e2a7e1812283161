"""`bench lab`: a scheduler, the machines that join it, and what they do."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.options import CommaList, json_option, print_json
from bench.errors import BenchError
from bench.lab.engine import PATIENCE_SECONDS, PORT, checked_address, require_engine
from bench.progress import Reporter

if TYPE_CHECKING:
    from bench.lab.site import Lab

certificates_option = click.option(
    "--certificates",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="BENCH_LAB_CERTIFICATES",
    help="Folder with the lab's certificates. [default: the user's own configuration]",
)
patience_option = click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=PATIENCE_SECONDS,
    envvar="BENCH_LAB_PATIENCE",
    show_default=True,
    help="Seconds that work waits for a scheduler, or for a machine that could do it, before it fails with the reason.",
)


def lab_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which a run is carried out in a lab."""
    option = click.option(
        "--lab",
        envvar="BENCH_LAB",
        metavar="URL",
        help=f"Carry it out in the lab of this scheduler, such as tls://desk:{PORT}; see `bench lab`.",
    )
    return option(certificates_option(patience_option(command)))


def opened_lab(url: str, certificates: Path | None, patience: float, say: Reporter) -> "Lab":
    """The lab of an address, to be closed by the caller. Raises BenchError."""
    require_engine()
    from bench.lab.site import Lab

    return Lab(url, certificates, patience, say)


@click.group("lab")
def command() -> None:
    """Measure and convert on several machines: start a scheduler, let machines join it, see what they do.

    \b
    desk$ bench lab scheduler                        makes certificates on first use
    desk$ bench lab worker tls://desk:8786           on each machine with phones, or with memory to convert in
    desk$ bench lab status tls://desk:8786
    desk$ bench zoo --lab tls://desk:8786 --device adb:PHONE
    """


@command.command("scheduler", short_help="Run the scheduler, with certificates made on first use.")
@click.option("--host", help="Address to listen on. [default: all; without certificates, this machine alone]")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True)
@certificates_option
@click.option(
    "--no-certificates",
    is_flag=True,
    help="Neither encrypt nor ask who connects; listens on this machine alone.",
)
@patience_option
def scheduler(
    host: str | None, port: int, certificates: Path | None, no_certificates: bool, patience: float
) -> None:
    """Run the scheduler of a lab until it is stopped. It may be killed and started again: what was measured is kept by
    the machines that measured it."""
    require_engine()
    from bench.lab.scheduler import serve

    serve(host, port, certificates, not no_certificates, patience, Reporter().line)


@command.command("worker", short_help="Let this machine join a lab, with its phones and its memory.")
@click.argument("url")
@certificates_option
@click.option("--name", default=platform.node(), show_default=True, help="What people call this machine.")
@click.option(
    "--device",
    "devices",
    type=CommaList(),
    help="Devices to offer, such as adb:SERIAL, adb:HOST:PORT or the emulated arm. [default: all attached through adb]",
)
@click.option("--no-convert", is_flag=True, help="Offer no conversions.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Conversions at the same time."
)
@click.option(
    "--memory",
    "memory_gb",
    type=click.FloatRange(min=0, min_open=True),
    help="GB that conversions may use together. [default: four fifths of what is free]",
)
@click.option(
    "--before-device",
    metavar="CMD",
    help="Shell command to run before a device is opened, such as one that reserves it; it finds the name in BENCH_DEVICE.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where files and records are kept. [default: lab/ in the cache folder]",
)
def worker(
    url: str,
    certificates: Path | None,
    name: str,
    devices: tuple[str, ...] | None,
    no_convert: bool,
    jobs: int,
    memory_gb: float | None,
    before_device: str | None,
    folder: Path | None,
) -> None:
    """Let this machine join the lab at URL: a worker process for each phone that it sees, and one that converts. Phones
    may come and go."""
    require_engine()
    from bench.lab.engine import security_for
    from bench.lab.host import HostOptions, serve
    from devices.cache import cache_folder

    if not name or "/" in name:
        raise BenchError(f"--name {name}: must be a name without a slash")
    if devices and "host" in devices:
        raise BenchError("--device host: this machine is not measured in a lab; name devices attached to it")
    address = checked_address(url)
    security_for(address, certificates)  # raises where there are none, before processes are started
    options = HostOptions(
        scheduler=address,
        certificates=certificates,
        folder=(folder or cache_folder("lab")).absolute(),
        name=name,
        devices=devices,
        convert=not no_convert,
        jobs=jobs,
        memory_gb=memory_gb,
        before_device=before_device,
    )
    serve(options, Reporter())


@command.command("status", short_help="Say which machines are there, what runs, and what waits and why.")
@click.argument("url")
@certificates_option
@json_option
def status(url: str, certificates: Path | None, as_json: bool) -> None:
    """Say which machines and devices are in the lab at URL, what runs, and what waits and why."""
    require_engine()
    from dataclasses import asdict

    from bench.lab.status import described, look

    found = look(checked_address(url), certificates)
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(described(found))
