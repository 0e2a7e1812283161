"""Where things are in the source: the line that made a call, and the place where a function or module is defined."""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

_TORCH = str(Path(torch.__file__).parent) + os.sep

# Frames of these packages carry a call on to us; the line a reader wants lies above them.
_CARRIERS = (
    *(_TORCH + part for part in ("overrides.py", "nn/modules/module.py", "_tensor.py", "utils")),
    str(Path(np.__file__).parent),
    str(Path(__file__).parents[1]),
)


@dataclass(frozen=True)
class Site:
    file: str
    line: int
    function: str = ""

    @property
    def in_torch(self) -> bool:
        return self.file.startswith(_TORCH)

    def __str__(self) -> str:
        return f'File "{self.file}", line {self.line}'


def invocation_site(op: Any = None) -> Site | None:
    """The innermost frame that is neither ours nor PyTorch's plumbing, nor `op` itself, on its way to the mode."""
    frame = sys._getframe(1)
    own = getattr(op, "__code__", None)
    while frame is not None:
        file = frame.f_code.co_filename
        # "<...>" names code with no file (an exec'd string still counts when it is the user's)
        if frame.f_code is not own and not file.startswith(_CARRIERS) and not file.startswith("<frozen"):
            return Site(file, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def user_site() -> Site | None:
    """The innermost line that is neither ours nor PyTorch's."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_TORCH, *_CARRIERS, "<frozen")):
            return Site(file, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def definition_site(op: Any) -> Site | None:
    """Where a function, or the class of a module, is defined; None for what is written in C++ or at a prompt."""
    target = type(op) if isinstance(op, torch.nn.Module) else inspect.unwrap(op) if callable(op) else op
    code = getattr(target, "__code__", None)
    if code is not None:  # what inspect would find by reading and parsing the file
        known = Path(code.co_filename).exists() or code.co_filename in linecache.cache
        return Site(code.co_filename, code.co_firstlineno) if known else None
    return _searched(target) if isinstance(target, type) else None


@functools.cache
def _searched(target: type) -> Site | None:
    """Where a class is defined; classes do not know their line."""
    try:
        file = inspect.getsourcefile(target)
        if file is None:
            return None
        header = re.compile(rf"class {target.__qualname__}\b")
        lines = [number for number, line in enumerate(linecache.getlines(file), 1) if header.match(line)]
        return Site(file, lines[0] if len(lines) == 1 else inspect.getsourcelines(target)[1])
    except (TypeError, OSError):
        return None


def operator_name(op: Any) -> str | None:
    """The name under which a custom operator is registered with PyTorch ("torchvision::nms"), whichever of its forms `op`
    is; None for all else."""
    packet = op.overloadpacket if isinstance(op, torch._ops.OpOverload) else op
    return packet._qualified_op_name if isinstance(packet, torch._ops.OpOverloadPacket) else None


def name_of(op: Any) -> str:
    """A function's name as a user would write it: "torch.relu", "Tensor.add_", "F.interpolate"."""
    if isinstance(op, type):
        return op.__name__
    if isinstance(op, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        return f"torch.ops.{op}"
    if isinstance(op, str):  # an operator that may not be loaded
        return f"torch.ops.{op.replace('::', '.')}"
    op = getattr(op, "fget", op)  # a property has no name itself
    name = getattr(op, "__name__", None) or type(op).__name__
    owner = getattr(op, "__objclass__", None) or getattr(op, "__self__", None)
    module = getattr(op, "__module__", None) or ""
    qualname = getattr(op, "__qualname__", "") or ""
    if (isinstance(owner, type) and issubclass(owner, torch._C.TensorBase)) or "Tensor" in qualname.split(
        "."
    )[0]:
        return f"Tensor.{name}"
    if module == "torch._C._nn" and getattr(torch.nn.functional, name, None) not in (op, None):
        return f"torch._C._nn.{name}"  # F has a function of its own under this name
    if module == "torch._C._nn" or module == "torch.nn.functional":
        return f"F.{name}"
    if module in ("torch.functional", "torch") or qualname.startswith("_VariableFunctionsClass."):
        return f"torch.{name}"
    if module.startswith("nobuco."):
        return f"nobuco.{name}"
    if module.startswith("torch._C._"):  # torch.fft, torch.linalg, torch.special are thin names over these
        family = module.removeprefix("torch._C._")
        return f"torch.{family}.{name.removeprefix(family + '_')}"
    return f"{module}.{qualname or name}" if module else name
