"""From a finished float file to one that computes in fewer bits, compared with it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nobuco.tflite.errors import (
    CalibrationError,
    CalibrationWarning,
    PrecisionWarning,
    TFLiteExportError,
    TFLiteMismatchError,
)
from nobuco.tflite.inspection import TFLiteInfo, inspect_tflite
from nobuco.tflite.precision.bias import corrected
from nobuco.tflite.precision.carried import CarriedEngine, unmarked
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.equalise import equalised
from nobuco.tflite.precision.halves import HALF_MOST, beyond_half
from nobuco.tflite.precision.hard_swishes import taken_apart
from nobuco.tflite.precision.judge import agreement, broken, output_errors
from nobuco.tflite.precision.keeping import check_kept
from nobuco.tflite.precision.layers import alone, fewest_kept, quantised_rows
from nobuco.tflite.precision.prepare import BIAS, EQUALISE, Prepared, Trial, wanted_of
from nobuco.tflite.precision.ranges import Range, check_ranges, ranges_on
from nobuco.tflite.precision.recipe import (
    EXPECTED_SNR,
    LEAST_AGREEMENT,
    LEAST_SNR,
    LITERT,
    TENSORFLOW,
    Recipe,
)
from nobuco.tflite.precision.result import Precision, stayed_float, worst_rows
from nobuco.tflite.precision.running import Sample, outputs_on
from nobuco.tflite.precision.samples import doubts, samples_of

_QUICKLY_TRIED = 100  # layers; each takes a file of its own


@dataclass(frozen=True)
class Request:
    """What is asked of a quantised file; see `export_tflite`.

    Attributes:
        examples: inputs that the model is known to take, the traced ones first; to compare on where there is no calibration.
        layouts: of the inputs, see `samples_of`.
        for_gpu: the file is for GPU delegates.
        marked: makes the float file with the scales that the model carries, where it does.
        judged: whether a file whose outputs say nothing is refused, and one that is far off told of; one that is to be
            measured is made whatever it is.
    """

    recipe: Recipe
    calibration: Any = None
    integer_io: bool = False
    auto: bool = False
    min_agreement: float = 0.99
    examples: Sequence[Sample] = ()
    traced: bool = False
    layouts: Sequence[Sequence[int]] | None = None
    for_gpu: bool = False
    marked: Callable[[], bytes] | None = None
    prepare: str | Sequence[str] | None = None
    judged: bool = True

    @property
    def carried(self) -> bool:
        """Whether the scales of activations come from the model itself."""
        recipe = self.recipe
        return (
            self.marked is not None
            and recipe.activations == "int8"
            and recipe.engine == LITERT
            and not recipe.rows
        )


def quantised(
    data: bytes,
    info: TFLiteInfo,
    request: Request,
    convert: Callable[[Recipe, Sequence[Sample], bool], bytes],
    keras_model: Any = None,
) -> tuple[bytes, Precision]:
    """The quantised form of a float file, and what is to be said of it.

    Args:
        data, info: the float file.
        convert: TFLite's own converter, for recipes that ask for it.
        keras_model: which leads back to PyTorch, where there is such a one.

    Raises TFLiteExportError, CalibrationError; TFLiteMismatchError for a file whose outputs say nothing."""
    recipe = request.recipe
    check_kept(recipe, info)
    samples = _samples(request, info)
    compared = samples or list(request.examples)
    wanted = outputs_on(data, compared)
    float_bytes = len(data)
    if request.carried:
        data = request.marked()  # type: ignore[misc]
        info = _inspected(data, keras_model)
        free = unmarked(data)
        ranges = {index: each for index, each in ranges_on(data, samples).items() if index in free}
    else:
        ranges = ranges_on(data, samples) if recipe.static else {}
    names = [tensor.name for tensor in info.outputs]
    preparing, choose = _preparing(request)
    trial = Trial(names, samples, wanted, choose) if preparing else None
    prepared: list[Prepared] = []
    steps: tuple = ()
    engine = None

    def engine_of(data: bytes, ranges: Mapping[int, Range]) -> Engine:
        return Engine(data, info, ranges, samples, request.integer_io, request.for_gpu)

    if recipe.engine == TENSORFLOW:
        check_ranges(ranges, info, info.rows)
        made = convert(recipe, samples, request.integer_io)
        made = made if request.for_gpu else taken_apart(made)
    else:
        if request.carried:
            check_ranges(ranges, info, info.rows)
            engine = CarriedEngine(data, info, ranges, request.integer_io)
        else:
            engine = engine_of(data, ranges)
            check_ranges(ranges, info, quantised_rows(engine, recipe, info))
        if trial is not None and EQUALISE in preparing:
            new, pairs, clipped = equalised(data, trial.fitting)
            said = f"{pairs} pairs of layers" + (
                f", {clipped} more have a RELU6 between them that may clip" if clipped else ""
            )
            better = engine_of(new, ranges_on(new, samples)) if pairs else engine
            found = trial.tried(
                EQUALISE, said, pairs, engine.quantised(recipe), lambda: better.quantised(recipe)
            )
            prepared.append(found)
            if found.kept:
                data, engine = new, better
        if request.auto:
            recipe, tried = fewest_kept(engine, recipe, info, compared, wanted, request.min_agreement)
            steps = tuple(tried)
        made = engine.quantised(recipe)
        if trial is not None and BIAS in preparing:
            new, layers = corrected(made, data, trial.fitting)
            found = trial.tried(BIAS, f"{layers} layers", layers, made, lambda: new)
            prepared.append(found)
            made = new if found.kept else made

    if lost := beyond_half(made, data):
        row = next((row for row in info.rows if lost.index in row.inputs), None)
        made_of = row.origins[0] if row is not None and row.origins else repr(lost.name)
        raise TFLiteExportError(
            f"the weights of {made_of} reach {lost.most:.3g}, and fp16 has no number beyond {HALF_MOST:,.0f}: keep that "
            "layer in float (keep of nobuco.Recipe), or scale them"
        )

    def harm() -> str:
        rows = [] if engine is None else quantised_rows(engine, recipe, info)
        if engine is None or len(rows) > _QUICKLY_TRIED:
            return "; nobuco.accuracy tells which layers it is lost in"
        return f"; most is lost in {worst_rows(alone(engine, recipe, info, compared, wanted))}"

    try:
        got = outputs_on(made, compared)
        fault = broken(names, got, wanted) if request.judged else ""
    except TFLiteMismatchError as error:
        got, fault = [], f"{error}; precision=nobuco.Recipe(engine='tensorflow') may make one that does"
    if fault:
        raise TFLiteMismatchError(f"{fault}; no file was written{harm()}")
    found = Precision(
        recipe,
        len(compared),
        tuple(output_errors(names, got, wanted)),
        agreement(got, wanted),
        float_bytes,
        len(made),
        tuple(stayed_float(_inspected(made, keras_model), info, recipe, engine)),
        steps,
        tuple(prepared),
    )
    expected = EXPECTED_SNR.get(recipe.name, LEAST_SNR)
    if request.judged and (found.snr < expected or found.agreement < LEAST_AGREEMENT):
        faults = [f"{found.agreement:.1%} of {found.samples} samples come out alike"]
        if found.snr < expected:
            faults.insert(0, f"it has an SNR of {found.snr:.1f} dB ({expected:.0f} is little)")
        warnings.warn(
            f"the {recipe.name} file is far from the float one: {', and '.join(faults)}{harm()}",
            PrecisionWarning,
            stacklevel=3,
        )
    return made, found


def _preparing(request: Request) -> tuple[tuple[str, ...], bool]:
    preparing, choose = wanted_of(request.prepare)
    recipe = request.recipe
    if preparing and request.carried:
        raise TFLiteExportError(
            "prepare is for models without scales of their own: this one is fake-quantised, and its file has its scales"
        )
    if preparing and (recipe.activations != "int8" or recipe.rows or recipe.engine != LITERT):
        raise TFLiteExportError(
            f"prepare is for int8 activations by the engine {LITERT!r}, and the recipe is {recipe}: leave it out"
        )
    return preparing, choose


def _samples(request: Request, info: TFLiteInfo) -> list[list[Any]]:
    if info.flex_ops:
        raise TFLiteExportError(
            f"a quantised file is compared with the float one, which cannot be run here: it needs the Flex delegate for "
            f"{', '.join(info.flex_ops)}"
        )
    if request.calibration is None:
        if (request.recipe.static and not request.carried) or request.auto:
            asked = "auto" if request.auto else request.recipe.name
            raise CalibrationError(
                f"precision {asked!r} needs calibration, to find the ranges of activations: give "
                "calibration=, some 100 inputs like those that the model will see (arrays, a loader, or a folder of images)"
            )
        return []
    samples = samples_of(request.calibration, info.inputs, request.layouts)
    if not samples:
        raise CalibrationError("calibration holds no sample: give some 100")
    found = doubts(samples, info.inputs, request.examples[0] if request.traced else None)
    for doubt in found if request.judged else ():
        warnings.warn(doubt, CalibrationWarning, stacklevel=4)
    return samples


def _inspected(data: bytes, keras_model: Any) -> TFLiteInfo:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quantised.tflite")
        path.write_bytes(data)
        return inspect_tflite(path, keras_model)
