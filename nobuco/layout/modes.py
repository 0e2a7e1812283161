"""The modes that a recorded call offers to the planner, from its converter's strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

from nobuco.contract.channel_order import (
    ChannelOrder,
    ChannelOrderingStrategy,
    Layout,
    channel_last,
    identity,
    layout_for,
    moves_data,
)
from nobuco.contract.converter import Converter
from nobuco.layout.planner import FIXED_COST, Mode, candidates_for
from nobuco.trace.calls import Call, Value, map_values

Modes = Callable[[Sequence[Sequence[Layout]]], Sequence[Mode]]


def modes_of(call: Call, converter: Converter) -> Modes:
    inputs, outputs = call.inputs, call.outputs
    strategy = converter.strategy
    if converter.output_layout is not None:
        return _by_output_layout(call, converter.output_layout)
    if strategy is ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS:
        if converter.any_layout:
            return _elementwise(inputs, outputs, _inner_cost(call, converter))
        return lambda _: [
            _all_in(order, inputs, outputs) for order in (ChannelOrder.TENSORFLOW, ChannelOrder.PYTORCH)
        ]
    if strategy is ChannelOrderingStrategy.MANUAL:
        return _manual(inputs, outputs)
    forced = ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER
    order = ChannelOrder.TENSORFLOW if strategy is forced else ChannelOrder.PYTORCH
    return lambda _: [_all_in(order, inputs, outputs)]


def _all_in(order: ChannelOrder, inputs: list[Value], outputs: list[Value]) -> Mode:
    return Mode(
        tuple(layout_for(order, value.rank) for value in inputs),
        tuple(layout_for(order, value.rank) for value in outputs),
    )


def _manual(inputs: list[Value], outputs: list[Value]) -> Modes:
    """Whatever layout each input has; the outputs are brought into PyTorch's order if the converter says otherwise."""

    def modes(candidates: Sequence[Sequence[Layout]]) -> list[Mode]:
        named = [
            tuple(layout_for(order, value.rank) for value in inputs)
            for order in (ChannelOrder.TENSORFLOW, ChannelOrder.PYTORCH)
        ]
        return [Mode(each, tuple(identity(value.rank) for value in outputs)) for each in dict.fromkeys(named)]

    return modes


def _inner_cost(call: Call, converter: Converter) -> Callable[[Layout], float]:
    """Bytes that the op's own function transposes in a layout."""
    count = converter.inner_transposes
    if count is None:
        return lambda layout: 0.0
    args, kwargs = map_values((call.args, call.kwargs), lambda value: value.tensor)
    nbytes = call.outputs[0].nbytes + FIXED_COST
    return lambda layout: float(count(layout, *args, **kwargs) * nbytes)


def _elementwise(inputs: list[Value], outputs: list[Value], inner_cost: Callable[[Layout], float]) -> Modes:
    """One layout for all. An input of lower rank stays in PyTorch's order: it is expanded before the op."""
    rank = max((value.rank for value in outputs), default=0)

    def modes(candidates: Sequence[Sequence[Layout]]) -> list[Mode]:
        reaching = (
            layout
            for value, each in zip(inputs, candidates, strict=True)
            if value.rank == rank
            for layout in each
        )
        result = []
        for layout in candidates_for(rank, reaching):
            result.append(
                Mode(
                    tuple(layout if value.rank == rank else identity(value.rank) for value in inputs),
                    tuple(layout if value.rank == rank else identity(value.rank) for value in outputs),
                    sum(_expansion_cost(value, layout) for value in inputs if value.rank < rank)
                    + inner_cost(layout),
                )
            )
        return result

    return modes


def _expansion_cost(value: Value, layout: Layout) -> float:
    if value.constant:
        return 0.0
    shape = (1,) * (len(layout) - value.rank) + value.shape
    return float(value.nbytes) if moves_data(layout, shape) else 0.0


def _by_output_layout(call: Call, output_layout: Callable[..., Any]) -> Modes:
    """The call's first tensor leads; inputs of its rank share its layout, others are in PyTorch's order."""
    inputs, outputs = call.inputs, call.outputs
    args, kwargs = map_values((call.args, call.kwargs), lambda value: value.tensor)
    rank = inputs[0].rank if inputs else 0

    def produce(layout: Layout) -> Any:
        return output_layout(layout, *args, **kwargs)

    def modes(candidates: Sequence[Sequence[Layout]]) -> list[Mode]:
        reaching = (
            layout
            for value, each in zip(inputs, candidates, strict=True)
            if value.rank == rank and not value.constant
            for layout in each
        )
        result = []
        for layout in candidates_for(rank, (*_leading_to_channel_last(produce, rank, outputs), *reaching)):
            produced = produce(layout)
            if produced is None:
                continue
            each = produced if isinstance(produced, list) else [produced] * len(outputs)
            fixed = tuple(layout if value.rank == rank else identity(value.rank) for value in inputs)
            result.append(Mode(fixed, tuple(each)))
        return result

    return modes


def _leading_to_channel_last(
    produce: Callable[[Layout], Any], rank: int, outputs: list[Value]
) -> list[Layout]:
    """The input layouts from which a permute or reshape ends in TensorFlow's order.

    They are tried out one by one (720 at most): what a chain of such ops needs at its start is seen at its end."""
    wanted = [channel_last(value.rank) for value in outputs]
    if not 2 < rank <= 6 or produce(channel_last(rank)) in (wanted[0], wanted):
        return []
    return [each for each in permutations(range(rank)) if produce(each) in (wanted[0], wanted)]
