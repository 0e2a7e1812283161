"""Where a Keras layer comes from in the PyTorch program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nobuco.contract.sites import Site
from nobuco.trace.calls import Call


@dataclass(frozen=True)
class Origin:
    """A call of the PyTorch program: the op, the path of the module it stands in, the line of the program."""

    op: str
    module_path: str
    site: Site | None
    transpose: bool = False  # not in the program: a step between channel orders on the way to the call

    @classmethod
    def of(cls, call: Call, transpose: bool = False) -> Origin:
        return cls(call.name, call.module_path, call.user_line, transpose)

    def to_dict(self) -> dict[str, Any]:
        return {
            "op": self.op,
            "module": self.module_path,
            "file": self.site and self.site.file,
            "line": self.site and self.site.line,
            "transpose": self.transpose,
        }

    def __str__(self) -> str:
        place = f"{self.module_path}: " if self.module_path else ""
        where = f" at {self.site}" if self.site else ""
        return f"{place}{'transpose for ' if self.transpose else ''}{self.op}{where}"
