"""ML Drift, the GPU delegate of LiteRT 2.x: OpenCL, Metal, Vulkan and WebGPU."""

from __future__ import annotations

from nobuco.delegates import numerics
from nobuco.delegates.graph import Node
from nobuco.delegates.rule import Breach, Delegate, Rule, at_most
from nobuco.delegates.shared import COMPARISONS, RULES, TENSORS, TWO_OPERANDS

_BUILDER = "model_builder.cc of LiteRT's ML Drift delegate, August 2026"
_LOGICAL = ("BITWISE_XOR", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR")
_INTEGERS = ("int8", "int16", "int32")
_UNSIGNED = ("uint8", "uint16", "uint32")
_WITH_INTEGERS = (
    "ABS", "ADD", "ATAN2", "COS", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "MUL", "NEG", "REDUCE_MAX",
    "REDUCE_MIN", "REDUCE_PROD", "RIGHT_SHIFT", "SIGN", "SIN", "STABLEHLO_CLAMP", "STABLEHLO_REMAINDER", "SUB", "SUM",
    "TILE",
)  # fmt: skip
_WITH_ALL = (
    "BITCAST", "CAST", "CONCATENATION", "DYNAMIC_UPDATE_SLICE", "GATHER", "PACK", "PAD", "PADV2", "RESHAPE", "REVERSE_V2",
    "SELECT", "SELECT_V2", "SLICE", "STABLEHLO_BROADCAST_IN_DIM", "STRIDED_SLICE", "TRANSPOSE",
)  # fmt: skip
_CRASHING = ("odml.group_norm", "odml.rms_norm", "odml.scaled_dot_product_attention")
_EIGHT_BITS = ("int8", "uint8")
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_TAKES_UNPACKED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_ASK = "ask the delegate itself: bench bisect FILE --delegate gpu-webgpu"
_HERE = "tried with ai-edge-litert 2.3.0 on WebGPU, in software"
_UNTRIED = (
    "BITCAST", "DENSIFY", "LSTM", "STABLEHLO_BROADCAST_IN_DIM", "STABLEHLO_CBRT", "STABLEHLO_CLAMP",
    "STABLEHLO_REMAINDER", "STABLEHLO_SHIFT_LEFT", "DYNAMIC_UPDATE_SLICE", "EMBEDDING_LOOKUP",
    "Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Resampler",
)  # fmt: skip

VERSIONS: dict[str, int | None] = {
    **at_most(
        None, "ARG_MAX", "BATCH_MATMUL", "CAST", "DEPTH_TO_SPACE", "GATHER", "HARD_SWISH", "MEAN", "PACK", "REDUCE_ALL",
        "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REVERSE_V2", "SPLIT", "SPLIT_V", "SUM", "TILE", "UNPACK",
        "STABLEHLO_COMPOSITE", *_UNTRIED,
    ),
    **at_most(1, "CUMSUM", "ONE_HOT", "PRELU", "RESHAPE", "SELECT", "SELECT_V2", "TOPK_V2"),
    **at_most(
        2, "ADD_N", "ATAN2", "AVERAGE_POOL_2D", "BITWISE_XOR", "CEIL", "COS", "DIV", "ELU", "EXP", "FLOOR", "FLOOR_MOD",
        "LEAKY_RELU", "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "MAX_POOL_2D", "NEG", "POW",
        "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RIGHT_SHIFT", "ROUND", "RSQRT", "SIGN", "SIN",
        "SPACE_TO_DEPTH", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "TANH", *COMPARISONS,
    ),
    **at_most(3, "DEQUANTIZE", "FLOOR_DIV", "GELU", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TRANSPOSE_CONV"),
    **at_most(4, "MAXIMUM", "MINIMUM", "SOFTMAX"),
    **at_most(5, "ABS", "MIRROR_PAD", "PAD", "PADV2"),
    **at_most(6, "ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D"),
    **at_most(8, "MUL", "SLICE"),
    **at_most(9, "TRANSPOSE"),
    **at_most(14, "FULLY_CONNECTED"),
}  # fmt: skip


def _types(node: Node) -> str | None:
    read = ["float32", "float16", "bool", "int2", "int4", "int8", "uint8"]
    written = ["float32", "float16", "int8", "uint8"]
    if node.op == "ARG_MAX":
        written = ["int32"]
    elif node.op in ("REDUCE_ALL", "REDUCE_ANY"):
        read, written = ["bool"], ["bool"]
    elif node.op in _LOGICAL:
        read = written = ["bool", *_INTEGERS]
    elif node.op in COMPARISONS:
        read += [*_INTEGERS, *_UNSIGNED]
        written.append("bool")
    elif node.op in _WITH_INTEGERS:
        read += _INTEGERS
        written += _INTEGERS
    elif node.op in _WITH_ALL:
        read += [*_INTEGERS, *_UNSIGNED, "bfloat16"]
        written += [*_INTEGERS, *_UNSIGNED, "bool", "bfloat16"]
    if node.op in ("ONE_HOT", "EMBEDDING_LOOKUP", "DYNAMIC_UPDATE_SLICE"):
        read.append("int32")
    if node.op == "TOPK_V2":
        written.append("int32")
    wrong = [tensor.dtype for tensor in node.runtime if tensor.dtype not in read]
    wrong += [tensor.dtype for tensor in node.outputs if tensor.dtype not in written]
    return f"{wrong[0]} numbers" if wrong else None


def _broadcast(node: Node) -> str | None:
    if len(node.given) != 2:
        return None
    a, b = (tuple(reversed(tensor.shape)) for tensor in node.given)
    fits = all(1 in (x, y) or x == y for x, y in zip(a, b, strict=False))
    return None if fits else f"{node.given[0]} and {node.given[1]} do not fit"


def _scalar_operand(node: Node) -> str | None:
    runtime = node.runtime
    if (
        len(runtime) != 2
        or 0 not in [tensor.rank for tensor in runtime]
        or runtime[0].rank == runtime[1].rank
    ):
        return None
    return "a computed scalar for a tensor of more dims"


def _constant_type(node: Node) -> str | None:
    """Integers that stand for numbers are taken, whatever the sources say of the type."""
    taken = ("float32", "float16", "int32")
    wrong = [
        each
        for each in node.constants
        if each.count == 1 and each.dtype not in taken and not (each.dtype in _EIGHT_BITS and each.scales)
    ]
    return f"a constant of {wrong[0].dtype}" if wrong else None


def _unsigned(node: Node) -> str | None:
    found = [each for each in (*node.given, *node.outputs) if each.dtype == "uint8" and each.scales]
    return f"{found[0].dtype} that stand for numbers" if found else None


def _places(node: Node) -> str | None:
    wrong = [tensor.dtype for tensor in node.given[1:] if tensor.dtype == "int64"]
    return "its paddings, places or order are int64" if wrong else None


def _with_itself(node: Node) -> str | None:
    return "it is multiplied with itself" if node.given[0] is node.given[1] else None


def _product(node: Node) -> str | None:
    if len(node.given) != 2:
        return f"{len(node.given)} inputs"
    a, b = node.given
    if a.constant:
        return "its left side is a constant"
    return f"a constant right side of rank {b.rank}" if b.constant and not 2 <= b.rank <= 4 else None


def _sliced(node: Node) -> str | None:
    if node.given[0].constant:
        return "a constant is sliced"
    return None if node.given[1].constant and node.given[2].constant else "where it slices is computed"


def _strided(node: Node) -> str | None:
    if len(node.runtime) != 1:
        return "where it slices is computed"
    picture, begin, _, strides = node.given
    if begin.count not in (picture.rank, picture.rank - 1):
        return f"{begin.count} places for {picture.rank} dims"
    steps = strides.value
    return "a step backwards" if steps is not None and (steps < 0).any() else None


def _ordered(node: Node) -> str | None:
    count = node.given[1].count
    return None if 2 <= count <= 4 else f"an order of {count} dims"


def _cut(node: Node) -> str | None:
    count = len(node.runtime)
    return None if count == 1 else f"{count} of its inputs are computed"


def _largest(node: Node) -> str | None:
    return None if len(node.runtime) == 1 and node.given[1].constant else "its axis or number is computed"


def _few_bits(node: Node) -> str | None:
    weights = node.given[1]
    if not weights.scales or not weights.constant or weights.dtype == "int8":
        return None
    return f"weights of {weights.dtype}"


def _unpacks_integers(node: Node | None) -> bool:
    """Whether it makes floats of constant integers in each run."""
    return (
        node is not None and node.op == "DEQUANTIZE" and not node.runtime and node.given[0].dtype != "float16"
    )


def _unpacked_linear(node: Node) -> str | None:
    weights = node.given[1]
    if not _unpacks_integers(weights.maker):
        return None
    return "its weights are integers that a DEQUANTIZE makes floats of in each run"


def _unpacked_others(node: Node) -> str | None:
    if not _unpacks_integers(node):
        return None
    others = [each.op for each in node.output.readers if each.op not in _TAKES_UNPACKED]
    return f"it makes floats of integers that {others[0]} reads" if others else None


def _composite(node: Node) -> str | None:
    name = node.option("Name", b"").decode()
    return f"it does not know {name!r}" if name not in _CRASHING else None


def _crashing_composite(node: Node) -> str | None:
    return f"the process ends while the delegate reads {node.option('Name', b'').decode()!r}"


def _untried(node: Node) -> str | None:
    return "its many conditions are not in this table"


ML_DRIFT = Delegate(
    "gpu-webgpu",
    "ML Drift (LiteRT 2.x)",
    "LiteRT sources of August 2026, tried with ai-edge-litert 2.3.0 on WebGPU",
    VERSIONS,
    (
        *TENSORS,
        Rule("type of numbers", (), _types, "compute it in float32, or in int32 where the op takes that", _BUILDER),
        *RULES,
        Rule("broadcast", ("ADD", "MUL"), _broadcast, "give both operands the same rank", _BUILDER),
        Rule("a computed scalar", ("ADD", "MUL", *TWO_OPERANDS), _scalar_operand, "give it the other operand's number of dims, by a reshape", _BUILDER),
        Rule("type of a constant", ("ADD", "MUL", *TWO_OPERANDS), _constant_type, "compute in float32 or int8", f"{_BUILDER}; {_HERE}"),
        Rule("64-bit places", ("PAD", "PADV2", "MIRROR_PAD", "SLICE", "STRIDED_SLICE", "TRANSPOSE"), _places, "export the file with target='gpu', or give them as int32", _BUILDER),
        Rule("a linear layer of a tensor with itself", ("FULLY_CONNECTED",), _with_itself, "write it as a function of one tensor", f"{_HERE}: the process ends", Breach.FATAL),
        Rule("product", ("BATCH_MATMUL",), _product, "a computed left side", _BUILDER),
        Rule("slice", ("SLICE",), _sliced, "slice at fixed places", _BUILDER),
        Rule("slice by ranges", ("STRIDED_SLICE",), _strided, "export the file with target='gpu', or slice three or four dims", _BUILDER),
        Rule("order of dims", ("TRANSPOSE",), _ordered, "transpose two to four dims", _BUILDER),
        Rule("parts", ("SPLIT", "SPLIT_V"), _cut, "cut at fixed places", _BUILDER),
        Rule("the largest", ("ARG_MAX", "TOPK_V2"), _largest, "fix the axis and the number", _BUILDER),
        Rule("weights of few bits", _WITH_WEIGHTS, _few_bits, _ASK, "not tried", Breach.UNKNOWN),
        Rule("unpacked weights of a linear layer", ("FULLY_CONNECTED",), _unpacked_linear, "export with precision='int8-dynamic' or 'fp16'", f"{_HERE}: the runtime fails to initialise a kernel", Breach.FATAL),
        Rule("unpacked integers", ("DEQUANTIZE",), _unpacked_others, _ASK, "not tried", Breach.UNKNOWN),
        Rule("unsigned integers", (), _unsigned, _ASK, "not tried", Breach.UNKNOWN),
        Rule("composite", ("STABLEHLO_COMPOSITE",), _composite, "leave the composite out: its ops are taken", _HERE),
        Rule("composite that it has", ("STABLEHLO_COMPOSITE",), _crashing_composite, "leave the composite out: its ops are taken", _HERE, Breach.FATAL),
        Rule("many conditions", _UNTRIED, _untried, _ASK, "not tried", Breach.UNKNOWN),
    ),
    (*numerics.ML_DRIFT, *numerics.HALF),
    whole=True,
)  # fmt: skip
