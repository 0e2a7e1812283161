"""Arithmetic on complex tensors as arithmetic on their real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering import fourier, overwriting, scans
from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.lowering.values import Impossible, Pair, Rules, Tensor, Value
from nobuco.tflite.lowering.variables import value_of

COMPLEX = Rules(overwriting.COMPLEX)
rule = COMPLEX.rule


@rule(
    "Identity", "IdentityN", "Snapshot", "StopGradient", "Reshape", "Transpose", "StridedSlice", "Slice", "ConcatV2",
    "Pack", "Unpack", "Split", "SplitV", "GatherV2", "GatherNd", "Pad", "PadV2", "MirrorPad", "ExpandDims", "Squeeze",
    "Tile", "BroadcastTo", "ReverseV2", "Roll", "ZerosLike", "Fill", "Neg", "AddV2", "Add", "Sub", "AddN", "Sum", "Mean",
    "Cumsum", "MatrixDiagV3", "MatrixDiagPartV3", "MatrixBandPart", "MatrixSetDiagV3", "Select", "SelectV2",
    "TensorScatterAdd", "ScatterNd", "UnsortedSegmentSum", "SegmentSum", "EnsureShape",
)  # fmt: skip
def each_part(op: Any, *inputs: Value) -> list[Value]:
    """What is linear in the complex inputs is done to each part."""
    real, imag = (
        copied(op, [each[part] if isinstance(each, Pair) else each for each in inputs]) for part in (0, 1)
    )
    return [Pair(a, b) for a, b in zip(real, imag, strict=True)]


@rule("Const")
def constant(op: Any) -> Value:
    return _held(tf.make_ndarray(op.get_attr("value")))


@rule("ReadVariableOp")
def variable(op: Any, handle: Tensor) -> Value:
    return _held(value_of(op))


def _held(array: np.ndarray) -> Pair:
    return Pair(
        tf.constant(np.real(array).astype(np.float32)), tf.constant(np.imag(array).astype(np.float32))
    )


@rule("OnesLike")
def ones_like(op: Any, x: Pair) -> Value:
    return Pair(tf.ones_like(x.real), tf.zeros_like(x.imag))


@rule("Shape", "ShapeN", "Size", "Rank")
def shape(op: Any, *inputs: Value) -> list[Value]:
    return copied(op, [each.real if isinstance(each, Pair) else each for each in inputs])


@rule("Complex")
def of_parts(op: Any, real: Tensor, imag: Tensor) -> Value:
    if op.inputs[0].shape != op.inputs[1].shape:
        size = tf.broadcast_dynamic_shape(tf.shape(real), tf.shape(imag))
        return Pair(tf.broadcast_to(real, size), tf.broadcast_to(imag, size))
    return Pair(real, imag)


@rule("Real")
def real_part(op: Any, x: Pair) -> Value:
    return x.real


@rule("Imag")
def imaginary_part(op: Any, x: Pair) -> Value:
    return x.imag


@rule("Conj")
def conjugate(op: Any, x: Pair) -> Value:
    return Pair(x.real, -x.imag)


@rule("Cast")
def cast(op: Any, x: Value) -> Value:
    wanted = op.outputs[0].dtype
    if not wanted.is_complex:
        assert isinstance(x, Pair)
        return tf.cast(x.real, tf.float32 if wanted.is_floating else wanted)
    if isinstance(x, Pair):
        return x
    real = tf.cast(x, tf.float32)
    return Pair(real, tf.zeros_like(real))


@rule("ComplexAbs", "Abs")
def magnitude(op: Any, x: Pair) -> Value:
    return tf.sqrt(_squared(x))


@rule("Angle")
def angle(op: Any, x: Pair) -> Value:
    return tf.atan2(x.imag, x.real)


@rule("Mul")
def multiply(op: Any, a: Pair, b: Pair) -> Value:
    for known, factor, other in ((op.inputs[0], a, b), (op.inputs[1], b, a)):
        value = tf.get_static_value(known)
        if value is not None and not np.any(np.imag(value)):
            return Pair(other.real * factor.real, other.imag * factor.real)
    return _product(a, b)


@rule("RealDiv", "Div")
def divide(op: Any, a: Pair, b: Pair) -> Value:
    return _quotient(a, b)


@rule("DivNoNan")
def divide_no_nan(op: Any, a: Pair, b: Pair) -> Value:
    size = _squared(b)
    over = _product(a, Pair(b.real, -b.imag))
    return Pair(tf.math.divide_no_nan(over.real, size), tf.math.divide_no_nan(over.imag, size))


@rule("Reciprocal", "Inv")
def reciprocal(op: Any, x: Pair) -> Value:
    size = _squared(x)
    return Pair(x.real / size, -x.imag / size)


@rule("Square")
def square(op: Any, x: Pair) -> Value:
    return _product(x, x)


@rule("SquaredDifference")
def squared_difference(op: Any, a: Pair, b: Pair) -> Value:
    gap = Pair(a.real - b.real, a.imag - b.imag)
    size = _squared(gap)  # TensorFlow's: the conjugate times itself
    return Pair(size, tf.zeros_like(size))


@rule("Exp")
def exponential(op: Any, x: Pair) -> Value:
    return _exponential(x)


@rule("Expm1")
def exponential_minus_one(op: Any, x: Pair) -> Value:
    raised = _exponential(x)
    return Pair(raised.real - 1, raised.imag)


@rule("Log")
def logarithm(op: Any, x: Pair) -> Value:
    return _logarithm(x)


@rule("Log1p")
def logarithm_of_one_more(op: Any, x: Pair) -> Value:
    return _logarithm(Pair(x.real + 1, x.imag))


@rule("Sqrt")
def square_root(op: Any, x: Pair) -> Value:
    return _square_root(x)


@rule("Rsqrt")
def reciprocal_square_root(op: Any, x: Pair) -> Value:
    root = _square_root(x)
    size = _squared(root)
    return Pair(root.real / size, -root.imag / size)


@rule("Pow")
def power(op: Any, a: Pair, b: Pair) -> Value:
    exponent = tf.get_static_value(op.inputs[1])
    if exponent is not None and np.ndim(exponent) == 0 and exponent in (1, 2, 3):
        result = a
        for _ in range(int(exponent.real) - 1):
            result = _product(result, a)
        return result
    raised = _exponential(_product(b, _logarithm(a)))
    zero, none = _squared(a) == 0, _squared(b) == 0
    blank = tf.zeros_like(raised.real)
    return Pair(
        tf.where(zero, tf.where(none, blank + 1, blank), raised.real), tf.where(zero, blank, raised.imag)
    )


@rule("Sin")
def sine(op: Any, x: Pair) -> Value:
    return Pair(tf.sin(x.real) * _cosh(x.imag), tf.cos(x.real) * _sinh(x.imag))


@rule("Cos")
def cosine(op: Any, x: Pair) -> Value:
    return Pair(tf.cos(x.real) * _cosh(x.imag), -tf.sin(x.real) * _sinh(x.imag))


@rule("Tan")
def tangent(op: Any, x: Pair) -> Value:
    below = tf.cos(2 * x.real) + _cosh(2 * x.imag)
    return Pair(tf.sin(2 * x.real) / below, _sinh(2 * x.imag) / below)


@rule("Sinh")
def hyperbolic_sine(op: Any, x: Pair) -> Value:
    return Pair(_sinh(x.real) * tf.cos(x.imag), _cosh(x.real) * tf.sin(x.imag))


@rule("Cosh")
def hyperbolic_cosine(op: Any, x: Pair) -> Value:
    return Pair(_cosh(x.real) * tf.cos(x.imag), _sinh(x.real) * tf.sin(x.imag))


@rule("Tanh")
def hyperbolic_tangent(op: Any, x: Pair) -> Value:
    below = _cosh(2 * x.real) + tf.cos(2 * x.imag)
    return Pair(_sinh(2 * x.real) / below, tf.sin(2 * x.imag) / below)


@rule("Sigmoid")
def sigmoid(op: Any, x: Pair) -> Value:
    raised = _exponential(Pair(-x.real, -x.imag))
    return _quotient(Pair(tf.ones_like(x.real), tf.zeros_like(x.imag)), Pair(1 + raised.real, raised.imag))


@rule("Sign")
def sign(op: Any, x: Pair) -> Value:
    size = tf.sqrt(_squared(x))
    return Pair(tf.math.divide_no_nan(x.real, size), tf.math.divide_no_nan(x.imag, size))


@rule("Equal")
def equal(op: Any, a: Pair, b: Pair) -> Value:
    return (a.real == b.real) & (a.imag == b.imag)


@rule("NotEqual")
def not_equal(op: Any, a: Pair, b: Pair) -> Value:
    return (a.real != b.real) | (a.imag != b.imag)


@rule("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum")
def matrix_product(op: Any, a: Pair, b: Pair) -> Value:
    if op.type.startswith("Batch"):  # its adjoint is the conjugate transpose
        a = Pair(a.real, -a.imag) if op.get_attr("adj_x") else a
        b = Pair(b.real, -b.imag) if op.get_attr("adj_y") else b

    def of(x: Tensor, y: Tensor) -> Any:
        return copied(op, [x, y])[0]

    return Pair(
        of(a.real, b.real) - of(a.imag, b.imag),
        of(a.real, b.imag) + of(a.imag, b.real),
    )


@rule("Cumprod")
def cumulative_product(op: Any, x: Pair, axis: Tensor) -> Value:
    return scans.scanned(op, x, _product, Pair(tf.ones([]), tf.zeros([])))


@rule("Prod")
def product(op: Any, x: Pair, axes: Tensor) -> Value:
    axis = tf.get_static_value(op.inputs[1])
    size = None if axis is None else op.inputs[0].shape[int(np.ravel(axis)[0])]
    if axis is None or np.size(axis) != 1 or size is None:
        raise Impossible("a product of complex numbers along one axis of known size only")
    where = int(np.ravel(axis)[0])
    parts = [tf.unstack(part, axis=where) for part in x]
    result = Pair(parts[0][0], parts[1][0])
    for real, imag in zip(parts[0][1:], parts[1][1:], strict=True):
        result = _product(result, Pair(real, imag))
    return Pair(*(tf.expand_dims(part, where) for part in result)) if op.get_attr("keep_dims") else result


@rule("FFT")
def fft(op: Any, x: Pair) -> Value:
    return fourier.fft(x)


@rule("IFFT")
def ifft(op: Any, x: Pair) -> Value:
    return fourier.ifft(x)


@rule("RFFT")
def rfft(op: Any, x: Tensor, length: Tensor) -> Value:
    return fourier.rfft(x, _length(op))


@rule("IRFFT")
def irfft(op: Any, x: Pair, length: Tensor) -> Value:
    return fourier.irfft(x, _length(op))


@rule("FFT2D", "FFT3D")
def fft_of_several(op: Any, x: Pair) -> Value:
    return _over_last(fourier.fft, x, int(op.type[3]))


@rule("IFFT2D", "IFFT3D")
def ifft_of_several(op: Any, x: Pair) -> Value:
    return _over_last(fourier.ifft, x, int(op.type[4]))


def _over_last(transform: Callable[[Pair], Pair], x: Pair, dims: int) -> Pair:
    """Along each of the last dims."""
    rank = x.real.shape.rank
    assert rank is not None
    for axis in range(rank - dims, rank):
        perm = [i for i in range(rank) if i != axis] + [axis]
        back = [perm.index(i) for i in range(rank)]
        x = transform(Pair(*(tf.transpose(part, perm) for part in x)))
        x = Pair(*(tf.transpose(part, back) for part in x))
    return x


def _length(op: Any) -> int:
    length = tf.get_static_value(op.inputs[1])
    if length is None:
        raise Impossible("the length of a Fourier transform must be known at conversion")
    return int(np.ravel(length)[0])


def _squared(x: Pair) -> Tensor:
    return tf.square(x.real) + tf.square(x.imag)


def _product(a: Pair, b: Pair) -> Pair:
    return Pair(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real)


def _quotient(a: Pair, b: Pair) -> Pair:
    size = _squared(b)
    over = _product(a, Pair(b.real, -b.imag))
    return Pair(over.real / size, over.imag / size)


def _exponential(x: Pair) -> Pair:
    size = tf.exp(x.real)
    return Pair(size * tf.cos(x.imag), size * tf.sin(x.imag))


def _logarithm(x: Pair) -> Pair:
    return Pair(0.5 * tf.math.log(_squared(x)), tf.atan2(x.imag, x.real))


def _square_root(x: Pair) -> Pair:
    size = tf.sqrt(_squared(x))
    real = tf.sqrt(tf.maximum(0.5 * (size + x.real), 0.0))
    imag = tf.sqrt(tf.maximum(0.5 * (size - x.real), 0.0))
    return Pair(real, tf.where(x.imag < 0, -imag, imag))


def _cosh(x: Tensor) -> Tensor:
    raised = tf.exp(x)
    return 0.5 * (raised + 1 / raised)


def _sinh(x: Tensor) -> Tensor:
    raised = tf.exp(x)
    return 0.5 * (raised - 1 / raised)
