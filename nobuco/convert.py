"""`pytorch_to_keras`: trace, choose, plan, build, validate."""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import torch
from torch import nn

from nobuco.contract.channel_order import ChannelOrder, Layout, order_of
from nobuco.contract.context import ConversionContext, converting
from nobuco.contract.registry import Converter, find_converter
from nobuco.contract.tree import tree_leaves
from nobuco.errors import NobucoError
from nobuco.graph.choose import Choice, choose
from nobuco.inputs import InputSpec, input_specs, is_dynamic_model, order_for, own_arguments
from nobuco.keras_model.model import GraphBuilder
from nobuco.keras_model.nodes import NodeFactory
from nobuco.keras_model.outputs import model_with_structure
from nobuco.layout.modes import demanded, modes_of
from nobuco.layout.planner import Mode, Tensor, plan
from nobuco.layout.planner import Node as PlanNode
from nobuco.show.console import print_tree
from nobuco.show.progress import Progress
from nobuco.trace.calls import Call, Trace, Value, map_values
from nobuco.trace.errors import TraceError
from nobuco.trace.state import random_state_kept
from nobuco.trace.tracer import trace, with_tensors
from nobuco.validate.calls import validate_call
from nobuco.validate.findings import MissingConverterError, report_calls, warn_of
from nobuco.validate.finished import FinishedModel
from nobuco.validate.report import Report, Status


def pytorch_to_keras(
    model: nn.Module | Callable[..., Any],
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    input_shapes: Mapping[torch.Tensor, Sequence[int | None]] | None = None,
    inputs_channel_order: ChannelOrder | Mapping[torch.Tensor, ChannelOrder] = ChannelOrder.TENSORFLOW,
    outputs_channel_order: ChannelOrder | Mapping[int, ChannelOrder] | None = None,
    input_names: Sequence[str] | Mapping[torch.Tensor, str] | None = None,
    output_names: Sequence[str] | None = None,
    trace_shape: bool = False,
    constants_to_variables: bool = True,
    full_validation: bool = True,
    validation_tolerance: float = 1e-4,
    return_outputs_pt: bool = False,
    save_trace_html: bool | str | Path = False,
    strict: bool = False,
    verbose: bool = True,
) -> Any:
    """Converts a PyTorch module or function to a Keras Functional model, by running it once.

    Args:
        model: a module (in `eval()` mode) or a function of tensors.
        args, kwargs: example arguments, of any nesting; every tensor in them becomes an input of the Keras model, in
            order.
        input_shapes: for an input tensor of `args`, its shape in PyTorch's order, with None for dims of unknown size.
        inputs_channel_order: the order in which the Keras model takes its inputs; one for all or one by tensor.
        outputs_channel_order: the order in which it gives its outputs; one for all or one by place. None: whichever
            needs no transpose; `model.report.outputs_channel_order` tells which.
        input_names, output_names: names of the Keras inputs and outputs.
        trace_shape: follow `tensor.shape` as tensors, so that what is computed from it stays dynamic.
        constants_to_variables: parameters that ops use directly become Keras variables; otherwise constants.
        full_validation: check every call against PyTorch; otherwise only the finished model.
        validation_tolerance: the largest ``max|diff| / max|ref|`` that counts as right.
        return_outputs_pt: return `(keras_model, outputs)` with PyTorch's own outputs for `args`.
        save_trace_html: write the call tree as a page: True for "trace.html", or a path.
        strict: raise, instead of warn, on a discrepancy or on a value that Python read from a traced tensor.
        verbose: print the call tree.

    Returns:
        The Keras model; its `report` attribute holds every call with its error.

    Raises:
        MissingConverterError: some calls have no converter; it names all of them.
        TraceError: the program does what no graph can express; it names the source line.
        DiscrepancyError, BakedValueError: with `strict`.
    """
    model = getattr(model, "_orig_mod", model)  # of one that torch.compile has compiled
    _check_model(model)
    args, kwargs, copies = own_arguments(args, kwargs)
    specs = input_specs(model, args, kwargs, input_shapes, inputs_channel_order, input_names, copies)
    with Progress(verbose) as progress, random_state_kept(), torch.inference_mode(False):
        traced = trace(
            model,
            args,
            kwargs,
            _has_converter,
            [s.name for s in specs],
            trace_shape,
            progress.step("Tracing"),
            note_sizes=is_dynamic_model(specs),
        )
        if not traced.outputs:
            raise TraceError(f"{traced.root} returns no tensor: there is nothing to convert")
        choice = choose(traced, _has_converter)
        report = report_calls(traced.root, choice, validation_tolerance)
        try:
            if choice.missing:
                raise MissingConverterError(choice.missing)
            dynamic = is_dynamic_model(specs) or any(_takes_by_mask(call) for call in choice.nodes)
            modes, output_layouts = _plan(traced, choice.nodes, specs, outputs_channel_order, dynamic)
            keras_model = _build(
                traced, choice, modes, specs, output_layouts, output_names, constants_to_variables,
                full_validation, dynamic, report, progress,
            )  # fmt: skip
            again = functools.partial(_traced_again, model, args, kwargs, specs, trace_shape)
            finished = FinishedModel(model, args, kwargs, traced, choice, specs, again)
            finished.validate(keras_model, output_layouts, dynamic, report)
        finally:
            progress.stop()
            if verbose:
                print_tree(report)
            if save_trace_html:
                _save_page(report, Path("trace.html") if save_trace_html is True else Path(save_trace_html))
    warn_of(report, traced, choice, dynamic, strict)
    keras_model.report = report
    outputs_pt = map_values(traced.root.output, lambda value: value.tensor)
    traced.release()
    return (keras_model, outputs_pt) if return_outputs_pt else keras_model


def _check_model(model: Any) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            "the model is a ScriptModule, whose calls cannot be seen: give the module that was scripted"
        )
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise TypeError(
            f"the model is the class {model.__name__}: give an instance of it, {model.__name__}(...)"
        )
    if not callable(model):
        raise TypeError(
            f"the model is a {type(model).__name__}: give a torch.nn.Module or a function of tensors"
        )


def _save_page(report: Report, path: Path) -> None:
    from nobuco.show.page import write_page

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_page(report, path)
    except OSError as error:  # a converted model is worth more than its picture
        warnings.warn(f"save_trace_html: {path} cannot be written: {error.strerror}", stacklevel=3)


def _has_converter(op: Any) -> bool:
    return find_converter(op) is not None


def _takes_by_mask(call: Call) -> bool:
    """Whether a computed mask chooses elements: how many it takes, only the values tell, so sizes are unknown."""
    return call.op is torch.Tensor.__getitem__ and any(
        isinstance(leaf, Value) and not leaf.constant and leaf.tensor.dtype is torch.bool
        for leaf in tree_leaves(call.args[1:])
    )


def _converter(call: Call) -> Converter:
    converter = find_converter(call.op)
    assert converter is not None
    return converter


def _plan(
    traced: Trace,
    calls: Sequence[Call],
    specs: Sequence[InputSpec],
    outputs_order: ChannelOrder | Mapping[int, ChannelOrder] | None,
    dynamic: bool,
) -> tuple[list[Mode], list[Layout]]:
    """The layout of every node, and of the model's outputs."""
    tensors = {}
    for value in (*traced.inputs, *traced.outputs, *(v for c in calls for v in (*c.inputs, *c.outputs))):
        tensors[id(value)] = Tensor(value.shape, value.nbytes, value.constant)
    nodes = []
    for value, spec in zip(traced.inputs, specs, strict=True):
        nodes.append(PlanNode((), (id(value),), lambda _, spec=spec: [Mode((), (spec.layout,))]))
    for call in calls:
        produced = tuple(id(value) for value in call.outputs)
        nodes.append(
            PlanNode(tuple(id(value) for value in call.inputs), produced, modes_of(call, _converter(call)))
        )
    for index, value in enumerate(traced.outputs):
        layouts = demanded(order_for(outputs_order, index), value.rank)
        nodes.append(
            PlanNode((id(value),), (), lambda _, layouts=layouts: [Mode((each,), ()) for each in layouts])
        )
    with converting(ConversionContext(dynamic=dynamic)):
        modes = plan(nodes, tensors)
    inputs, outputs = len(specs), len(traced.outputs)
    return modes[inputs : len(modes) - outputs], [mode.inputs[0] for mode in modes[len(modes) - outputs :]]


def _build(
    traced: Trace,
    choice: Choice,
    modes: Sequence[Mode],
    specs: Sequence[InputSpec],
    output_layouts: Sequence[Layout],
    output_names: Sequence[str] | None,
    constants_to_variables: bool,
    full_validation: bool,
    dynamic: bool,
    report: Report,
    progress: Progress,
) -> keras.Model:
    builder = GraphBuilder()
    factory = NodeFactory(dynamic, constants_to_variables)
    inputs = [
        builder.add_input(value, spec.layout, spec.shape, spec.name)
        for value, spec in zip(traced.inputs, specs, strict=True)
    ]
    readers = Counter(id(value) for call in choice.nodes for value in dict.fromkeys(call.inputs))
    readers.update(id(value) for value in traced.outputs)
    traced.release(
        keep=[value for call in choice.nodes for value in (*call.inputs, *call.outputs)] + traced.outputs
    )
    converted = progress.step("Converting", len(choice.nodes))
    for call, mode in zip(choice.nodes, modes, strict=True):
        converted()
        found = report.calls[id(call)]
        try:
            node = factory.convert(call, _converter(call), mode)
        except NobucoError as error:
            found.status, found.message = Status.FAILED, str(error)
            raise
        before = len(builder.transpositions)
        if full_validation:
            found = report.calls[id(call)] = validate_call(node, report.tolerance)
            if found.status is Status.FAILED:
                raise node.failure(found.message)
        builder.add(node, node.apply)
        found.converter = node.converter
        found.reused, found.mode = node.reused, mode
        found.transposed_inputs = sum(each.moves for each in builder.transpositions[before:])
        readers.subtract(id(value) for value in dict.fromkeys(call.inputs))
        for value in (*call.inputs, *call.outputs):
            if readers[id(value)] <= 0 and not value.constant:
                value.release()
    outputs = [
        builder.tensor(value, layout) for value, layout in zip(traced.outputs, output_layouts, strict=True)
    ]
    keras_model = model_with_structure(inputs, outputs, traced.root.output, output_names, traced.root.name)
    report.transpositions = builder.transpositions
    report.outputs_channel_order = [order_of(layout) for layout in output_layouts]
    return keras_model


def _traced_again(
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    specs: Sequence[InputSpec],
    trace_shape: bool,
    tensors: list[torch.Tensor],
) -> tuple[Trace, Choice]:
    """The program on other inputs, up to the choice of what to convert."""
    args, kwargs = with_tensors((args, kwargs), [spec.tensor for spec in specs], tensors)
    names = [spec.name for spec in specs]
    traced = trace(
        model, args, kwargs, _has_converter, names, trace_shape, note_sizes=is_dynamic_model(specs)
    )
    return traced, choose(traced, _has_converter)
