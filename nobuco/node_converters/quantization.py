"""Fake quantisation, by which a model is trained to be quantised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain
from nobuco.layers.fake_quantize import FakeQuantize


def _constant_scales(call: Any) -> str | None:
    constant = is_constant(call.scale) and is_constant(call.zero_point)
    return None if constant else "its scale or zero point depends on the model's inputs"


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
