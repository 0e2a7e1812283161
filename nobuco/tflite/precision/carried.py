"""Scales that a model brings along: of activations, where it was trained with fake quantisation, and of weights that lie on
a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.editing import FLOAT32, INT8, Editing, Scale
from nobuco.tflite.precision.integer_ops import AVERAGES, FIXED, HANDS_ON, JOINS, KNOWN, in_integers
from nobuco.tflite.precision.keeping import is_kept
from nobuco.tflite.precision.ranges import Range
from nobuco.tflite.precision.recipe import Recipe

UNSCALED = "the model carries no scale for it, and there is no calibration"
_SHARED = "its result is also used unrounded"


class CarriedEngine:
    """The quantised forms of a file in which pairs of QUANTIZE and DEQUANTIZE mark what the model rounds.

    An op between marks computes with integers, and its outcome is rounded where PyTorch rounds it. All other ops compute in
    float, between pairs that stay.

    Args:
        data: the marked file.
        info: what is in it.
        ranges: of its tensors, from calibration, for those without a mark; may be empty.
        integer_io: inputs and outputs that are marked are integers.
    """

    def __init__(
        self, data: bytes, info: TFLiteInfo, ranges: Mapping[int, Range], integer_io: bool = False
    ) -> None:
        self._data, self._info, self._ranges, self._integer_io = data, info, ranges, integer_io
        self._why: dict[str, str] | None = None

    def quantised(self, recipe: Recipe, only: Sequence[TFLiteOp] | None = None) -> bytes:
        """The file. `only`: the ops that compute with integers, all others stay float."""
        return self._made(recipe, only)[0]

    def takes(self, recipe: Recipe, row: TFLiteOp) -> bool:
        return row.op not in _MARKS and row.name not in self.why_float()

    def why_float(self) -> dict[str, str]:
        """Of each op that has no quantised form here, by its name: why."""
        if self._why is None:
            self._why = self._made(Recipe(), None)[1]
        return self._why

    def _made(self, recipe: Recipe, only: Sequence[TFLiteOp] | None) -> tuple[bytes, dict[str, str]]:
        editing = Editing(self._data)
        _in_int8(editing)
        _add_marks(editing, self._ranges)
        rows = {row.name: row for row in self._info.rows if row.subgraph == 0}
        chosen = None if only is None else {row.name for row in only}

        def wanted(name: str) -> bool:
            return (
                (name in chosen) if chosen is not None else not (name in rows and is_kept(rows[name], recipe))
            )

        why = _between_marks(editing, wanted)
        _tidy(editing)
        if self._integer_io:
            _integer_ends(editing)
        return editing.bytes(), why


_MARKS = {"QUANTIZE", "DEQUANTIZE"}


def unmarked(data: bytes) -> set[int]:
    """The float tensors of a marked file that nothing is known of."""
    editing = Editing(data)
    marked = _Marks(editing)
    return {
        index
        for index in [*map(int, editing.graph.inputs), *(int(i) for op in editing.ops for i in op.outputs)]
        if editing.is_float(index) and index not in marked.roundings and index not in marked.integers
    }


class _Marks:
    """Attributes:
    integers: by float tensor that a DEQUANTIZE makes, the int8 tensor.
    roundings: by float tensor, the ops that round it.
    others: float tensors that are read by other ops, or returned.
    """

    def __init__(self, editing: Editing) -> None:
        self.integers: dict[int, int] = {}
        self.roundings: dict[int, list[Any]] = {}
        self.others = {int(index) for index in editing.graph.outputs}
        for op in editing.ops:
            kind, inputs = editing.kind(op), [int(index) for index in op.inputs]
            if kind == "DEQUANTIZE":
                self.integers[int(op.outputs[0])] = inputs[0]
            elif kind == "QUANTIZE" and editing.is_float(inputs[0]):
                self.roundings.setdefault(inputs[0], []).append(op)
            else:
                self.others.update(inputs)


def _in_int8(editing: Editing) -> None:
    for tensor in editing.graph.tensors:
        quantisation = tensor.quantization
        if (
            tensor.type == fb.schema.TensorType.UINT8
            and quantisation is not None
            and quantisation.scale is not None
        ):
            tensor.type = INT8
            quantisation.zeroPoint = [int(zero) - 128 for zero in quantisation.zeroPoint]


def _add_marks(editing: Editing, ranges: Mapping[int, Range]) -> None:
    """Pairs where what is rounded already is handed on, and where calibration has found a range."""
    marks = _Marks(editing)
    _mark_before(editing, marks)
    for index in [int(each) for each in editing.graph.inputs]:
        if editing.is_float(index) and index not in marks.roundings and index in ranges:
            editing.graph.operators = [*_pair(editing, index, _of_range(ranges[index]), marks), *editing.ops]
    done: list[Any] = []
    for op in list(editing.ops):
        done.append(op)
        if editing.kind(op) in _MARKS:
            continue
        for index in [int(each) for each in op.outputs]:
            if not editing.is_float(index) or index in marks.roundings:
                continue
            scale = _following(editing, op, marks)
            if scale is None and index in ranges:
                scale = FIXED.get(editing.kind(op)) or _of_range(ranges[index])
            elif scale is not None and editing.kind(op) in AVERAGES and index not in ranges:
                scale = None  # what PyTorch does not round here, this would
            if scale is not None:
                done += _pair(editing, index, scale, marks)
    editing.graph.operators = done


def _mark_before(editing: Editing, marks: _Marks) -> None:
    """Numbers that are moved first and rounded then are rounded first."""
    readers = editing.readers()
    done: list[Any] = []
    for op in reversed(list(editing.ops)):
        done.insert(0, op)
        floats = [
            index
            for index in map(int, op.inputs)
            if editing.is_float(index) and editing.constant(index) is None
        ]
        if editing.kind(op) not in HANDS_ON or len(floats) != 1 or len(op.outputs) != 1:
            continue
        (given,), made = floats, int(op.outputs[0])
        free = given not in marks.roundings and given not in marks.integers
        if (
            free
            and made in marks.roundings
            and len(readers[given]) == 1
            and given not in map(int, editing.graph.outputs)
        ):
            scale = editing.scale(int(marks.roundings[made][0].outputs[0]))
            assert scale is not None
            done[:0] = _pair(editing, given, scale, marks)
    editing.graph.operators = done


def _following(editing: Editing, op: Any, marks: _Marks) -> Scale | None:
    """The scale that all that the op reads has, where its outcome has the same."""
    if editing.kind(op) not in HANDS_ON | JOINS | AVERAGES:
        return None
    given = [index for index in map(int, op.inputs) if editing.is_float(index)]
    if editing.kind(op) in HANDS_ON:  # what a PADV2 puts around
        given = [index for index in given if editing.constant(index) is None]
    scales = [editing.scale(marks.integers[index]) if index in marks.integers else None for index in given]
    return scales[0] if scales and all(each == scales[0] for each in scales) else None


def _pair(editing: Editing, index: int, scale: Scale, marks: _Marks) -> list[Any]:
    whole = editing.add_like(index, INT8, scale, ";rounded")
    rounded = editing.add_like(index, FLOAT32, None, ";marked")
    pair = [editing.op("QUANTIZE", index, whole), editing.op("DEQUANTIZE", whole, rounded)]
    editing.replace_reads(lambda each: rounded if each == index else each)
    marks.integers[rounded] = whole
    marks.roundings[index] = pair[:1]
    marks.others.discard(index)
    return pair


def _of_range(found: Range) -> Scale:
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    size = (high - low) / 255
    return Scale(size, max(-128, min(127, round(-128 - low / size))))


def _between_marks(editing: Editing, wanted: Any) -> dict[str, str]:
    """Turns ops between marks into those of integers; of the others, by name, why not."""
    marks = _Marks(editing)
    why: dict[str, str] = {}
    done: list[Any] = []
    gone: list[Any] = []
    for op in editing.ops:
        kind, outputs = editing.kind(op), [int(index) for index in op.outputs]
        if kind in _MARKS or not any(editing.is_float(index) for index in (*map(int, op.inputs), *outputs)):
            done.append(op)
            continue
        name = editing.name(outputs[0])
        if not wanted(name):
            done.append(op)
            continue
        reason = _reason(editing, op, marks)
        if not reason:
            roundings = [marks.roundings[index][0] for index in outputs]
            whole = [int(each.outputs[0]) for each in roundings]
            made = in_integers(editing, op, marks.integers, whole)
            if isinstance(made, str):
                reason = made
            else:
                for index, into in zip(outputs, whole, strict=True):
                    editing.graph.tensors[into].name = editing.graph.tensors[index].name
                done += made
                gone += roundings
        if reason:
            why[name] = reason
            done.append(op)
    editing.graph.operators = [op for op in done if not any(op is each for each in gone)]
    return why


def _reason(editing: Editing, op: Any, marks: _Marks) -> str:
    if editing.kind(op) not in KNOWN:
        return ""  # which says so itself
    for index in map(int, op.inputs):
        if editing.is_float(index) and index not in marks.integers and editing.constant(index) is None:
            return UNSCALED
    for index in map(int, op.outputs):
        if index not in marks.roundings:
            return UNSCALED
        if index in marks.others or len(marks.roundings[index]) > 1:
            return _SHARED
    return ""


def _tidy(editing: Editing) -> None:
    """No number is turned into another form and back."""
    marks = _Marks(editing)
    same: dict[int, int] = {}
    for op in editing.ops:
        if editing.kind(op) == "QUANTIZE":
            given, made = int(op.inputs[0]), int(op.outputs[0])
            given = marks.integers.get(given, given)
            given = same.get(given, given)
            if editing.scale(given) is not None:
                op.inputs = [given]
                if editing.scale(given) == editing.scale(made):
                    same[made] = given
    editing.replace_reads(lambda index: same.get(index, index))
    while True:
        read = {int(index) for op in editing.ops for index in op.inputs} | {*map(int, editing.graph.outputs)}
        left = [op for op in editing.ops if editing.kind(op) not in _MARKS or int(op.outputs[0]) in read]
        if len(left) == len(editing.ops):
            return
        editing.graph.operators = left


def _integer_ends(editing: Editing) -> None:
    readers = editing.readers()
    for index in [int(each) for each in editing.graph.inputs]:
        read = readers.get(index, [])
        if editing.is_float(index) and len(read) == 1 and editing.kind(read[0]) == "QUANTIZE":
            editing.replace_input(index, int(read[0].outputs[0]))
            editing.graph.operators = [op for op in editing.ops if op is not read[0]]
    marks = _Marks(editing)
    ends: dict[int, int] = {}
    for index in dict.fromkeys(map(int, editing.graph.outputs)):
        if index in marks.integers and marks.integers[index] not in [
            *ends.values(),
            *map(int, editing.graph.inputs),
        ]:
            ends[index] = marks.integers[index]
    # what else reads the float numbers goes on doing so
    editing.replace_reads(lambda index: ends.get(index, index), but=editing.ops)
    _tidy(editing)
