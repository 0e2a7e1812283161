"""Runs a PyTorch program: once to be recorded, and again on other inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from nobuco.contract.tree import tree_leaves, tree_map
from nobuco.trace.calls import Call, Kind, Trace
from nobuco.trace.ops import distinct
from nobuco.trace.patience import Effort
from nobuco.trace.rounding import checked_as_numbers, rounded_as_tensors
from nobuco.trace.sizes import Log
from nobuco.trace.state import ModelState
from nobuco.trace.static_sizes import ShapesSeen, StaticSizes
from nobuco.trace.tracer import Tracer
from nobuco.trace.unannounced import Listener, compiled_as_written, scripts_heard


def trace(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    names: list[str],
    trace_shape: bool = False,
    dynamic: bool = False,
    on_call: Callable[[], None] | None = None,
    shapes: ShapesSeen | None = None,
    static: StaticSizes | None = None,
    on_read: Callable[[Call], None] | None = None,
    around: Callable[[Tracer], AbstractContextManager[Any]] | None = None,
) -> Trace:
    """Runs `function(*args, **kwargs)` once and records it.

    Args:
        function: the model.
        args, kwargs: its example arguments.
        names: one for each tensor among them.
        trace_shape: record reads of `tensor.shape` as calls that yield tensors.
        dynamic: the sizes of some input are examples only: converters that are asked what they take may ask for this, and
            what Python compares sizes with is recorded, too.
        on_call: called for every function that is met.
        shapes: notes what the program asks of shapes.
        static: which sizes stay plain numbers under `trace_shape`; None: none of them.
        on_read: called where Python takes a value that depends on an input, but for the inside of what a converter takes.
        around: given the tracer, makes what the program is run in.

    The model's parameters, buffers and attributes, the arguments and the random state are afterwards as they were."""
    root = Call(function, Kind.MODULE if isinstance(function, nn.Module) else Kind.FUNCTION, (), {}, None, "")
    with ModelState.kept(function) as state, ExitStack() as hooks, torch.no_grad():
        args, kwargs = _copies((args, kwargs))
        comparisons: Log = []
        sizes = comparisons if dynamic else None
        tracer = Tracer(root, state, trace_shape, dynamic, on_call, sizes, shapes, static, on_read)
        if around is not None:
            hooks.enter_context(around(tracer))
        listener = Listener(tracer.unannounced, tracer.is_listening)
        hooks.enter_context(scripts_heard(tracer.is_listening))
        hooks.enter_context(compiled_as_written())
        if trace_shape:
            hooks.enter_context(rounded_as_tensors())
            hooks.enter_context(checked_as_numbers(tracer.aside))
        tensors = distinct([leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)])
        inputs = [tracer.add_input(tensor, name) for tensor, name in zip(tensors, names, strict=True)]
        root.args, root.kwargs = tracer.values((args, kwargs))
        enter = torch_module.register_module_forward_pre_hook(tracer.enter_module)
        hooks.callback(enter.remove)
        leave = torch_module.register_module_forward_hook(
            tracer.leave_module, with_kwargs=True, always_call=False
        )
        hooks.callback(leave.remove)
        if isinstance(function, nn.Module):
            # The root is recorded like every other module, below a frame that only holds it.
            frame = Call(None, Kind.FUNCTION, (), {}, None, "")
            tracer.start_below(frame)
            with tracer, listener:
                function(*args, **kwargs)
            root = frame.children[0]
        else:
            with tracer, listener:
                output = function(*args, **kwargs)
            root.output = tracer.values(output)
        # about to be put back as they were: the trace keeps what they became
        for tensor in state.kept_tensors:
            tracer.keep_data(tensor)
        changes, draws = state.changes(), state.random.drawn_outside_pytorch()
    return Trace(root, inputs, changes, comparisons, draws)


def _copies(tree: Any) -> Any:
    """The same arguments on memory of their own; what shared a tensor object still does."""
    memo: dict[int, torch.Tensor] = {}

    def copy(leaf: Any) -> Any:
        return memo.setdefault(id(leaf), leaf.detach().clone()) if isinstance(leaf, torch.Tensor) else leaf

    return tree_map(copy, tree)


def with_tensors(tree: Any, given: list[torch.Tensor], instead: list[torch.Tensor]) -> Any:
    """`tree` with each tensor of `given` replaced."""
    replace = {id(old): new for old, new in zip(given, instead, strict=True)}
    return tree_map(lambda leaf: replace.get(id(leaf), leaf), tree)


def run_untraced(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: list[torch.Tensor],
    instead: list[torch.Tensor],
    written: Collection[str] = (),
    effort: Effort | None = None,
) -> list[torch.Tensor]:
    """The tensors that `function` returns when each tensor of `given` is replaced; leaves everything as it was.

    `written`: paths of what a traced run has found to be written. `effort`: what it took on the example; raises
    EndlessRunError where it takes far more."""
    args, kwargs = with_tensors((args, kwargs), given, [tensor.detach().clone() for tensor in instead])
    limits = nullcontext() if effort is None else effort.limits()
    with (
        ModelState.kept(function, copied=True, written=written),
        compiled_as_written(),
        torch.no_grad(),
        limits,
    ):
        result = function(*args, **kwargs)
    return [leaf.detach().clone() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
