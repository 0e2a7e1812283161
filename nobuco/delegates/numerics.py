"""What delegates compute otherwise than the CPU does: ignored options, and what half precision cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import dropwhile
from math import ceil, prod

import numpy as np

from nobuco.delegates.graph import Node
from nobuco.delegates.rule import Caution
from nobuco.delegates.shared import TWO_OPERANDS, misread

_LARGEST_HALF = 65_504
_SAME = 0  # of the file format's kinds of padding
_MANY_SUMMANDS = 1024
_LARGE_CONSTANT = 10_000
_PUBLISHED = "published measurements on Android devices, runtimes 2.1.2 to 2.2.0"


def _transposed(node: Node) -> str | None:
    found = [name for name, option in (("adj_x", "AdjX"), ("adj_y", "AdjY")) if node.option(option)]
    return f"{found[0]} is ignored: the result is another product" if found else None


def _rank_three(node: Node) -> str | None:
    return "a product of two computed tensors of rank 3" if [t.rank for t in node.runtime] == [3, 3] else None


def _summed(node: Node) -> str | None:
    axes = node.given[1].value if len(node.given) > 1 else None
    if axes is None or len(node.given[0].shape) == 0:
        return None
    shape = node.given[0].shape
    count = prod(shape[int(axis)] for axis in axes.reshape(-1))
    if count < _MANY_SUMMANDS:
        return None
    return f"{count:,} summands: past {_LARGEST_HALF:,} where they are {_LARGEST_HALF / count:.3g} on average"


def _spread(node: Node) -> str | None:
    return "squared differences, as of a layer norm"


def _large_constant(node: Node) -> str | None:
    found = [tensor for tensor in node.constants if tensor.count >= _LARGE_CONSTANT]
    return f"a constant of {found[0].count:,} numbers" if found else None


def _beyond_half(node: Node) -> str | None:
    for tensor in node.constants:
        value = tensor.value if tensor.dtype == "float32" else None
        if (
            value is not None
            and value.size
            and max(abs(float(value.min())), abs(float(value.max()))) > _LARGEST_HALF
        ):
            return "a constant has numbers that are infinite there"
    return None


def _constant_power(node: Node) -> str | None:
    return "a constant is raised: base and exponent are exchanged" if node.given[0].constant else None


def _channels(node: Node) -> str | None:
    """Of ops along the channels, which lie in fours."""
    picture = node.given[0]
    channels = picture.shape[-1] if picture.rank else 1
    if channels == 1 or channels % 4 == 0:
        return None
    if node.op != "TOPK_V2":
        axes = node.given[1].value
        if axes is None or picture.count == channels:
            return None
        if all(int(axis) % picture.rank != picture.rank - 1 for axis in axes.reshape(-1)):
            return None
    return f"{channels} channels, no multiple of 4"


def _running_sum(node: Node) -> str | None:
    if node.option("Reverse") or node.option("Exclusive"):
        return "`reverse` and `exclusive` are ignored"
    axis, rank = node.given[1].value, node.given[0].rank
    if axis is not None and rank < 4 and int(axis.reshape(-1)[0]) % rank == 0:
        return "along the first of fewer than four dims"
    return None


def _padded(node: Node) -> str | None:
    picture, pairs = node.given[0], node.given[1].value
    if picture.rank != 3 or pairs is None or (picture.shape[0] == 1 and not pairs[0].any()):
        return None
    return f"paddings of three dims for {picture}"


def _infinite_padding(node: Node) -> str | None:
    """Where a pooling reads it the delegate makes one op of the two, which is right."""
    value = node.given[2].value if len(node.given) > 2 else None
    readers = node.output.readers
    if value is None or np.isfinite(value).all() or {each.op for each in readers} == {"MAX_POOL_2D"}:
        return None
    return "it pads with infinity, and returns zeros"


def _padded_average(node: Node) -> str | None:
    maker = node.given[0].maker
    return (
        f"a {maker.op} in front of it is left out of the average"
        if maker and maker.op in ("PAD", "PADV2")
        else None
    )


def _three_pairs(node: Node) -> str | None:
    return "they are read as if a batch were padded, too" if node.given[1].shape[0] == 3 else None


def _shared_batches(node: Node) -> str | None:
    a, b = node.given[:2]
    if a.constant or _without_ones(a.shape[:-2]) == _without_ones(b.shape[:-2]):
        return None
    return f"a product of {a} and {b}, whose first dims differ"


def _without_ones(shape: Sequence[int]) -> list[int]:
    """Without those in front of it."""
    return list(dropwhile(lambda size: size == 1, shape))


def _rows_joined(node: Node) -> str | None:
    given, weights = node.given[:2]
    if not (weights.constant and weights.scales) or given.rank == node.output.rank:
        return None
    rows = prod(node.output.shape[:-1])
    return (
        f"integer weights, and {given} becomes {node.output}: one row of {rows} is right"
        if rows > 1
        else None
    )


def _unevenly_padded(node: Node) -> str | None:
    """Of an odd number of rows or columns to cut off, the one in the middle goes to the wrong side."""
    kernel, picture, made = (tensor.shape for tensor in (*node.given[1:3], node.output))
    if node.option("Padding") != _SAME or len(picture) != 4:
        return None
    for axis, option in ((1, "StrideH"), (2, "StrideW")):
        step = node.option(option, 1)
        cut = (picture[axis] - 1) * step + kernel[axis] - made[axis]
        if step > 1 and cut > 0 and cut % 2:
            return f"padding 'SAME', a kernel of {kernel[axis]} and steps of {step}: {cut} is no even number to cut off"
    return None


def _sixteen_bits(node: Node) -> str | None:
    found = [tensor for tensor in node.given if tensor.dtype == "int16" and tensor.scales]
    return "int16 that stand for numbers are taken as they are, without their scales" if found else None


def _vector(node: Node) -> str | None:
    return f"a vector {node.given[0]} is multiplied" if node.given[0].rank == 1 else None


def _blocks(node: Node) -> str | None:
    batch = node.given[0].shape[0]
    return f"{batch} pictures at once" if batch > 1 else None


def _grouped(node: Node) -> str | None:
    picture, kernel = node.given[:2]
    if picture.rank != 4 or kernel.rank != 4 or kernel.shape[3] == picture.shape[3]:
        return None
    if not kernel.constant:
        return "groups of channels, and a computed kernel"
    made = kernel.shape[0] * kernel.shape[3] // picture.shape[3]
    if kernel.shape[3] % 4 == made % 4 == 0:
        return None
    return f"groups that make {made} channels of {kernel.shape[3]}, no multiples of 4"


def _by_winograd(node: Node) -> str | None:
    """ML Drift has a kernel of its own for these; the bounds are those that were found by trying."""
    picture, kernel = node.given[:2]
    if picture.rank != 4 or kernel.rank != 4 or tuple(kernel.shape[1:3]) != (3, 3):
        return None
    steps = [node.option(name) for name in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")]
    fours = [ceil(size / 4) for size in (kernel.shape[3], kernel.shape[0])]
    tiles = prod(ceil(size / 4) for size in node.output.shape[1:3])
    if steps != [1] * 4 or kernel.shape[3] != picture.shape[3] or min(fours) < 16 or tiles < 32:
        return None
    return f"3x3, {kernel.shape[3]} to {kernel.shape[0]} channels, {node.output}: other numbers altogether in half precision"


_HERE = "tried with ai-edge-litert 2.3.0 on WebGPU, in software"
_SOURCE = "model_builder.cc of LiteRT's classic delegate, August 2026; not tried"
_IN_FOUR = "export the file with target='gpu', or compute it in four dims, the first of them 1"
_ARITHMETIC = ("ADD", "MUL", *TWO_OPERANDS)


def _wrong(name: str, ops: tuple[str, ...], found: Callable[[Node], str | None], mend: str) -> Caution:
    return Caution(name, ops, found, mend, _HERE, wrong=True)


CLASSIC = (
    Caution(
        "a product with a transposed side",
        ("BATCH_MATMUL",),
        _transposed,
        "export the file again: nobuco writes a TRANSPOSE of its own",
        "tried with the delegate of LiteRT's sources of August 2026: error 1.1 on a vision transformer",
        wrong=True,
    ),
    Caution(
        "attention in three dims",
        ("BATCH_MATMUL",),
        _rank_three,
        "give it a fourth dim, of 1",
        "tensorflow issue 8619, on Adreno",
    ),
    Caution("a constant along other dims", _ARITHMETIC, misread, _IN_FOUR, _SOURCE),
    Caution("paddings of three dims", ("PAD", "PADV2", "MIRROR_PAD"), _three_pairs, _IN_FOUR, _SOURCE),
)
ML_DRIFT = (
    _wrong("a constant along other dims", _ARITHMETIC, misread, _IN_FOUR),
    _wrong("a constant to a power", ("POW",), _constant_power, "write it as exp(x * log(c))"),
    _wrong("along the channels", ("ARG_MAX", "REVERSE_V2", "TOPK_V2"), _channels, "put another dim last"),
    _wrong("running sum", ("CUMSUM",), _running_sum, "sum forwards, in four dims"),
    _wrong("paddings of three dims", ("PAD", "PADV2", "MIRROR_PAD"), _padded, _IN_FOUR),
    _wrong(
        "a vector into a linear layer", ("FULLY_CONNECTED",), _vector, "reshape it to a row that an op makes"
    ),
    _wrong(
        "average of a padded picture",
        ("AVERAGE_POOL_2D",),
        _padded_average,
        "export the file with target='gpu', or count no padding",
    ),
    _wrong("infinity as padding", ("PADV2",), _infinite_padding, "pad with the lowest finite number"),
    _wrong("a product that shares a side", ("BATCH_MATMUL",), _shared_batches, "repeat the smaller side"),
    _wrong(
        "rows of a linear layer with integer weights",
        ("FULLY_CONNECTED",),
        _rows_joined,
        "give it as many dims as it is to return",
    ),
    _wrong(
        "a transposed convolution padded unevenly",
        ("TRANSPOSE_CONV",),
        _unevenly_padded,
        "compute it without padding ('VALID'), and slice",
    ),
    _wrong("16-bit numbers", ("ADD", "MUL", "SUB"), _sixteen_bits, "export with precision='int8'"),
    _wrong(
        "blocks of several pictures", ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), _blocks, "one picture at a time"
    ),
    _wrong(
        "grouped convolution",
        ("CONV_2D",),
        _grouped,
        "export the file with target='gpu'; constant kernels, groups of multiples of 4 channels",
    ),
    Caution(
        "attention in three dims",
        ("BATCH_MATMUL",),
        _rank_three,
        "give it a fourth dim, of 1",
        "published measurements on Android devices, runtime 2.1.6",
    ),
    Caution(
        "a convolution in half precision",
        ("CONV_2D",),
        _by_winograd,
        "ask for full precision, or hold the outputs on your device against the CPU's",
        f"{_HERE}: errors of 1 to 2.5; phones were not tried",
    ),
    Caution(
        "a large constant operand",
        ("ADD", "MUL", "SUB"),
        _large_constant,
        "make it an input, or fold it into weights",
        _PUBLISHED,
    ),
)
HALF = (
    Caution(
        "sums in half precision",
        ("SUM", "MEAN"),
        _summed,
        "reduce one axis after the other, or pool",
        "LiteRT issue 9249; " + _PUBLISHED,
    ),
    Caution(
        "numbers beyond half precision",
        ("ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM"),
        _beyond_half,
        "export the file with target='gpu', which knows masks of attention; bound other numbers to 65,504",
        "tried with ai-edge-litert 2.3.0 on WebGPU, in software: NaN from a mask of -1e9",
    ),
    Caution(
        "squared differences in half precision",
        ("SQUARED_DIFFERENCE",),
        _spread,
        "subtract, scale, then square",
        _PUBLISHED,
    ),
)
