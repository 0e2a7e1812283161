"""The error of a store of records."""


class ReportError(Exception):
    """Records cannot be read or written; the message names the file and the way out."""
