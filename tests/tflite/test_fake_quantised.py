"""Models trained with fake quantisation: their own scales stand in the file."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import nobuco
from nobuco.errors import ConversionError
from nobuco.tflite.precision.integer_ops import step
from nobuco.tflite.precision.running import activation_scales, outputs_on

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch's, that this will move to another package
    import torch.ao.quantization as quantization
    from torch.ao.nn.quantized import FloatFunctional
    from torch.ao.quantization import quantize_fx


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


class Separable(nn.Module):
    """All that small networks are made of. Its mean is of 49 numbers, so that none lies halfway between two steps."""

    def __init__(self, stubs: bool) -> None:
        super().__init__()
        self.quant, self.pooled, self.dequant = (
            (quantization.QuantStub(), quantization.QuantStub(), quantization.DeQuantStub())
            if stubs
            else (nn.Identity(), nn.Identity(), nn.Identity())
        )
        self.conv, self.norm, self.relu = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.depthwise, self.relu6 = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU6()
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.add, self.cat = FloatFunctional(), FloatFunctional()
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv(self.quant(x))))
        y = self.relu6(self.depthwise(x))
        x = self.add.add(x, self.pointwise(y))
        x = self.pooled(nn.functional.adaptive_avg_pool2d(self.cat.cat([x, y], 1), 1).flatten(1))
        return self.dequant(self.head(x))


def images_of(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 7, 7)


def activations(dtype: torch.dtype, low: int, high: int, scheme: torch.qscheme) -> object:
    return FakeQuantize.with_args(
        observer=quantization.MovingAverageMinMaxObserver,
        quant_min=low,
        quant_max=high,
        dtype=dtype,
        qscheme=scheme,
    )


CONFIGS = {
    "uint8, affine, weights a channel": quantization.QConfig(
        activations(torch.quint8, 0, 255, torch.per_tensor_affine), WEIGHTS["a channel"]
    ),
    "uint8, affine, weights a tensor": quantization.QConfig(
        activations(torch.quint8, 0, 255, torch.per_tensor_affine), WEIGHTS["a tensor"]
    ),
    "int8, affine, weights a channel": quantization.QConfig(
        activations(torch.qint8, -128, 127, torch.per_tensor_affine), WEIGHTS["a channel"]
    ),
    "int8, symmetric": quantization.QConfig(
        activations(torch.qint8, -128, 127, torch.per_tensor_symmetric), WEIGHTS["a channel"]
    ),
    "int8, symmetric, narrow": quantization.QConfig(
        activations(torch.qint8, -127, 127, torch.per_tensor_symmetric), WEIGHTS["a tensor"]
    ),
}


def trained(config: quantization.QConfig, fx: bool) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = Separable(stubs=not fx).train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fx:
            mapping = quantization.QConfigMapping().set_global(config)
            model = quantize_fx.prepare_qat_fx(model, mapping, (images_of(1),))
        else:
            model.qconfig = config  # type: ignore[assignment]
            model = quantization.fuse_modules_qat(model, [["conv", "norm", "relu"]])
            quantization.prepare_qat(model, inplace=True)
        for _ in range(8):
            model(images_of(16))
    return model.eval().apply(quantization.disable_observer)


def steps_off(
    model: nn.Module, path: Path, images: torch.Tensor, float_ops: Sequence[str] = ()
) -> np.ndarray:
    """By how many steps of the output each number of an int8 file is off."""
    keras_model = nobuco.pytorch_to_keras(model, [images[:1]], verbose=False)
    file = nobuco.export_tflite(keras_model, path, precision="int8")
    assert file.precision is not None
    assert {each.row.op for each in file.precision.stayed_float} == set(float_ops)
    with torch.no_grad():
        expected = np.concatenate([model(image[None]).numpy() for image in images])
    samples = [[image[None]] for image in images.permute(0, 2, 3, 1).numpy()]
    found = np.concatenate([outputs[0] for outputs in outputs_on(path.read_bytes(), samples)])
    row = file.info.rows[-1]
    assert row.op == "DEQUANTIZE"
    return np.abs(found - expected) / activation_scales(path.read_bytes())[row.inputs[0]][0]


# graph mode takes activations of uint8 alone
@pytest.mark.parametrize(
    ("name", "fx"),
    [*((name, False) for name in CONFIGS), *((name, True) for name in CONFIGS if "uint8" in name)],
)
def test_all_kinds_of_layers_and_scales(name: str, fx: bool, tmp_path: Path) -> None:
    off = steps_off(trained(CONFIGS[name], fx), tmp_path / "m.tflite", images_of(100))
    assert off.max() <= 1.001
    assert off.mean() < 0.2


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("decomposed", [False, True], ids=["quantised tensors", "integers"])
def test_what_fx_makes_for_reference(decomposed: bool, tmp_path: Path) -> None:
    model = trained(CONFIGS["uint8, affine, weights a channel"], fx=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        to_reference = quantize_fx.convert_to_reference_fx
        model = (quantize_fx._convert_to_reference_decomposed_fx if decomposed else to_reference)(model)  # type: ignore[arg-type]
    assert steps_off(model, tmp_path / "m.tflite", images_of(100)).max() <= 1.001


@pytest.mark.filterwarnings("ignore")
def test_what_torch_export_makes(tmp_path: Path) -> None:
    pytest.importorskip("torchao.quantization.pt2e")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # type: ignore[import-not-found]
    from torchao.testing.pt2e._xnnpack_quantizer import (  # type: ignore[import-not-found]
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    torch.manual_seed(0)
    exported = torch.export.export(Separable(stubs=False).eval(), (images_of(1),)).module()
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    model = prepare_pt2e(exported, quantizer)
    for _ in range(32):
        model(images_of(1))
    unrounded = ("CONCATENATION", "MEAN")  # by this quantiser, in this model
    off = steps_off(convert_pt2e(model), tmp_path / "m.tflite", images_of(100), unrounded)
    assert off.max() <= 1.001


def test_integers_that_are_made_and_read(tmp_path: Path) -> None:
    """What torch.export's way writes into its graphs, without the package that writes it."""
    from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

    ops = torch.ops.quantized_decomposed

    def model(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        whole = ops.quantize_per_tensor(x, 0.05, 3, -127, 127, torch.int8)
        bytes_ = ops.quantize_per_tensor(x, 0.05, 131, 0, 255, torch.uint8)
        again = ops.dequantize_per_tensor(bytes_, 0.05, 131, 0, 255, torch.uint8)
        return ops.dequantize_per_tensor(whole, 0.05, 3, -127, 127, torch.int8), again

    images = 5 * torch.randn(2, 3, 5, 5)
    keras_model = nobuco.pytorch_to_keras(model, [images], verbose=False)
    assert keras_model.report.max_error == 0
    keras_model.save(tmp_path / "m.keras")
    loaded: Any = keras.models.load_model(tmp_path / "m.keras")
    inputs = images.permute(0, 2, 3, 1).numpy()
    for a, b in zip(loaded(inputs), keras_model(inputs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:All inputs of this cat operator")
@pytest.mark.parametrize("fx", [False, True], ids=["eager", "fx"])
def test_models_for_pytorchs_own_kernels_are_refused(fx: bool) -> None:
    model = trained(CONFIGS["uint8, affine, weights a tensor"], True) if fx else prepared(default("qnnpack"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = quantize_fx.convert_fx(model) if fx else quantization.convert(model)  # type: ignore[arg-type]
    with pytest.raises(ConversionError, match=r"in conv.*as it was before torch\.ao"):
        nobuco.pytorch_to_keras(model, [torch.randn(1, 3, 8, 8)], verbose=False)


def test_dynamic_quantisation_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)).eval())
    with pytest.raises(ConversionError, match="int8-dynamic"):
        nobuco.pytorch_to_keras(model, [torch.randn(2, 4)], verbose=False)


def rounded(x: torch.Tensor, scale: float, zero: int = 0) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)


@pytest.mark.parametrize(
    "op",
    [
        lambda x: nn.functional.avg_pool2d(x, 3),
        lambda x: nn.functional.avg_pool2d(x, 3, 2),
        lambda x: nn.functional.max_pool2d(x, 2),
        lambda x: torch.cat([x, rounded(x * 0.37, 0.0193, 7)], 1),
        lambda x: torch.maximum(x, rounded(x * -0.37, 0.0193)),
        lambda x: x.reshape(1, 6, 6, 9)[:, 1:, ::2],
        lambda x: rounded(x, 0.0157, 5),
        lambda x: rounded(nn.functional.hardtanh(x, 0, 6), 0.0193) - rounded(x.mean(1, keepdim=True), 0.0187),
        lambda x: nn.functional.leaky_relu(x, 0.2) * 0.7,
        lambda x: nn.functional.pad(x, (1, 0, 0, 2)),
    ],
    ids=["mean", "mean that overlaps", "max", "cat", "maximum", "moved", "twice", "relu6", "slope", "pad"],
)
def test_a_scale_of_its_own_behind_each_op(op: object, tmp_path: Path) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        return rounded(op(rounded(x, 0.03, 3)), 0.0211, -11).flatten(1)  # type: ignore[operator]

    images = torch.randn(8, 4, 9, 9)
    keras_model = nobuco.pytorch_to_keras(model, [images[:1]], verbose=False)
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision="int8")
    assert file.precision is not None
    # what no mark stands behind PyTorch does not round either
    assert {each.row.op for each in file.precision.stayed_float} <= {"MUL", "LEAKY_RELU"}
    found = [
        each[0]
        for each in outputs_on(
            file.path.read_bytes(), [[x[None]] for x in images.permute(0, 2, 3, 1).numpy()]
        )
    ]
    wanted = [model(x[None]).numpy() for x in images]
    for got, want in zip(found, wanted, strict=True):
        off = np.abs(got - want) / 0.0211
        assert off.max() <= 1.001
        assert off.mean() < 0.2


def test_observers_that_are_on_are_told_of_by_name() -> None:
    config = quantization.QConfig(quantization.default_fake_quant, quantization.default_weight_fake_quant)
    model = trained(config, fx=False).apply(quantization.enable_observer)
    with pytest.raises(ConversionError, match="disable_observer"):
        nobuco.pytorch_to_keras(model, [images_of(1)], verbose=False)


def test_integer_ends_of_a_model_with_its_own_scales(tmp_path: Path) -> None:
    model = trained(CONFIGS["int8, affine, weights a channel"], fx=False)
    keras_model = nobuco.pytorch_to_keras(model, [images_of(1)], verbose=False)
    plain = nobuco.export_tflite(keras_model, tmp_path / "plain.tflite", precision="int8")
    whole = nobuco.export_tflite(keras_model, tmp_path / "whole.tflite", precision="int8", integer_io=True)
    assert [each.dtype for each in (*whole.info.inputs, *whole.info.outputs)] == ["int8", "int8"]
    assert [each.name for each in whole.info.inputs] == [each.name for each in plain.info.inputs]
    assert whole.info.inputs[0].scale == pytest.approx(float(model.quant.activation_post_process.scale))  # type: ignore[union-attr, arg-type]
    samples = [[image[None]] for image in images_of(20).permute(0, 2, 3, 1).numpy()]
    for a, b in zip(*(outputs_on(each.path.read_bytes(), samples) for each in (plain, whole)), strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def test_what_is_kept_stays_float_between_marks(tmp_path: Path) -> None:
    model = trained(CONFIGS["int8, affine, weights a channel"], fx=False)
    keras_model = nobuco.pytorch_to_keras(model, [images_of(1)], verbose=False)
    recipe = nobuco.Recipe(keep=("pointwise",))
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision=recipe)
    assert file.precision is not None
    assert [(each.row.op, each.why) for each in file.precision.stayed_float] == [("CONV_2D", "kept in float")]


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
