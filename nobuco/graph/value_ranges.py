"""What is known of a value's range from the calls that made it."""

from __future__ import annotations

import torch

from nobuco.contract.tree import tree_leaves
from nobuco.trace.calls import Value, values_in

_SMALL = {torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
_LEAST, _LARGEST = -(1 << 31), (1 << 31) - 1

# All outcomes are places in a tensor, or numbers of elements.
_PLACES = {"argmax", "argmin", "argsort", "searchsorted", "bucketize", "one_hot", "count_nonzero"}
# So are those after the first.
_VALUES_AND_PLACES = {"topk", "sort", "max", "min", "kthvalue", "median", "cummax", "cummin"}
# Each element of the outcome is one of an input, or between it and zero, or made of its bits.
_SELECTING = {
    "__getitem__", "reshape", "view", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "permute", "transpose",
    "movedim", "t", "T", "mT", "expand", "expand_as", "broadcast_to", "repeat", "tile", "repeat_interleave", "gather",
    "index_select", "take_along_dim", "narrow", "select", "split", "chunk", "unbind", "cat", "concat", "stack", "flip",
    "roll", "clone", "contiguous", "detach", "where", "masked_fill", "minimum", "maximum", "clamp", "clip",
    "floor_divide", "__floordiv__", "remainder", "__mod__", "fmod", "div", "topk", "sort", "max", "min",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "__and__", "__or__", "__xor__", "__invert__", "__rand__",
    "__ror__", "__rxor__",
}  # fmt: skip
_CASTS = {"long", "to", "type_as"}
_DEEPEST = 30
_PYTORCH = ("torch.", "Tensor.", "F.")


def fits_32_bits(value: Value, depth: int = 0) -> bool:
    """Whether a 64-bit integer needs no more than 32 bits, by how it was made."""
    tensor, maker = value.tensor, value.producer
    if tensor.dtype in _SMALL:
        return True
    if tensor.dtype is not torch.int64 or depth > _DEEPEST:
        return False
    if value.constant:
        return not tensor.is_meta and (
            tensor.numel() == 0 or (int(tensor.min()) >= _LEAST and int(tensor.max()) <= _LARGEST)
        )
    if maker is None or not maker.name.startswith(_PYTORCH):
        return False  # a module, or a function of the user's, may bear any name
    name = maker.name.rsplit(".", 1)[-1]
    if name in _PLACES:
        return True
    if name in _VALUES_AND_PLACES and len(maker.outputs) > 1 and maker.outputs[0] is not value:
        return True
    if name in _CASTS:
        return bool(maker.inputs) and maker.inputs[0].tensor.dtype in _SMALL
    if name not in _SELECTING:
        return False
    numbers = [leaf for leaf in tree_leaves((maker.args, maker.kwargs)) if isinstance(leaf, int)]
    tensors = [each for each in values_in((maker.args, maker.kwargs)) if each.tensor.dtype is not torch.bool]
    return all(_LEAST <= number <= _LARGEST for number in numbers) and all(
        fits_32_bits(each, depth + 1) for each in tensors
    )
