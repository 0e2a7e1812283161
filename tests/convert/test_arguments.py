"""What is given to `pytorch_to_keras`: each tensor is an input, and what cannot be meant is refused in one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nobuco
from nobuco import ChannelOrder, ChannelOrderingStrategy, NobucoError

PYTORCH = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}


def convert(model: Any, args: Any, **options: Any) -> Any:
    return nobuco.pytorch_to_keras(model, args, verbose=False, **options)


def test_a_tensor_given_twice_is_two_inputs() -> None:
    x = torch.rand(2, 3)
    model = convert(lambda a, b: a + 2 * b, [x, x], input_shapes={x: (None, 3)}, **PYTORCH)
    assert [each.shape for each in model.inputs] == [(None, 3), (None, 3)]
    a, b = np.ones((4, 3), np.float32), np.full((4, 3), 5, np.float32)
    np.testing.assert_allclose(model([a, b]), a + 2 * b)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda x: convert(nn.ReLU(), x), "args is a Tensor: give a list"),
        (lambda x: convert("resnet", [x]), "the model is a str"),
        (
            lambda x: convert(nn.ReLU, [x]),
            r"the model is the class ReLU: give an instance of it, ReLU\(...\)",
        ),
        (lambda x: convert(nn.ReLU(), [x], inputs_channel_order="NHWC"), "inputs_channel_order is 'NHWC'"),
        (lambda x: convert(nn.ReLU(), [x.to("meta")]), "on the meta device"),
        (
            lambda x: convert(lambda y: (y, {1}), [x]),
            r"output\[1\] is a set, which a Keras model cannot give back",
        ),
        (lambda x: nobuco.locate_converter("relu"), "'relu' is no PyTorch function"),
        (
            lambda x: nobuco.converter(
                "relu", channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS
            )(len),
            "'relu' is no PyTorch function",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(attempt: Callable[[torch.Tensor], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError, NobucoError), match=said):
        attempt(torch.rand(1, 3))


def test_a_scripted_module_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Linear(3, 3))
    with pytest.raises(TypeError, match="give the module that was scripted"):
        convert(scripted, [torch.rand(1, 3)])


def test_a_page_that_cannot_be_written_does_not_cost_the_model() -> None:
    with pytest.warns(UserWarning, match=r"save_trace_html: /proc/page\.html cannot be written"):
        model = convert(nn.ReLU(), [torch.rand(1, 3)], save_trace_html="/proc/page.html")
    assert model.output_shape == (1, 3)


def test_a_page_makes_its_folder(tmp_path) -> None:
    convert(nn.ReLU(), [torch.rand(1, 3)], save_trace_html=tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").stat().st_size > 1000


def test_many_conversions_are_no_retracing(caplog: pytest.LogCaptureFixture) -> None:
    for size in range(7):
        convert(nn.ReLU(), [torch.rand(1, size + 1)])
    assert "retracing" not in caplog.text


def test_sizes_that_python_read_are_pointed_out() -> None:
    x = torch.rand(1, 4, 6)
    with pytest.warns(
        nobuco.DiscrepancyWarning,
        match=r"on other sizes: .*trace_shape=True, or read them with nobuco\.shape",
    ):
        convert(lambda x: x * x.shape[2], [x], input_shapes={x: (1, 4, None)}, **PYTORCH)
