"""What is said of a file that does not compute in float32."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.carried import UNSCALED, CarriedEngine
from nobuco.tflite.precision.curve import Step, save_curve
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.judge import OutputError
from nobuco.tflite.precision.keeping import is_kept
from nobuco.tflite.precision.prepare import Prepared
from nobuco.tflite.precision.recipe import Recipe


@dataclass(frozen=True)
class StayedFloat:
    """An op that computes in float32 in a quantised file, and why."""

    row: TFLiteOp
    why: str

    def __str__(self) -> str:
        made_of = f", {self.row.origins[0]}" if self.row.origins else f" {self.row.name}"
        return f"{self.row.op}{made_of}: {self.why}"


@dataclass(frozen=True)
class Precision:
    """How a file computes, and how far that takes it from the float file.

    Attributes:
        recipe: with the layers that "auto" has decided to keep.
        samples: how many it was compared on: those of calibration, else those that the model was checked with.
        outputs: the error of each output.
        agreement: share of samples that come out alike: with the same class first where the first output is
            (batch, classes), with an SNR of 20 dB at least otherwise.
        float_bytes: size of the float file.
        stayed_float: ops that compute in float32 although the recipe is for integers.
        steps: what "auto" has tried, in the order of ops kept.
        prepared: what `prepare` has tried, with the SNR before and after.
    """

    recipe: Recipe
    samples: int
    outputs: tuple[OutputError, ...]
    agreement: float
    float_bytes: int
    size_bytes: int
    stayed_float: tuple[StayedFloat, ...] = ()
    steps: tuple[Step, ...] = ()
    prepared: tuple[Prepared, ...] = ()

    @property
    def snr(self) -> float:
        """Of the worst output, in decibels; of most of its channels, where that is less."""
        return min(each.least for each in self.outputs)

    def save_curve(self, path: str | os.PathLike[str]) -> None:
        """Draws what "auto" has tried: the share of samples that come out alike, against the size of the file. By the ending
        of `path` a PNG, an SVG or another kind that matplotlib writes, which has to be installed.

        Raises ValueError where "auto" has tried nothing."""
        if not self.steps:
            raise ValueError(
                f"there is no curve of {self.recipe.name!r}: only precision='auto' tries several files"
            )
        written = [step for step in self.steps if step.size_bytes == self.size_bytes]
        chosen = max(written or self.steps, key=lambda step: step.agreement)
        save_curve(self.steps, chosen, self.float_bytes, Path(path))

    def __str__(self) -> str:
        lines = [
            f"{self.recipe}: {self.size_bytes:,} bytes, {self.size_bytes / self.float_bytes:.2f} of the float file's",
            f"on {self.samples} samples {self.agreement:.1%} come out alike",
            *(f"  {each}" for each in self.outputs),
            *map(str, self.prepared),
        ]
        if self.stayed_float:
            lines.append(f"{len(self.stayed_float)} ops stayed float:")
            lines += [f"  {each}" for each in self.stayed_float]
        if self.steps:
            lines.append("kept in float  alike   SNR dB      bytes")
            lines += [
                f"{each.kept:13d} {each.agreement:6.1%} {each.snr:8.1f} {each.size_bytes:10,}"
                for each in self.steps
            ]
        return "\n".join(lines)


def stayed_float(
    info: TFLiteInfo,
    float_info: TFLiteInfo,
    recipe: Recipe,
    engine: Engine | CarriedEngine | None,
) -> list[StayedFloat]:
    """The ops of a quantised file that compute in float32, each with the reason."""
    if not recipe.static:
        return _weights_that_stayed(info, float_info, recipe, engine)
    known = {row.op for row in float_info.rows} - {"QUANTIZE", "DEQUANTIZE"}
    return [
        StayedFloat(row, _why(row, recipe, engine))
        for row in info.rows
        if row.op in known and "float32" in row.output_types
    ]


def _weights_that_stayed(
    info: TFLiteInfo, float_info: TFLiteInfo, recipe: Recipe, engine: Engine | CarriedEngine | None
) -> list[StayedFloat]:
    """Those with weights that are as large as they were."""
    before = {row.name: row.weight_bytes for row in float_info.rows}
    return [
        StayedFloat(row, _why(row, recipe, engine))
        for row in info.rows
        if row.weight_bytes >= _WORTHWHILE and row.weight_bytes == before.get(row.name)
    ]


_WORTHWHILE = 1024  # bytes of weights: smaller ones are shapes, biases and numbers


def _why(row: TFLiteOp, recipe: Recipe, engine: Engine | CarriedEngine | None) -> str:
    if is_kept(row, recipe):
        return "kept in float"
    if row.subgraph != 0:
        return "stands in a branch or loop, which calibration does not see into"
    if isinstance(engine, CarriedEngine):
        return engine.why_float().get(row.name, UNSCALED)
    if engine is not None and engine.dearer_than_float(recipe, row):
        return f"XNNPACK takes {row.op} in float, and leaves its {recipe.name} form to slower kernels"
    if engine is not None and (other := engine.beside(recipe, row)) is not None:
        return f"it belongs to the same call as {other.op}, which stays float"
    if engine is not None and not engine.takes(recipe, row):
        return f"{recipe.engine} has no {recipe.name} form of {row.op}"
    return f"{recipe.engine} leaves it as it is"


def worst_rows(errors: Sequence[tuple[TFLiteOp, float]], most: int = 3) -> str:
    """In words, the first of ops that stand with the worst first, and the SNR of each."""
    said = [
        f"{row.origins[0] if row.origins else row.name} ({row.op}, {snr:.1f} dB by itself)"
        for row, snr in errors[:most]
    ]
    return "; ".join(said)
