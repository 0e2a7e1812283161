"""What delegates compute otherwise than the CPU does: ignored options, and what half precision cannot hold."""

from __future__ import annotations

from math import prod

from nobuco.delegates.graph import Node
from nobuco.delegates.rule import Caution

_LARGEST_HALF = 65_504
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
)
ML_DRIFT = (
    Caution(
        "attention in three dims",
        ("BATCH_MATMUL",),
        _rank_three,
        "give it a fourth dim, of 1",
        "published measurements on Android devices, runtime 2.1.6",
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
        "squared differences in half precision",
        ("SQUARED_DIFFERENCE",),
        _spread,
        "subtract, scale, then square",
        _PUBLISHED,
    ),
)
