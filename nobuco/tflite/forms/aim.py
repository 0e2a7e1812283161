"""What a file is made for: where it runs, and whether speed may cost size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from nobuco.tflite.forms.costs import Costs, shipped

Target = Literal["cpu", "arm", "x86", "gpu"]
Optimize = Literal["size", "balanced", "speed"]


@dataclass(frozen=True)
class Aim:
    """What the forms of a file are chosen for.

    Attributes:
        target: "arm" or "x86" for forms that are cheaper on such processors and dearer on the other; "gpu" for what GPU
            delegates take; None for forms that are cheaper on all processors; "cpu" for the same where no GPU is to run the
            file.
        costs: of layers on the very device that the file is for: these decide on forms that only some devices are better off
            with.
        optimize: "speed" for forms that are faster and larger, "size" for loops that are not written out; "balanced"
            for neither.
        integers: whether products are to be of integers in the end: no sums are taken apart then, whose parts would be
            rounded, each to its own scale.

    Raises ValueError for other words.
    """

    target: Target | None = None
    optimize: Optimize = "balanced"
    costs: Costs | None = None
    integers: bool = False

    @classmethod
    def of(cls, target: Target | str | os.PathLike[str] | None, optimize: Optimize) -> Aim:
        """`target` is one of the words, a processor whose costs come with nobuco, or a cost file. Raises ValueError, or
        TFLiteExportError for such a file."""
        if target is None:
            return cls(None, optimize)
        file = shipped().get(str(target))
        if file is None and isinstance(target, str) and not target.endswith(".json"):
            return cls(target, optimize)  # type: ignore[arg-type] - other words are refused there
        if not isinstance(target, str | os.PathLike):
            return cls(target, optimize)
        costs = Costs.read(file or Path(target))
        return cls(costs.target, optimize, costs)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("target", self.target, (*get_args(Target), None)),
            ("optimize", self.optimize, get_args(Optimize)),
        ):
            if value not in known:
                processors = ", ".join(map(repr, shipped()))
                more = (
                    f" (or a processor, {processors}, or a cost file, NAME.json)" if name == "target" else ""
                )
                raise ValueError(f"there is no {name} {value!r}: choose {_listed(known)}{more}")


def _listed(words: tuple[str | None, ...]) -> str:
    *others, last = (repr(word) if word else "None" for word in words)
    return f"{', '.join(others)} or {last}"
