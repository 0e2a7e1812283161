"""The outline of a converter for a call that has none, to paste and fill in."""

from __future__ import annotations

import inspect
import keyword
import sys
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import torch
from torch.overrides import get_testing_overrides

from nobuco.contract.sites import name_of
from nobuco.trace.calls import Call

_IMPORTS = (
    "import nobuco",
    "import tensorflow as tf",
    "import torch",
    "from nobuco import ChannelOrderingStrategy",
)

_STRATEGY = "FORCE_PYTORCH_ORDER"  # right for any op: the filled-in function meets the very dims of PyTorch


def stub_for(call: Call) -> str:
    return stubs_for([call])


def stubs_for(calls: Sequence[Call]) -> str:
    """One converter a call, below the imports that all of them need."""
    imports = list(_IMPORTS)
    bodies = []
    taken: set[str] = set()
    for call in calls:
        target, needed = spelling(call.op)
        imports += [each for each in needed if each not in imports]
        bodies.append(_body(call, target, _function_name(call, taken)))
    plain = sorted(each for each in imports if each.startswith("import "))
    return (
        "\n".join([*plain, *(each for each in imports if each not in plain)]) + "\n\n\n" + "\n\n".join(bodies)
    )


def spelling(op: Any) -> tuple[str, list[str]]:
    """An expression that yields `op`, and the imports it needs; for a function inside a function, its name."""
    name = name_of(op)
    if name.startswith("Tensor.") and _at(torch, name) is op:
        return f"torch.{name}", []
    if name.startswith("F.") and _at(torch.nn.functional, name.removeprefix("F.")) is op:
        return name, ["import torch.nn.functional as F"]
    if name.startswith("torch.") and _at(torch, name.removeprefix("torch.")) is op:
        return name, []
    module = getattr(op, "__module__", None) or ""
    qualname = getattr(op, "__qualname__", None) or getattr(op, "__name__", None) or type(op).__name__
    if module and module != "__main__" and _at(sys.modules.get(module), qualname) is op:
        return f"{module}.{qualname}", [f"import {module}"]
    return qualname.rsplit(".", 1)[-1], []


def _at(home: Any, path: str) -> Any:
    try:
        return attrgetter(path)(home)
    except AttributeError:
        return None


def _function_name(call: Call, taken: set[str]) -> str:
    name = base = "converter_" + name_of(call.op).rsplit(".", 1)[-1].strip("_")
    count = 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken.add(name)
    return name


def _body(call: Call, target: str, function: str) -> str:
    parameters = parameters_of(call)
    where = f"# called at {call.user_line.file}, line {call.user_line.line}\n" if call.user_line else ""
    shapes = ", ".join(str(value.shape) for value in call.inputs)
    results = ", ".join(str(value.shape) for value in call.outputs)
    return (
        f"{where}# shapes there: {shapes} -> {results}\n"
        "# FORCE_PYTORCH_ORDER suits every function; MINIMUM_TRANSPOSITIONS saves transposes where each\n"
        "# element is treated by itself.\n"
        f"@nobuco.converter({target}, channel_ordering_strategy=ChannelOrderingStrategy.{_STRATEGY})\n"
        f"def {function}({parameters}):\n"
        f"    def func({parameters}):\n"
        f'        raise NotImplementedError("{target} in TensorFlow")\n'
        "\n"
        "    return func\n"
    )


def parameters_of(call: Call) -> str:
    """The parameter list of the called function; of one in C++, as PyTorch's own tables have it."""
    for source in (call.op, get_testing_overrides().get(call.op)):
        if source is None:
            continue
        try:
            signature = inspect.signature(source)
            signature.bind(*call.args, **call.kwargs)
        except (TypeError, ValueError):  # no signature, or one that does not fit this call
            continue
        plain = [
            p.replace(annotation=p.empty, default=_default(p.default)) for p in signature.parameters.values()
        ]
        if name_of(call.op).startswith("Tensor."):
            plain[0] = plain[0].replace(name="self")
        return str(signature.replace(parameters=plain, return_annotation=signature.empty))[1:-1]
    first = "self" if name_of(call.op).startswith("Tensor.") else "input"
    names = [first, *(f"arg{index}" for index in range(1, len(call.args)))][: len(call.args)]
    keywords = [f"{name}=None" for name in call.kwargs if name.isidentifier() and not keyword.iskeyword(name)]
    return ", ".join([*names, *keywords])


def _default(value: Any) -> Any:
    """A default that its own repr spells; None for the others."""
    if value is inspect.Parameter.empty or isinstance(value, str | int | float | bool | torch.dtype):
        return value
    if isinstance(value, tuple | list) and all(isinstance(each, str | int | float) for each in value):
        return value
    return None
