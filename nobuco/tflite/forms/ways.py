"""Whether a way of a branch may be run where the program would not take it: whether any of its ops could fail then.

A number that is none does no harm, as the way that is taken is chosen, and not mixed with the other. What is told by sizes
and constants alone has been checked when the function was made. So an op can fail by what it computes with, places to
gather from, sizes that were computed, a whole number divided by zero, and by sizes that are only known at run time, where
the program asks for them before it goes that way. What is not known to be safe counts as unsafe."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Tensor
from nobuco.tflite.forms.ranks import ELEMENTWISE, REDUCTIONS
from nobuco.tflite.lowering.rewrite import inner_graphs

BRANCHES = ("If", "StatelessIf")
_NAMES = ("Identity", "StopGradient", "PreventGradient", "CheckNumerics")
_ALIKE = (
    *ELEMENTWISE, *_NAMES, "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "BiasAdd", "Cosh", "Div",
    "DivNoNan", "Erfc", "Expm1", "Inv", "IsFinite", "IsInf", "IsNan", "Log1p", "LogSoftmax", "LogicalXor", "Mod", "OnesLike",
    "Reciprocal", "Rint", "Select", "Selu", "Sinh", "Softmax", "Softplus", "Softsign", "Tan", "TruncateDiv", "TruncateMod",
    "Xdivy", "ZerosLike",
)  # fmt: skip
"""The result has the sizes of what goes in."""
_DIVISIONS = ("Div", "FloorDiv", "FloorMod", "Mod", "RealDiv", "TruncateDiv", "TruncateMod", "Pow")
_WINDOWS = ("AvgPool", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "MaxPool")
_PRODUCTS = ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul")
_JOINTS = ("ConcatV2", "Pack")
_OF_NOTHING = ("Const", "NoOp", "Placeholder", "ReadVariableOp")

# The inputs that have to be constants.
_ARGUMENTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(REDUCTIONS, (1,)),
    **dict.fromkeys(("BroadcastTo", "Cumsum", "ExpandDims", "MirrorPad", "Pad", "Reshape", "ReverseV2", "Tile"), (1,)),
    **dict.fromkeys(("ArgMax", "ArgMin", "OneHot", "ResizeBilinear", "ResizeNearestNeighbor", "Transpose"), (1,)),
    **dict.fromkeys(("BatchToSpaceND", "GatherV2", "PadV2", "Slice", "SpaceToBatchND", "SplitV"), (1, 2)),
    **dict.fromkeys(("Conv2DBackpropInput", "Fill", "Split"), (0,)),
    "ConcatV2": (-1,), "Range": (0, 1, 2), "StridedSlice": (1, 2, 3),
}  # fmt: skip
_OTHERS = ("DepthToSpace", "FusedBatchNormV3", "Shape", "SpaceToDepth", "Squeeze", "Unpack")
_KNOWN = {*_ALIKE, *_WINDOWS, *_PRODUCTS, *_JOINTS, *_OF_NOTHING, *_ARGUMENTS, *_OTHERS}
_OF_ANY_SIZE = {
    *REDUCTIONS, "ArgMax", "ArgMin", "Cumsum", "ExpandDims", "FusedBatchNormV3", "OneHot", "Pad", "PadV2", "ResizeBilinear",
    "ResizeNearestNeighbor", "ReverseV2", "Shape", "Tile", "Transpose",
}  # fmt: skip
"""They take their input whatever sizes it has."""


@dataclass(frozen=True)
class Way:
    """A function that stands in another one, and what it is given there.

    Attributes:
        graph: the function.
        given: a tensor of the function around it for each of its inputs.
        around: that function; None for one whose inputs may be anything.
    """

    graph: Any
    given: Sequence[Tensor] = ()
    around: Way | None = None
    _known: dict[Hashable, Hashable] = field(default_factory=dict, compare=False)

    def source(self, tensor: Tensor) -> tuple[Tensor, Way]:
        """What a tensor is another name of, in the function that makes it."""
        way = self
        while True:
            if tensor.op.type in _NAMES:
                tensor = tensor.op.inputs[0]
            elif tensor.op.type == "Placeholder" and way.around is not None:
                place = next(i for i, each in enumerate(way.graph.inputs) if each is tensor)
                tensor, way = way.given[place], way.around
            else:
                return tensor, way

    def static(self, tensor: Tensor) -> Any:
        """The value, where it is a constant; else None."""
        return tf.get_static_value(self.source(tensor)[0])

    def sizes(self, tensor: Tensor) -> list[Hashable] | None:
        """Of each dim, its size, or what tells it from sizes that may be others; None where their number is not known."""
        return (
            None if tensor.shape.rank is None else [self._size(tensor, i) for i in range(tensor.shape.rank)]
        )

    def _size(self, tensor: Tensor, axis: int) -> Hashable:
        if tensor.shape[axis] is not None:
            return tensor.shape[axis]
        tensor, way = self.source(tensor)
        place = (tensor.ref(), axis)
        if place not in way._known:
            same = [way._size(*each) for each in _of_equal_size(way, tensor, axis)]
            open_ones = {size for size in same if not isinstance(size, int)}
            way._known[place] = open_ones.pop() if len(open_ones) == 1 else place
        return way._known[place]

    def operations(self) -> Iterator[Any]:
        """Its ops in order, the sizes of each known by those before it: none is looked for deep down."""
        for op in self.graph.get_operations():
            for tensor in op.outputs:
                self.sizes(tensor)
            yield op

    def faults(self) -> Iterator[str]:
        """How its ops could fail."""
        for op in self.operations():
            found = _fault(op, self)
            if found is not None:
                yield found


def ways_of(op: Any, around: Way) -> list[Way]:
    """Of a branch: what it runs where its condition holds, and where not."""
    return [Way(graph, list(op.inputs)[1:], around) for graph in inner_graphs(op).values()]


def obstacle(op: Any, around: Way) -> str | None:
    """Why both ways of a branch cannot be run and one result chosen; None where they can."""
    condition = op.inputs[0]
    if condition.dtype != tf.bool or condition.shape.num_elements() != 1:
        return "its condition is not one truth value"
    ways = ways_of(op, around)
    for way in ways:
        found = next(way.faults(), None)
        if found is not None:
            return found
    for yes, no in zip(*(way.graph.outputs for way in ways), strict=True):
        if yes.dtype in (tf.resource, tf.variant):
            return "a result is no tensor"
        one, other = ways[0].sizes(yes), ways[1].sizes(no)
        if one is None or one != other:
            return f"a result may have other sizes on one way, {yes.shape}, than on the other, {no.shape}"
    return None


def _fault(op: Any, way: Way) -> str | None:
    if op.type in BRANCHES:
        return obstacle(op, way)
    graphs = inner_graphs(op)
    if op.type in ("PartitionedCall", "StatefulPartitionedCall"):
        faults = (found for graph in graphs.values() for found in Way(graph, list(op.inputs), way).faults())
        return next(faults, None)
    if graphs:
        return "a way has a loop"
    if op.type not in _KNOWN:
        return f"a way has {op.type}, which may fail, or do more than compute, where the way is not taken"
    if any(way.static(op.inputs[place]) is None for place in _ARGUMENTS.get(op.type, ())):
        return f"a way has {op.type} by numbers that are computed, which may fail where the way is not taken"
    return _out_of_range(op, way) or _divided(op, way) or _of_open_sizes(op, way)


def _out_of_range(op: Any, way: Way) -> str | None:
    if op.type != "GatherV2":
        return None
    places, axis = way.static(op.inputs[1]), int(way.static(op.inputs[2]))
    size = None if op.inputs[0].shape.rank is None else op.inputs[0].shape[axis]
    if places.size and (size is None or places.min() < 0 or places.max() >= size):
        return "a way gathers from places that may not be there"
    return None


def _divided(op: Any, way: Way) -> str | None:
    if op.type not in _DIVISIONS or op.outputs[0].dtype.is_floating:
        return None
    divisor = way.static(op.inputs[1])
    if divisor is not None and ((divisor >= 0).all() if op.type == "Pow" else (divisor != 0).all()):
        return None
    return f"a way has {op.type} of whole numbers, which fails for some where the way is not taken"


# -- sizes that are only known at run time


def _of_open_sizes(op: Any, way: Way) -> str | None:
    tensors = [tensor for tensor in (*op.inputs, *op.outputs) if tensor.dtype != tf.resource]
    if op.type in (*_OF_NOTHING, *_NAMES) or all(each.shape.is_fully_defined() for each in tensors):
        return None
    if any(each.shape.rank is None for each in tensors) or not _fits_any_size(op, way):
        return f"a way has {op.type} on sizes that are only known at run time, and may not fit where the way is not taken"
    return None


def _fits_any_size(op: Any, way: Way) -> bool:
    if op.type in _ALIKE:
        return all(len({size for size in sizes if size != 1}) < 2 for sizes in _aligned(way, list(op.inputs)))
    if op.type in _WINDOWS:
        kernel = op.get_attr("ksize") if op.type.endswith("Pool") else [1, *op.inputs[1].shape[:-2], 1]
        open_ones = [i for i, size in enumerate(op.inputs[0].shape) if size is None]
        return op.get_attr("padding") == b"SAME" or all(i == 0 or kernel[i] == 1 for i in open_ones)
    if op.type in _PRODUCTS:
        return _fits_product(op, way)
    if op.type in _JOINTS:
        sizes = [way.sizes(tensor) for tensor in (op.inputs[:-1] if op.type == "ConcatV2" else op.inputs)]
        if op.type == "ConcatV2":
            axis = int(way.static(op.inputs[-1]))
            for each in sizes:
                each[axis] = None  # type: ignore[index]
        return all(each == sizes[0] for each in sizes)
    if op.type == "Reshape":
        return _kept_by_reshape(op) is not None
    if op.type == "StridedSlice":
        return not op.get_attr("shrink_axis_mask") and not op.get_attr("ellipsis_mask")
    return op.type in _OF_ANY_SIZE


def _fits_product(op: Any, way: Way) -> bool:
    turned = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    a, b = (way.sizes(tensor) for tensor in op.inputs)
    assert a is not None and b is not None
    inner = (a[-2] if op.get_attr(turned[0]) else a[-1]), (b[-1] if op.get_attr(turned[1]) else b[-2])
    batches = zip(reversed(a[:-2]), reversed(b[:-2]), strict=False)
    return inner[0] == inner[1] and all(x == y or 1 in (x, y) for x, y in batches)


def _aligned(way: Way, tensors: Sequence[Tensor]) -> list[list[Hashable]]:
    """The sizes of all of them along each dim, counted from the last."""
    sizes = [list(reversed(way.sizes(tensor) or [])) for tensor in tensors]
    most = max(map(len, sizes))
    return [[each[place] for each in sizes if place < len(each)] for place in range(most)]


def _kept_by_reshape(op: Any) -> tuple[int, int] | None:
    """The one size that is not known, before and after, where the reshape leaves it as it is."""
    before, after = op.inputs[0].shape.as_list(), op.outputs[0].shape.as_list()
    if before.count(None) != 1 or after.count(None) != 1:
        return None
    counts = [
        tf.TensorShape([size for size in sizes if size is not None]).num_elements()
        for sizes in (before, after)
    ]
    return (before.index(None), after.index(None)) if counts[0] == counts[1] != 0 else None


def _of_equal_size(way: Way, tensor: Tensor, axis: int) -> Iterator[tuple[Tensor, int]]:
    """What an op is given that has the same size along a dim as its result, where neither is known."""
    op = tensor.op
    if op.type in _ALIKE:
        back = tensor.shape.rank - axis
        for each in op.inputs:
            if each.shape.rank is not None and each.shape.rank >= back and each.shape[-back] is None:
                yield each, each.shape.rank - back
    elif op.type in _WINDOWS:
        steps = op.get_attr("strides")
        if axis == 0 or (op.get_attr("padding") == b"SAME" and steps[axis] == 1):
            yield op.inputs[0], axis
    elif op.type == "FusedBatchNormV3":
        yield op.inputs[0], axis
    elif op.type in _PRODUCTS:
        a = op.inputs[0]
        turned = op.type == "MatMul" and op.get_attr("transpose_a")
        if (
            not turned
            and a.shape.rank == tensor.shape.rank
            and axis < a.shape.rank - 1
            and a.shape[axis] is None
        ):
            yield a, axis
    elif op.type == "Transpose":
        order = way.static(op.inputs[1])
        if order is not None:
            yield op.inputs[0], int(order[axis])
    elif op.type == "Reshape":
        kept = _kept_by_reshape(op)
        if kept is not None and kept[1] == axis:
            yield op.inputs[0], kept[0]
