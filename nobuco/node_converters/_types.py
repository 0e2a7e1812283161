"""PyTorch's type promotion: TensorFlow refuses to mix dtypes, and lets integers divide as integers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from nobuco.contract.dtypes import tf_dtype


def result_dtype(*operands: Any) -> Any:
    """The TensorFlow dtype that PyTorch gives an op on `operands` (tensors and numbers), as at conversion."""
    kept = [each for each in operands if isinstance(each, torch.Tensor | bool | int | float | complex)]
    dtype = kept[0] if len(kept) == 1 else None
    if dtype is not None:
        return tf_dtype(dtype.dtype if isinstance(dtype, torch.Tensor) else torch.tensor(dtype).dtype)
    result = torch.result_type(kept[0], kept[1])
    for each in kept[2:]:
        result = torch.result_type(torch.zeros((1,), dtype=result), each)
    return tf_dtype(result)


def floating(dtype: Any) -> Any:
    """What an op that yields fractions returns for inputs of `dtype`."""
    return dtype if dtype.is_floating or dtype.is_complex else tf_dtype(torch.get_default_dtype())


def cast(value: Any, dtype: Any) -> Any:
    """A tensor or a number as a tensor of `dtype`; a fraction loses its fraction where the dtype has none."""
    if tf.is_tensor(value) or isinstance(value, tf.Variable):
        return value if value.dtype == dtype else tf.cast(value, dtype)
    if dtype == tf.bool:
        return tf.constant(bool(value))
    return tf.constant(int(value) if dtype.is_integer and not isinstance(value, complex) else value, dtype)
