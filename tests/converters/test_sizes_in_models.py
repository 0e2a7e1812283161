"""Whole models with dims of unknown size: right at other sizes, also as a `.tflite` file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

import nobuco
from nobuco import ChannelOrder
from nobuco.contract.registry import _converters
from nobuco.tflite import export_tflite
from nobuco.validate.report import BakedDiscrepancyWarning

Shape = tuple[int | None, ...]


def _convert(model: Any, x: Tensor, shape: Shape, strict: bool = True, **options: Any) -> Any:
    order = ChannelOrder.PYTORCH
    return nobuco.pytorch_to_keras(
        model, [x], input_shapes={x: shape}, inputs_channel_order=order, outputs_channel_order=order,
        verbose=False, strict=strict, **options,
    )  # fmt: skip


def _check_in_keras(
    model: Any, x: Tensor, shape: Shape, sizes: Sequence[tuple[int, ...]], **options: Any
) -> Any:
    converted = _convert(model, x, shape, **options)
    for size in sizes:
        y = torch.randn(size)
        np.testing.assert_allclose(converted(y.numpy()), model(y).detach(), rtol=1e-4, atol=1e-4)
    return converted


def _check_in_tflite(converted: Any, model: Any, sizes: Sequence[tuple[int, ...]], folder: Path) -> None:
    assert not export_tflite(converted, folder / "m.tflite").info.flex_ops
    interpreter = Interpreter(str(folder / "m.tflite"))
    place = interpreter.get_input_details()[0]["index"]
    for size in sizes:
        y = torch.randn(size)
        interpreter.resize_tensor_input(place, size)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, y.numpy())
        interpreter.invoke()
        result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(result, model(y).detach(), rtol=1e-4, atol=1e-4)


_IMAGE: Shape = (None, 3, None, None)
_IMAGES = [(1, 3, 11, 7), (3, 3, 5, 4), (2, 3, 30, 41)]

_RESIZES = {
    "nearest by 1.25": {"scale_factor": 1.25},
    "nearest-exact by 0.6": {"scale_factor": 0.6, "mode": "nearest-exact"},
    "bilinear by 1.5": {"scale_factor": 1.5, "mode": "bilinear"},
    "bilinear by 0.5": {"scale_factor": 0.5, "mode": "bilinear"},
    "bilinear by two factors": {"scale_factor": (0.7, 1.3), "mode": "bilinear"},
    "bilinear, recomputed": {"scale_factor": 1.25, "mode": "bilinear", "recompute_scale_factor": True},
    "bilinear, corners": {"scale_factor": 1.25, "mode": "bilinear", "align_corners": True},
    "bicubic by 1.7": {"scale_factor": 1.7, "mode": "bicubic"},
    "bicubic to a size": {"size": (9, 14), "mode": "bicubic", "align_corners": True},
    "area by 0.5": {"scale_factor": 0.5, "mode": "area"},
    "area to a size": {"size": (3, 2), "mode": "area"},
}


@pytest.mark.parametrize("name", _RESIZES)
def test_resized(name: str, tmp_path: Path) -> None:
    def model(x: Tensor) -> Tensor:
        return F.interpolate(x, **_RESIZES[name])

    converted = _check_in_keras(model, torch.randn(2, 3, 8, 8), _IMAGE, _IMAGES)
    _check_in_tflite(converted, model, _IMAGES, tmp_path)


def test_a_factor_of_two_stays_one_resize(tmp_path: Path) -> None:
    converted = _convert(
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), torch.randn(2, 3, 8, 8), _IMAGE
    )
    ops = [row.op for row in export_tflite(converted, tmp_path / "m.tflite").info.rows]
    assert ops.count("RESIZE_BILINEAR") == 1 and "BATCH_MATMUL" not in ops


@pytest.mark.parametrize("scale", [1.25, 0.1, 1 / 3, 2.7182818, 0.5000001, 7.1])
def test_sizes_are_scaled_as_in_64_bits(scale: float) -> None:
    from nobuco.node_converters.resampling import LARGEST, _scaled

    sizes = np.arange(1, LARGEST, 7)
    scaled = _scaled(tf.constant(sizes, tf.int32), scale)
    np.testing.assert_array_equal(scaled, [int(n * scale) for n in sizes.tolist()])


_OPS: dict[str, Callable[[Tensor], Tensor]] = {
    "roll": lambda x: x.roll((3, -2), (2, 3)),
    "roll of all": lambda x: x.roll(5),
    "std": lambda x: x.std((2, 3)),
    "var of the batch": lambda x: torch.cat([x, x]).var(0, correction=1),
    "var and mean": lambda x: torch.cat(torch.var_mean(x, (2, 3), keepdim=True), 1),
    "layer norm by hand": lambda x: (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, unbiased=False) + 1).sqrt(),
    "median": lambda x: x.median(3).values,
    "cummax": lambda x: x.cummax(2).values,
    "diagonal": lambda x: x.diagonal(1, 2, 3),
    "shift of the spectrum": lambda x: torch.fft.fftshift(x, (2, 3)),
    "reflected": lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"),
    "reflected by many": lambda x: F.pad(x, (3, 3, 4, 4), mode="reflect"),
    "replicated": lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"),
    "circular": lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"),
    "unfold": lambda x: F.unfold(x, (2, 3), padding=1, stride=2),
    "Tensor.unfold": lambda x: x.unfold(2, 3, 2),
    "repeated": lambda x: x.repeat_interleave(3, 2),
    "average, ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "average, ceil, not counted": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "maximum, ceil": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "adaptive average": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "adaptive maximum": lambda x: F.adaptive_max_pool2d(x, (3, 2)),
    "written": lambda x: _written(x),
    "halves": lambda x: torch.cat(x.chunk(2, 2)[::-1], 2),
    "nearly equal pieces": lambda x: torch.cat(x.tensor_split(3, 3)[::-1], 3),
    "flipped, not neighbours": lambda x: x.flip((0, 2)),
    "flipped, three": lambda x: x.flip((0, 2, 3)),
    "half a turn": lambda x: x.rot90(2, (1, 3)),
    "flipped both ways": lambda x: x.flip((0, 3)).flip(1, 3),
}  # fmt: skip


def _written(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :, 1:-1, ::2] = 0.5
    x[:, 0, -1] = x[:, 1, 0]
    return x


@pytest.mark.parametrize("name", _OPS)
def test_op(name: str, tmp_path: Path) -> None:
    converted = _check_in_keras(_OPS[name], torch.randn(2, 3, 8, 8), _IMAGE, _IMAGES)
    _check_in_tflite(converted, _OPS[name], _IMAGES, tmp_path)


class _Attention(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        key = x[:, :2] if self.options.get("enable_gqa") else x
        return F.scaled_dot_product_attention(x, key, key, **self.options)


@pytest.mark.parametrize(
    "options", [{}, {"is_causal": True}, {"enable_gqa": True}, {"is_causal": True, "enable_gqa": True}]
)
def test_attention(options: dict[str, Any], tmp_path: Path) -> None:
    model, sizes = _Attention(**options), [(1, 4, 3, 8), (3, 4, 9, 8), (2, 4, 31, 8)]
    converted = _check_in_keras(model, torch.randn(2, 4, 6, 8), (None, 4, None, 8), sizes)
    _check_in_tflite(converted, model, sizes, tmp_path)


def test_grid_sample(tmp_path: Path) -> None:
    def model(x: Tensor) -> Tensor:
        grid = torch.stack([x[:, 0].tanh(), x[:, 1].tanh()], -1)
        return F.grid_sample(x, grid, align_corners=False) + F.grid_sample(
            x, grid, padding_mode="reflection", align_corners=True
        )

    converted = _check_in_keras(model, torch.randn(2, 3, 8, 8), _IMAGE, _IMAGES)
    _check_in_tflite(converted, model, _IMAGES, tmp_path)


@pytest.mark.parametrize(
    "norm", [nn.GroupNorm(3, 6), nn.InstanceNorm2d(6), nn.BatchNorm2d(6), nn.LocalResponseNorm(4)]
)
def test_norm(norm: nn.Module, tmp_path: Path) -> None:
    sizes = [(1, 6, 11, 7), (3, 6, 5, 4)]
    converted = _check_in_keras(norm.eval(), torch.randn(2, 6, 8, 8), (None, 6, None, None), sizes)
    _check_in_tflite(converted, norm, sizes, tmp_path)


class _Outputs(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)[0]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize(("both_ways", "shape"), [(False, (None, 5, 4)), (True, (None, None, 4))])
def test_recurrent(kind: Any, both_ways: bool, shape: Shape, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = _Outputs(kind(4, 3, 2, batch_first=True, bidirectional=both_ways)).eval()
    sizes = [(1, 5, 4), (7, 5, 4)] + [(3, 9, 4)] * (shape[1] is None)
    converted = _check_in_keras(model, torch.randn(2, 5, 4), shape, sizes)
    _check_in_tflite(converted, model, sizes, tmp_path)


class _Padded(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(x, x, x, key_padding_mask=padding, need_weights=False)[0]
        return self.layer(x, src_key_padding_mask=padding)


@pytest.mark.parametrize(
    "layer",
    [nn.MultiheadAttention(8, 2, batch_first=True), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)],
    ids=lambda layer: type(layer).__name__,
)
def test_padded_sequences(layer: nn.Module) -> None:
    x, padding = torch.randn(2, 6, 8), torch.arange(6) > torch.tensor([[5], [3]])
    model = nobuco.pytorch_to_keras(
        _Padded(layer).eval(),
        [x, padding],
        input_shapes={x: (2, None, 8), padding: (2, None)},
        trace_shape=True,
        strict=True,
        verbose=False,
    )
    assert model.report.ok, str(model.report)


def test_a_failure_at_other_sizes_is_one_sentence() -> None:
    x = torch.randn(2, 6, 8)
    with pytest.warns(BakedDiscrepancyWarning) as told:
        nobuco.pytorch_to_keras(
            lambda x: x.reshape(2 * x.shape[1], 8), [x], input_shapes={x: (2, None, 8)}, verbose=False
        )
    line = str(told[0].message).splitlines()[-1]
    assert line.startswith(
        "the finished model on other sizes: the Keras model raised InvalidArgumentError: Input to"
    )
    assert len(line) < 200


@pytest.mark.parametrize("make", [
    lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
])  # fmt: skip
@pytest.mark.filterwarnings(
    "ignore::nobuco.BakedValueWarning"
)  # PyTorch's own checks of sizes, which hold for all
def test_transformer(make: Any) -> None:
    layer = make().eval()

    def model(x: Tensor) -> Tensor:
        return layer(x, x) if isinstance(layer, nn.TransformerDecoderLayer) else layer(x)

    _check_in_keras(
        model,
        torch.randn(2, 6, 8),
        (None, None, 8),
        [(1, 3, 8), (3, 9, 8), (2, 31, 8)],
        trace_shape=True,
        strict=False,
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_by_computed_amounts(mode: str, tmp_path: Path) -> None:
    """To a multiple of 4, as audio codecs do it; at a size that is one, by nothing."""

    def model(x: Tensor) -> Tensor:
        more = (4 - x.shape[-1] % 4) % 4
        return F.pad(x, (more // 2, more - more // 2), mode=mode)

    sizes = [(1, 3, 11), (2, 3, 8), (3, 3, 30)]
    converted = _check_in_keras(model, torch.randn(2, 3, 9), (None, 3, None), sizes, trace_shape=True)
    _check_in_tflite(converted, model, sizes, tmp_path)


def test_channels_stay_known_behind_padding_by_computed_amounts(tmp_path: Path) -> None:
    """Or TFLite would not convolve them."""
    layer = torch.nn.Conv1d(3, 4, 4, 4)

    def model(x: Tensor) -> Tensor:
        return layer(F.pad(x, (0, (4 - x.shape[-1] % 4) % 4)))

    sizes = [(1, 3, 11), (2, 3, 8), (3, 3, 30)]
    converted = _check_in_keras(model, torch.randn(2, 3, 9), (None, 3, None), sizes, trace_shape=True)
    _check_in_tflite(converted, model, sizes, tmp_path)


def test_a_converter_that_reads_an_unknown_size_is_named() -> None:
    @nobuco.traceable
    def mine(x: Tensor) -> Tensor:
        return x.mean(2)

    @nobuco.converter(mine, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
    def _(x: Tensor) -> Any:
        count = x.shape[2]
        return lambda x: tf.reduce_sum(x, 2) / count

    try:
        with pytest.raises(nobuco.NobucoError, match=r"mine.*\n?.*size of dim 2.*is not known at conversion"):
            _convert(lambda x: mine(x), torch.randn(2, 3, 8), (None, 3, None))
        x = torch.randn(2, 3, 8)
        _check_in_keras(lambda x: mine(x), x, (None, 3, 8), [(5, 3, 8)])
    finally:
        _converters.pop(mine)


@pytest.mark.parametrize("read", [
    lambda x: x.size(2) // 2, lambda x: x.numel() + 1, lambda x: len(x), lambda x: x.mean(), lambda x: list(range(x.shape[2])),
    lambda x: x.shape[2] > 3, lambda x: bool(x.shape[2]), lambda x: f"{x.shape[2]:d}", lambda x: x.shape == (2, 3, 8),
])  # fmt: skip
def test_unknown_sizes_and_values_cannot_be_used(read: Any) -> None:
    from nobuco.contract.unknown_sizes import ExampleTensor, UnknownSizeError

    example = ExampleTensor.of(torch.randn(2, 3, 8), (None, 3, None))
    with pytest.raises(UnknownSizeError):
        read(example)
    assert (example.dim(), example.shape[1], example.dtype) == (3, 3, torch.float32)


def test_a_converter_that_branches_on_a_computed_value_is_named() -> None:
    @nobuco.traceable
    def mine(x: Tensor) -> Tensor:
        return x * 2

    def double(x: Any) -> Any:
        return x * 2 if tf.shape(x)[2] > 3 else x

    nobuco.converter(mine, channel_ordering_strategy=nobuco.ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)(
        lambda x: double
    )
    try:
        with pytest.raises(
            nobuco.NobucoError, match=r"mine.*decides in Python by a value that only the graph computes"
        ):
            _convert(lambda x: mine(x), torch.randn(2, 3, 8), (None, 3, None))
    finally:
        _converters.pop(mine)


def test_unknown_sizes_survive_saving(tmp_path: Path) -> None:
    import keras

    def model(x: Tensor) -> Tensor:
        return F.interpolate(x.roll(2, 3), scale_factor=1.25).std((2, 3))

    _convert(model, torch.randn(2, 3, 8, 8), _IMAGE).save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for size in _IMAGES:
        y = torch.randn(size)
        np.testing.assert_allclose(loaded(y.numpy()), model(y), rtol=1e-4, atol=1e-5)


def test_squeeze_of_an_unknown_dim_is_refused() -> None:
    x = torch.randn(1, 3, 1)
    with pytest.raises(nobuco.NobucoError, match="squeeze drops dim 0 only where its size is 1"):
        _convert(lambda x: x.squeeze(), x, (None, 3, 1))
    _check_in_keras(lambda x: x.squeeze(2), x, (None, 3, 1), [(1, 3, 1), (4, 3, 1)])


def test_a_sequence_that_is_padding_alone_yields_zeros() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x, padding = torch.randn(2, 6, 8), torch.arange(6) > torch.tensor([[5], [3]])
    order = nobuco.ChannelOrder.PYTORCH
    model = nobuco.pytorch_to_keras(
        _Padded(layer).eval(),
        [x, padding],
        inputs_channel_order=order,
        outputs_channel_order=order,
        verbose=False,
    )
    padding[1] = True
    wanted = _Padded(layer).eval()(x, padding).detach().numpy()
    assert np.allclose(model([x.numpy(), padding.numpy()]), wanted, atol=1e-5)
