"""What has as many elements as the values of its inputs tell: places where something is true, boxes that remain."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin, impossible
from nobuco.node_converters._types import cast

_IN_ORDER = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(torch.nonzero, torch.Tensor.nonzero, strategy=_IN_ORDER, output_varies=True)
def nonzero(input: Tensor, *, as_tuple: bool = False):
    def func(input, *, as_tuple=False):
        places = _places(input)
        if as_tuple:
            return tuple(places[:, dim] for dim in range(places.shape[1]))
        return places[:, : input.shape.rank]

    return func


@builtin(torch.argwhere, torch.Tensor.argwhere, strategy=_IN_ORDER, output_varies=True)
def argwhere(input: Tensor):
    return lambda input: _places(input)[:, : input.shape.rank]


def _places(x: Any) -> Any:
    """(count, rank), of a single number (count, 1): where `x` is not zero."""
    return tf.where(cast(x if x.shape.rank else x[None], tf.bool))


@builtin(torch.masked_select, torch.Tensor.masked_select, strategy=_IN_ORDER, output_varies=True)
def masked_select(input: Tensor, mask: Tensor):
    def func(input, mask):
        shape = tf.broadcast_dynamic_shape(tf.shape(input), tf.shape(mask))
        chosen = tf.where(tf.reshape(tf.broadcast_to(mask, shape), [-1]))[:, 0]
        return tf.gather(tf.reshape(tf.broadcast_to(input, shape), [-1]), chosen)

    return func


@builtin("torchvision::nms", strategy=_IN_ORDER, output_varies=True)
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float):
    """TensorFlow's and TFLite's kernels differ over boxes of equal scores: sorted beforehand, and ranked by their places,
    no two are equal. Boxes are (x1, y1, x2, y2) to PyTorch and (y1, x1, y2, x2) to TensorFlow, which overlap alike. An
    empty box, or one whose corners are the wrong way round, overlaps nothing in PyTorch, and TFLite has no answer to it:
    it is put where no other box is."""

    def func(boxes, scores, iou_threshold):
        count = tf.shape(scores)[0]
        order = tf.argsort(scores, direction="DESCENDING", stable=True)
        places = tf.cast(tf.range(count), tf.float32)
        boxes = tf.gather(boxes, order)
        solid = tf.reduce_all(boxes[:, 2:] > boxes[:, :2], 1, keepdims=True)
        corner = (tf.reduce_max(boxes) + 1 + 2 * places)[:, None]
        aside = tf.concat([corner, corner, corner + 1, corner + 1], 1)
        kept, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=tf.where(solid, boxes, aside),
            scores=-places,
            max_output_size=count,
            iou_threshold=float(iou_threshold),
            score_threshold=float("-inf"),
            pad_to_max_output_size=True,
        )
        return tf.cast(tf.gather(order, kept[:number]), tf.int64)

    return func


impossible(
    torch.unique, torch.Tensor.unique, torch.unique_consecutive, torch.Tensor.unique_consecutive,
    torch.functional.unique, torch.functional.unique_consecutive, torch.bincount, torch.Tensor.bincount,
    because="its output has a shape that depends on the values, which a converted graph of fixed shapes cannot have. Use "
    "a mask (torch.where, a product with it) or topk",
)  # fmt: skip
