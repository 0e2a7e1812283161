"""What is done for the accuracy of int8 files besides choosing scales: kept where it helps, and told."""

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.precision.equalise import equalised
from nobuco.tflite.precision.running import outputs_on
from tests.effort import examples

SIZE = 8


class Separable(nn.Module):
    """A network whose depthwise layer makes channels of ranges up to `apart` times apart, which the next one makes alike."""

    def __init__(self, apart: float, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.depthwise = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, groups=16)
        self.pointwise, self.head = nn.Conv2d(16, 16, 1), nn.Linear(16, 10)
        self.act = act()
        by = torch.logspace(0, np.log10(apart), 16)
        with torch.no_grad():
            self.depthwise.weight *= by[:, None, None, None]
            self.depthwise.bias *= by  # type: ignore[operator]
            self.pointwise.weight /= by[None, :, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.depthwise(self.act(self.first(x))))
        return self.head(self.act(self.pointwise(x)).mean((2, 3)))


def converted(model: nn.Module) -> keras.Model:
    return nobuco.pytorch_to_keras(model.eval(), [torch.randn(1, 3, SIZE, SIZE)], verbose=False)


def images(count: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def written(model: keras.Model, path: Path, prepare: object = None) -> nobuco.ExportedTFLite:
    return nobuco.export_tflite(model, path, precision="int8", calibration=images(), prepare=prepare)  # type: ignore[arg-type]


def test_channels_far_apart_are_equalised(tmp_path: Path) -> None:
    model = converted(Separable(100))
    weights = [each.copy() for each in model.get_weights()]
    plain = written(model, tmp_path / "plain.tflite")
    file = written(model, tmp_path / "auto.tflite", "auto")
    assert plain.precision is not None and file.precision is not None
    equalise, bias = file.precision.prepared
    assert (equalise.what, bias.what) == ("equalise", "bias")
    assert equalise.kept and equalise.after > equalise.before + 6
    assert file.precision.snr > plain.precision.snr + 6
    assert len(file.precision.stayed_float) == len(plain.precision.stayed_float)
    assert "pairs of layers; SNR" in str(file.precision)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_where_nothing_helps_the_file_is_as_it_was(tmp_path: Path) -> None:
    model = converted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()))
    with torch.no_grad():
        plain = written(model, tmp_path / "plain.tflite")
    file = written(model, tmp_path / "auto.tflite", "auto")
    assert file.precision is not None
    assert [each.kept for each in file.precision.prepared] == [False, False], str(file.precision)
    assert plain.path.read_bytes() == file.path.read_bytes()


def test_the_same_is_made_every_time(tmp_path: Path) -> None:
    model = converted(Separable(30))
    files = [written(model, tmp_path / f"{number}.tflite", "auto") for number in range(2)]
    assert files[0].path.read_bytes() == files[1].path.read_bytes()


def test_biases_take_what_channels_are_off_by(tmp_path: Path) -> None:
    model = converted(Separable(100))
    plain, file = (written(model, tmp_path / f"{name}.tflite", name) for name in (None, "bias"))
    assert file.precision is not None
    (bias,) = file.precision.prepared
    assert bias.kept and not bias.said.startswith("0 ")
    samples = [[image[None]] for image in images().permute(0, 2, 3, 1).numpy()]
    float_file = nobuco.export_tflite(model, tmp_path / "float.tflite")
    wanted, before, after = (
        np.mean([outputs[0] for outputs in outputs_on(each.path.read_bytes(), samples)], axis=0)
        for each in (float_file, plain, file)
    )
    assert np.abs(after - wanted).mean() < 0.7 * np.abs(before - wanted).mean()


def test_a_relu6_that_may_clip_is_told_of(tmp_path: Path) -> None:
    file = written(converted(Separable(100, nn.ReLU6)), tmp_path / "m.tflite", "equalise")
    assert file.precision is not None
    assert "RELU6" in file.precision.prepared[0].said


def test_a_relu6_that_cannot_clip_stands_in_no_way(tmp_path: Path) -> None:
    model = Separable(1, nn.ReLU6)
    with torch.no_grad():  # of numbers up to 6, nine of which cannot make more than 6 here
        model.depthwise.weight *= torch.logspace(-3, -0.5, 16)[:, None, None, None]
    float_file = nobuco.export_tflite(converted(model), tmp_path / "float.tflite")
    samples = [[image[None]] for image in 20 * images().permute(0, 2, 3, 1).numpy()]
    data = float_file.path.read_bytes()
    new, pairs, _ = equalised(data, samples)
    assert pairs == 1
    _alike(data, new, [[50 * each[0]] for each in samples])  # also beyond what it was found from


def _alike(data: bytes, new: bytes, samples: list) -> None:
    for want, got in zip(outputs_on(data, samples), outputs_on(new, samples), strict=True):
        np.testing.assert_array_equal(got[0], want[0])


@settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 1000),
    kinds=st.lists(st.sampled_from(["conv", "depthwise", "pointwise"]), min_size=2, max_size=3),
    acts=st.lists(st.sampled_from([nn.Identity, nn.ReLU, nn.ReLU6, nn.Sigmoid]), min_size=3, max_size=3),
    apart=st.floats(1, 300),
    dead=st.booleans(),
)
def test_the_float_outputs_are_the_same(
    seed: int, kinds: list[str], acts: list[type[nn.Module]], apart: float, dead: bool, tmp_path: Path
) -> None:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(3, 6, 1)]
    for kind, act in zip(kinds, acts, strict=False):
        layer = nn.Conv2d(
            6, 6, 1 if kind == "pointwise" else 3, padding=1, groups=6 if kind == "depthwise" else 1
        )
        with torch.no_grad():
            layer.weight *= torch.logspace(0, np.log10(apart), 6)[torch.randperm(6), None, None, None]
            if dead:
                layer.weight[2], layer.bias[2] = 0, 0  # type: ignore[index]
        layers += [layer, act()]
    layers.append(nn.Conv2d(6, 4, 1))
    data = nobuco.export_tflite(converted(nn.Sequential(*layers)), tmp_path / "m.tflite").path.read_bytes()
    samples = [[image[None]] for image in images(6).permute(0, 2, 3, 1).numpy()]
    new, _, _ = equalised(data, samples[:3])
    _alike(data, new, samples)


@pytest.mark.parametrize(
    ("precision", "prepare", "said"),
    [
        ("int8", "biases", "prepare has 'biases'"),
        ("fp16", "auto", "leave it out"),
        ("fp32", "bias", "give precision='int8'"),
        (nobuco.Recipe(engine="tensorflow"), "auto", "by the engine"),
    ],
)
def test_what_cannot_be_prepared(precision: object, prepare: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TFLiteExportError, match=said):
        nobuco.export_tflite(
            converted(Separable(1)),
            tmp_path / "m.tflite",
            precision=precision,  # type: ignore[arg-type]
            calibration=images(),
            prepare=prepare,
        )
    assert not (tmp_path / "m.tflite").exists()


def test_too_few_samples_to_judge_by(tmp_path: Path) -> None:
    with pytest.warns(nobuco.CalibrationWarning), pytest.raises(TFLiteExportError, match="8 calibration"):
        nobuco.export_tflite(
            converted(Separable(1)),
            tmp_path / "m.tflite",
            precision="int8",
            calibration=images(4),
            prepare="auto",
        )


def test_layers_that_share_a_bias_of_zeros(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(8, 8, 3, bias=False) for _ in range(4)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(torch.logspace(-1, 1, 8)[torch.randperm(8)][:, None, None, None])
    net = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU()))).eval()
    samples = [torch.randn(1, 8, 12, 12) for _ in range(16)]
    model = nobuco.pytorch_to_keras(net, [samples[0]], verbose=False)
    file = nobuco.export_tflite(
        model, tmp_path / "m.tflite", precision="int8", calibration=samples, prepare="equalise"
    )
    assert file.precision is not None and file.precision.prepared[0].kept
