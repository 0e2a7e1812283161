"""Channel order: where a tensor keeps its channels, and how a tensor remembers it.

A *layout* of a tensor of rank r is a permutation of its PyTorch dims: axis ``i`` of the TensorFlow tensor holds
PyTorch dim ``layout[i]``. PyTorch's own order is the identity; TensorFlow's channel-last order moves dim 1 to the
end. Ranks 0 to 2 have one layout only. Users meet the two named orders (`ChannelOrder`); in between, a `permute` or
a `reshape` may leave a tensor in another layout without moving any data.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeVar

Layout = tuple[int, ...]
T = TypeVar("T")

_ATTRIBUTE = "_nobuco_layout"


class ChannelOrder(Enum):
    """Where the channel dimension stands: PYTORCH ``(B, C, ...)``, TENSORFLOW ``(B, ..., C)``."""

    TENSORFLOW = 1
    PYTORCH = 2


class ChannelOrderingStrategy(Enum):
    """What a node converter demands of the channel order of its inputs.

    * FORCE_TENSORFLOW_ORDER: all inputs channel last; so are the outputs.
    * FORCE_PYTORCH_ORDER: inputs and outputs exactly as in the PyTorch program.
    * MINIMUM_TRANSPOSITIONS: all inputs in one order, whichever needs the fewest transposes; the outputs keep it.
    * MANUAL: inputs come as they are; the converter asks `get_channel_order` and annotates its outputs with
      `set_channel_order`.
    """

    FORCE_TENSORFLOW_ORDER = 1
    FORCE_PYTORCH_ORDER = 2
    MINIMUM_TRANSPOSITIONS = 3
    MANUAL = 4


def identity(rank: int) -> Layout:
    return tuple(range(rank))


def channel_last(rank: int) -> Layout:
    """The layout of TensorFlow's order; the identity below rank 3."""
    return identity(rank) if rank < 3 else (0, *range(2, rank), 1)


def layout_for(order: ChannelOrder, rank: int) -> Layout:
    return channel_last(rank) if order is ChannelOrder.TENSORFLOW else identity(rank)


def order_of(layout: Layout) -> ChannelOrder | None:
    """The named order of a layout, or None when it is neither (only layout-aware converters see such tensors)."""
    if layout == identity(len(layout)):
        return ChannelOrder.PYTORCH
    if layout == channel_last(len(layout)):
        return ChannelOrder.TENSORFLOW
    return None


def inverse(permutation: Sequence[int]) -> Layout:
    result = [0] * len(permutation)
    for position, dim in enumerate(permutation):
        result[dim] = position
    return tuple(result)


def transposition(source: Layout, target: Layout) -> Layout:
    """The `perm` argument of a transpose that takes a tensor from one layout to another."""
    where = inverse(source)
    return tuple(where[dim] for dim in target)


def moves_data(perm: Sequence[int], shape: Sequence[int | None]) -> bool:
    """Whether a transpose by `perm` of a tensor of `shape` is more than a reshape: dims of size 1 move for free."""
    moved = [axis for axis in perm if shape[axis] != 1]
    return moved != sorted(moved)


def rank_of(tensor: Any) -> int:
    rank = tensor.shape.rank if hasattr(tensor.shape, "rank") else len(tensor.shape)
    if rank is None:
        raise ValueError(f"the rank of {tensor} is not known, so it has no channel order")
    return rank


def get_layout(tensor: Any) -> Layout:
    """The layout that a TensorFlow or Keras tensor is annotated with; without an annotation, PyTorch's."""
    return getattr(tensor, _ATTRIBUTE, None) or identity(rank_of(tensor))


def has_layout(tensor: Any) -> bool:
    return getattr(tensor, _ATTRIBUTE, None) is not None


def set_layout(tensor: T, layout: Layout) -> T:
    setattr(tensor, _ATTRIBUTE, tuple(layout))
    return tensor


def get_channel_order(tensor: Any) -> ChannelOrder:
    """The channel order of a tensor inside a node converter.

    Below rank 3 both orders are the same, and PYTORCH is returned."""
    order = order_of(get_layout(tensor))
    if order is None:
        raise ValueError(
            f"{tensor} has layout {get_layout(tensor)}, which is neither channel order. Declare the converter with "
            "ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS, and it will be given one of the two."
        )
    return order


def set_channel_order(tensor: T, channel_order: ChannelOrder) -> T:
    """Annotates a tensor with its channel order (moving no data) and returns it."""
    return set_layout(tensor, layout_for(channel_order, rank_of(tensor)))


def relaid(tensor: Any, perm: Layout) -> Any:
    """A TensorFlow tensor transposed by `perm`; reshaped where that moves no data."""
    import tensorflow as tf

    shape = tensor.shape.as_list()
    if list(perm) == sorted(perm):
        return tensor
    if not moves_data(perm, shape) and sum(size is None for size in shape) <= 1:
        return tf.reshape(tensor, [-1 if shape[axis] is None else shape[axis] for axis in perm])
    return tf.transpose(tensor, perm)


def axis_of(tensor: Any, dim: int) -> int:
    """The axis of a TensorFlow tensor that holds PyTorch dim `dim` (which may be negative)."""
    layout = get_layout(tensor)
    return layout.index(dim % len(layout)) if layout else 0


def permute_pytorch2keras(values: Sequence[T]) -> tuple[T, ...]:
    """Per-dim values (a shape, paddings) from PyTorch's order into TensorFlow's."""
    return tuple(values[dim] for dim in channel_last(len(values)))


def permute_keras2pytorch(values: Sequence[T]) -> tuple[T, ...]:
    """Per-dim values (a shape, paddings) from TensorFlow's order into PyTorch's."""
    return tuple(values[axis] for axis in inverse(channel_last(len(values))))


def t_pytorch2keras(tensor: Any) -> Any:
    """Transposes a TensorFlow tensor from PyTorch's order into TensorFlow's."""
    import tensorflow as tf

    return set_channel_order(tf.transpose(tensor, channel_last(rank_of(tensor))), ChannelOrder.TENSORFLOW)


def t_keras2pytorch(tensor: Any) -> Any:
    """Transposes a TensorFlow tensor from TensorFlow's order into PyTorch's."""
    import tensorflow as tf

    return set_channel_order(
        tf.transpose(tensor, inverse(channel_last(rank_of(tensor)))), ChannelOrder.PYTORCH
    )
