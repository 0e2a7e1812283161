"""Records one eager run of a PyTorch program as a tree of calls.

`Tracer` is a `TorchFunctionMode`: every function, method and property of PyTorch that the program uses passes through
`__torch_function__`. Modules announce themselves through PyTorch's global forward hooks. Both are active only while
the program runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nobuco.contract.composition import composition_of
from nobuco.contract.context import ConversionContext, converting
from nobuco.contract.registry import find_converter, match
from nobuco.contract.traceable import BODY, shape
from nobuco.contract.tree import tree_leaves, tree_map
from nobuco.trace import compose
from nobuco.trace.aliases import assigns_to_itself, shares_memory
from nobuco.trace.calls import Call, Kind, Value, values_in
from nobuco.trace.errors import TraceError, Unliftable
from nobuco.trace.ops import (
    READS,
    canonical,
    counts_elements,
    distinct,
    is_random,
    is_shape,
    leaves_empty,
    refuse_rebound_memory,
    refuse_unfollowable,
    version_of,
    was_written,
    written_arguments,
    yields_tensor,
)
from nobuco.trace.recording import Recording, Setting
from nobuco.trace.sizes import Log, asks_for_sizes, noting
from nobuco.trace.state import ModelState
from nobuco.trace.static_sizes import ShapesSeen, StaticSizes, TracedShape, TracedSizes
from nobuco.trace.unannounced import in_python, is_operation, written_by


class Tracer(TorchFunctionMode, Recording):
    """Looks into every function written in Python, but for those that a converter takes."""

    def __init__(
        self,
        root: Call,
        state: ModelState,
        trace_shape: bool = False,
        dynamic: bool = False,
        on_call: Callable[[], None] | None = None,
        sizes: Log | None = None,
        shapes: ShapesSeen | None = None,
        static: StaticSizes | None = None,
        on_read: Callable[[Call], None] | None = None,
    ) -> None:
        TorchFunctionMode.__init__(self)
        Recording.__init__(self, root, state, sizes)
        self._shapes, self._static = shapes, static or StaticSizes()
        self._trace_shape = trace_shape
        self._traced: dict[int, TracedShape] = {}
        self._dynamic = dynamic
        self._on_call, self._on_read = on_call, on_read

    # -- functions

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._muted or self._busy:
            return func(*args, **kwargs)
        with Setting(self, "_busy", True):
            op = canonical(func)
            return self._with_zeros(op, self._announced(op, func, args, kwargs))

    def unannounced(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation that has reached the dispatcher without having been announced."""
        with Setting(self, "_busy", True):
            known = [
                self._aliases.find(leaf)
                for leaf in tree_leaves((args, kwargs))
                if isinstance(leaf, torch.Tensor)
            ]
            if all(each is None or each.value.constant for each in known) and not func._schema.is_mutable:
                with Setting(self, "_muted", True):
                    return self._with_zeros(func, func(*args, **kwargs))
            # what counts the changes of a tensor comes after us: only the schema tells
            written = written_by(func, args, kwargs)
            op, args, kwargs = in_python(func, args, kwargs, _is_known)
            if not _is_known(op) and not written and (body := compose.decomposition_of(func)) is not None:
                return self._inside(op, body, args, kwargs)
            return self._with_zeros(op, self._announced(op, op, args, kwargs, written))

    def _with_zeros(self, op: Any, result: Any) -> Any:
        """Zeros are as good as whatever memory holds, and the same in the converted model, and whenever the program is
        run."""
        if leaves_empty(op) and isinstance(result, torch.Tensor) and result.layout is torch.strided:
            with self.aside(), torch.no_grad():
                result.zero_()
        return result

    def _announced(
        self,
        op: Any,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        written: list[torch.Tensor] | None = None,
    ) -> Any:
        if is_operation(op) and not _is_known(op):
            op, args, kwargs = in_python(op, args, kwargs, _is_known)
            func = op
        if op in READS:
            return self._read(op, func, args, kwargs)
        if self._shapes is not None and (is_shape(op) or counts_elements(op)):
            self._shapes.note(args[0].shape)
        if self._trace_shape and is_shape(op):
            return self._traced_shape(args, kwargs)
        if self._trace_shape and counts_elements(op):
            return self._traced_count(args[0])
        if self._sizes is not None and asks_for_sizes(op):
            return noting(func(*args, **kwargs), self._sizes)
        if op is not func and not yields_tensor(op):
            return func(*args, **kwargs)
        if self._on_call is not None:
            self._on_call()
        body = getattr(op, BODY, None) or composition_of(op)
        if (body is not None or compose.has_body(op)) and not self._is_taken(op, args, kwargs):
            return self._inside(op, body or compose.body_of(op), args, kwargs)
        if written is None and self._may_look_below(op, args, kwargs):
            return self._below(op, func, args, kwargs)
        return self._leaf(op, func, args, kwargs, written)

    def _is_taken(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a converter takes the call as a whole, or refuses it in a way that its body does not mend."""
        first = find_converter(op)
        if first is None or first.accepts is None:
            return first is not None
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        constants = frozenset(id(tensor) for tensor in tensors if self.value_of(tensor).constant)
        with Setting(self, "_muted", True), converting(ConversionContext(constants, dynamic=self._dynamic)):
            found = match(op, args, kwargs)
        return found.converter is not None or found.impossible

    def _leaf(
        self,
        op: Any,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        told: list[torch.Tensor] | None = None,
    ) -> Any:
        """`told`: the tensors that are known to be changed in place; else it is found out."""
        refuse_rebound_memory(op)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        own = hasattr(op, BODY)
        written = told if told is not None else tensors if own else written_arguments(op, args, kwargs)
        # what `out` holds is overwritten, whatever it was
        recorded = self.values((args, {name: each for name, each in kwargs.items() if name != "out"}))
        if op is torch.Tensor.__setitem__ and assigns_to_itself(*args):
            # `x[i] += y` ends in one: the addition has been carried over to x already
            self._record(Kind.FUNCTION, op, *recorded).output = recorded[0][0]
            return None
        for tensor in written:
            known = self._aliases.find(tensor)
            if known is not None and known.value in self.numbers:
                raise Unliftable(
                    self.numbers[known.value], "a number that it sets is changed in place elsewhere"
                )
            self._state.keep(tensor, made_here=self._made_here(tensor))
            self._aliases.keep_data(tensor)
        versions = [version_of(tensor) for tensor in tensors]
        copies = {id(t): t.clone() for t in tensors if own and t.is_inference()}
        with Setting(self, "_muted", True):
            result = self._execute(func, args, kwargs)
        changed = [
            tensor
            for tensor, version in zip(tensors, versions, strict=True)
            if version_of(tensor) != version
            or any(tensor is each for each in told or ())
            or (tensor.is_inference() and was_written(tensor, written, copies.get(id(tensor))))
        ]
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if not outputs and not changed:
            return result  # it asked about a tensor, and made none

        call = self._record(Kind.FUNCTION, op, *recorded)
        call.inplace = bool(changed)
        call.folded = not is_random(op) and all(value.constant for value in call.inputs)
        targets = [t for t in distinct(written if not own else changed) if any(t is c for c in changed)]
        unforeseen = [t for t in changed if not any(t is w or shares_memory(t, w) for w in written)]
        if unforeseen:
            raise TraceError(f"{call} changes one of its arguments in place, which its name does not tell")
        call.output = self._output_values(call, result, targets, own)
        for target in targets:
            known = self._aliases.find(target)
            assert known is not None
            self._aliases.changed(known, self._new_value_of(call, target, result))
        return result

    def _output_values(self, call: Call, result: Any, targets: list[torch.Tensor], own: bool) -> Any:
        # __setitem__ returns nothing: its outcome is the changed tensor
        if result is None and len(targets) == 1:
            return Value(targets[0], call, call.folded)
        place = [0]
        sources = [known for value in call.inputs if (known := self._source(value)) is not None]

        def value_for(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            value = Value(leaf, call, call.folded)
            known = self._aliases.find(leaf)
            if known is None:
                refuse_unfollowable(leaf)
                base = next((each for each in sources if shares_memory(each.tensor, leaf)), None)
                if base is None:
                    self._aliases.add(leaf, value)
                else:
                    self._aliases.add_view(leaf, value, base, base.value, call, place[0])
            elif not any(leaf is target for target in targets):
                self._aliases.rename(known, value)
            place[0] += 1
            return value

        return tree_map(value_for, result)

    def _new_value_of(self, call: Call, target: torch.Tensor, result: Any) -> Value:
        if result is None:
            return call.outputs[0]
        leaves = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        for leaf, value in zip(leaves, call.outputs, strict=True):
            if leaf is target:
                return value
        # Changed, but not among the outputs: the value exists, and whoever needs it is told that no node makes it.
        return Value(target, call)

    def _execute(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Sizes that are traced as tensors, and what is computed from them, are plain numbers to PyTorch where it accepts
        no tensor."""
        try:
            return func(*args, **kwargs)
        except TypeError:
            if not any(self._is_size(leaf) for leaf in tree_leaves((args, kwargs))):
                raise
            plain = tree_map(lambda leaf: leaf.item() if self._is_size(leaf) else leaf, (args, kwargs))
            return func(*plain[0], **plain[1])

    @staticmethod
    def _is_size(leaf: Any) -> bool:
        dtypes = (torch.int32, torch.int64, torch.float32)
        return isinstance(leaf, torch.Tensor) and leaf.dim() == 0 and leaf.dtype in dtypes

    def _inside(self, op: Any, body: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function without a converter, written in Python: record the calls inside it."""
        call = self._record(Kind.FUNCTION, op, *self.values((args, kwargs)))
        self._stack.append(call)
        try:
            with self, Setting(self, "_busy", False):
                result = body(*args, **kwargs)
        finally:
            self._stack.pop()
        call.output = self.values(result)
        call.folded = bool(call.outputs) and all(value.constant for value in call.outputs)
        return result

    def _may_look_below(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether `op` is written in C++, no converter takes it, nor one that the program is in now, and running it twice
        does no harm."""
        if (
            not compose.is_native(op)
            or self._is_taken(op, args, kwargs)
            or written_arguments(op, args, kwargs)
        ):
            return False
        return not self._is_inside_converted()

    def _below(self, op: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function without a converter, written in C++: record what it asks of the dispatcher. Where that does not help,
        it is recorded, and told of, as a whole."""
        call = self._record(Kind.FUNCTION, op, *self.values((args, kwargs)))
        call.native = True
        self._stack.append(call)
        try:
            with Setting(self, "_busy", False):
                result = self._execute(func, args, kwargs)
        except TraceError:
            result = None
        finally:
            self._stack.pop()
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        heard = all(self._aliases.find(each) is not None for each in outputs)
        constant = all(value.constant for value in call.inputs) and not is_random(op)
        if outputs and (constant or (heard and all(map(_is_converted, call.children)))):
            call.output = self.values(result)
            call.folded = constant
            return result
        self._stack[-1].children.remove(call)
        return result if result is not None and not outputs else self._leaf(op, func, args, kwargs)

    def _read(self, op: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Setting(self, "_muted", True):
            result = func(*args, **kwargs)
        values = self.values((args, kwargs))
        if all(value.constant for value in values_in(values)):
            return result
        call = self._record(Kind.READ, op, *values)
        call.read = result
        if self._on_read is not None and not self._is_inside_converted():
            self._on_read(call)
        return result

    def _is_inside_converted(self) -> bool:
        """Whether a converter takes something that the program is in now, as a whole."""
        around = (find_converter(frame.op) for frame in self._stack)
        return any(entry is not None and entry.accepts is None for entry in around)

    # -- sizes as tensors

    def _traced_shape(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Tensors, but for the sizes that are always the same."""
        x = args[0]
        plain = x.shape
        static = self._static.among(plain)
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if all(static if dim is None else (static[dim],)):
            return plain if dim is None else plain[dim]
        traced = self._sizes_of(x)
        sizes = TracedSizes(
            size if known else tensor for size, known, tensor in zip(plain, static, traced, strict=True)
        )
        return sizes if dim is None else sizes[dim]

    def _traced_count(self, x: torch.Tensor) -> Any:
        """How many elements a tensor has: a tensor, unless its sizes are always the same."""
        sizes = self._traced_shape((x,), {})
        with self, Setting(self, "_busy", False):
            return sizes.numel()

    def _sizes_of(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The same tensors each time, unless the program has written into one of them: what Python finds to be one object
        it takes for equal, and need not read."""
        known = self._traced.get(id(x))
        if known is not None and known.holds(x, self._stack):
            return known.sizes
        with self, Setting(self, "_busy", False):
            traced = tuple(shape(x))
        self._traced[id(x)] = TracedShape(x, tuple(x.shape), traced, self._stack[-1])
        return traced

    # -- modules

    def enter_module(self, module: nn.Module, args: Any) -> None:
        if not self._muted:
            with Setting(self, "_busy", True):
                self._enter(module, args)

    def _enter(self, module: nn.Module, args: Any) -> None:
        values = self.values(tuple(args) if isinstance(args, tuple) else (args,))
        path = self._state.path_of_module(module)
        if not path:
            above = self._stack[-1].module_path
            path = f"{above}.{type(module).__name__}" if above else type(module).__name__
        self._stack.append(self._record(Kind.MODULE, module, values, {}, path))

    def leave_module(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if not self._muted:
            with Setting(self, "_busy", True):
                self._leave(module, args if isinstance(args, tuple) else (args,), kwargs, output)

    def _leave(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        while self._stack[-1].op is not module:  # an exception was caught by the model further up
            self._stack.pop()
        call = self._stack[-1]
        call.kwargs = self.values(kwargs)
        call.output = self.values(output)  # a view that is out of date is taken again inside the module
        if self._is_taken(module, args, kwargs) and not all(value.constant for value in call.inputs):
            call.output = tree_map(lambda leaf: self._made_by(call, leaf), call.output)
        self._stack.pop()

    def _made_by(self, call: Call, leaf: Any) -> Any:
        """A converted module's output is no constant, even if no op links it to an input: a Python loop may count."""
        if not isinstance(leaf, Value) or not leaf.constant:
            return leaf
        value = Value(leaf.tensor, call)
        known = self._aliases.find(leaf.tensor)
        if known is not None:
            self._aliases.rename(known, value)
        return value


def _has_converter(op: Any) -> bool:
    return find_converter(op) is not None


def _is_known(op: Any) -> bool:
    return _has_converter(op) or composition_of(op) is not None


def _is_converted(call: Call) -> bool:
    """Whether each operation has a converter, so far as that is known before its arguments are looked at."""
    if call.kind is Kind.READ:
        return True  # it is told of where it is read
    return _has_converter(call.op) or (bool(call.children) and all(map(_is_converted, call.children)))
