"""What can go wrong between a model's name and the model, each said so that the reader can act on it."""


class ModelError(Exception):
    """A model cannot be had; the message names the model, the place and the way out."""


class UnknownModelError(ModelError):
    """No model or group has this name; the message lists the nearest names."""
