"""`bench doctor`: what works on this machine, what is missing, and the command that mends it."""

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Literal

import click

from bench.commands.options import json_option, print_json
from bench.converters.base import versions_of
from bench.converters.registry import NAMES, get_converter
from bench.environments import find_python
from bench.errors import SHOWN_AS_THEY_ARE, BenchError
from devices import DeviceError

Verdict = Literal["works", "missing", "note"]
_MARKS = {"works": "ok  ", "missing": "MISS", "note": "-   "}
_DISK_NEEDED = 5e9


@dataclass(frozen=True)
class Finding:
    """`missing` keeps something from working; a `note` is a thing that is made or chosen when needed."""

    what: str
    verdict: Verdict
    words: str


@click.command("doctor")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what works here, what is missing, and how to mend it. Exit code 1 when something is missing."""
    findings = [finding for check in CHECKS for finding in _checked(check)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.verdict]}  {finding.what:24} {finding.words}")
    ctx.exit(1 if any(finding.verdict == "missing" for finding in findings) else 0)


def _checked(check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except (BenchError, *SHOWN_AS_THEY_ARE) as error:
        name = check.__name__.lstrip("_").replace("_", " ")
        return [Finding(name, "missing", str(error))]


def _python() -> list[Finding]:
    return [Finding("Python", "works", f"{platform.python_version()} at {sys.executable}")]


def _packages() -> list[Finding]:
    """Found without an import: that would take seconds, and tell nothing that a run does not."""
    needed = {"torch": "torch", "torchvision": "torchvision", "tensorflow": "tensorflow", "onnx": "onnx"}
    versions = versions_of(needed)
    findings = []
    for package, module in needed.items():
        if find_spec(module) is None:
            findings.append(Finding(package, "missing", "not installed; run: pip install 'nobuco[bench]'"))
        else:
            findings.append(Finding(package, "works", versions.get(package, "version unknown")))
    return findings


def _runner() -> list[Finding]:
    from devices.runners.embedded.build import build_runner
    from devices.runners.embedded.litert import litert_version

    version = litert_version()
    abi = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return [Finding("runner", "works", f"{build_runner(abi)} (LiteRT {version})")]


def _cache() -> list[Finding]:
    from devices.cache import cache_folder

    folder = cache_folder()
    free = shutil.disk_usage(folder).free
    words = f"{folder}, {free / 1e9:.0f} GB free"
    if free < _DISK_NEEDED:
        return [Finding("cache", "missing", f"{words}; at least {_DISK_NEEDED / 1e9:.0f} GB are needed")]
    return [Finding("cache", "works", words)]


def _converters() -> list[Finding]:
    findings = []
    for name in NAMES:
        environment = get_converter(name).environment
        if environment is None:
            continue
        if environment.installed:
            findings.append(Finding(name, "works", f"installed in {environment.folder}"))
            continue
        try:
            find_python(environment.python, name)
        except BenchError as error:
            findings.append(Finding(name, "missing", str(error)))
        else:
            words = f"is installed on first use, or by `bench baselines install {name}`"
            findings.append(Finding(name, "note", words))
    return findings


def _machines() -> list[Finding]:
    from devices.emulator.image import find_image
    from devices.emulator.kinds import KINDS, parse_machine
    from devices.emulator.machine import qemu_path

    findings = []
    for name, kind in KINDS.items():
        what = f"emulated {name}"
        try:
            qemu_path(parse_machine(name))
        except DeviceError as error:
            findings.append(Finding(what, "missing", str(error)))
            continue
        if find_image(kind):
            findings.append(Finding(what, "works", "built"))
        else:
            words = f"is built on first use, or by `bench devices create {name}`"
            findings.append(Finding(what, "note", words))
    return findings


def _phones() -> list[Finding]:
    from devices.adb.discover import attached_devices

    attached = attached_devices()
    if not attached:
        return [Finding("phones", "note", "adb sees none; attach one with USB debugging on")]
    return [
        Finding(f"adb:{device.serial}", "works" if device.state == "device" else "missing", device.state)
        for device in attached
    ]


CHECKS = (_python, _packages, _runner, _cache, _converters, _machines, _phones)
