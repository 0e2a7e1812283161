"""Outputs keep their structure, with what is no tensor beside them, in Keras, saved and as TFLite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import nobuco
from nobuco import ChannelOrder
from nobuco.contract.tree import tree_leaves


@dataclass
class Found:
    boxes: Any
    loss: Any = None
    count: int = 3


def shape_of(item: Any) -> Any:
    """The structure, with each tensor as its sum."""
    if isinstance(item, dict):
        return {key: shape_of(value) for key, value in item.items()}
    if isinstance(item, tuple | list):
        return type(item)(shape_of(each) for each in item)
    if isinstance(item, Found):
        return Found(*map(shape_of, (item.boxes, item.loss, item.count)))
    return (
        item
        if item is None or isinstance(item, int | float | str)
        else pytest.approx(float(np.sum(np.asarray(item))))
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ("name", x * 2),
        lambda x: {"y": x * 2, "none": None, "n": 3},
        lambda x: Found(x * 2),
        lambda x: [x * 2, (None, x + 1), {"k": "text"}],
        lambda x: {"q": {"z": None}, "p": (x + 1, 1.5), "a": x * 3},
    ],
)
def test_what_is_no_tensor_is_kept(function: Callable[[torch.Tensor], Any], tmp_path: Path) -> None:
    x = torch.linspace(-1, 2, 6).reshape(2, 3)
    model = nobuco.pytorch_to_keras(function, [x], inputs_channel_order=ChannelOrder.PYTORCH, verbose=False)
    wanted = shape_of(function(x))
    assert shape_of(model(x.numpy())) == wanted
    model.save(tmp_path / "model.keras")
    assert shape_of(keras.models.load_model(tmp_path / "model.keras")(x.numpy())) == wanted
    written = nobuco.export_tflite(model, tmp_path / "model.tflite")
    tensors = [leaf for leaf in tree_leaves(function(x)) if isinstance(leaf, torch.Tensor)]
    assert len(written.info.outputs) == len(tensors)


def test_a_number_that_may_depend_on_a_size_is_warned_of() -> None:
    x = torch.rand(2, 3)
    with pytest.warns(
        nobuco.BakedValueWarning, match=r"returns the Python value\(s\) \[2\] beside its tensors"
    ):
        nobuco.pytorch_to_keras(
            lambda x: (x * 2, x.shape[0]), [x], input_shapes={x: (None, 3)}, verbose=False
        )


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: x[:, x.mean((0, 2, 3)) > 0.5], (1, None, 2, 3)),
        (lambda x: x[x > 0.5], (None,)),
        (lambda x: x[0][:, x[0, 0] > 0.5], (4, None)),
        (lambda x: x[:, :, x[0, 0] > 0.5] * 2, (1, 4, None)),
        (lambda x: x[x > 0.5].sum(), ()),
    ],
)
def test_a_computed_mask_leaves_sizes_open(
    function: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int | None, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nobuco.pytorch_to_keras(
        function,
        [torch.rand(1, 4, 2, 3)],
        inputs_channel_order=ChannelOrder.PYTORCH,
        outputs_channel_order=ChannelOrder.PYTORCH,
        verbose=False,
    )
    assert model.outputs[0].shape == shape
    for _ in range(3):
        other = torch.rand(1, 4, 2, 3) ** 2
        np.testing.assert_allclose(model(other.numpy()), function(other), rtol=1e-5)
    assert nobuco.export_tflite(model, tmp_path / "model.tflite").max_relative_error < 1e-5
