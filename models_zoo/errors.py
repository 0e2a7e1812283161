"""The errors between a model's name and the model."""


class ModelError(Exception):
    """A model cannot be loaded; the message names the model, the place and the way out."""


class UnknownModelError(ModelError):
    """No model or group has this name; the message lists the nearest names."""
