"""`bench doctor`: what works on this machine, what is missing, and the command that fixes it."""

import platform
import sys
from importlib.util import find_spec

import click

import devices
from bench.called import bench_command
from bench.commands.options import json_option, print_json
from bench.converters.registry import BASELINE, NAMES, get_converter
from bench.errors import BenchError
from bench.fingerprints import versions_of
from bench.peers.environments import find_python
from devices import Check

_PACKAGES = ("torch", "torchvision", "tensorflow", "onnx")


@click.command("doctor")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what works here, what does not, and how to fix it.

    Nothing is changed. Exit code 1 when what `bench zoo` needs with its defaults does not work.
    """
    converters = _converters()
    needed = [_python(), *_packages(), converters[BASELINE]]
    checks = [_python(), *_packages(), *converters.values(), *devices.doctor()]
    if as_json:
        print_json([{"what": c.what, "ok": c.ok, "detail": c.detail, "fix": c.fix} for c in checks])
    else:
        for check in checks:
            click.echo(f"{'ok' if check.ok else '--':3} {check.what:34} {check.detail}")
            if check.fix and not check.ok:
                click.echo(f"{'':38} to fix it: {check.fix}")
    ctx.exit(0 if all(check.ok for check in needed) else 1)


def _python() -> Check:
    return Check("Python", True, f"{platform.python_version()} at {sys.executable}")


def _packages() -> list[Check]:
    """Found without importing them: that would take seconds, and show nothing that a run does not."""
    versions = versions_of(_PACKAGES)
    return [
        Check(package, True, versions.get(package, "version unknown"))
        if find_spec(package)
        else Check(package, False, "not installed", "pip install 'nobuco[bench]'")
        for package in _PACKAGES
    ]


def _converters() -> dict[str, Check]:
    """By name. An environment that is not installed yet is no fault: that is done on first use."""
    checks = {}
    for name in NAMES:
        environment = get_converter(name).environment
        if environment is None:
            continue
        what = f"environment of {name}"
        if environment.installed:
            checks[name] = Check(what, True, f"installed in {environment.folder}")
            continue
        try:
            find_python(environment.python, name)
        except BenchError as error:
            fix = f"install Python {environment.python} under the name python{environment.python}"
            checks[name] = Check(what, False, str(error), fix)
        else:
            made = f"made on first use, or by `{bench_command()} baselines install {name}`"
            checks[name] = Check(what, True, made)
    return checks
