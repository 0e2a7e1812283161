"""The `bench` command. Subcommands are imported when they are called, so that `bench --help` is quick."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module

import click

from bench.errors import SHOWN_AS_THEY_ARE

# name -> (module with a click command called `command`, help line). The help lines are here because reading
# them from the modules would import those.
COMMANDS = {
    "zoo": ("bench.commands.zoo", "Convert models, run the files on devices, compare."),
    "compare": ("bench.commands.compare", "Compare two runs, converters or commits, cell by cell."),
    "convert": ("bench.commands.convert", "Make the files of many models ahead, and check them."),
    "readme": ("bench.commands.readme", "Measure what the original README published, beside its figures."),
    "tune": ("bench.commands.tune", "Find the forms of a model's layers that are fastest on a device."),
    "lint": (
        "bench.commands.lint",
        "Say what GPU delegates take of a .tflite file, op by op, without a GPU.",
    ),
    "bisect": (
        "bench.commands.bisect",
        "Cut a .tflite file down to the part that a delegate refuses, fails on or computes wrongly.",
    ),
    "report": ("bench.commands.report", "Make tables and charts again from records."),
    "models": ("bench.commands.models", "List the models and groups of models."),
    "devices": ("bench.commands.devices", "List devices; build, start and stop emulated machines."),
    "doctor": ("bench.commands.doctor", "Say what works here, and how to fix what does not."),
    "lab": (
        "bench.commands.lab",
        "Measure and convert on several machines, with the phones attached to them.",
    ),
    "baselines": ("bench.commands.baselines", "Manage the environments of other converters."),
}


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end; it ends in the same way as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Clean up after SIGTERM and SIGHUP as after Ctrl-C."""

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    # A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def load_command(name: str) -> click.Command:
    """Import a command."""
    return import_module(COMMANDS[name][0]).command


class LazyGroup(click.Group):
    """A group whose commands are imported on use. Known errors are shown as one message, with exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported."""
        if cmd_name not in COMMANDS:
            return None
        return load_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors and signals end it with one message."""
        try:
            with ending_in_order():
                return super().invoke(ctx)
        except SHOWN_AS_THEY_ARE as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt as end:
            click.echo("Stopped. What was measured is kept; the same command goes on from here.", err=True)
            sys.exit(end.exit_code if isinstance(end, Stopped) else 128 + signal.SIGINT)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="nobuco", prog_name="bench")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Measure converted PyTorch models on devices.

    Options come from the command line, else from the environment (BENCH_OUT, BENCH_ROUNDS, ...), else from
    [tool.bench] in pyproject.toml or from bench.toml.
    """
    from bench.settings import settings_for

    name = ctx.invoked_subcommand
    if name is not None:
        commands = {each: partial(load_command, each) for each in COMMANDS}
        ctx.default_map = {name: settings_for(name, commands)}


if __name__ == "__main__":
    main()
