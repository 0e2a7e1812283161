"""What can go wrong with a store of records, said so that the reader can act on it."""


class ReportError(Exception):
    """Records cannot be read or written; the message names the file and the way out."""
