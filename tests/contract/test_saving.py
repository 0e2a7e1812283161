"""A saved model finds its converters again, or says why it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

import nobuco
import nobuco.keras_model.outputs
import nobuco.layers.recurrent
import nobuco.layers.weight
from nobuco import ChannelOrderingStrategy
from nobuco.contract.registry import op_named, saved_name
from nobuco.keras_registration import _LAYERS

ANY = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS


@pytest.fixture(autouse=True)
def registered():
    with nobuco.converters():
        yield


class Block(nn.Module):
    def forward(self, x):
        return x + 1


class Other:
    class Block(nn.Module):
        def forward(self, x):
            return x + 2


def test_classes_of_one_name_are_two():
    for cls, shift in ((Block, 1), (Other.Block, 2)):
        nobuco.converter(cls, channel_ordering_strategy=ANY)(
            lambda self, x, shift=shift: keras.layers.Lambda(lambda x: x + shift)
        )
    assert op_named(saved_name(Block)) is Block
    assert op_named(saved_name(Other.Block)) is Other.Block
    assert saved_name(Block) != saved_name(Other.Block)


def test_a_function_from_a_module_converter_cannot_be_saved_and_says_so(tmp_path):
    @nobuco.converter(Block, channel_ordering_strategy=ANY)
    def block(self, x):
        return lambda x: x + 1

    keras_model = nobuco.pytorch_to_keras(Block(), [torch.rand(2, 3)], verbose=False)
    with pytest.raises(nobuco.NobucoError, match=r"cannot be saved.*Block.*Keras layer"):
        keras_model.save(tmp_path / "model.keras")
    assert nobuco.export_tflite(keras_model, tmp_path / "model.tflite").max_relative_error < 1e-6


def test_a_layer_from_a_module_converter_is_saved(tmp_path):
    @nobuco.converter(Block, channel_ordering_strategy=ANY)
    def block(self, x):
        return keras.layers.Rescaling(1.0, offset=1.0)

    keras_model = nobuco.pytorch_to_keras(Block(), [torch.rand(2, 3)], verbose=False)
    keras_model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(again(x), keras_model(x))


def test_a_converter_that_no_longer_takes_the_call_is_told(tmp_path):
    @nobuco.traceable
    def shifted(x):
        return x + 1

    nobuco.converter(shifted, channel_ordering_strategy=ANY)(lambda x: lambda x: x + 1)
    keras_model = nobuco.pytorch_to_keras(shifted, [torch.rand(2, 3)], verbose=False)
    keras_model.save(tmp_path / "model.keras")
    nobuco.converter(
        shifted, channel_ordering_strategy=ANY, accepts=lambda call: nobuco.Impossible("not any more")
    )(lambda x: lambda x: x + 1)
    with pytest.raises(nobuco.NobucoError, match="not any more"):
        keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "first", ["import nobuco, keras", "import keras, nobuco", "import nobuco, tensorflow"]
)
def test_a_saved_model_loads_after_import_nobuco_alone(tmp_path, first):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softsign())
    x = torch.rand(1, 3, 8, 8)
    keras_model = nobuco.pytorch_to_keras(model.eval(), [x], verbose=False)
    keras_model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x.permute(0, 2, 3, 1).numpy())
    np.save(tmp_path / "y.npy", np.asarray(keras_model(x.permute(0, 2, 3, 1).numpy())))
    program = (
        f"{first}\nimport numpy as np, tensorflow as tf\n"
        "model = tf.keras.models.load_model('model.keras')\n"
        "np.testing.assert_allclose(model(np.load('x.npy')), np.load('y.npy'), rtol=1e-5)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(nobuco.__file__).parents[1])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keras_is_told_of_every_layer():
    """The table that is read before any layer's module is imported."""
    known = {name for name in keras.saving.get_custom_objects() if name.startswith("nobuco>")}
    assert known == {f"nobuco>{name}" for name in _LAYERS}
