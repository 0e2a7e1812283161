"""Rules that both GPU delegates share: those of `tflite/tools/versioning/gpu_compatibility.cc`, and of tensors."""

from __future__ import annotations

from nobuco.delegates.graph import Node
from nobuco.delegates.rule import Breach, Rule

COMMON = "gpu_compatibility.cc of LiteRT, August 2026"
LARGEST_RANK = 4

COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
ONE_OPERAND = (
    "ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LOG", "LOGICAL_NOT", "LOGISTIC", "NEG", "ROUND",
    "RSQRT", "SIGN", "SIN", "SQRT", "SQUARE", "TANH",
)  # fmt: skip
TWO_OPERANDS = (
    *COMPARISONS, "ATAN2", "DIV", "FLOOR_DIV", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "POW",
    "RIGHT_SHIFT", "SQUARED_DIFFERENCE", "SUB",
)  # fmt: skip
REDUCTIONS = ("MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM")
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_OF_ONE_TENSOR = (
    "AVERAGE_POOL_2D", "CAST", "DEPTH_TO_SPACE", "MAX_POOL_2D", "MIRROR_PAD", "PAD", "PADV2", "QUANTIZE", "RESHAPE",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "TILE", "TOPK_V2", "TRANSPOSE",
)  # fmt: skip
_REARRANGED = "compute it in at most four dims: join those that stand side by side"
_EXPORTED = "export the file with target='gpu'"


def too_many_dims(node: Node) -> str | None:
    worst = max([*node.given, *node.outputs], key=lambda tensor: tensor.rank)
    return None if worst.rank <= LARGEST_RANK else f"a tensor of rank {worst.rank}, {worst}"


def _sizes_left_open(node: Node) -> str | None:
    found = next((tensor for tensor in [*node.given, *node.outputs] if tensor.open), None)
    return found and f"sizes of {found.name!r} are only known when the file runs"


def _only_constants(node: Node) -> str | None:
    return None if node.runtime else "all its inputs are constants"


def _other_than_one(node: Node) -> str | None:
    count = len(node.runtime)
    return None if count == 1 else f"{count} of its inputs are computed, one is taken"


def _constant_operand(node: Node) -> str | None:
    return "its input is a constant" if node.constants else None


def _operands(node: Node) -> str | None:
    if len(node.given) == 2 and node.runtime:
        return None
    return f"{len(node.runtime)} computed and {len(node.constants)} constant inputs, two with one computed are taken"


def _summands(node: Node) -> str | None:
    return None if len(node.given) == 2 else f"{len(node.given)} inputs, two are taken"


def _axes(node: Node) -> str | None:
    if len(node.given) != 2 or len(node.runtime) != 1:
        return "its axes are computed"
    return None if node.given[1].dtype == "int32" else f"its axes are {node.given[1].dtype}"


def _paddings(node: Node) -> str | None:
    shape = node.given[1].shape
    return None if shape in ((4, 2), (3, 2)) else f"paddings of shape {node.given[1]}"


def _dropped_axes(node: Node) -> str | None:
    masks = {"ellipsis": "EllipsisMask", "new axis": "NewAxisMask", "shrink": "ShrinkAxisMask"}
    found = [name for name, option in masks.items() if node.option(option)]
    return f"a mask of the kind {found[0]!r}" if found else None


def _convolved(node: Node) -> str | None:
    if not 1 <= len(node.runtime) <= 2:
        return f"{len(node.runtime)} of its inputs are computed"
    steps = ("StrideH", "StrideW") + (
        () if node.op == "TRANSPOSE_CONV" else ("DilationHFactor", "DilationWFactor")
    )
    return None if all(node.option(step, 1) > 0 for step in steps) else "a stride or dilation below 1"


def _depthwise(node: Node) -> str | None:
    picture, kernel = node.given[:2]
    if picture.rank != 4 or kernel.rank != 4:
        return f"a picture {picture} and a kernel {kernel}"
    if kernel.shape[3] != picture.shape[3] * node.option("DepthMultiplier"):
        return f"{picture.shape[3]} channels make {kernel.shape[3]}"
    return None


def _weights_format(node: Node) -> str | None:
    return "its weights are shuffled" if node.option("WeightsFormat") else None


def _linear(node: Node) -> str | None:
    if node.given[0].constant:
        return "its first input is a constant"
    if len(node.runtime) > 2:
        return f"{len(node.runtime)} of its inputs are computed"
    if node.option("KeepNumDims") and node.given[0].rank != node.output.rank:
        return f"from rank {node.given[0].rank} to {node.output.rank}"
    return None


def _indices(node: Node) -> str | None:
    if not node.runtime:
        return "all its inputs are constants"
    if node.given[1].rank != 1:
        return f"indices of shape {node.given[1]}"
    return None if node.given[1].dtype == "int32" else f"indices of {node.given[1].dtype}"


def _chosen(node: Node) -> str | None:
    condition, *branches = node.given
    if condition.dtype not in ("bool", "float32", "float16"):
        return f"a condition of {condition.dtype}"
    for branch in branches:
        if branch.shape != node.output.shape and branch.shape not in ((), (1,)):
            return f"{branch} is broadcast to {node.output}"
    return None


def _identical(node: Node) -> str | None:
    same = len(node.given) == 2 and node.given[0] is node.given[1]
    return "both its inputs are the same tensor" if same else None


def _block(node: Node) -> str | None:
    size = node.option("BlockSize")
    return None if size > 1 else f"blocks of {size}"


def _softmax(node: Node) -> str | None:
    beta = node.option("Beta", 1.0)
    return None if beta == 1 else f"beta is {beta:g}"


def _resized(node: Node) -> str | None:
    both = node.option("AlignCorners") and node.option("HalfPixelCenters")
    return "aligned corners and half-pixel centres at once" if both else None


def _mirrored(node: Node) -> str | None:
    return "symmetric padding" if node.option("Mode") else None


def _accumulated(node: Node) -> str | None:
    if node.given[0].dtype not in ("float32", "float16"):
        return f"it sums {node.given[0].dtype}"
    return None if node.given[1].constant else "its axis is computed"


def _unfused(node: Node) -> str | None:
    return "sign_bit is fused into it" if node.option("FusedActivationFunction") == 5 else None


def misread(node: Node) -> str | None:
    """Constant operands are laid out as pictures are, (H, W, C) and (W, C); computed ones of fewer than four dims as (B, W, C),
    (B, C) and (B). What is in other places of the two is added to something else."""
    if len(node.given) != 2 or len(node.constants) != 1 or len(node.runtime) != 1:
        return None
    (constant,), (computed,) = node.constants, node.runtime
    if computed.rank > LARGEST_RANK or constant.rank > LARGEST_RANK or constant.count == 1:
        return None
    held = "BHWC"[LARGEST_RANK - constant.rank :]
    names = ("", "B", "BC", "BWC", "BHWC")[computed.rank]
    for back in range(1, constant.rank + 1):
        if constant.shape[-back] == 1:
            continue
        if back > len(names) or held[-back] != names[-back]:
            return f"a constant {constant} is read along other dims than {computed} has"
    return None


TENSORS = (
    Rule("sizes left open", (), _sizes_left_open, "fix all sizes before the export; a batch alone may stay open", "not tried", Breach.UNKNOWN),
    Rule("five dims or more", (), too_many_dims, f"{_EXPORTED}, or {_REARRANGED}", COMMON),
)  # fmt: skip

RULES = (
    Rule("constants alone", (*ONE_OPERAND, *TWO_OPERANDS, "ADD", "MUL", *REDUCTIONS), _only_constants, "compute it beforehand: a constant of the model", COMMON),
    Rule("not two operands", ("ADD", "ADD_N", "MUL"), _summands, "add or multiply two at a time", COMMON),
    Rule("a constant operand", (*ONE_OPERAND, "RELU", "RELU6", "SOFTMAX"), _constant_operand, "compute it beforehand: a constant of the model", COMMON),
    Rule("operands", TWO_OPERANDS, _operands, "compute the constant part beforehand", COMMON),
    Rule("a tensor with itself", TWO_OPERANDS, _identical, "write it as a function of one tensor", "both delegates' model_builder.cc, August 2026"),
    Rule("not one computed input", _OF_ONE_TENSOR, _other_than_one, "shapes, paddings and sizes must be constants: fix them before the export", COMMON),
    Rule("axes", REDUCTIONS, _axes, "give the axes as constants", COMMON),
    Rule("rank of paddings", ("PAD", "PADV2", "MIRROR_PAD"), _paddings, f"{_EXPORTED}, or pad three or four dims", COMMON),
    Rule("symmetric padding", ("MIRROR_PAD",), _mirrored, "pad by reflection", COMMON),
    Rule("a slice that drops or adds an axis", ("STRIDED_SLICE",), _dropped_axes, "slice whole ranges and reshape", COMMON),
    Rule("convolution", CONVOLUTIONS, _convolved, "keep kernels constant", COMMON),
    Rule("depthwise convolution", ("DEPTHWISE_CONV_2D",), _depthwise, "four dims; channels times the multiplier", COMMON),
    Rule("fused sign", (), _unfused, "none known", COMMON),
    Rule("shuffled weights", ("FULLY_CONNECTED",), _weights_format, "convert without shuffled weights", COMMON),
    Rule("linear layer", ("FULLY_CONNECTED",), _linear, "keep weights constant and the rank as it is", COMMON),
    Rule("indices of a gather", ("GATHER",), _indices, "one dim of int32 indices into a computed tensor", COMMON),
    Rule("branches of a choice", ("SELECT", "SELECT_V2"), _chosen, "branches of the result's own shape, or scalars", COMMON),
    Rule("blocks", ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), _block, "leave the op out", COMMON),
    Rule("softmax", ("SOFTMAX",), _softmax, "scale before the softmax", COMMON),
    Rule("resizing", ("RESIZE_BILINEAR",), _resized, "choose one of the two", COMMON),
    Rule("running sum", ("CUMSUM",), _accumulated, "sum floats along a constant axis", COMMON),
)  # fmt: skip
