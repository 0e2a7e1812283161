"""litert-quantizer, which turns a float file into a quantised one."""

from __future__ import annotations

import functools
import io
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from typing import Any

import numpy as np

from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.hard_swishes import HARD_SWISH, taken_apart
from nobuco.tflite.precision.keeping import is_kept
from nobuco.tflite.precision.ranges import Range
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.precision.running import Sample

_EVERYTHING = "*"
_FLOAT = {"algorithm_key": "no_quantize", "op_config": {}}
_NEEDS_RUNS = {"gptq", "oscar"}  # algorithms that look at more of the activations than their ends


class Engine:
    """The quantised forms of one float file.

    Args:
        data: the float file.
        info: what is in it.
        ranges: of its tensors, from calibration; empty for recipes that need none.
        samples: those of calibration.
        integer_io: the inputs and outputs are integers, too, where activations are.
        for_gpu: ops stay whole that XNNPACK takes only in parts.

    Raises TFLiteExportError: litert-quantizer is not installed.
    """

    def __init__(
        self,
        data: bytes,
        info: TFLiteInfo,
        ranges: Mapping[int, Range],
        samples: Sequence[Sample] = (),
        integer_io: bool = False,
        for_gpu: bool = False,
    ) -> None:
        self._modules = _modules()
        self._info, self._samples = info, samples
        # one for all recipes: reading the file takes it as long as quantising, and it changes a copy
        self._quantizer = self._modules.quantizer.Quantizer(bytearray(data))
        # would run the float file at its default sizes, which are no sizes where they are open
        self._quantizer._ensure_model_qsv_sufficient = lambda _: None
        self._integer_io = integer_io
        self._found_beside: dict[Recipe, dict[str, TFLiteOp]] = {}
        self._apart = not for_gpu and any(row.op == HARD_SWISH for row in info.rows)
        self._ranges = {
            each.name: {
                "min": np.full((1,) * each.rank, each.low, np.float32),
                "max": np.full((1,) * each.rank, each.high, np.float32),
            }
            for each in ranges.values()
        }

    def quantised(self, recipe: Recipe, only: Sequence[TFLiteOp] | None = None) -> bytes:
        """The file. `only`: the ops that are quantised, all others stay float."""
        quantizer = self._quantizer
        beside = self._beside(recipe)
        kept = [*self._kept(recipe), *(row for row in self._info.rows if row.name in beside)]
        quantizer.load_quantization_recipe(self._rows(recipe, only, kept))
        try:
            # it draws its progress on stderr
            with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
                # numpy's, of a scale that is no number: such files are found out by their outputs
                warnings.simplefilter("ignore")
                ranges = self._statistics(quantizer, recipe) if recipe.static else None
                result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        except Exception as error:  # whatever it raises on a graph that it does not expect
            logging.getLogger("nobuco").debug("litert-quantizer failed", exc_info=error)
            raise TFLiteExportError(
                f"litert-quantizer failed on the model, saying {str(error)!r}: give "
                "precision=nobuco.Recipe(..., engine='tensorflow')"
            ) from error
        made = bytes(result.quantized_model)
        return taken_apart(made) if self._apart and recipe.static else made

    def takes(self, recipe: Recipe, row: TFLiteOp) -> bool:
        """Whether the engine makes a quantised form of an op, as the recipe has it."""
        return row.name not in self._beside(recipe) and self._knows(self._manager(recipe), row)

    def _manager(self, recipe: Recipe) -> Any:
        manager = self._modules.recipe_manager.RecipeManager()
        manager.load_quantization_recipe(self._rows(recipe, None, self._kept(recipe)))
        return manager

    def _knows(self, manager: Any, row: TFLiteOp) -> bool:
        op = _OP_NAMES.get(row.op, row.op)
        if op not in {each.value for each in self._modules.qtyping.TFLOperationName}:
            return False
        key, _ = manager.get_quantization_configs(
            self._modules.qtyping.TFLOperationName(op), self._scope(row)
        )
        return str(getattr(key, "value", key)) != "no_quantize"

    def dearer_than_float(self, recipe: Recipe, row: TFLiteOp) -> bool:
        """Whether XNNPACK leaves the form that a recipe would make of an op to slower kernels, and takes the float one."""
        return row.op in self._dearer(recipe)

    def _dearer(self, recipe: Recipe) -> set[str]:
        # a file of integers from end to end is for processors that have nothing else
        whole = recipe.activations == "int8" and self._integer_io
        return set() if recipe.rows or whole else _DEARER.get(recipe.activations, set())

    def beside(self, recipe: Recipe, row: TFLiteOp) -> TFLiteOp | None:
        """The op of the same PyTorch call that stays float, where this one does for its sake."""
        return self._beside(recipe).get(row.name)

    def _beside(self, recipe: Recipe) -> dict[str, TFLiteOp]:
        """By name. What a call computes on the way is rounded to integers and back for nothing between two float ops."""
        if recipe.activations != "int8" or recipe.rows or self._integer_io:
            return {}
        if recipe not in self._found_beside:
            manager = self._manager(recipe)
            calls: dict[Any, list[TFLiteOp]] = {}
            for row in self._info.rows:
                if row.subgraph == 0 and row.origins:
                    calls.setdefault(row.origins[0], []).append(row)
            found: dict[str, TFLiteOp] = {}
            for rows in calls.values():
                first = next((row for row in rows if not self._knows(manager, row)), None)
                if first is not None and not any(row.op in _WEIGHTED for row in rows):
                    found |= {row.name: first for row in rows if row is not first}
            self._found_beside = {recipe: found}  # of the last one: recipes are tried by the hundred
        return self._found_beside[recipe]

    def _kept(self, recipe: Recipe) -> list[TFLiteOp]:
        return [row for row in self._info.rows if row.subgraph != 0 or is_kept(row, recipe)]

    def _rows(
        self, recipe: Recipe, only: Sequence[TFLiteOp] | None, kept: Sequence[TFLiteOp]
    ) -> list[dict[str, Any]]:
        rows = [dict(row) for row in recipe.rows] or [
            _row(recipe, self._modules),
            *({"regex": ".*", "operation": op, **_FLOAT} for op in sorted(self._dearer(recipe))),
        ]
        if only is not None:
            rows = [{**row, "regex": self._exactly(each)} for each in only for row in rows]
        elif recipe.static and not self._integer_io:
            rows += [{"regex": ".*", "operation": each, **_FLOAT} for each in ("INPUT", "OUTPUT")]
        return rows + [{"regex": self._exactly(row), "operation": _EVERYTHING, **_FLOAT} for row in kept]

    def _exactly(self, row: TFLiteOp) -> str:
        return f"^{re.escape(self._scope(row))}$"

    def _scope(self, row: TFLiteOp) -> str:
        """What the engine's regular expressions are held against."""
        return "".join(f"{name};" for name in row.output_names if name)

    def _statistics(self, quantizer: Any, recipe: Recipe) -> dict[str, Any]:
        if not any(str(row.get("algorithm_key")).lower() in _NEEDS_RUNS for row in recipe.rows):
            return {name: dict(each) for name, each in self._ranges.items()}
        names = [tensor.name for tensor in self._info.inputs]
        found = quantizer.calibrate(
            {"serving_default": [dict(zip(names, sample, strict=True)) for sample in self._samples]}
        )
        return {name: {**found.get(name, {}), **each} for name, each in {**found, **self._ranges}.items()}


# Where the engine's names differ from TFLite's own.
_OP_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}


# By activations: ops whose form XNNPACK leaves to slower kernels, while it takes the float one.
_DEARER = {
    "dynamic": {"DEPTHWISE_CONV_2D"},
    "int8": {
        "AVERAGE_POOL_2D", "BATCH_MATMUL", "DIV", "RELU", "RSQRT", "SELECT", "SELECT_V2", "SOFTMAX", "SQRT",
        "SQUARED_DIFFERENCE",
    },
}  # fmt: skip
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


def _row(recipe: Recipe, modules: Any) -> dict[str, Any]:
    manager = modules.recipe_manager.RecipeManager()
    bits = {"int4": 4, "int8": 8, "fp16": 16}[recipe.weights]
    if recipe.static:
        manager.add_static_config(".*", _EVERYTHING, 16 if recipe.activations == "int16" else 8, bits)
    elif recipe.activations == "dynamic":
        manager.add_dynamic_config(".*", _EVERYTHING, bits)
    else:
        casting = {"algorithm_key": "float_casting"} if recipe.weights == "fp16" else {}
        manager.add_weight_only_config(".*", _EVERYTHING, bits, **casting)
    return manager.get_quantization_recipe()[0]


@functools.cache
def _modules() -> Any:
    try:
        import litert_quantizer.quantizer as quantizer
        from litert_quantizer import qtyping, recipe_manager
    except ImportError as error:
        raise TFLiteExportError(
            f"a quantised file needs litert-quantizer, which cannot be imported ({error}): pip install 'nobuco[quantize]'"
        ) from error

    class Modules:
        pass

    found = Modules()
    found.quantizer, found.qtyping, found.recipe_manager = quantizer, qtyping, recipe_manager  # type: ignore[attr-defined]
    return found
