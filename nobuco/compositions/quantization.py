"""Fake quantisation that may also watch the range of what it quantises."""

from __future__ import annotations

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.fused_moving_avg_obs_fake_quant)
def fused_moving_avg_obs_fake_quant(
    self: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """As it is once its observer is off; a model whose observers are on changes with every call."""
    if observer_on.item():
        raise ValueError(
            "an observer of the model is on, which changes its scales with every call: "
            "model.apply(torch.ao.quantization.disable_observer)"
        )
    if not fake_quant_on.item():
        return self
    if per_row_fake_quant:
        return torch.fake_quantize_per_channel_affine(self, scale, zero_point, ch_axis, quant_min, quant_max)
    return torch.fake_quantize_per_tensor_affine(self, scale, zero_point, quant_min, quant_max)
