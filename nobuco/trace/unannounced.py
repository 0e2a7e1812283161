"""Calls that PyTorch does not announce to a `TorchFunctionMode`: what scripted functions and compiled code do.

Below the announced functions lies the dispatcher, which every operation passes. What reaches it while the program itself
runs, and not one of the tracer's nodes, has not been announced: `Listener` hands it to the tracer, under the name that the
operation has in PyTorch's Python API."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.jit._fuser import optimized_execution
from torch.utils._python_dispatch import TorchDispatchMode

from nobuco.contract.tree import tree_leaves

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]  # a function of PyTorch's Python API, and its arguments


class Listener(TorchDispatchMode):
    """`heard` is called with each operation that arrives while `is_listening()`."""

    def __init__(
        self, heard: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any], is_listening: Callable[[], bool]
    ):
        super().__init__()
        self._heard, self._is_listening = heard, is_listening

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: PyTorch would load its compiler, two seconds of CPU time, to keep it away from `__torch_dispatch__`.
        Nothing is compiled while a program is traced (`compiled_as_written`)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._is_listening():
            return func(*args, **(kwargs or {}))
        return self._heard(func, args, kwargs or {})


def is_operation(op: Any) -> bool:
    """Whether `op` is one of `torch.ops`."""
    return isinstance(op, torch._ops.OpOverload | torch._ops.OpOverloadPacket)


def in_python(
    op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], is_known: Callable[[Any], bool]
) -> Call:
    """The call of an operation as one of the Python API; as it stands where there is none that is known. A custom
    operation is one, whichever way it is called: the whole of it, unless one of its forms alone is known."""
    packet = op.overloadpacket if isinstance(op, torch._ops.OpOverload) else op
    if getattr(packet, "_qualified_op_name", "").split("::")[0] != "aten":
        forms = (op, packet, getattr(packet, "default", packet))
        return next((each for each in forms if is_known(each)), packet), args, kwargs
    name = packet.__name__
    if name in _SPECIAL:
        return _SPECIAL[name](*args, **kwargs)
    places = (
        _PLACES if args and isinstance(args[0], torch.Tensor) else _PLACES[1:]
    )  # a method has a tensor first
    found = [each for place in places if (each := getattr(place, name, None)) is not None]
    found = [each for each in found if is_known(each)] or found[:1]
    return (found[0] if found else op), args, kwargs


def written_by(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that an operation changes in place, by its schema."""
    found = []
    for place, argument in enumerate(op._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(args[place] if place < len(args) else kwargs.get(argument.name))
    return [each for each in tree_leaves(found) if isinstance(each, torch.Tensor)]


def _slice(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Call:
    return _indexed(x, dim, slice(start, None if end is not None and end >= 2**62 else end, step))


def _indexed(x: Any, dim: int, index: Any) -> Call:
    return torch.Tensor.__getitem__, (x, (*(slice(None),) * (dim % x.dim()), index)), {}


def _index(x: Any, indices: Any) -> Call:
    return torch.Tensor.__getitem__, (x, tuple(slice(None) if each is None else each for each in indices)), {}


def _index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Call:
    where = tuple(slice(None) if each is None else each for each in indices)
    if accumulate:
        return torch.Tensor.index_put_, (x, indices, values, True), {}
    return torch.Tensor.__setitem__, (x, where, values), {}


def _to(x: Any, *args: Any, **kwargs: Any) -> Call:
    dtypes = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.dtype)]
    tensors = [each for each in args if isinstance(each, torch.Tensor)]
    return torch.Tensor.to, (x, *(dtypes or tensors or [x.dtype])[:1]), {}


# where PyTorch's Python API has its functions
_PLACES: tuple[Any, ...] = (
    torch.Tensor,
    torch,
    torch.nn.functional,
    torch._C._nn,  # type: ignore[attr-defined]
    torch.special,
    torch._C._linalg,  # type: ignore[attr-defined]
)


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int, *_: Any,
) -> Call:  # fmt: skip
    dims = weight.dim() - 2
    if transposed:
        function = getattr(torch, f"conv_transpose{dims}d")
        return function, (x, weight, bias, stride, padding, output_padding, groups, dilation), {}
    return getattr(torch, f"conv{dims}d"), (x, weight, bias, stride, padding, dilation, groups), {}


def _batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Call:
    return torch.nn.functional.batch_norm, (x, mean, variance, weight, bias, training, momentum, eps), {}


_SPECIAL: dict[str, Callable[..., Call]] = {
    "slice": _slice,
    "select": lambda x, dim, index: _indexed(x, dim, index),
    "index": _index,
    "index_put_": _index_put,
    "to": _to,
    "_to_copy": _to,
    "_local_scalar_dense": lambda x: (torch.Tensor.item, (x,), {}),
    "where": lambda condition, *values: (
        torch.where,
        (condition, *values),
        {},
    ),  # the method has another order
    "batch_norm": _batch_norm,
    "convolution": _convolution,
    "_convolution": _convolution,
    "alias": lambda x: (torch.Tensor.detach, (x,), {}),
    "_unsafe_view": lambda x, size: (torch.Tensor.reshape, (x, size), {}),
    "_reshape_alias": lambda x, size, stride: (torch.Tensor.reshape, (x, size), {}),
}


@contextmanager
def scripts_heard(is_listening: Callable[[], bool]) -> Iterator[None]:
    """Runs scripted functions and methods so that each of their operations passes the dispatcher under the name it has in
    the script: not fused, and not taken apart for autograd, which nobody needs here. A scripted function whose Python
    original is at hand is that original."""
    classes = (torch._C.ScriptFunction, torch._C.ScriptMethod)
    originals = [each.__dict__["__call__"] for each in classes]
    above = torch._C.DispatchKeySet(torch._C.DispatchKey.AutogradCPU)

    def heard(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = original.__get__(self, type(self))
            if not is_listening():
                return run(*args, **kwargs)
            if self.__dict__.get("__name__") == "ScriptFunction" and hasattr(self, "_torchdynamo_inline"):
                return self._torchdynamo_inline(*args, **kwargs)
            with optimized_execution(False), torch._C._ExcludeDispatchKeyGuard(above):
                return run(*args, **kwargs)

        return call

    for each, original in zip(classes, originals, strict=True):
        each.__call__ = heard(original)
    try:
        yield
    finally:
        for each, original in zip(classes, originals, strict=True):
            each.__call__ = original


@contextmanager
def compiled_as_written() -> Iterator[None]:
    """Runs the Python originals of what `torch.compile` has compiled, or compiles meanwhile."""
    with ExitStack() as settings:
        if "torch._dynamo" in sys.modules:
            settings.enter_context(_nothing_compiled())
        else:  # it is loaded, for two seconds, only if the program asks for it
            compile, stance = torch.compile, _nothing_compiled()

            def loaded(*args: Any, **kwargs: Any) -> Any:
                if torch.compile is loaded:
                    torch.compile = compile
                    settings.enter_context(stance)
                return compile(*args, **kwargs)

            torch.compile = loaded
            settings.callback(setattr, torch, "compile", compile)
        yield


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    with torch.compiler.set_stance("force_eager"), warnings.catch_warnings():
        # of our hooks, which are called for the compiled module and for its original
        warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
        yield
