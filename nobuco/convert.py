"""`pytorch_to_keras`: trace, choose, plan, build, validate."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nobuco.carrying import initial_state, orders_with_state, with_state
from nobuco.contract.channel_order import ChannelOrder
from nobuco.contract.names import check_names
from nobuco.graph.choose import choose
from nobuco.graph.graph import release
from nobuco.keras_model.model import build_model
from nobuco.layout.planning import plan_layouts
from nobuco.program import Program
from nobuco.show.console import print_tree
from nobuco.show.page import write_page
from nobuco.show.progress import Progress
from nobuco.trace.calls import map_values
from nobuco.trace.errors import TraceError
from nobuco.trace.state import random_state_kept
from nobuco.validate.findings import raise_unconverted, report_calls, warn_of
from nobuco.validate.finished import FinishedModel
from nobuco.validate.recorder import Recorder
from nobuco.validate.report import Report

_log = logging.getLogger("nobuco")


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
    carry_state: bool = False,
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
        input_names, output_names: names of the inputs and outputs, of the Keras model and of the `.tflite` file that is
            exported from it. By default inputs are named after the arguments, outputs after their places in what the
            model returns (`scores`, `boxes.0`).
        trace_shape: follow `tensor.shape` as tensors, so that what is computed from it stays dynamic.
        carry_state: state that the model keeps from call to call in its attributes (tensors of fixed shape) goes in and out:
            inputs named `state.` and their path stand behind the others, and the model returns
            `{"output": ..., "state": {path: tensor}}`. What comes out of one call is given to the next; the values to begin
            with are in `model.initial_state`, by the inputs' names; empty for a model without state, which is as ever.
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
        ConversionError: converters refuse some calls (it names all of them), or one fails.
        StateError: with `carry_state`, where the state is not tensors that keep their shape.
        TraceError: the program does what no graph can express; it names the source line.
        TypeError, ValueError: the model or its arguments are not what this function takes.
        DiscrepancyError, BakedValueError: with `strict`.
    """
    model = getattr(model, "_orig_mod", model)  # of one that torch.compile has compiled
    if output_names is not None:
        check_names("output_names", output_names)
    program = Program.of(model, args, kwargs, input_shapes, inputs_channel_order, input_names)
    with Progress(verbose) as progress, random_state_kept(), torch.inference_mode(False):
        if carry_state:
            one_order = inputs_channel_order if isinstance(inputs_channel_order, ChannelOrder) else None
            program = with_state(program, one_order or ChannelOrder.TENSORFLOW)
        with _logged("traced"):
            traced = program.trace(trace_shape, progress.step("Tracing"))
        if not traced.outputs:
            raise TraceError(f"{traced.root} returns no tensor: there is nothing to convert")
        graph = choose(traced, program.dynamic)
        report = report_calls(graph, validation_tolerance)
        try:
            raise_unconverted(graph)
            with _logged("planned"):
                orders = orders_with_state(outputs_channel_order, program, len(graph.outputs))
                plan = plan_layouts(graph, program.layouts, orders)
            report.outputs_channel_order = plan.outputs_channel_order
            report.input_layouts = list(plan.input_layouts)
            with _logged("built"):
                keras_model, report.transpositions = build_model(
                    graph,
                    plan,
                    program.inputs,
                    Recorder(report, check_calls=full_validation),
                    output_names,
                    constants_to_variables,
                    progress.step("Converting", len(graph.nodes)),
                )
            with _logged("validated"):
                FinishedModel(program, graph, plan, trace_shape).validate(keras_model, report)
        finally:
            progress.stop()
            if verbose:
                print_tree(report)
            if save_trace_html:
                _save_page(report, Path("trace.html") if save_trace_html is True else Path(save_trace_html))
    warn_of(report, graph, strict)
    keras_model.report = report
    if carry_state:
        keras_model.initial_state = initial_state(program)
    outputs_pt = map_values(graph.root.output, lambda value: value.tensor)
    release(graph.root)
    return (keras_model, outputs_pt) if return_outputs_pt else keras_model


@contextmanager
def _logged(step: str) -> Iterator[None]:
    """Logs how long a step took, under the name "nobuco"."""
    start = time.perf_counter()
    yield
    _log.info("%s in %.2f s", step, time.perf_counter() - start)


def _save_page(report: Report, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_page(report, path)
    except OSError as error:  # a converted model is worth more than its picture
        warnings.warn(f"save_trace_html: {path} cannot be written: {error.strerror}", stacklevel=3)
