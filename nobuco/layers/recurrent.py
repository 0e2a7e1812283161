"""Keras layers for PyTorch's stacks of recurrent layers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nobuco.layers.recurrent_steps import is_to_write_out, run, steps_of

PACKAGE = "nobuco"
ops: Any = keras.ops  # whose stubs return the union of every backend's tensors


@keras.saving.register_keras_serializable(PACKAGE)
class ProjectedLSTMCell(keras.layers.Layer):
    """An LSTM cell whose output is projected to `projection` units before it is fed back (`proj_size` in PyTorch)."""

    def __init__(self, units: int, projection: int, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.projection, self.use_bias = units, projection, use_bias
        self.state_size = [projection, units]
        self.output_size = projection
        self.kernel: Any = None
        self.recurrent_kernel: Any = None
        self.bias: Any = None
        self.projection_kernel: Any = None

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 4 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.projection, 4 * self.units), name="recurrent_kernel"
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=(4 * self.units,), name="bias")
        self.projection_kernel = self.add_weight(
            shape=(self.units, self.projection), name="projection_kernel"
        )
        self.built = True

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        hidden, carry = states
        gates = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel)
        if self.bias is not None:
            gates = gates + self.bias
        entry, forget, cell, exit = ops.split(gates, 4, axis=-1)
        carry = ops.sigmoid(forget) * carry + ops.sigmoid(entry) * ops.tanh(cell)
        hidden = ops.matmul(ops.sigmoid(exit) * ops.tanh(carry), self.projection_kernel)
        return hidden, [hidden, carry]

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "projection": self.projection, "use_bias": self.use_bias}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(PACKAGE)
class RecurrentStack(keras.layers.Layer):
    """Layers over layers of Keras recurrent layers, each for one direction or for both.

    `layers` holds them from the bottom up, the backward one (`go_backwards`) behind the forward one. Called with the
    input ``(B, T, F)``, ``(T, B, F)`` without `batch_first` or ``(T, F)`` without `batched`, then those of the initial
    states ``(layers, B, H)`` that are not zeros: `given` says which. Returns the outputs of the topmost layer and the
    last states of all.
    """

    def __init__(
        self, layers: list[Any], directions: int, states: int, given: list[int], batch_first: bool, batched: bool,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.stack = list(layers)
        self.directions, self.states, self.given = directions, states, list(given)
        self.batch_first, self.batched = batch_first, batched

    def build(self, input_shape: Any) -> None:
        features = (input_shape[0] if isinstance(input_shape[0], tuple | list) else input_shape)[-1]
        for start in range(0, len(self.stack), self.directions):
            level = self.stack[start : start + self.directions]
            for layer in level:
                if not layer.built:
                    layer.build((None, None, features))
            features = self.directions * _output_size(level[0])
        self.built = True

    def call(self, inputs: Any) -> Any:
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        x = tensors[0]
        initial: list[Any] = [None] * self.states
        for state, place in zip(range(self.states), self.given, strict=True):
            if place >= 0:
                initial[state] = tensors[place] if self.batched else ops.expand_dims(tensors[place], 1)
        if not self.batched:
            x = ops.expand_dims(x, 0)
        elif not self.batch_first:
            x = ops.transpose(x, (1, 0, 2))
        last: list[list[Any]] = [[] for _ in range(self.states)]
        for start in range(0, len(self.stack), self.directions):
            outputs = []
            for number in range(start, start + self.directions):
                layer = self.stack[number]
                states = self._initial(layer, initial, number, x)
                output, *finals = self._run(layer, x, states)
                outputs.append(output)
                for kept, final in zip(last, finals, strict=True):
                    kept.append(final)
            x = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, -1)
        finals = [ops.stack(kept, 0) for kept in last]
        if not self.batched:
            return [ops.squeeze(x, 0), *(ops.squeeze(final, 1) for final in finals)]
        return [x if self.batch_first else ops.transpose(x, (1, 0, 2)), *finals]

    def _run(self, layer: Any, x: Any, states: Any) -> list[Any]:
        """The outputs, in the order of the inputs, and the last states."""
        steps = steps_of(layer, ProjectedLSTMCell)
        if steps is not None and is_to_write_out(steps, x):
            return run(steps, x, states, self.states, layer.go_backwards)
        output, *finals = _stepped(layer, x, states) if x.shape[0] is None else layer(x, initial_state=states)
        return [ops.flip(output, 1) if layer.go_backwards else output, *finals]

    def _initial(self, layer: Any, initial: list[Any], number: int, x: Any) -> Any:
        if all(state is None for state in initial):
            return None
        zeros = layer.get_initial_state(ops.shape(x)[0])
        return [zero if state is None else state[number] for state, zero in zip(initial, zeros, strict=True)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layers": [keras.saving.serialize_keras_object(layer) for layer in self.stack],
            "directions": self.directions,
            "states": self.states,
            "given": self.given,
            "batch_first": self.batch_first,
            "batched": self.batched,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RecurrentStack:
        config = dict(config)
        config["layers"] = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**config)


def _stepped(layer: Any, x: Any, states: Any) -> list[Any]:
    """What the layer does, for a batch of unknown size: each step's output is written to its place.

    Keras collects the outputs in a list whose elements TFLite must know the sizes of."""
    batch, count = tf.shape(x)[0], tf.shape(x)[1]
    steps = tf.transpose(x, (1, 0, 2))
    steps = tf.reverse(steps, [0]) if layer.go_backwards else steps
    states = list(states or layer.get_initial_state(batch))
    outputs = tf.zeros([count, batch, _output_size(layer)], x.dtype)

    def step(place: Any, outputs: Any, *states: Any) -> tuple[Any, ...]:
        output, states = layer.cell(steps[place], list(states))
        return place + 1, tf.tensor_scatter_nd_update(outputs, [[place]], output[None]), *states

    free = [
        tf.TensorShape([None] * (tensor.shape.rank - 1) + [tensor.shape[-1]]) for tensor in (outputs, *states)
    ]
    _, outputs, *states = tf.while_loop(
        lambda place, *_: place < count, step, [0, outputs, *states], [tf.TensorShape([]), *free]
    )
    outputs = tf.transpose(outputs, (1, 0, 2))
    outputs.set_shape([None, x.shape[1], _output_size(layer)])
    return [outputs, *states]


def _output_size(layer: Any) -> int:
    return layer.cell.output_size if hasattr(layer.cell, "output_size") else layer.units
