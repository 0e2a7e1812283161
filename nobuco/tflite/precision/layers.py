"""Which layers a quantised file loses its accuracy in, and which are to stay float for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from nobuco.tflite.errors import TFLiteMismatchError
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.carried import CarriedEngine
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.judge import agreement, broken, output_errors
from nobuco.tflite.precision.keeping import is_kept
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.precision.result import Step
from nobuco.tflite.precision.running import Sample, outputs_on

_FEWEST, _ENOUGH = 8, 32  # samples for the error of one layer
_RUNS = 3200  # of a file, for the error of all layers: those of more than a hundred get fewer samples each
_NEAR = 3.0  # dB; half the noise
_PRUNED = 16  # kept layers up to which each is tried without

Outputs = Sequence[Sequence]  # of each sample


def quantised_rows(engine: Engine | CarriedEngine, recipe: Recipe, info: TFLiteInfo) -> list[TFLiteOp]:
    """The ops of a float file that the recipe makes another form of."""
    return [
        row
        for row in info.rows
        if row.subgraph == 0 and not is_kept(row, recipe) and engine.takes(recipe, row)
    ]


def alone(
    engine: Engine | CarriedEngine,
    recipe: Recipe,
    info: TFLiteInfo,
    samples: Sequence[Sample],
    wanted: Outputs,
) -> list[tuple[TFLiteOp, float]]:
    """Of each op that the recipe quantises, the SNR (dB) of the model's worst output when it alone is quantised.

    The worst first. What is lost in the tensor between two counts against both; then the one that makes it comes first."""
    rows = quantised_rows(engine, recipe, info)
    enough = min(_ENOUGH, max(_FEWEST, _RUNS // max(len(rows), 1)))
    samples, wanted = samples[:enough], wanted[:enough]
    names = [tensor.name for tensor in info.outputs]
    found = []
    for row in rows:
        try:
            got = outputs_on(engine.quantised(recipe, only=[row]), samples)
        except TFLiteMismatchError:  # a scale that the runtime cannot compute with
            found.append((row, -math.inf))
        else:
            found.append((row, min(each.least for each in output_errors(names, got, wanted))))
    return _worst_first(found)


def _worst_first(found: Sequence[tuple[TFLiteOp, float]]) -> list[tuple[TFLiteOp, float]]:
    """By SNR; of those that lie within 3 dB of the worst left, the one that runs first comes first."""
    left, ordered = list(found), []
    while left:
        worst = min(snr for _, snr in left)
        near = [each for each in left if each[1] <= worst + _NEAR]
        ordered += near
        left = [each for each in left if each not in near]
    return ordered


def fewest_kept(
    engine: Engine | CarriedEngine,
    recipe: Recipe,
    info: TFLiteInfo,
    samples: Sequence[Sample],
    wanted: Outputs,
    min_agreement: float,
) -> tuple[Recipe, list[Step]]:
    """The recipe with as few ops kept in float as the agreement takes, and what has been tried on the way.

    Ops are kept in the order in which they do harm by themselves; the smallest number of them is searched for, and then
    each is tried without. Agreement need not grow with every op kept: this is a good set, not always the best."""
    names = [tensor.name for tensor in info.outputs]
    steps: dict[tuple[str, ...], Step] = {}

    def enough(kept: Sequence[TFLiteOp]) -> bool:
        keep = tuple(row.name for row in kept)
        if keep not in steps:
            data = engine.quantised(replace(recipe, keep=recipe.keep + keep))
            try:
                got = outputs_on(data, samples)
            except TFLiteMismatchError:
                steps[keep] = Step(len(keep), 0.0, -math.inf, len(data))
            else:
                snr = min(each.least for each in output_errors(names, got, wanted))
                alike = 0.0 if broken(names, got, wanted) else agreement(got, wanted)
                steps[keep] = Step(len(keep), alike, snr, len(data))
        return steps[keep].agreement >= min_agreement

    kept: list[TFLiteOp] = []
    if not enough(kept):
        ranked = [row for row, _ in alone(engine, recipe, info, samples, wanted)]
        kept = ranked[: _smallest(len(ranked), lambda count: enough(ranked[:count]))]
        for row in list(kept) if len(kept) <= _PRUNED else []:
            fewer = [each for each in kept if each is not row]
            if fewer and enough(fewer):
                kept = fewer
    tried = sorted(steps.values(), key=lambda step: (step.kept, step.agreement))
    return replace(recipe, keep=recipe.keep + tuple(row.name for row in kept)), tried


def _smallest(most: int, enough: Callable[[int], bool]) -> int:
    """The least number from 1 to `most` that is enough, if more always is; `most` if none is."""
    low, high = 0, 1
    while high < most and not enough(high):
        low, high = high, 2 * high
    high = min(high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
