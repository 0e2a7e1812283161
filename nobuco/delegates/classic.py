"""The classic GPU delegate (OpenCL), which the official `benchmark_model --use_gpu` applies."""

from __future__ import annotations

from nobuco.delegates import numerics
from nobuco.delegates.graph import Node, Tensor
from nobuco.delegates.rule import Breach, Delegate, Rule, at_most
from nobuco.delegates.shared import COMMON, COMPARISONS, RULES, TENSORS, TWO_OPERANDS

_BUILDER = "model_builder.cc of LiteRT's classic delegate, August 2026"
_TRIED = "tried with the delegate of August 2026, on OpenCL in software"
_FLOATS = ("float32", "float16")
_QUANTIZED = ("int8", "uint8")
_SELECTS = ("SELECT", "SELECT_V2")

VERSIONS: dict[str, int | None] = {
    **at_most(
        None, "AVERAGE_POOL_2D", "BATCH_MATMUL", "CAST", "DEPTH_TO_SPACE", "HARD_SWISH", "LOGICAL_AND", "MEAN", "PACK",
        "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SPLIT", "SPLIT_V", "SUM", "TILE", "UNPACK",
    ),
    **at_most(1, "CUMSUM", "DENSIFY", "GATHER", "ONE_HOT", "PRELU", "RESHAPE", *_SELECTS),
    **at_most(
        2, "ABS", "ADD", "ADD_N", "CONCATENATION", "COS", "DIV", "ELU", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "GELU",
        "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MINIMUM", "MIRROR_PAD", "NEG", "PAD", "PADV2", "POW", "QUANTIZE",
        "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SIGN", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH",
        "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH", "MAX_POOL_2D", *COMPARISONS,
    ),
    **at_most(3, "DEQUANTIZE", "MUL", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TRANSPOSE_CONV"),
    **at_most(4, "LSTM", "STRIDED_SLICE", "TRANSPOSE"),
    **at_most(6, "CONV_2D", "DEPTHWISE_CONV_2D"),
    **at_most(9, "FULLY_CONNECTED"),
    **at_most(None, "Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Resampler"),
}  # fmt: skip


def _types(node: Node) -> str | None:
    taken = [*_FLOATS, *_QUANTIZED]
    read, written = list(taken), list(taken)
    if node.op in COMPARISONS:
        written.append("bool")
    if node.op == "CAST":
        read += ["bool", "int32"]
        written += ["bool", "int32"]
    if node.op in ("ONE_HOT", "GATHER"):
        read.append("int32")
    if node.op in _SELECTS:
        read.append("bool")
    if node.op == "LOGICAL_AND":
        read.append("bool")
        written.append("bool")
    wrong = [tensor.dtype for tensor in node.runtime if tensor.dtype not in read]
    wrong += [tensor.dtype for tensor in node.outputs if tensor.dtype not in written]
    return f"{wrong[0]} numbers" if wrong else None


def _compared(node: Node) -> str | None:
    readers = node.output.readers
    if len(readers) != 1:
        return f"{len(readers)} ops read the result of the comparison, one is taken"
    (reader,) = readers
    if reader.op not in ("CAST", *_SELECTS) or reader.output.dtype not in _FLOATS:
        return f"{reader.op} reads the result of the comparison, a CAST or SELECT that yields floats is taken"
    return None


def _cast(node: Node) -> str | None:
    source, made = node.given[0], node.output
    if (source.dtype, made.dtype) in {("bool", kind) for kind in _FLOATS}:
        if len(source.readers) != 1 or len(made.readers) != 1:
            return "a bool that is read twice, or a result that is"
        return None
    pairs = {
        *((kind, "bool") for kind in _FLOATS),
        *((a, b) for a in ("float32", "int32") for b in ("float32", "int32")),
    }
    return None if (source.dtype, made.dtype) in pairs else f"from {source.dtype} to {made.dtype}"


def _broadcast(node: Node) -> str | None:
    longer, shorter = sorted(node.given[:2], key=lambda tensor: -tensor.rank)
    if shorter.rank < 2 or longer.rank == shorter.rank:
        return None
    a, b = longer.shape, shorter.shape
    if len(a) == 4 and a[0] == 1 and (len(b) == 3 or b == (1, 1)):
        return None
    if len(a) == 4 and len(b) == 2 and (a[0], a[3]) == b:
        return None
    return f"{shorter} is broadcast to {longer}"


def _branches(node: Node) -> str | None:
    condition, *branches = node.given
    shape = node.output.shape
    pairs = zip(reversed(condition.shape), reversed(shape), strict=False)
    if condition.rank > len(shape) or any(size not in (1, wanted) for size, wanted in pairs):
        return f"a condition {condition} for {node.output}"
    found = [branch for branch in branches if branch.rank == 2 and not branch.constant]
    return f"a computed branch of rank 2, {found[0]}" if found else None


def _sliced(node: Node) -> str | None:
    rank = node.given[0].rank
    return None if rank in (3, 4) else f"a slice of rank {rank}"


def _one_hot(node: Node) -> str | None:
    indices, _, *values = node.given
    if indices.dtype != "int32" or any(v.dtype != "float32" or not v.constant or v.count > 1 for v in values):
        return "int32 indices and constant float scalars are taken"
    inner = [size for i, size in enumerate(indices.shape[:-1]) if not (indices.rank > 3 and i == 0)]
    return f"indices of shape {indices}" if any(size != 1 for size in inner) else None


def _dequantized(node: Node) -> str | None:
    return "int16 numbers" if node.given[0].dtype == "int16" else None


def _untried_lstm(node: Node) -> str | None:
    return "its many conditions are not in this table"


# -- what is accepted first, and fails when the delegate starts


def _is_four_dim(tensor: Tensor) -> bool:
    return tensor.rank == 4


def _joined_constant(node: Node) -> str | None:
    wrong = [tensor for tensor in node.constants if not _is_four_dim(tensor)]
    return f"a constant of shape {wrong[0]} among what is joined, four dims are read" if wrong else None


def _chosen_constants(node: Node) -> str | None:
    condition, yes, no = node.given
    if condition.constant:
        return "its condition is a constant"
    if yes.constant and yes.count > 1 and yes.rank != 4:
        return f"a constant {yes} to choose, four dims are read"
    if no.constant and no.count > 1 and no.rank not in (3, 4):
        return f"a constant {no} to choose, three or four dims are read"
    return None


def _product(node: Node) -> str | None:
    if len(node.given) != 2:
        return f"{len(node.given)} inputs"
    a, b = node.given
    if a is b:
        return "both its inputs are the same tensor"
    if a.constant:
        return "its left side is a constant"
    return f"a constant right side of rank {b.rank}" if b.constant and b.rank != 2 else None


def _constant_batches(node: Node) -> str | None:
    for tensor in node.constants:
        if tensor.rank == 4 and tensor.shape[0] != 1 and tensor.count != tensor.shape[-1]:
            return f"a constant {tensor}: more than one batch"
    return None


def _looked_into(node: Node) -> str | None:
    return "a constant is looked into" if node.given[0].constant else None


def _width(node: Node) -> str | None:
    given, weights = node.given[:2]
    if given.rank > 1 and given.shape[-1] == weights.shape[-1]:
        return None
    return f"{given} for weights {weights}: the last dims have to be the same, of two dims or more"


def _flattened(node: Node) -> str | None:
    before = node.given[0]
    maker = before.maker
    if maker is None or maker.op != "RESHAPE" or before.rank != 2 or before.shape[0] == 1:
        return None
    given = maker.given[0]
    return f"a RESHAPE of {given} to {before} comes before it" if given.shape == (1, *before.shape) else None


def _without_dims(node: Node) -> str | None:
    found = [tensor for tensor in (*node.runtime, *node.outputs) if tensor.rank == 0]
    return "a computed tensor without dims" if found else None


def _vector_operand(node: Node) -> str | None:
    runtime = node.runtime
    found = [tensor for tensor in runtime if tensor.rank == 1 and tensor.count > 1]
    if found and any(tensor.rank > 1 for tensor in runtime):
        return f"a computed vector {found[0]} is read as that many batches"
    return None


def _both_ways(node: Node) -> str | None:
    if len(node.runtime) != 2 or len({tensor.rank for tensor in node.runtime}) > 1:
        return None
    a, b = (tensor.shape for tensor in node.runtime)
    grows = [any(x > y for x, y in zip(p, q, strict=True)) for p, q in ((a, b), (b, a))]
    return f"{node.runtime[0]} and {node.runtime[1]} are both broadcast" if all(grows) else None


_ARITHMETIC = ("ADD", "MUL", *TWO_OPERANDS)

CLASSIC = Delegate(
    "gpu-opencl",
    "classic GPU delegate (OpenCL)",
    "LiteRT sources of August 2026",
    VERSIONS,
    (
        *TENSORS,
        Rule("type of numbers", (), _types, "compute it in float32", _BUILDER),
        *RULES,
        Rule("a comparison's reader", COMPARISONS, _compared, "read each comparison once, by a choice or a cast to floats", _BUILDER),
        Rule("cast", ("CAST",), _cast, "cast between floats, int32 and bool, and read a bool once", _BUILDER),
        Rule("broadcast between ranks", ("ADD", "MUL"), _broadcast, "export the file with target='gpu', or give both operands the same rank", _BUILDER),
        Rule("branches of rank two", _SELECTS, _branches, "export the file with target='gpu', or choose in three or four dims", COMMON),
        Rule("slice of other than three or four dims", ("SLICE", "STRIDED_SLICE"), _sliced, "export the file with target='gpu', or slice in three or four dims", _BUILDER),
        Rule("one-hot", ("ONE_HOT",), _one_hot, "one row of int32 indices, scalar values", _BUILDER),
        Rule("dequantized numbers", ("DEQUANTIZE",), _dequantized, "quantize to int8", _BUILDER),
        Rule("recurrent op", ("LSTM",), _untried_lstm, "a layer written out step by step is taken", "not tried", Breach.UNKNOWN),
        Rule("a constant among what is joined", ("CONCATENATION", "PACK"), _joined_constant, "export the file with target='gpu', or join in four dims", _TRIED, Breach.FATAL),
        Rule("a choice by or of constants", _SELECTS, _chosen_constants, "choose by arithmetic: a mask of ones and zeros, MUL and ADD", _TRIED, Breach.FATAL),
        Rule("product", ("BATCH_MATMUL",), _product, "a computed left side, and two different tensors", _TRIED, Breach.FATAL),
        Rule("a constant of several batches", _ARITHMETIC, _constant_batches, "export the file with target='gpu', or give the constant a first dim of 1", _BUILDER, Breach.FATAL),
        Rule("a constant that is looked into", ("GATHER",), _looked_into, "multiply a one-hot row by the table", _BUILDER, Breach.FATAL),
        Rule("width of a linear layer", ("FULLY_CONNECTED",), _width, "reshape its input to rows", _BUILDER, Breach.FATAL),
        Rule("a reshape before a linear layer", ("FULLY_CONNECTED",), _flattened, "leave out the reshape: linear layers take three dims", _TRIED, Breach.FATAL),
        Rule("a computed scalar", (), _without_dims, "export the file with target='gpu', or keep dims of 1", "model_builder_helper.cc of LiteRT's classic delegate, August 2026; not tried", Breach.FATAL),
        Rule("a computed vector", _ARITHMETIC, _vector_operand, "reshape it to the other operand's rank", "not tried", Breach.UNKNOWN),
        Rule("broadcast of both operands", _ARITHMETIC, _both_ways, "tile one of them first", "not tried", Breach.UNKNOWN),
    ),
    (*numerics.CLASSIC, *numerics.HALF),
)  # fmt: skip
