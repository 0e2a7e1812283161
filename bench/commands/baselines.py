"""`bench baselines`: the environments of other converters."""

import click

from bench.commands.options import json_option, print_json
from bench.converters.registry import NAMES, get_converter
from bench.errors import BenchError
from bench.peers.environments import Environment
from bench.progress import Reporter


def _environments() -> dict[str, Environment]:
    made = {name: get_converter(name).environment for name in NAMES}
    return {name: environment for name, environment in made.items() if environment is not None}


def _chosen(names: tuple[str, ...]) -> list[Environment]:
    known = _environments()
    for name in names:
        if name not in known:
            raise BenchError(f"{name!r} has no environment of its own; those that have: {', '.join(known)}")
    return [known[name] for name in names or known]


@click.group("baselines")
def command() -> None:
    """Manage the environments of other converters.

    Each is a virtual environment in the cache folder (NOBUCO_CACHE_DIR moves it), made on first use.
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the environments, whether they are installed, and where."""
    rows = [
        {
            "name": name,
            "installed": environment.installed,
            "python": environment.python,
            "folder": str(environment.folder),
            "size_bytes": environment.size_bytes(),
        }
        for name, environment in _environments().items()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = f"installed, {row['size_bytes'] / 1e6:.0f} MB" if row["installed"] else "not installed"
        click.echo(f"{row['name']:14} {state:22} {row['folder']}")


@command.command("install")
@click.argument("names", nargs=-1)
def install(names: tuple[str, ...]) -> None:
    """Make the environments (all, or those named)."""
    say = Reporter()
    for environment in _chosen(names):
        environment.ensure(say)
        click.echo(f"{environment.name}: {environment.folder}")


@command.command("remove")
@click.argument("names", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Remove the named environments."""
    say = Reporter()
    for environment in _chosen(names):
        removed = environment.remove(say)
        click.echo(f"{environment.name}: {'removed' if removed else 'was not installed'}")
