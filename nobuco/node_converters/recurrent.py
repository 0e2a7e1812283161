"""LSTM, GRU and plain recurrent layers: stacks of Keras' own; and their single steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import torch
from torch import Tensor, nn

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.converter import Impossible
from nobuco.contract.dtypes import to_numpy
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain
from nobuco.layers.recurrent import ProjectedLSTMCell, RecurrentStack
from nobuco.node_converters._sizes import shape_of

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


# Weights are set afterwards, and what Keras begins with, orthogonal matrices, cannot be made in bfloat16.
_UNSET = {"recurrent_initializer": "zeros"}


def _stack(
    module: nn.RNNBase,
    input: Any,
    states: tuple[Tensor, ...],
    make: Callable[..., Any],
    weigh: Callable[..., Any],
) -> LayerChain:
    """`make(**options)` is one Keras layer, `weigh(...)` its weights from those of one PyTorch layer and direction."""
    directions = 2 if module.bidirectional else 1
    layers, features = [], module.input_size
    for level in range(module.num_layers):
        for backwards in range(directions):
            suffix = f"_l{level}" + "_reverse" * backwards
            own = {
                name: getattr(module, f"{name}{suffix}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                if hasattr(module, f"{name}{suffix}")
            }
            layer = make(
                return_sequences=True, return_state=True, go_backwards=bool(backwards), name=f"layer{suffix}"
            )
            layer.build((None, None, features))
            layer.set_weights([to_numpy(weight) for weight in weigh(**own)])
            layers.append(layer)
        features = directions * (module.proj_size or module.hidden_size)
    count = 2 if isinstance(module, nn.LSTM) else 1
    given, order = [], {id(input): 0}
    for state in states or (None,) * count:
        if state is None or (is_constant(state) and not state.any()):
            given.append(-1)
        else:
            given.append(order.setdefault(id(state), len(order)))
    return LayerChain(RecurrentStack(layers, directions, count, given, module.batch_first, input.dim() == 3))


def _can_be_stacked(call: Any) -> str | None:
    module: nn.RNNBase = call.self
    if not isinstance(call.input, Tensor):
        return Impossible(
            "a packed sequence has no counterpart in Keras; pad the batch, or convert for one sequence"
        )
    if module.training and module.dropout > 0 and module.num_layers > 1:
        return Impossible("dropout is active: the module is in training mode. Call model.eval() first")
    states = call.hx if isinstance(call.hx, tuple) else (call.hx,)
    if any(isinstance(each, Tensor) and is_constant(each) and each.any() for each in states):
        return Impossible("a constant initial state other than zeros is not converted: pass it as an input")
    return None


@builtin(nn.LSTM, strategy=_PYTORCH, accepts=_can_be_stacked)
def lstm(self: nn.LSTM, input: Tensor, hx: tuple[Tensor, Tensor] | None = None):
    """Keras has the gates in the same order, and one bias for both products."""

    def make(**options: Any) -> Any:
        if self.proj_size:
            return keras.layers.RNN(ProjectedLSTMCell(self.hidden_size, self.proj_size, self.bias), **options)
        return keras.layers.LSTM(self.hidden_size, use_bias=self.bias, **_UNSET, **options)

    def weigh(weight_ih, weight_hh, bias_ih=None, bias_hh=None, weight_hr=None) -> list[Tensor]:
        biases = [] if bias_ih is None else [bias_ih + bias_hh]
        projection = [] if weight_hr is None else [weight_hr.T]
        return [weight_ih.T, weight_hh.T, *biases, *projection]

    return _stack(self, input, tuple(hx or ()), make, weigh)


@builtin(nn.GRU, strategy=_PYTORCH, accepts=_can_be_stacked)
def gru(self: nn.GRU, input: Tensor, hx: Tensor | None = None):
    """Keras' `reset_after` is PyTorch's formula; its gates are in the order z, r, n instead of r, z, n."""

    def make(**options: Any) -> Any:
        return keras.layers.GRU(self.hidden_size, use_bias=self.bias, reset_after=True, **_UNSET, **options)

    def weigh(weight_ih, weight_hh, bias_ih=None, bias_hh=None) -> list[Tensor]:
        biases = [] if bias_ih is None else [torch.stack([_update_first(bias_ih), _update_first(bias_hh)])]
        return [_update_first(weight_ih).T, _update_first(weight_hh).T, *biases]

    return _stack(self, input, () if hx is None else (hx,), make, weigh)


def _update_first(weight: Tensor) -> Tensor:
    reset, update, new = weight.chunk(3)
    return torch.cat([update, reset, new])


@builtin(nn.RNN, strategy=_PYTORCH, accepts=_can_be_stacked)
def rnn(self: nn.RNN, input: Tensor, hx: Tensor | None = None):
    def make(**options: Any) -> Any:
        return keras.layers.SimpleRNN(
            self.hidden_size, activation=self.nonlinearity, use_bias=self.bias, **_UNSET, **options
        )

    def weigh(weight_ih, weight_hh, bias_ih=None, bias_hh=None) -> list[Tensor]:
        return [weight_ih.T, weight_hh.T, *([] if bias_ih is None else [bias_ih + bias_hh])]

    return _stack(self, input, () if hx is None else (hx,), make, weigh)


# -- single steps: nn.LSTMCell and its kin end in these


def _product(x: Any, weight: Any, bias: Any) -> Any:
    y = tf.matmul(tf.reshape(x, [-1, shape_of(weight)[-1]]), weight, transpose_b=True)
    return y if bias is None else y + bias


def _as(x: Any, like: Any) -> Any:
    return tf.reshape(x, [-1]) if like.shape.rank == 1 else x


@builtin(torch.lstm_cell, strategy=_PYTORCH)
def lstm_cell(
    input: Tensor, hx, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
):
    def func(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        hidden, carry = hx
        gates = _product(input, w_ih, b_ih) + _product(hidden, w_hh, b_hh)
        entry, forget, cell, exit = tf.split(gates, 4, -1)
        kept = tf.sigmoid(forget) * tf.reshape(carry, tf.shape(forget)) + tf.sigmoid(entry) * tf.tanh(cell)
        return _as(tf.sigmoid(exit) * tf.tanh(kept), input), _as(kept, input)

    return func


@builtin(torch.gru_cell, strategy=_PYTORCH)
def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
):
    def func(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        reset_x, update_x, new_x = tf.split(_product(input, w_ih, b_ih), 3, -1)
        reset_h, update_h, new_h = tf.split(_product(hx, w_hh, b_hh), 3, -1)
        reset, update = tf.sigmoid(reset_x + reset_h), tf.sigmoid(update_x + update_h)
        new = tf.tanh(new_x + reset * new_h)
        return _as((1 - update) * new + update * hx, input)

    return func


def _plain_cell(activation: Callable[[Any], Any], op: Any) -> None:
    def cell(
        input: Tensor,
        hx: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ):
        def func(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
            return _as(activation(_product(input, w_ih, b_ih) + _product(hx, w_hh, b_hh)), input)

        return func

    builtin(op, strategy=_PYTORCH)(cell)


_plain_cell(tf.tanh, torch.rnn_tanh_cell)
_plain_cell(tf.nn.relu, torch.rnn_relu_cell)
