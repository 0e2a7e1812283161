"""What tracing refuses, each with the source line that caused it."""

from __future__ import annotations

from nobuco.contract.sites import Site
from nobuco.errors import NobucoError


class TraceError(NobucoError):
    """The PyTorch program does something that cannot be expressed as a graph."""


class Unliftable(BaseException):
    """A branch or loop that cannot become part of the graph, and why. The program is traced once more with it as Python
    decides it, so no handler of the program's may catch this: it is no Exception."""

    def __init__(self, site: Site | None, reason: str) -> None:
        super().__init__(reason)
        self.site, self.reason = site, reason
