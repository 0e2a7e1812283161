"""The PyTorch program that is converted: the model with its example arguments, to be traced once and run again."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from nobuco.contract.channel_order import ChannelOrder, Layout
from nobuco.inputs import InputSpec, input_specs, own_arguments
from nobuco.lift.tracing import lifted
from nobuco.trace.calls import Trace
from nobuco.trace.patience import Effort
from nobuco.trace.run import run_untraced, trace, with_tensors
from nobuco.trace.state import random_state_kept
from nobuco.trace.static_sizes import ShapesSeen, StaticSizes, elsewhere

_log = logging.getLogger("nobuco")


@dataclass(frozen=True)
class Program:
    """A model and the arguments it is converted with. `inputs` are the tensors among them, in order."""

    model: nn.Module | Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[InputSpec]
    state: tuple[str, ...] = ()  # names of the last inputs, which stand for state that the model keeps
    # What it has asked of shapes, here and on other inputs, once that has been needed: which sizes are static is decided
    # alike wherever it is traced again.
    _seen: list[ShapesSeen] = field(default_factory=list)
    _written: set[str] = field(
        default_factory=set
    )  # paths of the model's state, as far as it has been traced

    effort: Effort = field(default_factory=Effort)  # what it takes on the example, once it has been traced

    @classmethod
    def of(
        cls,
        model: nn.Module | Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        input_shapes: Mapping[torch.Tensor, Sequence[int | None]] | None = None,
        inputs_channel_order: ChannelOrder | Mapping[torch.Tensor, ChannelOrder] = ChannelOrder.TENSORFLOW,
        input_names: Sequence[str] | Mapping[torch.Tensor, str] | None = None,
    ) -> Program:
        """The arguments are those of `pytorch_to_keras`. Raises TypeError or ValueError for what is no model, or no
        example of its inputs."""
        _check_model(model)
        own_args, own_kwargs, copies = own_arguments(args, kwargs)
        specs = input_specs(
            model, own_args, own_kwargs, input_shapes, inputs_channel_order, input_names, copies
        )
        return cls(model, own_args, own_kwargs, specs)

    @property
    def dynamic(self) -> bool:
        """Whether some input has dims of unknown size."""
        return any(None in spec.shape for spec in self.inputs)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The example inputs."""
        return [spec.tensor for spec in self.inputs]

    @property
    def layouts(self) -> list[Layout]:
        return [spec.layout for spec in self.inputs]

    def trace(self, trace_shape: bool = False, on_call: Callable[[], None] | None = None) -> Trace:
        """Runs the model on the example arguments and records it: once, and again where its control flow is lifted."""
        names = [spec.name for spec in self.inputs]
        known = self._seen
        others = known or (self._shapes_elsewhere() if trace_shape else [])
        shapes = ShapesSeen()

        def run(**hooks: Any) -> Trace:
            nonlocal shapes
            shapes = ShapesSeen()
            return trace(
                self.model,
                self.args,
                self.kwargs,
                names,
                trace_shape,
                self.dynamic,
                on_call,
                shapes=shapes,
                static=StaticSizes(others) if trace_shape else None,
                **hooks,
            )

        start = time.monotonic()
        found = lifted(run)
        if not self.effort.calls:
            self.effort.calls = sum(1 for _ in found.root.walk())
            self.effort.seconds = time.monotonic() - start
        self._written.update(change.path for change in found.changes)
        if trace_shape and not known:
            self._seen[:] = [*others, shapes]
        return found

    def _shapes_elsewhere(self) -> list[ShapesSeen]:
        """What the program asks of shapes on two sets of other inputs, or as many as it takes."""
        found: list[ShapesSeen] = []
        names = [spec.name for spec in self.inputs]
        with random_state_kept():
            for tensors in elsewhere(self.tensors, [spec.shape for spec in self.inputs]):
                other, shapes = self.on(tensors), ShapesSeen()
                try:
                    with self.effort.limits():
                        trace(other.model, other.args, other.kwargs, names, shapes=shapes)
                except Exception as error:  # of sizes that the model does not take; the next may be others
                    _log.debug("the model does not run on %s: %s", [tuple(t.shape) for t in tensors], error)
                    continue
                found.append(shapes)
                if len(found) == 2:
                    break
        return found

    def on(self, inputs: Sequence[torch.Tensor]) -> Program:
        """The same program with other example inputs."""
        args, kwargs = with_tensors((self.args, self.kwargs), self.tensors, list(inputs))
        specs = [replace(spec, tensor=tensor) for spec, tensor in zip(self.inputs, inputs, strict=True)]
        return replace(self, args=args, kwargs=kwargs, inputs=specs)

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The tensors that PyTorch's model returns for other inputs; leaves the model as it was. Raises EndlessRunError."""
        return run_untraced(
            self.model, self.args, self.kwargs, self.tensors, list(inputs), self._written, self.effort
        )

    def in_float64(self) -> Program:
        """The same program in double precision, to which a function's inputs alone bring it. Raises what copying or casting
        the model raises."""
        if not isinstance(self.model, nn.Module):
            return self
        return replace(self, model=copy.deepcopy(self.model).double())

    def nudged(self) -> Program:
        """The same program with every weight off by about its last bit. Raises what copying the model raises."""
        if not isinstance(self.model, nn.Module):
            return self
        model = copy.deepcopy(self.model)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.copy_(nudged(tensor))
        return replace(self, model=model)


def nudged(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor whose floating-point numbers are off by about their last bit, each one up or down at random."""
    if not tensor.is_floating_point():
        return tensor
    random = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, tensor.shape, generator=random, dtype=torch.int8) * 2 - 1
    return tensor * (1 + signs * torch.finfo(tensor.dtype).eps).to(tensor.dtype)


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
