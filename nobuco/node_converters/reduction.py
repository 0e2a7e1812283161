"""Reductions over dims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.build.dtypes import tf_dtype
from nobuco.layout.order import Layout, axis_of, get_layout, identity, rank_of, set_layout
from nobuco.layout.shapes import dropped
from nobuco.node_converters._types import cast, floating
from nobuco.node_converters.registry import builtin


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


# name -> (function of tensor, axes, keepdims; the dtype it works in, from the input's)
_REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "mean": (tf.reduce_mean, floating),
    "sum": (tf.reduce_sum, lambda dtype: tf.int64 if dtype.is_integer or dtype.is_bool else dtype),
    "nansum": (lambda x, a, k: tf.reduce_sum(tf.where(tf.math.is_nan(x), tf.zeros_like(x), x), a, k), floating),
    "prod": (tf.reduce_prod, lambda dtype: tf.int64 if dtype.is_integer or dtype.is_bool else dtype),
    "amax": (tf.reduce_max, lambda dtype: dtype),
    "amin": (tf.reduce_min, lambda dtype: dtype),
    "all": (tf.reduce_all, lambda dtype: tf.bool),
    "any": (tf.reduce_any, lambda dtype: tf.bool),
    "logsumexp": (tf.reduce_logsumexp, floating),
}


def _register(name: str, function: Callable[..., Any], works_in: Callable[[Any], Any]) -> None:
    def reduction(self: Tensor, dim=None, keepdim=False, *, dtype=None, **kwargs):
        target = tf_dtype(dtype) if dtype is not None else works_in(tf_dtype(self.dtype))

        def func(self, dim=None, keepdim=False, *, dtype=None, **kwargs):
            dims, keep = _arguments(self, dim, keepdim, **kwargs)
            x = set_layout(tf.identity(cast(self, target)), get_layout(self))
            return over_dims(x, dims, keep, function)

        return func

    reduction.__name__ = name
    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=reduced_layout)(reduction)


for _name, (_function, _works_in) in _REDUCTIONS.items():
    _register(_name, _function, _works_in)


def _extreme_layout(layout: Layout, self, dim=None, keepdim=False, **kwargs):
    """`max(x)`; `max(x, dim)`, which yields values and indices; `max(x, y)`, element by element."""
    if isinstance(dim, Tensor) or isinstance(kwargs.get("other"), Tensor):
        return layout
    return reduced_layout(layout, self, dim, keepdim, **kwargs)


def _extreme(name: str, reduce, arg, pair) -> None:
    def extreme(self: Tensor, dim=None, keepdim=False, **kwargs):
        other = dim if isinstance(dim, Tensor) else kwargs.get("other")

        def of_two(self, dim=None, **kwargs):
            return set_layout(pair(self, kwargs.get("other", dim)), get_layout(self))

        def along(self, dim=None, keepdim=False, **kwargs):
            dims, keep = _arguments(self, dim, keepdim, **kwargs)
            values = over_dims(self, dims, keep, reduce)
            if dim is None and "axis" not in kwargs:
                return values
            indices = over_dims(self, dims, keep, lambda x, axes, keep: _arg(x, axes[0], keep, arg))
            return values, indices

        return along if other is None else of_two

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=_extreme_layout)(extreme)


def _arg(x, axis: int, keep: bool, function):
    indices = function(x, axis, output_type=tf.int64)
    return tf.expand_dims(indices, axis) if keep else indices


_extreme("max", tf.reduce_max, tf.argmax, tf.maximum)
_extreme("min", tf.reduce_min, tf.argmin, tf.minimum)


def _arg_layout(layout: Layout, self, dim=None, keepdim=False):
    if dim is None:
        return tuple(range(rank_of(self))) if keepdim else () if layout == identity(len(layout)) else None
    return layout if keepdim else dropped(layout, [dim])


def _register_arg(name: str, function) -> None:
    def arg(self: Tensor, dim=None, keepdim=False):
        def func(self, dim=None, keepdim=False):
            layout = get_layout(self)
            if dim is None:  # the index into the flattened tensor
                index = function(tf.reshape(self, [-1]), 0, output_type=tf.int64)
                return tf.reshape(index, [1] * len(layout)) if keepdim else index
            indices = _arg(self, axis_of(self, dim), keepdim, function)
            return set_layout(indices, layout if keepdim else dropped(layout, [dim]))

        return func

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=_arg_layout)(arg)


_register_arg("argmax", tf.argmax)
_register_arg("argmin", tf.argmin)


def _variance(root: bool):
    def variance(self: Tensor, dim=None, unbiased=True, keepdim=False, *, correction=None, **kwargs):
        if isinstance(dim, bool):  # var(x, unbiased)
            dim, unbiased = None, dim
        keep = keepdim or kwargs.get("keepdims", False)
        dims, _ = _arguments(self, dim, keep, **kwargs)
        count = 1
        for each in dims:
            count *= self.shape[each]
        less = correction if correction is not None else int(unbiased)

        def func(self, *args, **inner):
            def moments(x, axes, keep):
                deviation = x - tf.reduce_mean(x, axes, keepdims=True)
                total = tf.reduce_sum(tf.square(deviation), axes, keepdims=keep) / max(count - less, 0)
                return tf.sqrt(total) if root else total

            return over_dims(self, dims, keep, moments)

        return func

    return variance


def _variance_layout(layout: Layout, self, dim=None, unbiased=True, keepdim=False, **kwargs):
    kwargs.pop("correction", None)
    return reduced_layout(layout, self, None if isinstance(dim, bool) else dim, keepdim, **kwargs)


builtin(torch.var, torch.Tensor.var, output_layout=_variance_layout)(_variance(False))
builtin(torch.std, torch.Tensor.std, output_layout=_variance_layout)(_variance(True))
