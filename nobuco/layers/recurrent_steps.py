"""Recurrent layers of known length written out step by step, for inference.

What the inputs are multiplied by does not depend on the step before, so it is one product for all steps; each step has one
product less, and no loop around it. Same weights, same values as the layer's own but for rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
State = list[Any]  # its tensors; None for one that is zero

_written_out: ContextVar[bool] = ContextVar("written_out", default=False)

# A layer is written out if its steps take no more than this. Each has about a dozen ops of its own in the file, and at
# run time its own copy of the weights, packed for the kernel.
_MOST_STEPS = 128
_MOST_PACKED = 64_000_000  # bytes


@contextmanager
def written_out() -> Iterator[None]:
    """Within, recurrent stacks are traced step by step where their length is known and not too large."""
    token = _written_out.set(True)
    try:
        yield
    finally:
        _written_out.reset(token)


@dataclass(frozen=True)
class Steps:
    """A recurrent layer as what is done for all steps at once, and what for each.

    Attributes:
        projections: kernels (F, n) and biases (n,), None for none, that all inputs are multiplied by.
        step: of the projected inputs of a step and the state before, the state after; its first tensor is the output.
        recurrent: the weights that every step multiplies by.
    """

    projections: Sequence[tuple[Tensor, Tensor | None]]
    step: Callable[[Sequence[Tensor], State], State]
    recurrent: Sequence[Tensor]


def steps_of(layer: Any, projected: type) -> Steps | None:
    """The steps of a Keras layer of known kind as PyTorch has them; None for others. `projected`: the cell of LSTMs with a
    projection."""
    cell = layer.cell if hasattr(layer, "cell") else None
    if cell is None or _masks_or_drops(cell):
        return None
    if isinstance(cell, projected):
        return _lstm(cell, cell.projection_kernel)
    kind = type(layer)
    if kind is keras.layers.LSTM and _usual(cell):
        return _lstm(cell, None)
    if kind is keras.layers.GRU and _usual(cell) and cell.reset_after:
        return _gru(cell)
    if kind is keras.layers.SimpleRNN:
        return _plain(cell)
    return None


def _masks_or_drops(cell: Any) -> bool:
    return bool(getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0))


def _usual(cell: Any) -> bool:
    activations = keras.activations
    return cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid


def _lstm(cell: Any, projection: Tensor | None) -> Steps:
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)

    def step(inputs: Sequence[Tensor], state: State) -> State:
        hidden, carry = state
        gates = inputs[0] if hidden is None else inputs[0] + tf.matmul(hidden, recurrent)
        entry, forget, new, exit = tf.split(gates, 4, -1)
        kept = tf.sigmoid(entry) * tf.tanh(new)
        carry = kept if carry is None else tf.sigmoid(forget) * carry + kept
        hidden = tf.sigmoid(exit) * tf.tanh(carry)
        return [hidden if projection is None else tf.matmul(hidden, projection), carry]

    bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None
    return Steps([(tf.convert_to_tensor(cell.kernel), bias)], step, [recurrent])


def _gru(cell: Any) -> Steps:
    """Update and reset gates side by side, the new value's apart, so that nothing is cut up in a step."""
    kernel, recurrent = tf.convert_to_tensor(cell.kernel), tf.convert_to_tensor(cell.recurrent_kernel)
    both = 2 * cell.units
    gates, new = recurrent[:, :both], recurrent[:, both:]
    gates_bias = new_bias = inner_bias = None
    if cell.use_bias:
        bias = tf.convert_to_tensor(cell.bias)
        gates_bias = bias[0, :both] + bias[1, :both]
        new_bias, inner_bias = bias[0, both:], bias[1, both:]

    def step(inputs: Sequence[Tensor], state: State) -> State:
        (hidden,) = state
        entry, candidate = inputs
        if hidden is not None:
            entry = entry + tf.matmul(hidden, gates)
        update, reset = tf.split(tf.sigmoid(entry), 2, -1)
        inner = None if hidden is None else tf.matmul(hidden, new)
        if inner_bias is not None:
            inner = inner_bias if inner is None else tf.nn.bias_add(inner, inner_bias)
        candidate = tf.tanh(candidate if inner is None else candidate + reset * inner)
        difference = -candidate if hidden is None else hidden - candidate
        return [candidate + update * difference]

    return Steps([(kernel[:, :both], gates_bias), (kernel[:, both:], new_bias)], step, [gates, new])


def _plain(cell: Any) -> Steps:
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)

    def step(inputs: Sequence[Tensor], state: State) -> State:
        (hidden,) = state
        return [cell.activation(inputs[0] if hidden is None else inputs[0] + tf.matmul(hidden, recurrent))]

    bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None
    return Steps([(tf.convert_to_tensor(cell.kernel), bias)], step, [recurrent])


def is_to_write_out(steps: Steps, x: Tensor) -> bool:
    """Whether a layer on inputs (B, T, F) is short enough."""
    count = x.shape[1]
    if not _written_out.get() or count is None or not 0 < count <= _MOST_STEPS:
        return False
    return 4 * count * sum(weight.shape.num_elements() for weight in steps.recurrent) <= _MOST_PACKED


def run(steps: Steps, x: Tensor, initial: Sequence[Tensor] | None, states: int, backwards: bool) -> list[Any]:
    """The outputs (B, T, H), in the order of the inputs, and the last states (B, H), of a layer on inputs (B, T, F)."""
    batch, count, features = x.shape
    rows = x
    if batch is not None:  # a step is then whole rows of a matrix
        by_time = (
            tf.reshape(x, [count, batch, features]) if 1 in (batch, count) else tf.transpose(x, (1, 0, 2))
        )
        rows = tf.reshape(by_time, [count * batch, features])
    projected = [
        tf.matmul(rows, kernel) if bias is None else tf.nn.bias_add(tf.matmul(rows, kernel), bias)
        for kernel, bias in steps.projections
    ]
    state: State = list(initial) if initial is not None else [None] * states
    outputs = []
    for place in reversed(range(count)) if backwards else range(count):
        if batch is None:
            inputs = [each[:, place] for each in projected]
        else:
            inputs = [each[place * batch : (place + 1) * batch] for each in projected]
        state = steps.step(inputs, state)
        outputs.append(state[0])
    outputs = outputs[::-1] if backwards else outputs
    if batch is None:
        return [tf.concat([output[:, None] for output in outputs], 1), *state]
    together = tf.reshape(tf.concat(outputs, 0), [count, batch, outputs[0].shape[-1]])
    if 1 in (batch, count):
        return [tf.reshape(together, [batch, count, outputs[0].shape[-1]]), *state]
    return [tf.transpose(together, (1, 0, 2)), *state]
