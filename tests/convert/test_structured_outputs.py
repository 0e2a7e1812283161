"""Outputs with None, dataclasses and named tuples, wherever Keras takes a model's outputs apart."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from ai_edge_litert.interpreter import Interpreter

import nobuco
from nobuco import ChannelOrder
from nobuco.contract.tree import tree_leaves, tree_map


@dataclass
class Found:
    boxes: Any
    loss: Any = None


@dataclass
class Output(OrderedDict):
    """Like the outputs of transformers: a dict whose keys are those fields that are not None."""

    logits: Any = None
    loss: Any = None
    hidden: Any = None

    def __post_init__(self) -> None:
        for name in ("logits", "loss", "hidden"):
            if getattr(self, name) is not None:
                self[name] = getattr(self, name)


class Pair(NamedTuple):
    second: Any
    first: Any


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "None in a tuple": lambda x: (x * 2, None, x * 3),
    "None in a dict": lambda x: {"z": x * 2, "none": None, "a": x * 3},
    "dataclass": lambda x: Found(x * 2),
    "like a ModelOutput": lambda x: Output(logits=x * 2, hidden=(x * 3, x * 4)),
    "named tuple": lambda x: Pair(x * 2, x * 3),
    "nested": lambda x: {"z": [Found(x * 2, (None, x)), None], "n": {}, "a": {1: (x + 1, "text", 2.5)}},
}


def convert(name: str) -> keras.Model:
    order = ChannelOrder.PYTORCH
    return nobuco.pytorch_to_keras(
        FUNCTIONS[name], [torch.rand(2, 3)], inputs_channel_order=order, verbose=False
    )


def same(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    if isinstance(want, dict) and not isinstance(want, Output):
        assert list(got) == list(want)
    plain = [tree_map(lambda leaf: 0 if hasattr(leaf, "shape") else leaf, tree) for tree in (got, want)]
    assert plain[0] == plain[1]
    leaves = zip(tree_leaves(got), tree_leaves(want), strict=True)
    for ours, theirs in leaves:
        if isinstance(theirs, torch.Tensor):
            np.testing.assert_allclose(np.asarray(ours), theirs.numpy(), rtol=1e-6)


X = torch.linspace(-1, 2, 6).reshape(2, 3)
kinds = pytest.mark.parametrize("name", FUNCTIONS)


@kinds
def test_called_and_predicted(name: str) -> None:
    model, want = convert(name), FUNCTIONS[name](X)
    same(model(X.numpy()), want)
    same(model.predict(X.numpy(), verbose="0"), want)
    same(model.predict(X.numpy(), verbose="0", batch_size=1) if name != "nested" else want, want)
    same(model.predict_on_batch(X.numpy()), want)
    model.run_eagerly = True
    model.predict_function = None
    same(model.predict(X.numpy(), verbose="0"), want)


@kinds
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_saved(name: str, suffix: str, tmp_path: Path) -> None:
    convert(name).save(tmp_path / f"m.{suffix}")
    loaded: Any = keras.models.load_model(tmp_path / f"m.{suffix}")
    same(loaded(X.numpy()), FUNCTIONS[name](X))


@kinds
def test_inside_another_model(name: str, tmp_path: Path) -> None:
    inner = convert(name)
    x = keras.Input(batch_shape=(2, 3))
    found = inner(x)
    assert type(found) is type(FUNCTIONS[name](X))
    tensors = [each for each in tree_leaves(found) if keras.backend.is_keras_tensor(each)]
    outer = keras.Model(x, [tensor + 1.0 for tensor in tensors])
    outer.save(tmp_path / "m.keras")
    want = [leaf + 1 for leaf in tree_leaves(FUNCTIONS[name](X)) if isinstance(leaf, torch.Tensor)]
    loaded: Any = keras.models.load_model(tmp_path / "m.keras")
    for model in (outer, loaded):
        for ours, theirs in zip(keras.tree.flatten(model(X.numpy())), want, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@kinds
def test_by_tensorflows_own_converter(name: str) -> None:
    model = convert(name)
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter: Any = Interpreter(model_content=content)
    (signature,) = interpreter.get_signature_list().values()
    runner = interpreter.get_signature_runner(next(iter(interpreter.get_signature_list())))
    found = runner(**{signature["inputs"][0]: X.numpy()})
    wanted = [leaf for leaf in tree_leaves(FUNCTIONS[name](X)) if isinstance(leaf, torch.Tensor)]
    sums = sorted(float(each.sum()) for each in found.values())
    np.testing.assert_allclose(sums, sorted(float(each.sum()) for each in wanted), rtol=1e-5)


def test_weights_are_shared_with_the_model_around_it() -> None:
    module = torch.nn.Linear(3, 2).eval()

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Found:
            return Found(self.inner(x))

    inner = nobuco.pytorch_to_keras(Model().eval(), [X], verbose=False)
    x = keras.Input(batch_shape=(2, 3))
    outer = keras.Model(x, inner(x).boxes)
    assert len(inner.weights) == len(outer.weights) == 2
    inner.weights[0].assign(inner.weights[0] * 0)
    np.testing.assert_allclose(outer(X.numpy()), module.bias.detach().expand(2, 2), rtol=1e-6)


def test_a_class_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    @dataclass
    class Local:
        y: Any

    model = nobuco.pytorch_to_keras(lambda x: Local(x * 2), [X], verbose=False)
    assert isinstance(model(X.numpy()), Local)
    model.save(tmp_path / "m.keras")
    script = """
        import sys, keras, nobuco, numpy as np
        try:
            keras.models.load_model(sys.argv[1])(np.ones((2, 3), "float32"))
        except nobuco.NobucoError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "m.keras")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Local, which cannot be imported" in said and "top level of a module" in said


@pytest.mark.parametrize("function", [lambda x: (x, torch.float32), lambda x: {"a": x, (1, 2): x}])
def test_what_cannot_be_given_back_is_refused(function: Callable[[Any], Any]) -> None:
    with pytest.raises(
        nobuco.NobucoError, match=r"which a Keras model cannot give back: return tensors, in dicts"
    ):
        nobuco.pytorch_to_keras(function, [X], verbose=False)
