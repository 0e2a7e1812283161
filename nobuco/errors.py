"""The errors that every part of nobuco may raise."""


class NobucoError(Exception):
    """Something that a user can mend; the message says what, where and how."""


class ConversionError(NobucoError):
    """A call cannot be converted: its converter refuses it, raises, or returns what cannot stand in a Keras model."""
