"""The one error of this package."""


class DeviceError(Exception):
    """A device, or something a device needs, is not usable.

    The message names the thing, the place and the way out; it is meant to be shown to a user as it is.
    """
