"""A layer in two forms, and which of them a device is faster with."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from reports.stats import REPEATABLE, Estimate, counted, paired_ratio

WAYS = ("plain", "formed")


@dataclass
class Layer:
    """A distinct layer of the model.

    Attributes:
        form: The form that is tried, by its name in cost files.
        layer: Its op with shapes, as cost files name it.
        said: The same in a few words.
        count: How many of them the model has.
        files: Of each of `WAYS`.
        figures: Of each of `WAYS`: the median of each launch, by round, in microseconds or thousands of instructions.
        failure: Why there are no figures.
    """

    form: str
    layer: str
    said: str
    count: int
    files: dict[str, Path]
    figures: dict[str, dict[int, float]] = field(default_factory=lambda: {way: {} for way in WAYS})
    failure: str | None = None

    def cost(self, way: str) -> float | None:
        """The median of its launches; None without any."""
        values = self.figures[way].values()
        return median(values) if values else None

    def ratio(self, emulated: bool) -> Estimate | None:
        """What the form takes of what the layer takes without it; None where it was not measured."""
        plain, formed = (self.figures[way] for way in WAYS)
        if self.failure is not None or not plain.keys() & formed.keys():
            return None
        if emulated:
            number = min(plain.keys() & formed.keys())
            return counted(formed[number] / plain[number], 1)
        return paired_ratio(formed, plain)

    def cheaper(self, emulated: bool) -> bool:
        """Whether the form is certainly the cheaper one."""
        ratio = self.ratio(emulated)
        if ratio is None:
            return False
        if ratio.exact:
            return ratio.value < 1 - REPEATABLE
        return ratio.high is not None and ratio.high < 1
