"""Walks a TensorFlow function op by op and makes another one of it, with rules for some of the ops.

`lower` has the rules for what TFLite lacks; `nobuco/tflite/forms` walks with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.complex_numbers import COMPLEX
from nobuco.tflite.lowering.copying import NARROWER, copied
from nobuco.tflite.lowering.real_ops import REAL
from nobuco.tflite.lowering.values import Impossible, Pair, Tensor, Value

_LOOP, _BRANCH, _CALL = ("cond", "body"), ("then_branch", "else_branch"), ("f",)
_INNER = {
    "While": _LOOP, "StatelessWhile": _LOOP, "If": _BRANCH, "StatelessIf": _BRANCH, "PartitionedCall": _CALL,
    "StatefulPartitionedCall": _CALL,
}  # fmt: skip


@dataclass
class Lowered:
    """A rewritten function, and what was said of it.

    Attributes:
        function: takes and returns what the original does.
        narrowed: names of the ops that computed in float64 and now compute in float32.
    """

    function: Any
    narrowed: list[str] = field(default_factory=list)


def lower(function: Any) -> Lowered:
    """`function`, a ConcreteFunction of flat inputs and outputs, without ops that TFLite lacks where there is a rule for
    them; itself where there is nothing to do. Raises Impossible with the op's name."""
    result = Lowered(None)
    result.function = rewritten(function, lambda known: _Lowering(known, result.narrowed))
    return result


def rewritten(function: Any, walk: Callable[[dict[Any, Value]], Walk]) -> Any:
    """`function`, a ConcreteFunction, with the ops that a walk has rules for rewritten; itself where there are none.
    `walk` makes one, of the values known so far, by the `ref()` of the original tensor."""
    graph = function.graph
    if not walk({}).needed(graph):
        return function
    inputs = graph.inputs[: len(graph.inputs) - len(graph.captures)]  # what is captured comes last

    def walked(*tensors: Tensor) -> list[Tensor]:
        known: dict[Any, Value] = {
            old.ref(): value for old, value in zip(inputs, map(_parts, tensors), strict=True)
        }
        now: Any = tf.compat.v1.get_default_graph()
        # by name, and not where each is first read: TensorFlow would number them, and files would differ from run to run
        known.update({inner.ref(): now.capture(outer, name=inner.op.name) for outer, inner in graph.captures})
        for variable in graph.variables:  # else nobody knows that the captured handles are those of variables
            now.watch_variable(variable)
        walking = walk(known)
        walking.run(graph.get_operations())
        return [_whole(walking.value(tensor), tensor) for tensor in graph.outputs]

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.op.name) for tensor in inputs]
    return tf.function(walked, autograph=False).get_concrete_function(*specs)


def inner_graphs(op: Any) -> dict[str, Any]:
    """The functions that a loop, a branch or a call runs, by the name of the attribute."""
    names = _INNER.get(op.type, ())
    return {name: op.graph._get_function(op.get_attr(name).name).graph for name in names}


def _parts(tensor: Any) -> Value:
    """An input as it flows here: narrow, complex ones as pairs."""
    if tensor.dtype.is_complex:
        return Pair(
            tf.cast(tf.math.real(tensor), tf.float32),
            tf.cast(tf.math.imag(tensor), tf.float32),
        )
    return tf.cast(tensor, NARROWER[tensor.dtype]) if tensor.dtype in NARROWER else tensor


def _whole(value: Value, original: Any) -> Any:
    """An output as the original function returns it."""
    if isinstance(value, Pair):
        raise Impossible(
            "an output is complex, and TFLite cannot put complex tensors together: return torch.view_as_real(...) of it"
        )
    return value if value.dtype == original.dtype else tf.cast(value, original.dtype)


class Walk:
    """Makes the ops of a function again, or what the rules of a subclass make of them."""

    def __init__(self, known: dict[Any, Value]) -> None:
        self._known = known

    def wants(self, op: Any) -> bool:
        """Whether an op is a reason to walk through the function."""
        raise NotImplementedError

    def made(self, op: Any, inputs: Sequence[Value]) -> Value | list[Value]:
        """What becomes of an op, from its inputs as rewritten."""
        raise NotImplementedError

    def inside(self, known: dict[Any, Value]) -> Walk:
        """The walk through a function that is called."""
        raise NotImplementedError

    def replaces(self, op: Any) -> bool:
        """Whether `made` is asked for an op that runs functions, though these are to be walked through themselves."""
        return False

    def needed(self, graph: Any) -> bool:
        return any(
            self.wants(op) or any(map(self.needed, inner_graphs(op).values()))
            for op in graph.get_operations()
        )

    def value(self, tensor: Any) -> Value:
        return self._known[tensor.ref()]

    def run(self, operations: Sequence[Any]) -> None:
        for op in operations:  # a function's ops are in the order they were made in, so after what they read
            if all(output.ref() in self._known for output in op.outputs):
                continue
            inputs = [self.value(tensor) for tensor in op.inputs]
            with tf.name_scope(f"{op.name}/"):
                outputs = self._outputs(op, inputs)
            for old, new in zip(op.outputs, outputs, strict=True):
                if not isinstance(new, Pair):
                    new.set_shape(old.shape)
                self._known[old.ref()] = new

    def _outputs(self, op: Any, inputs: Sequence[Value]) -> Sequence[Value]:
        try:
            made = self._made(op, inputs)
        except Impossible as error:
            error.op_type, error.op_name = op.type, op.name
            raise
        return made if isinstance(made, list) else [made]

    def _made(self, op: Any, inputs: Sequence[Value]) -> Value | list[Value]:
        inner = inner_graphs(op)
        if not self.replaces(op) and any(map(self.needed, inner.values())):
            return self._inside(op, inner, inputs)
        return self.made(op, inputs)

    def _inside(self, op: Any, graphs: dict[str, Any], inputs: Sequence[Value]) -> list[Value]:
        """A loop, a branch or a call whose functions are rewritten as well."""
        first, *others = graphs.values()
        if graphs.keys() == set(_LOOP):
            (body,) = others
            shapes = [
                Pair(each.shape, each.shape) if isinstance(value, Pair) else each.shape
                for each, value in zip(op.outputs, inputs, strict=True)
            ]
            return list(
                tf.while_loop(
                    lambda *values: self.run_inside(first, values)[0],
                    lambda *values: self.run_inside(body, values),
                    list(inputs),
                    shape_invariants=shapes,
                )
            )
        if graphs.keys() == set(_BRANCH):
            (otherwise,) = others
            condition, *given = inputs
            return tf.cond(
                condition, lambda: self.run_inside(first, given), lambda: self.run_inside(otherwise, given)
            )  # type: ignore[return-value]
        return self.run_inside(first, inputs)

    def run_inside(self, graph: Any, values: Sequence[Value]) -> list[Value]:
        """The outputs of a function, its ops made here."""
        known = {tensor.ref(): value for tensor, value in zip(graph.inputs, values, strict=True)}
        walk = self.inside(known)
        walk.run(graph.get_operations())
        return [walk.value(tensor) for tensor in graph.outputs]


class _Lowering(Walk):
    """Rewrites what TFLite has no ops for; `narrowed` are the names of the ops that computed in float64."""

    def __init__(self, known: dict[Any, Value], narrowed: list[str]) -> None:
        super().__init__(known)
        self._narrowed = narrowed

    def inside(self, known: dict[Any, Value]) -> Walk:
        return _Lowering(known, self._narrowed)

    def wants(self, op: Any) -> bool:
        if REAL.find(op) is not None:
            return True
        wide = any(tensor.dtype in NARROWER for tensor in (*op.inputs, *op.outputs))
        return wide and op.type not in ("Placeholder", "Identity")

    def made(self, op: Any, inputs: Sequence[Value]) -> Value | list[Value]:
        if op.type != "Cast" and any(tensor.dtype in (tf.float64, tf.complex128) for tensor in op.inputs):
            self._narrowed.append(op.name)
        if any(isinstance(each, Pair) for each in inputs) or any(t.dtype.is_complex for t in op.outputs):
            rule = COMPLEX.find(op)
            if rule is None:
                raise Impossible("it is not converted for complex numbers")
            return rule(op, *inputs)
        rule = REAL.find(op)
        return copied(op, inputs) if rule is None else rule(op, *inputs)
