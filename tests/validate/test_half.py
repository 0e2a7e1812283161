"""Half precision: one rounding more or less is no discrepancy, and nothing larger is excused."""

from __future__ import annotations

import pytest
import torch

import nobuco
from nobuco.validate.report import Status

HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@HALVES
def test_the_last_step_is_no_discrepancy(dtype: torch.dtype) -> None:
    for seed in range(5):
        x = torch.randn(4, 16, generator=torch.Generator().manual_seed(seed)).to(dtype)
        nobuco.pytorch_to_keras(lambda x: torch.exp(x.erf()) * 3, [x], verbose=False, strict=True)


@HALVES
def test_more_is_one(dtype: torch.dtype) -> None:
    with nobuco.converters():

        @nobuco.converter(
            torch.Tensor.erf,
            channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
        )
        def erf(input: torch.Tensor):
            import tensorflow as tf

            return lambda input: tf.math.erf(input) * tf.constant(1.05, input.dtype)

        x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
        with pytest.warns(nobuco.DiscrepancyWarning):
            model = nobuco.pytorch_to_keras(lambda x: x.erf() * 1, [x], verbose=False)
    assert Status.INEXACT in {each.status for each in model.report.calls.values()}
