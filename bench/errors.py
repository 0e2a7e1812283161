"""The error of a run that cannot go on, and those of the other packages that are shown like it."""

from devices.errors import DeviceError
from models_zoo.errors import ModelError
from reports.errors import ReportError


class BenchError(Exception):
    """A run cannot go on; the message names the thing, the place and the way out."""


SHOWN_AS_THEY_ARE = (BenchError, DeviceError, ModelError, ReportError)
"""Their messages are written for users: the command line shows them without a traceback."""
