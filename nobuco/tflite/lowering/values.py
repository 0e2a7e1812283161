"""What flows through a rewritten function: real tensors, and complex ones as pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Tensor = Any  # a symbolic tensor of TensorFlow, whose own stubs take it for less than it is


class Pair(NamedTuple):
    """A complex tensor: its real and its imaginary part, float32, of equal shape."""

    real: Tensor
    imag: Tensor


Value = Tensor | Pair

# (the TensorFlow op, its inputs as rewritten) -> its outputs as rewritten
Rule = Callable[..., "Value | list[Value]"]


class Impossible(Exception):
    """An op cannot be expressed by TFLite's; says why.

    `op_type` and `op_name`: of the TensorFlow op, where one of them is to blame."""

    op_type = ""
    op_name = ""


class Rules:
    """Rules by the type of the op; of several for a type, the first that wants the op is taken."""

    def __init__(self, *others: Rules) -> None:
        self._rules: dict[str, list[tuple[Rule, Callable[[Any], bool] | None]]] = {}
        for each in others:
            for op_type, rules in each._rules.items():
                self._rules.setdefault(op_type, []).extend(rules)

    def find(self, op: Any) -> Rule | None:
        rules = self._rules.get(op.type, [])
        return next((rule for rule, when in rules if when is None or when(op)), None)

    def rule(self, *op_types: str, when: Callable[[Any], bool] | None = None) -> Callable[[Rule], Rule]:
        """Registers a rule for the ops of these types, those that `when` is true of."""

        def register(function: Rule) -> Rule:
            for op_type in op_types:
                if op_type in self._rules:
                    raise ValueError(f"two rules for {op_type}")
                self._rules[op_type] = [(function, when)]
            return function

        return register


def static_shape(tensor: Any, what: str) -> list[int]:
    """The shape, all of it known. Raises Impossible."""
    if not tensor.shape.is_fully_defined():
        raise Impossible(f"{what} needs sizes that are known at conversion, not {tensor.shape}")
    return tensor.shape.as_list()
