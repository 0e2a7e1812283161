"""`bench models`: what --models takes."""

import click

import models_zoo
from bench.commands.options import json_option, print_json


@click.command("models")
@json_option
def command(as_json: bool) -> None:
    """List the models and groups of models."""
    groups = models_zoo.groups()
    if as_json:
        print_json({"models": models_zoo.names(), "groups": groups})
        return
    for name in models_zoo.names():
        inside = [group for group, members in groups.items() if name in members]
        click.echo(f"{name:28} {', '.join(inside)}".rstrip())
    click.echo("\nGroups can be given like models. A model of your own: path/to/file.py:factory", err=True)
