"""The errors of this package."""


class DeviceError(Exception):
    """A device, or something a device needs, is not usable.

    The text names the thing, the place and the way out; it is meant to be shown to a user as it is.

    Args:
        problem: What is wrong, and where.
        remedy: The way out, where it is to be shown apart from the problem; the text has both.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class DeviceInUse(DeviceError):
    """Another process holds the device's lock."""


class ConnectionLost(DeviceError):
    """The connection to a device broke, or the device stopped answering. Connecting again may help."""


class CommandInterrupted(ConnectionLost):
    """The connection broke while a command ran. It is not known whether the command finished."""

    process_group: int | None = None
    """Of the command on the device, where it may still be running."""
