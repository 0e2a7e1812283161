"""Fake quantisation, by which a model is trained to be quantised, and the pairs of ops that stand for it in models that were
converted to a reference: one makes the integers, one the numbers that they stand for."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain
from nobuco.layers.fake_quantize import Dequantize, FakeQuantize, Quantize

_LIMITS = {torch.quint8: (0, 255), torch.qint8: (-128, 127)}


def _constant_scales(call: Any) -> str | None:
    if is_constant(call.scale) and is_constant(call.zero_point):
        return None
    return (
        "its scale or zero point depends on the model's inputs: an observer that is on is turned off by "
        "model.apply(torch.ao.quantization.disable_observer), and scales that are found as the model runs "
        '(dynamic quantisation) are had from the float model by export_tflite(..., precision="int8-dynamic")'
    )


def _constant_scales_of_8_bits(call: Any) -> str | None:
    if call.scales is not None or isinstance(call.input, list | tuple):
        return "it quantises several tensors: call it for each by itself"
    if call.dtype not in _LIMITS:
        return f"{call.dtype} is no type of 8 bits"
    return _constant_scales(call)


def _numbers(value: Any) -> list[float]:
    return value.detach().flatten().tolist() if isinstance(value, Tensor) else [value]


@builtin(torch.fake_quantize_per_tensor_affine, any_layout=True, accepts=_constant_scales)
def fake_quantize_per_tensor_affine(
    input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int
):
    return LayerChain(FakeQuantize(_numbers(scale), _numbers(zero_point), quant_min, quant_max))


@builtin(
    torch.fake_quantize_per_channel_affine,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=_constant_scales,
)
def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
):
    return LayerChain(
        FakeQuantize(_numbers(scale), _numbers(zero_point), quant_min, quant_max, axis % input.dim())
    )


# A quantised tensor of PyTorch (dtype quint8, qint8) is the numbers that it stands for.


@builtin(torch.quantize_per_tensor, any_layout=True, accepts=_constant_scales_of_8_bits)
def quantize_per_tensor(
    input: Tensor,
    scale: Any,
    zero_point: Any,
    dtype: torch.dtype,
    *,
    scales: Any = None,
    zero_points: Any = None,
):
    return LayerChain(FakeQuantize(_numbers(scale), _numbers(zero_point), *_LIMITS[dtype]))


@builtin(torch.dequantize, Tensor.dequantize, any_layout=True)
def dequantize(tensor: Tensor):
    return lambda tensor: tf.identity(tensor)


# Those of torch.export's way to quantised models: plain tensors of integers.


@builtin("quantized_decomposed::quantize_per_tensor", any_layout=True, accepts=_constant_scales)
def decomposed_quantize_per_tensor(
    input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: torch.dtype
):
    return LayerChain(
        Quantize(_numbers(scale), _numbers(zero_point), quant_min, quant_max, tf_dtype(dtype).name)
    )


@builtin("quantized_decomposed::dequantize_per_tensor", any_layout=True, accepts=_constant_scales)
def decomposed_dequantize_per_tensor(
    input: Tensor,
    scale: Any,
    zero_point: Any,
    quant_min: int,
    quant_max: int,
    dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
):
    return LayerChain(Dequantize(_numbers(scale), _numbers(zero_point), quant_min, quant_max))
