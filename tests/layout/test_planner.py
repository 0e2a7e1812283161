"""The planner against brute force, and the layouts of permutes and reshapes against NumPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nobuco.contract.channel_order import channel_last, identity, inverse, moves_data, transposition
from nobuco.layout.planner import Mode, Node, Tensor, plan
from nobuco.layout.shapes import dropped, inserted, permuted, regrouped

PT, TF = identity(4), channel_last(4)


def transposed_bytes(nodes: list[Node], tensors: dict[str, Tensor], modes: list[Mode]) -> float:
    """What a choice of modes costs: each value once for each layout it is wanted in besides its own."""
    own = {
        v: layout
        for node, mode in zip(nodes, modes, strict=True)
        for v, layout in zip(node.outputs, mode.outputs, strict=True)
    }
    wanted = {
        (value, layout)
        for node, mode in zip(nodes, modes, strict=True)
        for value, layout in zip(node.inputs, mode.inputs, strict=True)
        if layout != own[value]
    }
    return sum(tensors[value].nbytes for value, _ in wanted) + sum(mode.cost for mode in modes)


@st.composite
def graphs(draw):
    """Chains with branches: sources, nodes that force an order, nodes that follow, and nodes that swap the two."""
    tensors: dict[str, Tensor] = {}
    nodes: list[Node] = []

    def add(inputs, modes):
        name = f"v{len(nodes)}"
        tensors[name] = Tensor((2, 3, 4, 5), draw(st.integers(1, 9)) * 1000)
        nodes.append(Node(tuple(inputs), (name,), lambda _, modes=tuple(modes): modes))

    add([], [Mode((), (draw(st.sampled_from([PT, TF])),))])
    for _ in range(draw(st.integers(1, 7))):
        inputs = draw(st.lists(st.sampled_from(sorted(tensors)), min_size=1, max_size=2, unique=True))
        n = len(inputs)
        match draw(st.sampled_from(["pytorch", "tensorflow", "follows", "swaps"])):
            case "pytorch":
                add(inputs, [Mode((PT,) * n, (PT,))])
            case "tensorflow":
                add(inputs, [Mode((TF,) * n, (TF,))])
            case "follows":
                add(inputs, [Mode((each,) * n, (each,)) for each in (TF, PT)])
            case "swaps":
                add(
                    inputs,
                    [
                        Mode((TF,) * n, (PT,)),
                        Mode((PT,) * n, (TF,), cost=draw(st.sampled_from([0.0, 500.0]))),
                    ],
                )
    return nodes, tensors


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_no_choice_transposes_fewer_bytes(graph):
    nodes, tensors = graph
    chosen = transposed_bytes(nodes, tensors, plan(nodes, tensors))
    best = min(
        transposed_bytes(nodes, tensors, list(modes))
        for modes in itertools.product(*(node.modes([]) for node in nodes))
    )
    # 64 bytes are charged for each transpose besides its data
    assert chosen <= best + 64 * len(nodes)


def test_a_value_is_transposed_once_however_many_read_it():
    tensors = {"x": Tensor((1, 8, 4, 4), 512), **{f"y{i}": Tensor((1, 8, 4, 4), 512) for i in range(3)}}
    source = Node((), ("x",), lambda _: [Mode((), (PT,))])
    readers = [Node(("x",), (f"y{i}",), lambda _: [Mode((TF,), (TF,))]) for i in range(3)]
    assert transposed_bytes([source, *readers], tensors, plan([source, *readers], tensors)) == 512


def test_dims_of_size_one_move_for_free():
    assert not moves_data(TF, (1, 8, 1, 1))
    assert not moves_data(TF, (4, 1, 6, 7))
    assert moves_data(TF, (1, 8, 1, 2))


sizes = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=5)


@st.composite
def reshapes(draw):
    before = draw(sizes)
    left, after = math.prod(before), []
    while left > 1 and len(after) < 4:
        after.append(draw(st.sampled_from([k for k in range(1, left + 1) if left % k == 0])))
        left //= after[-1]
    after = [*after, left] if left > 1 or not after else after
    if draw(st.booleans()):
        after.insert(draw(st.integers(0, len(after))), 1)
    return before, after, tuple(draw(st.permutations(range(len(before)))))


@settings(max_examples=500, deadline=None)
@given(reshapes())
def test_a_reshape_that_moves_nothing_gives_the_layout_it_says(case):
    before, after, layout = case
    target = regrouped(layout, before, after)
    if target is None:
        assert layout != identity(len(before)), "PyTorch's own order can always be reshaped"
        return
    x = np.arange(math.prod(before)).reshape(before)
    expected = x.reshape(after).transpose(target)
    np.testing.assert_array_equal(x.transpose(layout).reshape(expected.shape), expected)


@given(
    sizes.flatmap(
        lambda s: st.tuples(st.just(s), st.permutations(range(len(s))), st.permutations(range(len(s))))
    )
)
def test_a_permute_is_a_relabelling(case):
    shape, layout, dims = case
    x = np.arange(math.prod(shape)).reshape(shape)
    renamed = permuted(tuple(layout), dims)
    np.testing.assert_array_equal(x.transpose(dims).transpose(renamed), x.transpose(layout))


@given(
    sizes.flatmap(lambda s: st.tuples(st.just(s), st.permutations(range(len(s))), st.integers(0, len(s) - 1)))
)
def test_dropping_and_inserting_a_dim(case):
    shape, layout, dim = case
    layout = tuple(layout)
    x = np.arange(math.prod(shape)).reshape(shape)
    smaller = x.take(0, dim)
    np.testing.assert_array_equal(
        smaller.transpose(dropped(layout, [dim])), x.transpose(layout).take(0, layout.index(dim))
    )
    larger = inserted(layout, dim)
    np.testing.assert_array_equal(
        np.expand_dims(x, dim).transpose(larger), np.expand_dims(x.transpose(layout), larger.index(dim))
    )


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_from_layout_to_layout(a, b):
    x = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    there = x.transpose(a).transpose(transposition(tuple(a), tuple(b)))
    np.testing.assert_array_equal(there, x.transpose(b))
    np.testing.assert_array_equal(x.transpose(a).transpose(inverse(a)), x)
