"""What a file is made for: where it runs, and whether speed may cost size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Target = Literal["cpu", "arm", "x86", "gpu"]
Optimize = Literal["size", "balanced", "speed"]


@dataclass(frozen=True)
class Aim:
    """What the forms of a file are chosen for.

    Attributes:
        target: "arm" or "x86" for forms that are cheaper on such processors and dearer on the other; "gpu" for what GPU
            delegates take; "cpu", and None, for forms that are cheaper on all processors.
        optimize: "speed" for forms that are faster and larger, "size" for loops that are not written out; "balanced"
            for neither.

    Raises ValueError for other words.
    """

    target: Target | None = None
    optimize: Optimize = "balanced"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("target", self.target, (*get_args(Target), None)),
            ("optimize", self.optimize, get_args(Optimize)),
        ):
            if value not in known:
                raise ValueError(f"there is no {name} {value!r}: choose {_listed(known)}")


def _listed(words: tuple[str | None, ...]) -> str:
    *others, last = (repr(word) if word else "None" for word in words)
    return f"{', '.join(others)} or {last}"
