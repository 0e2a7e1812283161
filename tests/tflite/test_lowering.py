"""What TFLite lacks is expressed by what it has, with TensorFlow's own results: built-in ops only, run and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import nn

import models_zoo
import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import ExportedTFLite, TFLiteExportError, export_tflite
from nobuco.tflite.lowering.real_ops import REAL
from nobuco.tflite.precision.running import outputs_on
from tests.tflite.delegation import partitions_and_left

_PYTORCH = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}


def rule(op_type: str, *arrays: Any) -> np.ndarray:
    op = SimpleNamespace(type=op_type, inputs=[SimpleNamespace(op=SimpleNamespace(type="", inputs=[]))])
    found = REAL.find(op)
    assert found is not None
    return found(op, *map(tf.constant, arrays)).numpy().astype(float)


def doubles(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    return function(*(tf.constant(each, tf.float64) for each in arrays)).numpy()


_ALL = np.concatenate([np.linspace(-20, 20, 4001), np.linspace(20, 400, 1001)]).astype(np.float32)
_POSITIVE = np.concatenate([np.linspace(0.001, 30, 2001), 10.0 ** np.arange(-6, 3)]).astype(np.float32)
_INSIDE = np.linspace(-0.99999, 0.99999, 3001).astype(np.float32)
_SHARE = np.concatenate([np.linspace(0.001, 0.999, 999), 10.0 ** -np.arange(4, 30)]).astype(np.float32)
_LOG1P = np.array([np.inf, -1, -2, np.nan, 0, 1e-30, 1e-8, -1e-8, 1e10, 3e38], np.float32)
_EXPM1 = np.array([np.inf, -np.inf, np.nan, 0, 1e-30, 1e-8, -1e-8, 80, 20, -30], np.float32)
_SPECIAL = tf.math.special


@pytest.mark.parametrize(
    ("op_type", "function", "x", "bound"),
    [
        ("Erf", tf.math.erf, _ALL, 2e-7),
        ("Erfc", tf.math.erfc, _ALL, 2e-7),
        ("Erfinv", tf.math.erfinv, _INSIDE, 5e-7),
        ("Ndtri", tf.math.ndtri, _SHARE, 5e-7),
        ("Lgamma", tf.math.lgamma, _ALL, 2e-5),
        ("Digamma", tf.math.digamma, _POSITIVE, 1e-6),
        ("Log1p", tf.math.log1p, _LOG1P, 2e-7),
        ("Expm1", tf.math.expm1, _EXPM1, 1e-6),
        ("BesselJ0", _SPECIAL.bessel_j0, _ALL, 1e-6),
        ("BesselJ1", _SPECIAL.bessel_j1, _ALL, 1e-6),
        ("BesselY0", _SPECIAL.bessel_y0, _POSITIVE, 1e-6),
        ("BesselY1", _SPECIAL.bessel_y1, _POSITIVE, 1e-6),
        ("BesselI0e", tf.math.bessel_i0e, _ALL, 1e-6),
        ("BesselI1e", tf.math.bessel_i1e, _ALL, 1e-6),
        ("BesselK0", _SPECIAL.bessel_k0, _POSITIVE, 1e-6),
        ("BesselK1e", _SPECIAL.bessel_k1e, _POSITIVE, 1e-6),
    ],
)
def test_special_functions_are_as_exact_as_floats(
    op_type: str, function: Callable[..., Any], x: np.ndarray, bound: float
) -> None:
    found, wanted = rule(op_type, x), doubles(function, x)
    special = ~np.isfinite(wanted)
    assert np.array_equal(found[special], wanted[special], equal_nan=True)
    found, wanted = found[~special], wanted[~special]
    assert (np.abs(found - wanted) / (1 + np.abs(wanted))).max() < bound


_SMALL = np.concatenate([np.linspace(1e-7, 1e-5, 500), np.linspace(1e-5, 1, 500), 10.0 ** -np.arange(1, 30)])


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (torch.log1p, np.concatenate([_SMALL, -_SMALL[:-30] * 0.999])),
        (torch.expm1, np.concatenate([_SMALL, -_SMALL])),
        (F.softplus, np.log(_SMALL)),
        (F.logsigmoid, -np.log(_SMALL)),
        (F.mish, -_SMALL),
        (torch.asinh, _SMALL),
        (torch.atanh, _SMALL * 0.9),
        (lambda x: torch.logaddexp(x, torch.zeros_like(x)), np.log(_SMALL)),
    ],
    ids=["log1p", "expm1", "softplus", "logsigmoid", "mish", "asinh", "atanh", "logaddexp"],
)
def test_small_results_keep_their_digits_in_the_delegate(
    function: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray, tmp_path: Path
) -> None:
    given = torch.tensor(x, dtype=torch.float32)
    model = nobuco.pytorch_to_keras(function, [given], verbose=False)
    data = export_tflite(model, tmp_path / "m.tflite").path.read_bytes()
    ((found,),) = outputs_on(data, [[given.numpy()]])
    wanted = function(given.double()).numpy()
    assert (np.abs(found - wanted) / np.abs(wanted)).max() < 5e-6


def test_incomplete_gamma_functions() -> None:
    a, x = (
        each.ravel().astype(np.float32)
        for each in np.meshgrid(np.linspace(0.1, 60, 50), np.linspace(0, 90, 50))
    )
    for op_type, function in (("Igamma", tf.math.igamma), ("Igammac", tf.math.igammac)):
        assert np.abs(rule(op_type, a, x) - doubles(function, a, x)).max() < 5e-5
        large = np.array([500.0, 500.0, 1000.0], np.float32), np.array([480.0, 520.0, 1001.0], np.float32)
        assert (
            np.abs(rule(op_type, *large) - doubles(function, *large)).max() < 2e-3
        )  # float32's exponents are large here


def exported(
    function: Callable[..., Any], shape: tuple[int, ...], tmp_path: Path, dtype: str = "float32"
) -> Any:
    x = keras.Input(batch_shape=shape, dtype=dtype)
    model = keras.Model(x, keras.layers.Lambda(function, dtype=dtype)(x))
    return export_tflite(model, tmp_path / "m.tflite")


def close(made: ExportedTFLite, bound: float = 1e-5) -> bool:
    return (
        made.info.flex_ops == () and made.max_relative_error is not None and made.max_relative_error < bound
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.while_loop(lambda i, v: i < 5, lambda i, v: (i + 1, tf.math.erf(v) + 0.5), (0, x))[1],
        lambda x: tf.math.real(
            tf.while_loop(lambda i, v: i < 5, lambda i, v: (i + 1, v * v * 0.5), (0, tf.complex(x, x)))[1]
        ),
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.math.erf(x), lambda: tf.math.erfc(x)),
    ],
    ids=["loop", "complex loop", "branch"],
)
def test_inside_loops_and_branches(function: Any, tmp_path: Path) -> None:
    assert close(exported(function, (2, 3), tmp_path))


def test_float64_is_computed_in_float32_and_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="computes in float64.*computes in float32"):
        made = exported(lambda x: tf.sin(x * 2), (2, 3), tmp_path, "float64")
    assert close(made) and [each.dtype for each in made.info.outputs] == ["float64"]


IN_DOUBLE = {
    "weights of a normalisation": (nn.GroupNorm(2, 4), (1, 4, 3, 3)),
    "a layer normalisation": (nn.LayerNorm(4), (2, 5, 4)),
    "products of layers": (nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (2, 5, 4)),
    "attention": (nn.MultiheadAttention(4, 2, batch_first=True), (2, 5, 4)),
    "a recurrent layer": (nn.GRU(4, 3, bidirectional=True), (5, 2, 4)),
    "a loop": (nn.LSTM(4, 3, batch_first=True), (1, 300, 4)),
    "a projection": (nn.LSTM(4, 3, proj_size=2), (5, 2, 4)),
}


@pytest.mark.parametrize(("module", "shape"), IN_DOUBLE.values(), ids=IN_DOUBLE)
def test_modules_in_float64(module: nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    args = [x] * 3 if isinstance(module, nn.MultiheadAttention) else [x]
    model = nobuco.pytorch_to_keras(module.double().eval(), args, verbose=False)
    assert model.report.ok and max(check.error for check in model.report.checks) < 1e-12
    with pytest.warns(UserWarning, match="computes in float64.*computes in float32"):
        assert close(export_tflite(model, tmp_path / "m.tflite"))


def test_infinities_stay_infinite(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(4,))
    y = keras.layers.Lambda(lambda x: tf.where(x < 0, tf.constant(-np.inf), x))(x)
    sample = [np.array([-1.0, 0.0, 2.0, -3.0], np.float32)]
    assert close(export_tflite(keras.Model(x, y), tmp_path / "m.tflite", sample_inputs=sample))


@pytest.mark.parametrize("size", [40, 41, 97, 2048, 3000])
def test_transforms_of_any_length(size: int, tmp_path: Path) -> None:
    def both_ways(x: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft(torch.fft.rfft(x, norm="ortho") * 2, n=size) + torch.fft.fft(x).abs()

    model = nobuco.pytorch_to_keras(both_ways, [torch.randn(3, size)], verbose=False, **_PYTORCH)
    assert close(export_tflite(model, tmp_path / "m.tflite"))


@pytest.mark.parametrize("name", ["denoiser", "fourier_operator", "lama", "llama", "mel_front_end"])
def test_models_with_complex_numbers(name: str, tmp_path: Path) -> None:
    loaded = models_zoo.load(models_zoo.resolve([name])[0])
    converted = nobuco.pytorch_to_keras(loaded.module, list(loaded.args), verbose=False, **_PYTORCH)
    assert converted.report.ok
    made = export_tflite(converted, tmp_path / "m.tflite")
    assert close(made)
    assert not any("COMPLEX" in op or "FFT" in op for op in made.info.ops)
    # what is folded back at the ends of a wave is all that is left
    assert set(partitions_and_left(made)[1]) <= {"MIRROR_PAD"}


class OfComplex(nn.Module):
    """Functions of complex numbers, and of complex weights, each a real output of its own."""

    def __init__(self, *functions: Any) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, dtype=torch.cfloat, generator=generator))

        self.functions = functions
        self.matrix, self.bias = weight(3, 4), weight(3)
        self.line, self.kernel = weight(5, 2, 2), weight(3, 2, 3, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        z = torch.complex(x, 2 * x + 1)
        found = [function(self, z).resolve_conj() for function in self.functions]
        return tuple(torch.view_as_real(each) for each in found)


@pytest.mark.parametrize(
    "functions",
    [
        [lambda m, z, f=f: f(z) for f in (torch.tanh, torch.sigmoid, torch.sinh, torch.asin, torch.acos)],
        [lambda m, z, f=f: f(z) for f in (torch.atan, torch.asinh, torch.acosh, torch.atanh, torch.tan)],
        [
            lambda m, z: F.linear(z, m.matrix),
            lambda m, z: F.linear(z, m.matrix, m.bias),
            lambda m, z: F.conv1d(z[None], m.line),
            lambda m, z: F.conv2d(z.reshape(1, 2, 2, 2), m.kernel, m.bias, padding=1),
        ],
        [
            lambda m, z: torch.vdot(z[0], z[1] + 1),
            lambda m, z: z @ z.mH,
            lambda m, z: z.H,
            lambda m, z: z.adjoint(),
            lambda m, z: z @ z.mT,
        ],
    ],
    ids=["functions", "inverse functions", "weights", "conjugates"],
)
def test_functions_of_complex_numbers(functions: list[Any], tmp_path: Path) -> None:
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    converted = nobuco.pytorch_to_keras(OfComplex(*functions).eval(), [x], verbose=False, **_PYTORCH)
    assert converted.report.ok
    assert close(export_tflite(converted, tmp_path / "m.tflite"))


def test_a_complex_output_is_refused_with_the_way_out(tmp_path: Path) -> None:
    model = nobuco.pytorch_to_keras(torch.fft.fft, [torch.rand(2, 4)], verbose=False, **_PYTORCH)
    with pytest.raises(TFLiteExportError, match="view_as_real"):
        export_tflite(model, tmp_path / "m.tflite")


def test_what_is_too_large_is_refused_with_its_line(tmp_path: Path) -> None:
    model = nobuco.pytorch_to_keras(torch.linalg.inv, [torch.eye(40) * 2], verbose=False, **_PYTORCH)
    with pytest.raises(
        TFLiteExportError, match=r"no op for MatrixInverse, made of torch\.linalg\.inv.*32 rows"
    ):
        export_tflite(model, tmp_path / "m.tflite")


@pytest.mark.parametrize(("most_bytes", "variables"), [(0, 8), (40, 2), (10**6, 0)])
def test_large_models_become_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, variables: int
) -> None:
    """Through a SavedModel: the same ops in the same order, the same weights, whichever of them are variables there."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    ).eval()
    model = nobuco.pytorch_to_keras(net, [torch.rand(1, 3, 8, 8)], verbose=False)
    small = export_tflite(model, tmp_path / "small.tflite")
    saved: list[int] = []
    save = tf.saved_model.save

    def counted(holder: Any, *given: Any, **named: Any) -> None:
        saved.append(len(holder.variables_))
        save(holder, *given, **named)

    monkeypatch.setattr("nobuco.tflite.conversion._LARGE", 0)
    monkeypatch.setattr("nobuco.tflite.conversion._SMALL", most_bytes)
    monkeypatch.setattr(tf.saved_model, "save", counted)
    large = export_tflite(model, tmp_path / "large.tflite")
    assert saved == [variables]
    assert [(row.op, row.origins) for row in small.info.rows] == [
        (row.op, row.origins) for row in large.info.rows
    ]
    assert small.info.inputs == large.info.inputs and small.info.outputs == large.info.outputs
    assert close(large)


def test_a_large_model_with_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a loop reads stays a variable."""
    monkeypatch.setattr("nobuco.tflite.conversion._LARGE", 0)
    model = nobuco.pytorch_to_keras(nn.LSTM(4, 6).eval(), [torch.rand(5, 1, 4)], verbose=False)
    made = export_tflite(model, tmp_path / "m.tflite", optimize="size")
    assert made.info.ops["WHILE"] == 1
    assert close(made)


@pytest.mark.parametrize("function", [lambda x: 3 // x, lambda x: x // (x - 1), lambda x: x % (x - 1)])
def test_a_divisor_of_zero_does_not_end_the_run(function: Callable[..., Any], tmp_path: Path) -> None:
    x = torch.tensor([0.0, 1.0, -2.5, 0.5])
    converted = nobuco.pytorch_to_keras(function, [torch.randn(4)], verbose=False, **_PYTORCH)
    made = export_tflite(converted, tmp_path / "m.tflite")
    (found,) = outputs_on(made.path.read_bytes(), [[x.numpy()]])[0]
    assert np.allclose(found, function(x).numpy(), equal_nan=True)
