"""PyTorch's dtypes and TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import torch

_TF = {
    torch.float32: tf.float32,
    torch.float64: tf.float64,
    torch.float16: tf.float16,
    torch.bfloat16: tf.bfloat16,
    torch.int64: tf.int64,
    torch.int32: tf.int32,
    torch.int16: tf.int16,
    torch.int8: tf.int8,
    torch.uint8: tf.uint8,
    torch.bool: tf.bool,
    torch.complex64: tf.complex64,
    torch.complex128: tf.complex128,
    # quantised tensors are the numbers that they stand for
    torch.quint8: tf.float32,
    torch.qint8: tf.float32,
}


def tf_dtype(dtype: torch.dtype) -> Any:
    if dtype not in _TF:
        raise TypeError(f"{dtype} has no counterpart in TensorFlow")
    return _TF[dtype]


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
    if tensor.dtype is torch.bfloat16:
        return tensor.float().numpy().astype(tf.bfloat16.as_numpy_dtype)
    return (tensor.dequantize() if tensor.is_quantized else tensor).numpy()
