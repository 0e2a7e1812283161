"""Every op of a file leads back to the PyTorch program."""

import inspect
import re
from pathlib import Path

import keras
import pytest
import torch
from torch import nn

import models_zoo
import nobuco
from nobuco import ChannelOrder


class Named(nn.Module):
    """Modules and calls whose names differ by a number at the end, which is what TensorFlow puts behind a name, too."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.relu_1 = nn.ReLU(), nn.ReLU()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.conv(self.relu_1(self.conv(self.relu(x)) + 1))
        y = y * torch.tanh(x)
        return y * torch.tanh(x + 3)


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 8, bidirectional=True, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return {"b": self.head(self.lstm(x)[0]), "a": torch.exp(x)}


def exported(model, x, folder: Path):
    keras_model = nobuco.pytorch_to_keras(
        model, [x], verbose=False,
        inputs_channel_order=ChannelOrder.TENSORFLOW, outputs_channel_order=ChannelOrder.TENSORFLOW,
    )  # fmt: skip
    return keras_model, nobuco.export_tflite(keras_model, folder / "model.tflite", validate=False)


def line_of(method, text: str) -> int:
    lines, start = inspect.getsourcelines(method)
    return start + next(number for number, line in enumerate(lines) if text in line)


def test_names_that_differ_by_a_number(tmp_path):
    _, file = exported(Named().eval(), torch.rand(1, 3, 4, 4), tmp_path)
    tanh = [row for row in file.info.rows if row.op == "TANH"]
    assert [{origin.site.line for origin in row.origins if origin.op == "torch.tanh"} for row in tanh] in (
        [{line_of(Named.forward, "tanh(x)")}, {line_of(Named.forward, "x + 3")}],
        [{line_of(Named.forward, "x + 3")}, {line_of(Named.forward, "tanh(x)")}],
    )
    shifts = {
        origin.site.line for row in file.info.rows for origin in row.origins if origin.op == "Tensor.add"
    }
    assert shifts == {line_of(Named.forward, "+ 1"), line_of(Named.forward, "+ 3")}
    paths = {origin.module_path for row in file.info.rows for origin in row.origins}
    assert {"relu", "relu_1", "conv"} <= paths


def test_what_stands_in_a_loop_belongs_to_the_module_that_loops(tmp_path):
    _, file = exported(Text().eval(), torch.rand(1, 130, 8), tmp_path)  # too long to be written out
    inside = [row for row in file.info.rows if row.subgraph > 0]
    assert inside
    assert {row.module_path for row in inside} == {"lstm"}


def test_the_outputs_of_a_dict_are_told_apart(tmp_path):
    """Keras sorts the keys: the file's outputs stand in another order than the model's."""
    _, file = exported(Text().eval(), torch.rand(1, 5, 8), tmp_path)
    (exp,) = (row for row in file.info.rows if row.op == "EXP")
    assert {origin.op for origin in exp.origins if not origin.transpose} == {"torch.exp"}


@pytest.mark.parametrize("name", ["slice_relu", "squeezenet1_1", "mobilenet_v3_large"])
def test_every_op_of_a_zoo_model_has_its_origin(name, tmp_path):
    loaded = models_zoo.load(models_zoo.ModelSpec(name))
    keras_model, file = exported(loaded.module, loaded.args[0].clone(), tmp_path)
    assert not [row for row in file.info.rows if not row.origins]
    modules = dict(loaded.module.named_modules())
    for row in file.info.rows:
        for origin in row.origins:
            assert origin.module_path in modules or origin.module_path == type(loaded.module).__name__
            assert Path(origin.site.file).is_file() and origin.site.line > 0
    convolutions = [row for row in file.info.rows if "CONV_2D" in row.op]
    paths = {origin.module_path for row in convolutions for origin in row.origins}
    expected = {path for path, module in modules.items() if isinstance(module, nn.Conv2d)}
    assert expected <= paths
    # the file alone tells no origins; with the model they are the same again
    assert not any(row.origins for row in nobuco.inspect_tflite(file.path).rows)
    assert nobuco.inspect_tflite(file.path, keras_model).rows == file.info.rows


def test_another_model_is_refused(tmp_path):
    _, file = exported(Named().eval(), torch.rand(1, 3, 4, 4), tmp_path)
    other, _ = exported(nn.Softsign(), torch.rand(1, 3, 4, 4), tmp_path / "other")
    with pytest.raises(ValueError, match="made from another model"):
        nobuco.inspect_tflite(file.path, other)
    with pytest.raises(ValueError, match="no report"):
        x = keras.Input((3,))
        nobuco.inspect_tflite(file.path, keras.Model(x, x + 1))


def test_an_origin_reads_well(tmp_path):
    _, file = exported(Named().eval(), torch.rand(1, 3, 4, 4), tmp_path)
    texts = [str(origin) for row in file.info.rows for origin in row.origins]
    assert any(
        re.match(r'conv: torch\.conv2d at File ".*test_origins\.py", line \d+$', text) for text in texts
    )


def test_an_output_that_is_fused_belongs_to_all_that_is_fused(tmp_path):
    """The op that makes an output bears no layer's name: without the layers before it, all would be the ReLU's."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    _, file = exported(model.eval(), torch.rand(1, 3, 8, 8), tmp_path)
    first, last = (row for row in file.info.rows if row.op == "CONV_2D")
    assert {origin.module_path for origin in first.origins} == {"0", "1"}
    assert {origin.module_path for origin in last.origins} == {"2", "3", "4"} and last.module_path == ""


class Shuffled(nn.Module):
    def forward(self, x):
        return nn.functional.channel_shuffle(x, 2)


@pytest.mark.parametrize("order", list(nobuco.ChannelOrder))
def test_a_call_that_melts_into_the_transposes_around_it(order, tmp_path):
    example = torch.rand(1, 4, 3, 2)
    model = nobuco.pytorch_to_keras(
        Shuffled().eval(), [example], inputs_channel_order=order, outputs_channel_order=order, verbose=False
    )
    file = nobuco.export_tflite(model, tmp_path / "m.tflite")
    assert {origin.module_path for row in file.info.rows for origin in row.origins} == {"Shuffled"}
