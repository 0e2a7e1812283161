"""Tables of vectors, read by index."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.registry import builtin, impossible
from nobuco.contract.results import LayerChain, with_weights
from nobuco.contract.unknown_sizes import static_shape

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _keeps_its_table(call: Any) -> str | None:
    return "with max_norm the rows are scaled down first" if call.max_norm is not None else None


impossible(
    torch.embedding_renorm_,
    because="max_norm changes the table at every call. Scale its rows down once, before the conversion, and leave it out: "
    "look all of them up (an EmbeddingBag on torch.arange(num_embeddings)[None]), and set max_norm to None",
)


@builtin(F.embedding, strategy=_PYTORCH, accepts=_keeps_its_table)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """A Keras Embedding where the table is a weight. `padding_idx` concerns training alone: its row is an ordinary one."""
    if is_constant(weight) and not is_constant(input):
        layer = keras.layers.Embedding(*weight.shape)
        return LayerChain(with_weights(layer, static_shape(input), weight))
    return lambda input, weight, *args, **kwargs: tf.gather(weight, input)


@builtin(torch.embedding, strategy=_PYTORCH)
def embedding_of_torch(weight: Tensor, indices: Tensor, *args, **kwargs):
    return lambda weight, indices, *args, **kwargs: tf.gather(weight, indices)
