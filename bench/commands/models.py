"""`bench models`: what --models takes."""

import click

import models_zoo
from bench.commands.options import json_option, print_json
from models_zoo import ModelSpec, UnknownModelError

_NOTES = """Groups are given like models: {groups}.
Another size: NAME@SIZE, or --size for all. A model of your own: path/to/file.py:factory.
Detection: the network up to its raw predictions. Resizing, anchors and non-maximum suppression are left to the
application; of Faster, Mask and Keypoint R-CNN it is the first stage, up to the proposals."""


@click.command("models")
@click.argument("names", nargs=-1)
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List the models (all, or those and those groups that are named): inputs, parameters, groups."""
    groups = models_zoo.groups()
    specs = models_zoo.resolve(names or ("all",))
    if own := [spec.name for spec in specs if spec.file]:
        raise UnknownModelError(f"{own[0]}: only the models of the catalogue are listed")
    rows = [_row(spec, groups) for spec in specs]
    if as_json:
        print_json({"models": [row["name"] for row in rows], "groups": groups, "details": rows})
        return
    lines = [("model", "inputs", "parameters", "groups")]
    for row in rows:
        shapes = " + ".join("x".join(map(str, shape)) for shape in row["input_shapes"])
        lines.append((row["name"], shapes, f"{row['parameters'] / 1e6:.1f} M", ", ".join(row["groups"])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, shapes, parameters, inside in lines:
        click.echo(f"{name:{widths[0]}}  {shapes:{widths[1]}}  {parameters:>{widths[2]}}  {inside}")
    names_of_groups = ", ".join(f"{group} ({len(members)})" for group, members in groups.items())
    click.echo("\n" + _NOTES.format(groups=names_of_groups), err=True)


def _row(spec: ModelSpec, groups: dict[str, list[str]]) -> dict:
    entry = spec.entry
    assert entry is not None
    return {
        "name": spec.name,
        "input_shapes": entry.input_shapes(spec.size),
        "parameters": entry.parameters,
        "groups": [group for group, members in groups.items() if entry.name in members and group != "all"],
    }
