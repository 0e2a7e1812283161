"""The base of every error that nobuco raises on purpose."""


class NobucoError(Exception):
    """Something that a user can mend; the message says what, where and how."""
