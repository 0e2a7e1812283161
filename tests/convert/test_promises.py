"""What `pytorch_to_keras` promises besides right numbers."""

from __future__ import annotations

import collections
import copy
import dataclasses
import random
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import nobuco
from nobuco import ChannelOrder


def convert(model, *args, **kwargs):
    return nobuco.pytorch_to_keras(model, args, verbose=False, **kwargs)


class Small(nn.Module):
    """A bit of everything that a saved model must find again: convolutions, functions, a parameter used directly."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.features(x)
        x = F.interpolate(x * self.scale, scale_factor=2, mode="bilinear")
        x = torch.cat([x[:, ::2], x[:, 1::2]], 1).clamp(-1, float("inf"))
        return self.head(x.mean((2, 3)))


# -- structure


@dataclasses.dataclass
class Detections:
    boxes: torch.Tensor
    scores: tuple[torch.Tensor, torch.Tensor]


@pytest.mark.parametrize("structure", ["dict", "tuple", "list", "nested", "dataclass"])
def test_outputs_keep_their_structure(structure):
    def model(x):
        a, b = x + 1, x * 2
        return {
            "dict": collections.OrderedDict(first=a, second=b),
            "tuple": (a, b),
            "list": [a, b],
            "nested": {"pair": (a, b), "more": [{"sum": a + b}]},
            "dataclass": Detections(a, (b, a + b)),
        }[structure]

    x = torch.rand(2, 3)
    result, expected = convert(model, x)(x.numpy()), model(x)
    if structure == "dataclass":
        assert isinstance(result, Detections)
        np.testing.assert_allclose(result.boxes, expected.boxes)
        np.testing.assert_allclose(result.scores[1], expected.scores[1])
        return
    assert keras.tree.map_structure(lambda t: tuple(t.shape), result) == keras.tree.map_structure(
        lambda t: tuple(t.shape), dict(expected) if structure == "dict" else expected
    )
    for got, want in zip(keras.tree.flatten(result), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(got, want)


def test_arguments_of_any_nesting():
    def model(pair, *, options):
        (a, b), c = pair, options["c"][0]
        return a + b * c if options["add"] else a

    a, b, c = torch.rand(3), torch.rand(3), torch.rand(3)
    converted = nobuco.pytorch_to_keras(model, [(a, b)], {"options": {"c": [c], "add": True}}, verbose=False)
    assert [tensor.name for tensor in converted.inputs] == ["pair_0", "pair_1", "options_c_0"]
    np.testing.assert_allclose(converted([a.numpy(), b.numpy(), c.numpy()]), a + b * c, rtol=1e-6)


def test_names_and_pytorch_outputs():
    x = torch.rand(1, 3)
    converted, outputs = nobuco.pytorch_to_keras(
        lambda x: {"twice": x * 2}, [x], input_names=["image"], output_names=["result"],
        return_outputs_pt=True, verbose=False,
    )  # fmt: skip
    assert converted.inputs[0].name == "image"
    assert "result" in [layer.name for layer in converted.layers]
    assert torch.equal(outputs["twice"], x * 2)


# -- saved models


def test_saved_and_loaded_in_a_new_process(tmp_path):
    x = torch.rand(1, 3, 16, 16)
    model = Small().eval()
    converted = convert(model, x)
    converted.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x.permute(0, 2, 3, 1).numpy())
    np.save(tmp_path / "y.npy", model(x).detach().numpy())
    script = """
        import sys
        import keras, numpy as np
        import nobuco
        model = keras.models.load_model(sys.argv[1] + "/m.keras")
        error = abs(model(np.load(sys.argv[1] + "/x.npy")).numpy() - np.load(sys.argv[1] + "/y.npy")).max()
        assert error < 1e-5, error
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], check=True)


def test_exported_model_needs_no_nobuco(tmp_path):
    x = torch.rand(1, 3, 16, 16)
    model = Small().eval()
    convert(model, x).export(tmp_path / "saved", verbose=False)
    np.save(tmp_path / "x.npy", x.permute(0, 2, 3, 1).numpy())
    np.save(tmp_path / "y.npy", model(x).detach().numpy())
    script = """
        import sys
        import numpy as np, tensorflow as tf
        model = tf.saved_model.load(sys.argv[1] + "/saved")
        error = abs(model.serve(np.load(sys.argv[1] + "/x.npy")).numpy() - np.load(sys.argv[1] + "/y.npy")).max()
        assert error < 1e-5, error
        assert "nobuco" not in sys.modules and "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], check=True)


def test_a_saved_model_with_an_unregistered_converter_says_what_to_import(tmp_path):
    @nobuco.traceable
    def mine(x):
        return x * 3

    nobuco.converter(mine, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)(
        lambda x: lambda x: x * 3
    )
    convert(lambda x: mine(x), torch.rand(2)).save(tmp_path / "m.keras")
    script = "import sys, keras, nobuco; keras.models.load_model(sys.argv[1])"
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m.keras")], capture_output=True, text=True, check=False
    )
    assert "Import the module that registers it" in result.stderr


# -- weights


def test_weights_carry_the_module_path_and_can_be_trained():
    torch.manual_seed(0)
    model = Small().eval()
    model.features[0].weight.requires_grad_(True)
    converted = convert(model, torch.rand(8, 3, 16, 16))
    paths = {weight.path for weight in converted.weights}
    assert {"features.0/kernel", "features.1/gamma", "head/kernel"} <= {p.replace(".conv2d", "").replace(
        ".batch_norm", "").replace(".linear", "") for p in paths}, paths  # fmt: skip
    names = {weight.path for weight in converted.trainable_weights}
    assert any("scale" in name for name in names)
    assert not any("moving" in name for name in names)

    x = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype(np.float32)
    y = np.arange(8) % 4
    converted.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = {weight.path: weight.numpy().copy() for weight in converted.trainable_weights}
    converted.fit(x, y, epochs=1, batch_size=8, verbose=0)
    changed = {
        path
        for path, old in before.items()
        for w in converted.weights
        if w.path == path and (w.numpy() != old).any()
    }
    # a bias in front of a batch norm has no gradient but rounding
    assert changed >= {name for name in names if name != "features.0.conv2d/bias"}


def test_a_module_called_twice_is_one_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(torch.relu(self.fc(x)))

    converted = convert(Twice(), torch.rand(2, 4))
    assert sum(isinstance(layer, keras.layers.Dense) for layer in converted.layers) == 1
    assert converted.count_params() == 20


def test_a_module_called_on_several_sizes_has_its_weights_once():
    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x)[:, :, ::2])

    converted = convert(Pyramid(), torch.rand(1, 3, 8, 8))
    assert [weight.path for weight in converted.weights] == ["conv.conv2d/kernel", "conv.conv2d/bias"]


# -- what python reads


def test_a_branch_on_a_number_is_reported_with_its_line():
    def model(x):
        if x.mean().item() > 0:  # the branch: .item() makes a number
            return x + 1
        return x - 1

    x = torch.ones(3)
    with pytest.warns(nobuco.BakedValueWarning, match=r"test_promises.py\", line \d+.*gave 1"):
        convert(model, x)
    with pytest.raises(nobuco.BakedValueError, match=r"gave 1"):
        convert(model, x, strict=True)


@pytest.mark.parametrize(
    "read", [int, float, torch.Tensor.item, torch.Tensor.tolist, lambda t: range(int(t))[-1]]
)
def test_a_number_read_from_a_tensor_is_reported(read):
    with pytest.warns(nobuco.BakedValueWarning, match="gave 3"):
        convert(lambda x: x * read(x.sum().round()), torch.ones(3), full_validation=False)


def test_a_constant_may_be_read():
    limit = torch.tensor(3.0)
    convert(lambda x: x * 2 if limit > 2 else x, torch.ones(3), strict=True)


# -- validation


def test_a_wrong_converter_is_named():
    @nobuco.traceable
    def triple(x):
        return x * 3

    nobuco.converter(triple, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)(
        lambda x: lambda x: x * 2
    )
    with pytest.warns(nobuco.DiscrepancyWarning, match="triple"):
        converted = convert(lambda x: triple(x + 1), torch.ones(3))
    assert converted.report.worst_call.call.op is triple
    assert converted.report.worst_call.error == pytest.approx(1 / 3)
    assert not converted.report.ok
    with pytest.raises(nobuco.DiscrepancyError, match="triple"):
        convert(lambda x: triple(x + 1), torch.ones(3), strict=True)


def test_a_converter_that_works_only_eagerly_is_seen():
    @nobuco.traceable
    def eager(x):
        return x * 2

    nobuco.converter(eager, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)(
        lambda x: lambda x: x.numpy() * 2
    )
    with pytest.warns(nobuco.DiscrepancyWarning, match="numpy"):
        convert(lambda x: eager(x), torch.ones(3))


def test_nan_and_infinity_are_values():
    x = torch.tensor([1.0, float("nan"), float("inf"), -1.0])
    converted = convert(lambda x: torch.log(x), x, strict=True)
    np.testing.assert_array_equal(np.isnan(converted(x.numpy())), [False, True, False, True])


def test_a_tensor_made_out_of_sight_is_no_constant():
    """A function that PyTorch's tracing cannot see into: its outcome would be a constant."""

    def hidden(x):
        made = []
        thread = threading.Thread(target=lambda: made.append(x * 5))
        thread.start()
        thread.join()
        return made[0]

    with pytest.raises(nobuco.TraceError, match=r"no constant.* could not be seen"):
        convert(lambda x: x + hidden(x), torch.rand(3))


# -- nothing is changed


def test_converting_leaves_everything_as_it_was():
    class Stateful(Small):
        def forward(self, x):
            self.seen = x
            self.features[1].momentum = 0.5
            x = super().forward(x)
            x.add_(torch.rand(()).item() * 0)
            random.random()
            return x

    model = Stateful().eval()
    called = []
    model.register_forward_hook(lambda *_: called.append(1))
    x = torch.rand(1, 3, 16, 16)
    before = copy.deepcopy(model.state_dict()), dict(model.__dict__), x.clone()
    hooks = {
        key: len(value) for key, value in vars(torch.nn.modules.module).items() if key.endswith("_hooks")
    }
    rng = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    for fail in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nobuco.BakedValueWarning)
            if fail:
                model.head.forward = lambda x: 1 / 0
                before = before[0], dict(model.__dict__), before[2]
                with pytest.raises(ZeroDivisionError):
                    convert(model, x)
            else:
                convert(model, x)
        assert all(
            torch.equal(a, b) for a, b in zip(model.state_dict().values(), before[0].values(), strict=True)
        )
        assert model.__dict__ == before[1]
        assert model.features[1].momentum == 0.1
        assert torch.equal(x, before[2])
        assert hooks == {k: len(v) for k, v in vars(torch.nn.modules.module).items() if k.endswith("_hooks")}
        assert torch.equal(torch.get_rng_state(), rng[0])
        assert random.getstate() == rng[1]
        assert (np.random.get_state()[1] == rng[2]).all()
    assert called


def test_importing_changes_nothing(tmp_path):
    script = """
        import torch, keras
        places = (torch, torch.Tensor, torch.nn.functional, torch.nn.Module, keras.layers.Layer)
        before = [dict(vars(place)) for place in places]
        import nobuco
        after = [dict(vars(place)) for place in places]
        for old, new in zip(before, after):
            assert all(old[key] is new[key] for key in old), [key for key in old if old[key] is not new[key]]
        @torch.jit.script
        def scripted(x):
            return torch.relu(x) + 1
        assert scripted(torch.ones(2)).tolist() == [2.0, 2.0]
    """
    file = tmp_path / "script.py"  # torch.jit.script reads its function's source
    file.write_text(textwrap.dedent(script))
    subprocess.run([sys.executable, "-W", "ignore", str(file)], check=True)


# -- errors


def test_all_missing_ops_are_reported_at_once():
    def model(x):
        return torch.special.airy_ai(x) + torch.special.laguerre_polynomial_l(x, 3)

    with pytest.raises(nobuco.MissingConverterError) as caught:
        convert(model, torch.rand(3))
    message = str(caught.value)
    for part in (
        "torch.special.airy_ai",
        "torch.special.laguerre_polynomial_l",
        Path(__file__).name,
        "@nobuco.converter(",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"input_shapes": {torch.rand(3): (None,)}}, "input_shapes names a tensor that is not among"),
        ({"input_names": ["a", "b"]}, "2 names for 1 inputs"),
        ({"output_names": ["a", "b"]}, "2 names for 1 outputs"),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        convert(lambda x: x + 1, torch.rand(3), **kwargs)


def test_a_model_without_outputs_is_refused():
    with pytest.raises(nobuco.TraceError, match="returns no tensor"):
        convert(lambda x: None, torch.rand(3))


def test_a_model_in_training_mode_is_refused():
    with pytest.raises(nobuco.ConversionError, match=r"model\.eval\(\)"):
        convert(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), torch.rand(1, 3, 4, 4))


# -- channel order


def test_a_linear_layer_and_two_convolutions_share_one_transpose():
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(32, 64)
            self.conv1 = nn.Conv1d(12, 40, 3, padding=1)
            self.conv2 = nn.Conv1d(12, 60, 1)

        def forward(self, x):
            x = self.linear(x)
            return self.conv1(x), self.conv2(x)

    converted = convert(Text(), torch.rand(1, 12, 32), inputs_channel_order=ChannelOrder.PYTORCH)
    assert converted.report.transposes == 1


def test_a_channel_shuffle_is_one_transpose():
    class Shuffle(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

        def forward(self, x):
            x = self.a(x)
            b, c, h, w = x.shape
            return self.b(x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w))

    assert convert(Shuffle(), torch.rand(1, 8, 5, 6)).report.transposes == 1


def test_permuting_to_channel_last_and_back_costs_nothing():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 1), nn.LayerNorm(8), nn.Linear(8, 8)

        def forward(self, x):
            x = self.conv(x)
            return x + self.fc(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)

    assert convert(Block(), torch.rand(1, 3, 5, 6)).report.transposes == 0


@pytest.mark.parametrize("order", list(ChannelOrder))
def test_orders_of_inputs_and_outputs(order):
    conv = nn.Conv2d(3, 4, 1)
    x = torch.rand(1, 3, 5, 6)
    converted = convert(conv, x, inputs_channel_order={x: order}, outputs_channel_order={0: order})
    assert converted.inputs[0].shape == ((1, 3, 5, 6) if order is ChannelOrder.PYTORCH else (1, 5, 6, 3))
    assert converted.outputs[0].shape == ((1, 4, 5, 6) if order is ChannelOrder.PYTORCH else (1, 5, 6, 4))
    assert converted.report.transposes == (2 if order is ChannelOrder.PYTORCH else 0)


# -- sizes that are not known


class Crop(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 1)
        self.sizes = sizes

    def forward(self, x):
        x = self.conv(x)
        _, _, h, w = self.sizes(x)
        return x[:, :, h // 3 :, w // 3 :]


@pytest.mark.parametrize("how", ["shape function", "trace_shape"])
def test_dynamic_shapes(how, tmp_path):
    model = Crop(nobuco.shape if how == "shape function" else lambda x: x.shape).eval()
    x = torch.rand(1, 3, 32, 32)
    converted = convert(
        model, x, input_shapes={x: (None, 3, None, None)}, trace_shape=how == "trace_shape",
        inputs_channel_order=ChannelOrder.TENSORFLOW, outputs_channel_order=ChannelOrder.TENSORFLOW,
    )  # fmt: skip
    nobuco.export_tflite(converted, tmp_path / "m.tflite")
    interpreter = Interpreter(str(tmp_path / "m.tflite"))
    for size in ((1, 17, 40), (2, 64, 9), (3, 30, 31)):
        batch, height, width = size
        y = torch.rand(batch, 3, height, width)
        expected = model(y).detach().permute(0, 2, 3, 1).numpy()
        given = y.permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(converted(given), expected, rtol=1e-4, atol=1e-5)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], given.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
        interpreter.invoke()
        got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_fixed_size_under_unknown_dims_is_seen():
    model = Crop(lambda x: x.shape).eval()
    x = torch.rand(1, 3, 32, 32)
    with pytest.warns(nobuco.DiscrepancyWarning, match="other sizes"):
        convert(model, x, input_shapes={x: (None, 3, None, None)})


def test_traced_sizes_reach_every_function_that_takes_them():
    def model(x):
        b, c, h, w = x.shape
        resized = F.interpolate(x[:, :, ::2, ::2], size=(h, w), mode="bilinear")
        padded = F.pad(x, (0, w // 2, 0, h // 3))
        return resized + torch.zeros(b, c, h, w), padded, x.view(b, c, h * w).transpose(1, 2), torch.arange(h)

    x = torch.rand(1, 3, 8, 12)
    converted = convert(model, x, input_shapes={x: (None, 3, None, None)}, trace_shape=True, strict=True)
    assert [check.inputs for check in converted.report.checks] == [
        "traced inputs",
        "fresh inputs",
        "other sizes",
    ]
    assert converted.report.ok
