"""What TensorFlow and the interpreter say when they fail comes out as one sentence with the PyTorch call and its line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import nobuco
from nobuco import ChannelOrder, ChannelOrderingStrategy
from nobuco.tflite import TFLiteExportError, export_tflite

_ORDER = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@pytest.fixture(autouse=True)
def unhappy_converters() -> Iterator[None]:
    """Converters whose ops TFLite lacks, or whose ops do not run at every size."""

    def contrast(x: Any) -> Any:
        return tf.raw_ops.AdjustContrastv2(images=x[None], contrast_factor=2.0)[0]

    def register(op: Any, function: Any) -> None:
        nobuco.converter(op, channel_ordering_strategy=_ORDER)(lambda *args, **kwargs: function)

    def by_python(x: Any, _: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(lambda a: a * 2, [x], tf.float32), x.shape)

    with nobuco.converters():
        register(torch.special.erf, contrast)
        register(torch.special.digamma, tf.math.special.spence)
        register(torch.special.zeta, by_python)
        register(torch.special.xlog1py, lambda x, _: tf.reshape(x, [-1, 6]) * 1.0)
        yield


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.conv(x)).mean((2, 3))


def erf(x: Any) -> Any:
    return torch.special.erf(x) * 2


def digamma(x: Any) -> Any:
    return torch.special.digamma(x) * 2


def cosine(x: Any) -> Any:
    return torch.cos(x) * 2


def by_python(x: Any) -> Any:
    return torch.special.zeta(x, x) * 2


def add(x: Any, y: Any) -> Any:
    return x * 2 + y


def product(x: Any, y: Any) -> Any:
    return torch.relu(x @ y)


def taken(x: Any, index: Any) -> Any:
    return torch.relu(x)[index]


def in_sixes(x: Any) -> Any:
    return torch.special.xlog1py(x, x)


def failure(
    function: Any,
    inputs: list[torch.Tensor],
    tmp_path: Path,
    shapes: Any = None,
    samples: Any = None,
    **options: Any,
) -> str:
    """The message of the export's error, of one sentence."""
    model = nobuco.pytorch_to_keras(
        function,
        inputs,
        input_shapes=dict(zip(inputs, shapes or [tuple(x.shape) for x in inputs], strict=True)),
        inputs_channel_order=ChannelOrder.PYTORCH,
        verbose=False,
    )
    arrays = None if samples is None else [np.asarray(sample) for sample in samples]
    with pytest.raises(TFLiteExportError) as caught:
        export_tflite(model, tmp_path / "m.tflite", sample_inputs=arrays, **options)
    assert list(tmp_path.iterdir()) == []
    said = str(caught.value)
    assert "\n" not in said and len(said) < 700
    assert f'File "{__file__}", line' in said
    return said


def line_of(function: Any) -> int:
    return function.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (
            erf,
            {},
            [
                "TFLite has no op for AdjustContrastv2",
                "(tf.AdjustContrastv2(tensor<1x2x3xf32>, tensor<f32>))",
                "or give allow_flex=True",
            ],
        ),
        (digamma, {}, ["neither TFLite nor TensorFlow's Flex delegate has an op for Spence"]),
        (digamma, {"allow_flex": True}, ["has an op for Spence", "converter of your own"]),
        (by_python, {"allow_flex": True}, ["has an op for PyFunc", "converter of your own"]),
        (by_python, {}, ["has an op for PyFunc", "tf.PyFunc(tensor<2x3xf32>)"]),
    ],
)
@pytest.mark.filterwarnings("ignore::nobuco.DiscrepancyWarning")
def test_ops_that_tflite_lacks(function: Any, options: Any, said: list[str], tmp_path: Path) -> None:
    message = failure(function, [torch.rand(2, 3) + 1], tmp_path, **options)
    assert f"line {line_of(function)}" in message
    for part in said:
        assert part in message


@pytest.mark.filterwarnings("ignore::nobuco.DiscrepancyWarning")
def test_another_float(tmp_path: Path) -> None:
    message = failure(cosine, [torch.rand(2, 3).half()], tmp_path)
    assert "computes in float16" in message and "model.float()" in message
    assert f"line {line_of(cosine)}" in message


@pytest.mark.parametrize(
    ("function", "inputs", "shapes", "samples", "said"),
    [
        (
            add,
            [torch.rand(4, 3), torch.rand(4, 3)],
            [(None, 3)] * 2,
            [np.ones((4, 3)), np.ones((5, 3))],
            "Incompatible shapes: [",
        ),
        (
            product,
            [torch.rand(4, 3), torch.rand(3, 5)],
            [(None, None), (None, 5)],
            [np.ones((4, 3)), np.ones((4, 5))],
            "In[0]: [4,3], In[1]: [4,5]",
        ),
        (in_sixes, [torch.rand(6, 4)], [(None, 4)], [np.ones((5, 4))], "a tensor with 20 values"),
        (
            taken,
            [torch.rand(4, 3), torch.tensor([1, 2])],
            None,
            [np.ones((4, 3)), np.array([1, 9])],
            "indices[1] = 9 is not in [0, 4)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::nobuco.BakedValueWarning", "ignore::nobuco.DiscrepancyWarning")
def test_inputs_that_the_keras_model_does_not_take(
    function: Any, inputs: Any, shapes: Any, samples: Any, said: str, tmp_path: Path
) -> None:
    message = failure(function, inputs, tmp_path, shapes, samples)
    given = " and ".join(str(sample.shape) for sample in samples)
    assert message.startswith(f"the Keras model does not run on inputs of shape {given}: ")
    assert said in message and f"line {line_of(function)}: " in message and "give sample_inputs" in message
    assert ("where it takes these, convert with trace_shape=True" in message) == (shapes is not None)


@pytest.mark.filterwarnings("ignore::nobuco.BakedValueWarning", "ignore::nobuco.DiscrepancyWarning")
def test_a_batch_that_python_has_read(tmp_path: Path) -> None:
    message = failure(lambda x: x.view(x.shape[0], 2, 3) * 2, [torch.rand(2, 6)], tmp_path, [(None, 6)])
    assert "does not run on inputs of shape" in message
    assert "convert with trace_shape=True: sizes that Python read from `tensor.shape`" in message


def test_an_image_smaller_than_the_kernel(tmp_path: Path) -> None:
    message = failure(
        Net().eval(), [torch.rand(1, 3, 16, 16)], tmp_path, [(1, 3, None, None)], [np.ones((1, 3, 4, 4))]
    )
    assert (
        "the .tflite model does not run on inputs of shape (1, 3, 4, 4); its CONV_2D, made of Net: torch.relu"
        in message
    )
    assert f"line {line_of(Net.forward)}, given (1, 4, 4, 3) and (4, 5, 5, 3)" in message
    assert "give sample_inputs of sizes" in message


def _refusing(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that finds fault with the file's first op, whose own checks ours pass before."""
    from ai_edge_litert import interpreter

    def refuse(*_: Any) -> None:
        raise RuntimeError(f"x/kernels/y.cc:12 n % 6 != 0 (4 != 0)Node number 0 (MUL) failed to {stage}.")

    monkeypatch.setattr(
        interpreter.Interpreter, {"prepare": "allocate_tensors", "invoke": "invoke"}[stage], refuse
    )


@pytest.mark.parametrize("stage", ["prepare", "invoke"])
def test_an_op_that_the_interpreter_names(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refusing(stage, monkeypatch)
    message = failure(lambda x: x * 2, [torch.rand(2, 3)], tmp_path)
    assert "; its MUL, made of Tensor.mul at File" in message and "given (2, 3)" in message
    assert ": n % 6 != 0 (4 != 0); give" in message


def test_an_op_that_xnnpack_alone_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a form makes fewer dims of it, and there may be ops that none does so for
    monkeypatch.setattr("nobuco.tflite.signature.with_forms_for", lambda function, aim: function)
    message = failure(torch.nn.Linear(4, 3), [torch.rand(2, 2, 2, 2, 2, 2, 4)], tmp_path)
    assert "but not with XNNPACK" in message
    assert "it fails on its FULLY_CONNECTED, made of Linear: F.linear at File" in message


def test_a_layer_that_only_works_eagerly(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(2, 3))
    model = keras.Model(x, keras.layers.Lambda(lambda t: t * float(t.numpy().sum()), output_shape=(3,))(x))
    with pytest.raises(TFLiteExportError, match=r"cannot be traced as a TensorFlow graph.*numpy") as caught:
        export_tflite(model, tmp_path / "m.tflite")
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::nobuco.DiscrepancyWarning")
def test_the_rest_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="nobuco"):
        failure(erf, [torch.rand(2, 3)], tmp_path)
    assert "see current operation" in caplog.text
    with caplog.at_level(logging.INFO, logger="nobuco"):
        caplog.clear()
        failure(erf, [torch.rand(2, 3)], tmp_path)
    assert "see current operation" not in caplog.text
