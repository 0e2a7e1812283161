"""Reductions over dims."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import Layout, get_layout, identity, rank_of, set_layout
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin
from nobuco.layout.shapes import dropped
from nobuco.node_converters._integers import place_of_extreme
from nobuco.node_converters._sizes import product_of, shape_of
from nobuco.node_converters._types import cast, floating, result_dtype


def _arguments(self, dim=None, keepdim=False, **kwargs) -> tuple[list[int], bool]:
    """The reduced dims, all where none is named, and whether they stay as 1."""
    dim = kwargs.get("axis", dim)
    rank = rank_of(self)
    if dim is None or (isinstance(dim, Sequence) and len(dim) == 0):
        return list(range(rank)), bool(kwargs.get("keepdims", keepdim))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return [each % rank for each in dims] if rank else [], bool(kwargs.get("keepdims", keepdim))


def reduced_layout(layout: Layout, self, dim=None, keepdim=False, *args, **kwargs):
    dims, keep = _arguments(self, dim, keepdim, **kwargs)
    return layout if keep else dropped(layout, dims)


def over_dims(x: Any, dims: list[int], keep: bool, function: Callable[..., Any]) -> Any:
    layout = get_layout(x)
    axes = [layout.index(dim) for dim in dims]
    return set_layout(function(x, axes, keep), layout if keep else dropped(layout, dims))


def _largest(x: Any, axes: list[int], keep: bool) -> Any:
    return (tf.reduce_any if x.dtype == tf.bool else tf.reduce_max)(x, axes, keep)


def _smallest(x: Any, axes: list[int], keep: bool) -> Any:
    return (tf.reduce_all if x.dtype == tf.bool else tf.reduce_min)(x, axes, keep)


# name -> (function of tensor, axes, keepdims; the dtype it works in, from the input's)
_REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "mean": (tf.reduce_mean, floating),
    "sum": (tf.reduce_sum, lambda dtype: tf.int64 if dtype.is_integer or dtype.is_bool else dtype),
    "nansum": (
        lambda x, a, k: tf.reduce_sum(_without_nan(x), a, k),
        lambda dtype: dtype if dtype.is_floating else tf.int64,
    ),
    "prod": (tf.reduce_prod, lambda dtype: tf.int64 if dtype.is_integer or dtype.is_bool else dtype),
    "amax": (lambda x, a, k: _largest(x, a, k), lambda dtype: dtype),
    "amin": (lambda x, a, k: _smallest(x, a, k), lambda dtype: dtype),
    "all": (tf.reduce_all, lambda dtype: tf.bool),
    "any": (tf.reduce_any, lambda dtype: tf.bool),
    "logsumexp": (tf.reduce_logsumexp, floating),
    "nanmean": (lambda x, a, k: _nanmean(x, a, k), floating),
    "count_nonzero": (lambda x, a, k: tf.reduce_sum(tf.cast(x, tf.int64), a, k), lambda dtype: tf.bool),
}


def _without_nan(x: Any) -> Any:
    return tf.where(tf.math.is_nan(x), tf.zeros_like(x), x) if x.dtype.is_floating else x


def _nanmean(x: Any, axes: list[int], keep: bool) -> Any:
    number = tf.logical_not(tf.math.is_nan(x))
    total = tf.reduce_sum(tf.where(number, x, tf.zeros_like(x)), axes, keep)
    return total / tf.reduce_sum(tf.cast(number, x.dtype), axes, keep)


def _register(name: str, function: Callable[..., Any], works_in: Callable[[Any], Any]) -> None:
    def reduction(self: Tensor, dim=None, keepdim=False, *, dtype=None, **kwargs):
        target = tf_dtype(dtype) if dtype is not None else works_in(tf_dtype(self.dtype))

        def func(self, dim=None, keepdim=False, *, dtype=None, **kwargs):
            dims, keep = _arguments(self, dim, keepdim, **kwargs)
            x = set_layout(tf.identity(cast(self, target)), get_layout(self))
            return over_dims(x, dims, keep, function)

        return func

    reduction.__name__ = name
    homes = (torch, torch.Tensor, torch.special)
    builtin(*(getattr(home, name) for home in homes if hasattr(home, name)), output_layout=reduced_layout)(
        reduction
    )


for _name, (_function, _works_in) in _REDUCTIONS.items():
    _register(_name, _function, _works_in)


def _extreme_layout(layout: Layout, self, dim=None, keepdim=False, **kwargs):
    """`max(x)`; `max(x, dim)`, which yields values and indices; `max(x, y)`, element by element."""
    other = dim if isinstance(dim, Tensor) else kwargs.get("other")
    if isinstance(other, Tensor):
        rank = max(rank_of(self), rank_of(other))
        return (
            (layout if rank_of(self) == rank_of(other) else identity(rank))
            if (layout == identity(len(layout)) or rank_of(self) == rank_of(other))
            else None
        )
    return reduced_layout(layout, self, dim, keepdim, **kwargs)


def _extreme(name: str, reduce, arg, pair) -> None:
    def extreme(self: Tensor, dim=None, keepdim=False, **kwargs):
        other = dim if isinstance(dim, Tensor) else kwargs.get("other")
        if isinstance(other, Tensor):
            dtype = result_dtype(self, other)
            return lambda self, dim=None, **kwargs: pair(
                cast(self, dtype), cast(kwargs.get("other", dim), dtype)
            )

        def along(self, dim=None, keepdim=False, **kwargs):
            dims, keep = _arguments(self, dim, keepdim, **kwargs)
            values = over_dims(self, dims, keep, reduce)
            if dim is None:
                return values
            indices = over_dims(self, dims, keep, lambda x, axes, keep: _arg(x, axes, keep, arg))
            return values, indices

        return along

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=_extreme_layout)(extreme)


def _pair(numbers, booleans):
    return lambda a, b: (booleans if a.dtype == tf.bool else numbers)(a, b)


def _arg(x, axes: list[int], keep: bool, function):
    """A scalar has dim 0, of size 1."""
    if not axes:
        return tf.zeros([], tf.int64)
    x = tf.cast(x, tf.int32) if x.dtype == tf.bool else x
    indices = place_of_extreme(x, axes[0], function)
    return tf.expand_dims(indices, axes[0]) if keep else indices


_extreme("max", _largest, tf.argmax, _pair(tf.maximum, tf.logical_or))
_extreme("min", _smallest, tf.argmin, _pair(tf.minimum, tf.logical_and))


def _arg_layout(layout: Layout, self, dim=None, keepdim=False):
    if dim is None:
        return tuple(range(rank_of(self))) if keepdim else () if layout == identity(len(layout)) else None
    return layout if keepdim or not layout else dropped(layout, [dim])


def _register_arg(name: str, function) -> None:
    def arg(self: Tensor, dim=None, keepdim=False):
        def func(self, dim=None, keepdim=False):
            layout = get_layout(self)
            if dim is None:  # the index into the flattened tensor
                index = place_of_extreme(tf.reshape(self, [-1]), 0, function)
                return tf.reshape(index, [1] * len(layout)) if keepdim else index
            dims, _ = _arguments(self, dim)
            return over_dims(self, dims, keepdim, lambda x, axes, keep: _arg(x, axes, keep, function))

        return func

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=_arg_layout)(arg)


_register_arg("argmax", tf.argmax)
_register_arg("argmin", tf.argmin)


def _dims_and_correction(self, dim, unbiased, keepdim, correction, kwargs) -> tuple[list[int], bool, float]:
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    dims, keep = _arguments(self, dim, keepdim, **kwargs)
    return dims, keep, correction if correction is not None else int(unbiased)


def _variance(root: bool, with_mean: bool):
    def variance(self: Tensor, dim=None, unbiased=True, keepdim=False, *, correction=None, **kwargs):
        dims, keep, less = _dims_and_correction(self, dim, unbiased, keepdim, correction, kwargs)

        def moments(x, axes, keep):
            deviation = x - tf.reduce_mean(x, axes, keepdims=True)
            total = tf.reduce_sum(
                tf.abs(deviation) ** 2 if x.dtype.is_complex else tf.square(deviation), axes, keep
            )
            sizes = shape_of(x)
            count = product_of(sizes[axis] for axis in axes)
            if tf.is_tensor(count):
                total = total / tf.maximum(tf.cast(count, total.dtype) - less, 0)
            else:
                total = total / tf.constant(max(count - less, 0), total.dtype)
            return tf.sqrt(total) if root else total

        def func(self, *args, **kwargs):
            spread = over_dims(self, dims, keep, moments)
            return (spread, over_dims(self, dims, keep, tf.reduce_mean)) if with_mean else spread

        return func

    return variance


def _variance_layout(
    layout: Layout, self, dim=None, unbiased=True, keepdim=False, *, correction=None, **kwargs
):
    dims, keep, _ = _dims_and_correction(self, dim, unbiased, keepdim, correction, kwargs)
    return layout if keep else dropped(layout, dims)


for _name, _root, _with_mean in (
    ("var", False, False), ("std", True, False), ("var_mean", False, True), ("std_mean", True, True),
):  # fmt: skip
    _ops = [getattr(home, _name) for home in (torch, torch.Tensor) if hasattr(home, _name)]
    builtin(*_ops, output_layout=_variance_layout)(_variance(_root, _with_mean))


@builtin(torch.aminmax, torch.Tensor.aminmax, output_layout=reduced_layout)
def aminmax(input: Tensor, *, dim=None, keepdim=False):
    def func(input, *, dim=None, keepdim=False):
        dims, keep = _arguments(input, dim, keepdim)
        return over_dims(input, dims, keep, _smallest), over_dims(input, dims, keep, _largest)

    return func


# -- norms


def _norm(x: Any, axes: list[int], keep: bool, order: float) -> Any:
    magnitude = tf.abs(x)
    if order == 2:
        return tf.sqrt(tf.reduce_sum(tf.square(magnitude), axes, keep))
    if order == 1:
        return tf.reduce_sum(magnitude, axes, keep)
    if order == math.inf:
        return tf.reduce_max(magnitude, axes, keep)
    if order == -math.inf:
        return tf.reduce_min(magnitude, axes, keep)
    if order == 0:
        return tf.reduce_sum(tf.cast(magnitude != 0, magnitude.dtype), axes, keep)
    return tf.pow(tf.reduce_sum(tf.pow(magnitude, order), axes, keep), 1 / order)


def _vector_norm_layout(layout: Layout, x, ord=2, dim=None, keepdim=False, **kwargs):
    return reduced_layout(layout, x, dim, keepdim)


@builtin(torch.linalg.vector_norm, output_layout=_vector_norm_layout)
def vector_norm(x: Tensor, ord=2, dim=None, keepdim: bool = False, *, dtype=None):
    """Of what lies along `dim`, everything where none is given."""

    def func(x, ord=2, dim=None, keepdim=False, *, dtype=None):
        dims, keep = _arguments(x, dim, keepdim)
        values = x if dtype is None else set_layout(tf.identity(cast(x, tf_dtype(dtype))), get_layout(x))
        return over_dims(values, dims, keep, lambda v, axes, keep: _norm(v, axes, keep, float(ord)))

    return func


def _normalize_layout(layout: Layout, *args, **kwargs):
    return layout


@builtin(F.normalize, output_layout=_normalize_layout)
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12):
    def func(input, p=2.0, dim=1, eps=1e-12):
        dims, _ = _arguments(input, dim)
        axes = [get_layout(input).index(each) for each in dims]
        return input / tf.maximum(_norm(input, axes, True, float(p)), eps)

    return func


def _needs_no_svd(call: Any) -> str | None:
    if (
        call.ord in (None, "fro", 1, -1, math.inf, -math.inf)
        or len(_arguments(call.A, call.dim, False)[0]) != 2
    ):
        return None
    return (
        f"the matrix norm of order {call.ord!r} needs a singular value decomposition, which is not converted"
    )


def _matrix_norm_layout(layout: Layout, A, ord="fro", dim=(-2, -1), keepdim=False, **kwargs):
    return reduced_layout(layout, A, dim, keepdim)


@builtin(torch.linalg.matrix_norm, output_layout=_matrix_norm_layout, accepts=_needs_no_svd)
def matrix_norm(A: Tensor, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None):
    function = norm(A, ord, dim, keepdim, dtype=dtype)
    return lambda A, *args, **kwargs: function(A, ord, dim, keepdim, dtype=dtype)


@builtin(torch.linalg.norm, output_layout=_vector_norm_layout, accepts=_needs_no_svd)
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None):
    """Of vectors; of matrices the Frobenius norm, which is the vector norm of their elements, and the row and column
    sums."""
    dims, _ = _arguments(A, dim, False)
    matrix = len(dims) == 2 and ord not in (None, "fro")
    of_vector = 2 if ord in (None, "fro") else ord

    def func(A, ord: Any = None, dim=None, keepdim=False, *, dtype=None):
        x = A if dtype is None else set_layout(tf.identity(cast(A, tf_dtype(dtype))), get_layout(A))
        if not matrix:
            return over_dims(x, dims, keepdim, lambda v, axes, keep: _norm(v, axes, keep, float(of_vector)))
        summed, compared = (dims[0], dims[1]) if abs(ord) == 1 else (dims[1], dims[0])
        reduce = tf.reduce_max if ord > 0 else tf.reduce_min
        layout = get_layout(x)
        sums = tf.reduce_sum(tf.abs(x), layout.index(summed), keepdims=True)
        result = reduce(sums, layout.index(compared), keepdims=True)
        if keepdim:
            return result
        return set_layout(tf.squeeze(result, [layout.index(each) for each in dims]), dropped(layout, dims))

    return func
