"""The graph between the trace and the Keras model."""

import json

import pytest
import torch
from torch import nn

import nobuco
from nobuco.contract.channel_order import channel_last, identity
from nobuco.graph.choose import choose
from nobuco.layout.planning import plan_layouts
from nobuco.program import Program


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        torch.sin(y)
        return y + y, torch.relu(y)


@pytest.fixture
def program() -> Program:
    nobuco.pytorch_to_keras  # noqa: B018 - registers the converters
    return Program.of(Model().eval(), [torch.rand(1, 3, 8, 8)])


def test_nodes_are_in_order_and_what_nothing_needs_is_left_out(program):
    graph = choose(program.trace())
    assert [node.call.name for node in graph.nodes] == ["torch.conv2d", "Tensor.add", "torch.relu"]
    assert [call.name for call in graph.unused] == ["torch.sin"]
    assert not graph.missing and not graph.refused and not graph.dynamic


def test_values_and_their_readers(program):
    graph = choose(program.trace())
    conv, add, relu = graph.nodes
    (y,) = conv.outputs
    assert add.inputs == [y, y] and add.distinct_inputs == [y]
    counts = graph.reader_counts()
    assert counts[y] == 2
    assert counts[add.outputs[0]] == counts[relu.outputs[0]] == 1
    values = list(graph.values())
    assert len(values) == len(set(values)) == 1 + 2 + 3  # the input, two weights, three outcomes


def test_what_is_released_keeps_its_shape(program):
    trace = program.trace()
    graph = choose(trace)
    sine = graph.unused[0].outputs[0]
    graph.release_unused()
    assert sine.tensor.is_meta and sine.shape == (1, 4, 6, 6)
    assert not any(value.tensor.is_meta for node in graph.nodes for value in (*node.inputs, *node.outputs))


def test_a_plan_has_a_mode_for_every_node(program):
    graph = choose(program.trace())
    plan = plan_layouts(graph, program.layouts)
    assert set(plan.modes) == set(graph.nodes)
    assert plan.input_layouts == [channel_last(4)]
    assert all(layout in (identity(4), channel_last(4)) for layout in plan.output_layouts)


def test_a_program_runs_on_other_inputs_and_leaves_the_model_alone(program):
    other = torch.rand(1, 3, 8, 8)
    before = {name: value.clone() for name, value in program.model.state_dict().items()}
    expected = program.model(other)
    for found, wanted in zip(program.run([other]), expected, strict=True):
        assert torch.equal(found, wanted)
    assert program.on([other]).tensors[0] is other
    for name, value in program.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_reports_calls_and_values_print_in_a_few_lines():
    """They hold each other: to print all of it would not end."""
    keras_model = nobuco.pytorch_to_keras(Model().eval(), [torch.rand(1, 3, 8, 8)], verbose=False)
    report = keras_model.report
    for each in (report, report.root, report.root.inputs[0], report.worst_call):
        assert len(repr(each)) < 3000


def test_a_report_is_plain_data():
    keras_model = nobuco.pytorch_to_keras(Model().eval(), [torch.rand(1, 3, 8, 8)], verbose=False)
    found = json.loads(json.dumps(keras_model.report.to_dict()))
    assert found["ok"] and found["transposes"] == keras_model.report.transposes
    calls = {call["op"]: call for call in found["calls"]}
    assert calls["torch.conv2d"]["module"] == "conv" and calls["torch.conv2d"]["layers"]
    assert calls["torch.sin"]["status"] == "unused"
