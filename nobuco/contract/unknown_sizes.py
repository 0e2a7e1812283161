"""Sizes that may change: what a node converter sees of a tensor of which some dims have no fixed size.

The traced tensor's own sizes are those of an example. So that none of them is taken for a fact, the converter is given
an `ExampleTensor`, whose unknown sizes cannot be used as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch

from nobuco.errors import NobucoError

_TYPE_ONLY = {
    "dim", "ndim", "ndimension", "dtype", "device", "layout", "requires_grad", "is_meta", "element_size", "result_type",
    "is_floating_point", "is_complex", "is_signed", "is_conj", "is_neg", "is_quantized", "is_sparse", "__hash__",
}  # fmt: skip


class UnknownSizeError(NobucoError):
    """A converter needs a size that is not known at conversion."""


class UnknownSize:
    """Stands where a number would, and raises when it is used as one."""

    def __init__(self, what: str) -> None:
        self._what = what

    def _refuse(self, *args: Any) -> NoReturn:
        raise UnknownSizeError(
            f"{self._what} is not known at conversion. Give that size in input_shapes, or use a converter that takes it "
            "from the TensorFlow tensor, with tf.shape, in the function that it returns"
        )

    __int__ = __index__ = __float__ = __bool__ = __neg__ = __abs__ = __round__ = __format__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = __rpow__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = _refuse

    def __repr__(self) -> str:
        return f"<{self._what}>"


class ExampleTensor(torch.Tensor):
    """A traced tensor that tells what holds for every input: dtype, rank, and the sizes that are known."""

    _static: tuple[int | None, ...]
    _traced: tuple[int, ...]

    @staticmethod
    def of(tensor: torch.Tensor, static: Sequence[int | None]) -> ExampleTensor:
        """`static` has None for each dim whose size may change."""
        example = tensor.detach().as_subclass(ExampleTensor)
        example._static, example._traced = tuple(static), tuple(tensor.shape)
        return example

    @property
    def shape(self) -> Any:
        return tuple(
            UnknownSize(f"the size of dim {dim} of an input") if size is None else size
            for dim, size in enumerate(self._static)
        )

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> Any:
        if None in self._static:
            return UnknownSize("the number of elements of an input")
        return torch.Size(self._static).numel()  # type: ignore[arg-type]

    nelement = numel

    def __len__(self) -> int:
        return int(self.shape[0])

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__ if func.__name__ != "__get__" else func.__self__.__name__
        if name not in _TYPE_ONLY:
            raise UnknownSizeError(
                f"{name} was to be computed at conversion from a tensor whose sizes and values are not known then"
            )
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


def static_shape(tensor: torch.Tensor) -> tuple[int | None, ...]:
    """The sizes of an argument of the call being converted, None for those that may change from input to input."""
    return tensor._static if isinstance(tensor, ExampleTensor) else tuple(tensor.shape)


def traced_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The sizes in the traced run: to tell what PyTorch did there, never to compute with."""
    return tensor._traced if isinstance(tensor, ExampleTensor) else tuple(tensor.shape)
