"""Models trained with fake quantisation: their own scales stand in the file."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nobuco
from nobuco.tflite.precision.carried import step
from nobuco.tflite.precision.running import activation_scales, outputs_on

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch's, that this will move to another package
    import torch.ao.quantization as quantization


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv(self.quant(x))))
        x = torch.max_pool2d(self.depthwise(x), 3).flatten(1)
        return self.dequant(self.head(x))


FakeQuantize = quantization.FusedMovingAvgObsFakeQuantize
ACTIVATIONS = quantization.default_fused_act_fake_quant
WEIGHTS = {
    "a tensor": FakeQuantize.with_args(
        observer=quantization.MovingAverageMinMaxObserver,
        quant_min=-127,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_tensor_symmetric,
    ),
    "a channel": FakeQuantize.with_args(
        observer=quantization.MovingAveragePerChannelMinMaxObserver,
        quant_min=-127,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
    ),
}


def prepared(config: quantization.QConfig) -> nn.Module:
    """As after quantisation-aware training: its scales have been found, and stay."""
    torch.manual_seed(0)
    model = Small().train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.qconfig = config  # type: ignore[assignment]
        model = quantization.fuse_modules_qat(model, [["conv", "norm", "relu"]])
        quantization.prepare_qat(model, inplace=True)
        for _ in range(8):
            model(torch.randn(16, 3, 8, 8))
    return model.eval()


def default(backend: str) -> quantization.QConfig:
    return quantization.get_default_qat_qconfig(backend)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        (quantization.QConfig(ACTIVATIONS, WEIGHTS["a tensor"]), 1),
        (quantization.QConfig(ACTIVATIONS, WEIGHTS["a channel"]), 1),
        (default("qnnpack"), 4),  # a weight of -128 becomes -127
        (default("fbgemm"), 4),  # and what lies below the 7 bits of an activation is not clipped
    ],
    ids=["weights a tensor", "weights a channel", "qnnpack", "fbgemm"],
)
def test_the_file_is_within_a_step_of_pytorch(
    config: quantization.QConfig, steps: int, tmp_path: Path
) -> None:
    model = prepared(config)
    model.apply(quantization.disable_observer)
    keras_model = nobuco.pytorch_to_keras(model, [torch.randn(1, 3, 8, 8)], verbose=False)
    assert keras_model.report.max_error == 0
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision="int8")
    assert file.precision is not None and file.precision.stayed_float == ()
    images = torch.randn(100, 3, 8, 8)
    with torch.no_grad():
        expected = model(images).numpy()
    samples = [[image[None]] for image in images.permute(0, 2, 3, 1).numpy()]
    data = file.path.read_bytes()
    found = np.concatenate([outputs[0] for outputs in outputs_on(data, samples)])
    scale = float(model.head.activation_post_process.scale)  # type: ignore[union-attr, arg-type]
    assert np.abs(found - expected).max() <= 1.001 * steps * scale
    assert scale == pytest.approx(min(each[0] for each in activation_scales(data).values()), rel=1e-5)


def test_observers_that_are_on_are_told_of() -> None:
    with pytest.raises(ValueError, match="an observer of the model is on"):
        nobuco.pytorch_to_keras(prepared(default("qnnpack")), [torch.randn(1, 3, 8, 8)], verbose=False)


def test_what_no_scale_is_carried_for_stays_float_or_is_calibrated(tmp_path: Path) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.02, 3, -128, 127)
        return torch.fake_quantize_per_tensor_affine(
            torch.sigmoid(x * x.mean(1, keepdim=True)), 1 / 256, -128, -128, 127
        )

    keras_model = nobuco.pytorch_to_keras(model, [torch.randn(1, 6)], verbose=False)
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision="int8")
    assert file.precision is not None
    assert {each.why for each in file.precision.stayed_float} == {
        "the model carries no scale for it, and there is no calibration"
    }
    file = nobuco.export_tflite(
        keras_model, tmp_path / "m.tflite", precision="int8", calibration=torch.randn(40, 6)
    )
    assert file.precision is not None and file.precision.stayed_float == ()


def test_per_channel_along_any_dim() -> None:
    scales, zeros = torch.rand(4) + 0.1, torch.arange(4, dtype=torch.int32)
    for axis in (1, 3):
        keras_model = nobuco.pytorch_to_keras(
            lambda x, axis=axis: torch.fake_quantize_per_channel_affine(x, scales, zeros, axis, -8, 7),
            [3 * torch.randn(2, 4, 3, 4)],
            verbose=False,
        )
        assert keras_model.report.max_error == 0


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ([0.5, -1.0, 3.0], 0.5),
        ([0.3, 0.7, -12.7], 0.1),
        ([0.0, 0.0], None),
        ([0.12345, 0.6789, 1.0, 0.3333, 0.777, 0.0101], None),
    ],
)
def test_the_step_of_numbers_on_a_grid(values: list[float], size: float | None) -> None:
    assert step(np.array(values, np.float32)) == (None if size is None else pytest.approx(size, rel=1e-5))
