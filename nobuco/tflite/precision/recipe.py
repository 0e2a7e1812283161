"""What a file is to compute with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nobuco.tflite.errors import TFLiteExportError

LITERT, TENSORFLOW = "litert-quantizer", "tensorflow"


@dataclass(frozen=True)
class Recipe:
    """How the weights and the activations of a file are stored and computed.

    Attributes:
        weights: "fp16", "int8" or "int4"; symmetric, with a scale for each output channel.
        activations: "float"; "dynamic": float between the ops, which turn them into int8 as they run; "int8" or "int16":
            with scales that calibration finds.
        keep: what stays float32: paths of PyTorch modules (`features.0`, with all that lies inside), or names of tensors
            of the file.
        engine: which program does it: "litert-quantizer" works on the finished file, "tensorflow" is TFLite's own
            converter, which has integer forms of more ops and keeps nothing float on request.
        rows: rows of litert-quantizer's own recipe, in place of `weights` and `activations`: regular expressions on the
            names of tensors, in which the paths of the PyTorch modules stand. See `litert_quantizer.recipe`.
    """

    weights: str = "int8"
    activations: str = "int8"
    keep: tuple[str, ...] = ()
    engine: str = LITERT
    rows: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.keep, str) or not isinstance(self.keep, Iterable):
            raise TFLiteExportError(f"keep is {self.keep!r}: give a tuple of module paths")
        object.__setattr__(self, "keep", tuple(self.keep))
        for each in self.keep:
            if not isinstance(each, str) or not each:
                raise TFLiteExportError(f"keep holds {each!r}: give module paths, such as 'features.0'")
        for row in self.rows:
            missing = [key for key in _KEYS if key not in row] if isinstance(row, Mapping) else _KEYS
            if missing:
                raise TFLiteExportError(
                    f"{row!r} is no row of litert-quantizer's recipe: it lacks {', '.join(map(repr, missing))}"
                )
        if self.engine not in (LITERT, TENSORFLOW):
            raise TFLiteExportError(f"engine is {self.engine!r}: give {LITERT!r} or {TENSORFLOW!r}")
        if self.engine == TENSORFLOW and (self.rows or self.keep):
            raise TFLiteExportError(f"keep and rows need the engine {LITERT!r}: TensorFlow's takes neither")
        if not self.rows and (self.weights, self.activations) not in _KNOWN:
            known = ", ".join(f"{weights}/{activations}" for weights, activations in _KNOWN)
            raise TFLiteExportError(
                f"no file has {self.weights} weights with {self.activations} activations: weights/activations are one "
                f"of {known}"
            )
        if self.engine == TENSORFLOW and self.weights == "int4":
            raise TFLiteExportError(f"int4 weights need the engine {LITERT!r}")

    @property
    def static(self) -> bool:
        """Whether scales of activations stand in the file, so that calibration has to find them."""
        if self.rows:
            return any("activation_tensor_config" in row.get("op_config", {}) for row in self.rows)
        return self.activations in ("int8", "int16")

    @property
    def of_integers(self) -> bool:
        """Whether products are computed, or weights stored, as integers."""
        return bool(self.rows) or self.weights != "fp16"

    @property
    def name(self) -> str:
        """ "int8" of a recipe that has a name, else its parts."""
        if self.rows:
            return "recipe"
        return _KNOWN[self.weights, self.activations]

    def __str__(self) -> str:
        kept = f", {len(self.keep)} kept in float" if self.keep else ""
        return f"{self.name} by {self.engine}{kept}"


_KEYS = ("regex", "operation", "algorithm_key")
_KNOWN = {
    ("fp16", "float"): "fp16",
    ("int8", "int8"): "int8",
    ("int8", "dynamic"): "int8-dynamic",
    ("int8", "int16"): "int16x8",
    ("int8", "float"): "int8-weights",
    ("int4", "float"): "int4-weights",
}
RECIPES = {name: Recipe(*parts) for parts, name in _KNOWN.items()}
# Decibels of signal over noise at the outputs below which a file of this kind is told of: far less than each usually has.
EXPECTED_SNR = {"fp16": 40.0, "int16x8": 25.0, "int8-weights": 15.0}
LEAST_SNR = 10.0  # for the others
LEAST_AGREEMENT = 0.9


def recipe_of(precision: Any) -> Recipe | None:
    """The recipe that a user means; None for float32. Raises TFLiteExportError."""
    if isinstance(precision, Recipe):
        return precision
    if isinstance(precision, str):
        if precision == "fp32":
            return None
        if precision == "auto":
            return RECIPES["int8"]
        if precision in RECIPES:
            return RECIPES[precision]
        raise TFLiteExportError(
            f"precision is {precision!r}: give fp32, auto, {', '.join(RECIPES)}, or a nobuco.Recipe"
        )
    if isinstance(precision, Sequence) and all(isinstance(row, Mapping) for row in precision) and precision:
        return Recipe(rows=tuple(precision))
    raise TFLiteExportError(
        f"precision is a {type(precision).__name__}: give the name of one, a nobuco.Recipe, or rows of litert-quantizer's"
    )
