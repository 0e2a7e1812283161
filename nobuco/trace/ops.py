"""What the tracer must know of PyTorch's own functions: which read a value, which draw at random, which write."""

from __future__ import annotations

import types
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves

from nobuco.contract.sites import user_site
from nobuco.trace.errors import TraceError

# They hand a tensor's value to Python, where it can no longer be followed.
READS = {
    torch.Tensor.__bool__,
    torch.Tensor.__int__,
    torch.Tensor.__float__,
    torch.Tensor.__complex__,
    torch.Tensor.__index__,
    torch.Tensor.__contains__,
    torch.Tensor.item,
    torch.Tensor.tolist,
    torch.Tensor.numpy,
    torch.Tensor.__array__,
    torch.Tensor.is_nonzero,
    torch.is_nonzero,
    torch.equal,
    torch.Tensor.equal,
    torch.allclose,
    torch.Tensor.allclose,
}

# Their outcome is no constant, though they may have no input.
_RANDOM = {
    "rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm", "normal", "bernoulli",
    "multinomial", "poisson", "dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "rrelu",
    "dropout1d", "dropout2d", "dropout3d", "gumbel_softmax", "uniform", "exponential", "geometric", "cauchy",
    "log_normal", "random", "trunc_normal",
}  # fmt: skip


# Their outcome is what memory happens to hold.
_EMPTY = {
    "empty",
    "empty_like",
    "empty_strided",
    "empty_permuted",
    "new_empty",
    "new_empty_strided",
}


def leaves_empty(op: Any) -> bool:
    """Whether a call makes a tensor of whatever memory happens to hold."""
    packet = getattr(op, "overloadpacket", op)
    return getattr(packet, "__name__", "").rsplit(".", 1)[-1] in _EMPTY


def canonical(func: Any) -> Any:
    """A property's getter arrives as a bound `__get__`; the property itself is what has a name."""
    if isinstance(func, types.MethodWrapperType) and func.__name__ == "__get__":
        return func.__self__
    return func


def is_random(op: Any) -> bool:
    return getattr(op, "__name__", "").rstrip("_") in _RANDOM


def is_shape(op: Any) -> bool:
    return op is torch.Tensor.shape or op is torch.Tensor.size


def counts_elements(op: Any) -> bool:
    return op in (torch.Tensor.numel, torch.Tensor.nelement, torch.numel)


def refuse_unfollowable(tensor: torch.Tensor) -> None:
    """Raises for tensors that are no plain array of numbers."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):  # type: ignore[attr-defined]
        what = (
            "a tensor inside torch.vmap, torch.func.grad or the like, where each call stands for other ones"
        )
        way_out = "Write what it comes to with plain functions of PyTorch"
    elif tensor.is_nested or tensor.layout not in (torch.strided, torch._mkldnn):  # type: ignore[attr-defined]
        what = "a nested tensor" if tensor.is_nested else f"a sparse tensor ({tensor.layout})"
        way_out = "Use a padded tensor and a mask" if tensor.is_nested else "Use a dense one (.to_dense())"
    else:
        return
    raise TraceError(
        f"{user_site()}: {what}, for which a TensorFlow graph has no equivalent. {way_out}, or mark the Python "
        "function around it with nobuco.traceable and give it a converter"
    )


def refuse_packed(tree: Any) -> None:
    """Raises for packed sequences, wherever they stand in arguments or results."""
    if not any(isinstance(each, PackedSequence) for each in tree_leaves(tree, is_leaf=_is_packed)):
        return
    raise TraceError(
        f"{user_site()}: a packed sequence, whose steps have batches of different sizes, has no equivalent in a TensorFlow "
        "graph. Give the recurrent module the padded batch itself, and take what belongs to each length out of its output "
        "(with a mask, or torch.gather at the last steps); or convert for one sequence at a time"
    )


def _is_packed(item: Any) -> bool:
    return isinstance(item, PackedSequence)


def refuse_rebound_memory(op: Any) -> None:
    """Raises for what gives a tensor other memory: it would be another tensor from then on, without having been changed."""
    if op in (torch.Tensor.set_, torch.Tensor.data.__set__):  # type: ignore[attr-defined]
        done = "Tensor.set_" if op is torch.Tensor.set_ else "an assignment to Tensor.data"
        raise TraceError(f"{user_site()}: {done} cannot be followed. Use Tensor.copy_, or a new tensor")


def written_arguments(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that a call changes in place, by PyTorch's naming rules."""
    name = getattr(op, "__name__", "")
    written: Any = []
    if kwargs.get("out") is not None:
        written = kwargs["out"]
    elif _writes_first(op, name) or kwargs.get("inplace") is True or _positional_inplace(op, args):
        written = args[0] if args else kwargs.get("input", kwargs.get("self"))
    if isinstance(written, torch.Tensor):
        return [written]
    return [each for each in written or [] if isinstance(each, torch.Tensor)]


def _writes_first(op: Any, name: str) -> bool:
    return name == "__setitem__" or (
        name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
    )


def _positional_inplace(op: Any, args: tuple[Any, ...]) -> bool:
    """`F.relu(x, True)`: the flag given by place."""
    code = getattr(op, "__code__", None)
    if not (getattr(op, "__module__", "") == F.__name__ and code is not None):
        return False
    names = code.co_varnames[: code.co_argcount]
    return "inplace" in names and names.index("inplace") < len(args) and args[names.index("inplace")] is True


def version_of(tensor: torch.Tensor) -> int:
    """How often the tensor has been changed in place; what is made under `inference_mode` does not count it."""
    return -1 if tensor.is_inference() else tensor._version


def was_written(tensor: torch.Tensor, written: list[torch.Tensor], before: torch.Tensor | None) -> bool:
    if before is not None:
        return not torch.equal(tensor, before)
    return any(tensor is each for each in written)


def distinct(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def yields_tensor(descriptor: Any) -> bool:
    """Among the properties of a tensor, those that are tensors themselves."""
    return getattr(descriptor, "__name__", "") in {"T", "mT", "H", "mH", "real", "imag", "data"}
