"""What a TensorFlow function has answered, kept so that the same function need not be run on the same inputs again.

An export compares its file with the Keras model on the inputs that the conversion was checked with: for a large network
each run is seconds. Whether it still is the same function is not believed but looked up: the key of an answer is made of
every op with its attributes, of the weights and constants, and of the inputs.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_READING = ("Placeholder", "ReadVariableOp")


class Answers:
    """The outputs of concrete functions on inputs they have been run on; outputs are arrays, in the functions' order."""

    def __init__(self) -> None:
        self._kept: dict[bytes, list[np.ndarray]] = {}

    def keep(self, function: bytes | None, inputs: Sequence[np.ndarray], outputs: list[np.ndarray]) -> None:
        """Keeps what the function with this `fingerprint` has answered."""
        if function is not None:
            self._kept[_key(function, inputs)] = outputs

    def find(self, function: bytes | None, inputs: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """What such a function has answered to these inputs, if it was asked."""
        if function is None or not self._kept:
            return None
        return self._kept.get(_key(function, inputs))


def fingerprint(function: Any) -> bytes | None:
    """Of a concrete function: alike for two that compute the same. None if it is not known: it draws random numbers, calls
    other functions, as branches and loops do, or reads what is neither a variable nor a constant."""
    captured = captured_values(function.graph)
    if captured is None:
        return None
    digest = hashlib.blake2b()
    places: dict[str, bytes] = {}
    for number, op in enumerate(function.graph.get_operations()):
        attributes = op.node_def.attr
        if op.op_def.is_stateful and op.type not in _READING:
            return None
        if any(value.HasField("func") or value.list.func for value in attributes.values()):
            return None
        digest.update(op.type.encode())
        for name in sorted(attributes):
            if not name.startswith("_"):  # those are names, and what TensorFlow has noted of shapes
                digest.update(name.encode() + attributes[name].SerializeToString(deterministic=True))
        digest.update(b"".join(places[tensor.name] for tensor in op.inputs))
        for place, output in enumerate(op.outputs):
            places[output.name] = b"%d:%d," % (number, place)
        if op.name in captured:
            _add_array(digest, captured[op.name])
    digest.update(b"".join(places[tensor.name] for tensor in (*function.inputs, *function.outputs)))
    return digest.digest()


def captured_values(graph: Any, most_bytes: float = math.inf) -> dict[str, np.ndarray] | None:
    """The values of what a FuncGraph captures, by the name of the op that stands for it inside, without variables of more
    than `most_bytes`; None where that is not as simple as reading each variable."""
    variables = {variable.handle.ref(): variable for variable in graph.variables}
    values: dict[str, np.ndarray] = {}
    for outer, inner in graph.captures:
        if outer.dtype != tf.resource:
            if not hasattr(outer, "numpy"):
                return None
            values[inner.op.name] = np.asarray(outer)
            continue
        if outer.ref() not in variables or any(
            reader.type != "ReadVariableOp" for reader in inner.consumers()
        ):
            return None
        variable = variables[outer.ref()]
        if variable.shape.num_elements() * variable.dtype.size <= most_bytes:
            values[inner.op.name] = np.asarray(variable.read_value())  # not a copy, as `numpy()` would be
    return values


def _key(function: bytes, inputs: Sequence[np.ndarray]) -> bytes:
    digest = hashlib.blake2b(function)
    for array in inputs:
        _add_array(digest, array)
    return digest.digest()


def _add_array(digest: Any, array: np.ndarray) -> None:
    """By its checksum: a better digest of all weights takes as long as running some models. Of two models taken for one, an
    export would find that the file is off, and fail."""
    digest.update(f"{array.dtype} {array.shape}".encode())
    checksum = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    digest.update(checksum.to_bytes(4, "little"))
