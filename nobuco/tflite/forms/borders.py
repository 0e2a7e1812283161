"""What a convolution goes over, and what it is padded with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nobuco.tflite.forms.form import Tensor, sizes, source, static


@dataclass(frozen=True)
class Bordered:
    """Attributes:
    picture: before it is padded.
    shape: (B, H, W, C), as the convolution takes it: a row may be made a picture after it was padded.
    down: rows of zeros above and below.
    across: places of zeros left and right.
    """

    picture: Tensor
    shape: list[int]
    down: tuple[int, int]
    across: tuple[int, int]


def bordered(op: Any) -> Bordered | None:
    """Of a Conv2D or DepthwiseConv2dNative of known sizes, (B, H, W, C); None for others."""
    shape, kernel, result = (sizes(each) for each in (*op.inputs, *op.outputs))
    if shape is None or kernel is None or result is None or op.get_attr("data_format") != b"NHWC":
        return None
    if op.get_attr("padding") == b"SAME":
        steps = zip(
            op.get_attr("strides")[1:3],
            op.get_attr("dilations")[1:3],
            kernel,
            result[1:],
            shape[1:],
            strict=False,
        )
        padded = [
            max(0, (made - 1) * stride + (taps - 1) * dilation + 1 - given)
            for stride, dilation, taps, made, given in steps
        ]
        down, across = ((each // 2, each - each // 2) for each in padded)
        return Bordered(op.inputs[0], shape, down, across)
    if op.get_attr("padding") != b"VALID":
        return None
    return _before_padding(op.inputs[0]) or Bordered(op.inputs[0], shape, (0, 0), (0, 0))


def _before_padding(tensor: Tensor) -> Bordered | None:
    pad = source(tensor).op
    if pad.type == "ExpandDims" and len(sizes(pad.inputs[0]) or []) == 3 and tensor.shape[1] == 1:
        pad = source(pad.inputs[0]).op
    if pad.type != "Pad":
        return None
    shape, paddings = sizes(pad.inputs[0]), static(pad.inputs[1])
    if shape is None or paddings is None or paddings[0].any() or paddings[-1].any() or (paddings < 0).any():
        return None
    pairs = [(int(before), int(behind)) for before, behind in paddings]
    if len(shape) == 4:
        return Bordered(pad.inputs[0], shape, pairs[1], pairs[2])
    return Bordered(pad.inputs[0], [shape[0], 1, *shape[1:]], (0, 0), pairs[1])
