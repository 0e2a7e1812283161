"""What is done for the accuracy of an integer file besides choosing its scales, and whether it helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.precision.judge import output_errors
from nobuco.tflite.precision.running import Sample, outputs_on

EQUALISE, BIAS = "equalise", "bias"
_ALL = (EQUALISE, BIAS)
_HELD_OUT = 4  # each fourth sample judges what was found from the others
_WORTH = 0.1  # dB; less may be chance


@dataclass(frozen=True)
class Prepared:
    """One thing that was tried.

    Attributes:
        what: "equalise" or "bias".
        kept: whether the file has it.
        before, after: SNR of the worst output in decibels, on samples that it was not found from.
        said: how much of it there was.
    """

    what: str
    kept: bool
    before: float
    after: float
    said: str

    def __str__(self) -> str:
        verdict = "kept" if self.kept else "left out"
        return f"{self.what}: {self.said}; SNR {self.before:.1f} -> {self.after:.1f} dB, {verdict}"


def wanted_of(prepare: str | Iterable[str] | None) -> tuple[tuple[str, ...], bool]:
    """What is to be done, and whether only where it helps. Raises TFLiteExportError."""
    if prepare is None:
        return (), False
    if prepare == "auto":
        return _ALL, True
    names = tuple(prepare) if isinstance(prepare, Iterable) and not isinstance(prepare, str) else (prepare,)
    for name in names:
        if name not in _ALL:
            raise TFLiteExportError(
                f"prepare has {name!r}: give 'auto', {EQUALISE!r}, {BIAS!r}, or a tuple of the last two"
            )
    return tuple(name for name in _ALL if name in names), False


class Trial:
    """Judges files on samples that nothing is found from.

    Attributes:
        fitting: the other samples, to find things from. All, where there are too few to part.
    """

    def __init__(
        self, names: Sequence[str], samples: Sequence[Sample], wanted: Sequence[Sequence], choose: bool
    ) -> None:
        held = range(0, len(samples), _HELD_OUT)
        parted = len(samples) >= 2 * _HELD_OUT
        if choose and not parted:
            raise TFLiteExportError(
                f"prepare='auto' needs {2 * _HELD_OUT} calibration samples or more, to judge by some of them: "
                f"there are {len(samples)}"
            )
        self.fitting = [each for number, each in enumerate(samples) if not parted or number not in held]
        self._judging = [samples[number] for number in held]
        self._wanted = [wanted[number] for number in held]
        self._names, self._choose = names, choose

    def snr(self, made: bytes) -> float:
        errors = output_errors(self._names, outputs_on(made, self._judging), self._wanted)
        return min(each.least for each in errors)

    def tried(self, what: str, said: str, done: int, before: bytes, make: Callable[[], bytes]) -> Prepared:
        """What is said of a file that `make` makes, against that `before`; nothing is made where nothing was `done`."""
        old = self.snr(before)
        new = self.snr(make()) if done else old
        return Prepared(what, bool(done) and (not self._choose or new >= old + _WORTH), old, new, said)
