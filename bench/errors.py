"""The one error that ends a command, and the errors of the other packages that are shown in its form."""

import click

from devices.errors import DeviceError
from models_zoo.errors import ModelError
from reports.errors import ReportError

SHOWN_AS_THEY_ARE = (DeviceError, ModelError, ReportError)
"""Their messages are written for users: name of the thing, place, way out."""


class BenchError(click.ClickException):
    """A command cannot go on; the message names the thing, the place and the way out. Exit code 1."""

    exit_code = 1
