"""Each converted call by itself, on the inputs that PyTorch gave it: an error is seen where it is born."""

from __future__ import annotations

import tensorflow as tf
import torch

from nobuco.contract.channel_order import inverse, set_layout
from nobuco.contract.dtypes import to_numpy
from nobuco.keras_model.messages import said_by
from nobuco.keras_model.nodes import ConvertedNode
from nobuco.validate.compare import relative_error
from nobuco.validate.report import CallReport, Status


def validate_call(node: ConvertedNode, tolerance: float) -> CallReport:
    report = CallReport(node.call, Status.RIGHT, converter=node.converter)
    inputs = [
        set_layout(tf.constant(to_numpy(value.tensor).transpose(layout)), layout)
        for value, layout in node.graph_inputs
    ]
    try:
        outputs = node.apply(inputs)
        if len(outputs) != len(node.call.outputs):
            raise ValueError(f"it returned {len(outputs)} tensors, PyTorch returns {len(node.call.outputs)}")
    except Exception as error:  # whatever a user's converter raises is reported on its node
        report.status, report.message = Status.FAILED, said_by(error)
        return report
    errors = []
    found = [each.numpy() for each in outputs]
    wanted = [to_numpy(value.tensor) for value in node.call.outputs]
    laid_out = [
        actual.transpose(inverse(layout)) if actual.ndim == len(layout) else actual
        for actual, layout in zip(found, node.mode.outputs, strict=True)
    ]
    aligned = node.converter.aligned
    if aligned is not None and [each.shape for each in laid_out] == [each.shape for each in wanted]:
        laid_out = aligned(laid_out, wanted)
    for actual, expected, value, layout in zip(
        laid_out, wanted, node.call.outputs, node.mode.outputs, strict=True
    ):
        if actual.ndim != len(layout):
            report.message = f"shape {actual.shape} where PyTorch has {value.shape}"
            errors.append(float("inf"))
            continue
        if actual.shape != expected.shape:
            report.message = f"shape {actual.shape} where PyTorch has {expected.shape}"
        errors.append(relative_error(actual, expected))
    report.error = max(errors, default=0.0)
    allowed = [max(tolerance, _steps(value.tensor.dtype)) for value in node.call.outputs]
    if any(not error <= most for error, most in zip(errors, allowed, strict=True)):
        report.status = Status.INEXACT
    return report


def _steps(dtype: torch.dtype) -> float:
    """What two roundings to a type of half precision or less may be apart: its numbers tell no more."""
    return 2 * torch.finfo(dtype).eps if dtype.is_floating_point and dtype.itemsize < 4 else 0.0
