"""Sizes that a file leaves open: its batch is taken to be one, as the runtime takes it until inputs are resized."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

_COMPUTES_SIZES = "SHAPE"


def batch_alone_is_open(signatures: Iterable[Sequence[int]], ops: Iterable[str]) -> bool:
    """Whether the inputs, which have these signatures, leave their first size open and no other, and no op computes with
    sizes: those of all tensors are then known before the file runs."""
    open_places = {place for each in signatures for place, size in enumerate(each) if size == -1}
    return open_places == {0} and _COMPUTES_SIZES not in ops


def shapes_at_batch_one(path: Path) -> dict[int, tuple[int, ...]] | None:
    """Of all tensors of the main graph, as the runtime finds them; None where it cannot, as of ops that it lacks."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            interpreter = Interpreter(
                str(path),
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError):
            return None
    return {each["index"]: tuple(map(int, each["shape"])) for each in interpreter.get_tensor_details()}
