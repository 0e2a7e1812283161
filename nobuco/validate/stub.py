"""The outline of a converter for a call that has none, to paste and fill in."""

from __future__ import annotations

import inspect
import keyword
import re
import sys
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import torch
from torch.overrides import get_testing_overrides

from nobuco.contract.sites import definition_site, name_of
from nobuco.trace.calls import Call

_IMPORTS = (
    "import nobuco",
    "import tensorflow as tf",
    "import torch",
    "from nobuco import ChannelOrderingStrategy",
)

_OPERATIONS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)  # of torch.ops

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


# Where an op is looked for under its own name, in the order of preference, and the import that the spelling needs.
_HOMES = (
    ("torch.Tensor", ""),
    ("torch", ""),
    ("torch.nn.functional", "import torch.nn.functional as F"),
    ("torch.special", ""),
    ("torch.linalg", ""),
    ("torch.fft", ""),
    ("torch.sparse", ""),
    ("torch._C._nn", ""),
    ("torch._C._VariableFunctions", ""),
    ("torch._C.TensorBase", ""),
)


def spelling(op: Any) -> tuple[str, list[str]]:
    """An expression that yields `op`, and the imports it needs; for a function inside a function, its name."""
    if isinstance(op, _OPERATIONS):
        return f"torch.ops.{op}", []
    own = _own_name(op)
    for place, needed in _HOMES:
        home = attrgetter(place.removeprefix("torch."))(torch) if place != "torch" else torch
        # under its own name, or another: det is called linalg_det in C++, and __pow__ just pow
        for name in (own, *dir(home)):
            if _at(home, name) is op:
                return (f"F.{name}" if needed else f"{place}.{name}"), [needed] * bool(needed)
    module = getattr(op, "__module__", None) or ""
    qualname = getattr(op, "__qualname__", None) or own
    if module and module != "__main__" and _at(sys.modules.get(module), qualname) is op:
        package, _, rest = f"{module}.{qualname}".partition(".")
        if _at(sys.modules[package], rest) is op:
            return f"{module}.{qualname}", [f"import {module}"]
        # the package has something else under the module's name
        return qualname, [f"from {module} import {qualname.split('.')[0]}"]
    return _identifier(qualname.rsplit(".", 1)[-1]), []


def _own_name(op: Any) -> str:
    getter = getattr(op, "fget", None)  # of a property, which has no name itself
    return getattr(op if getter is None else getter, "__name__", None) or type(op).__name__


def _identifier(name: str) -> str:
    name = re.sub(r"\W", "_", name)
    return f"_{name}" if not name or name[0].isdigit() or keyword.iskeyword(name) else name


def _at(home: Any, path: str) -> Any:
    try:
        return attrgetter(path)(home)
    except AttributeError:
        return None


def _function_name(call: Call, taken: set[str]) -> str:
    op = call.op
    own = str(op).split(".")[1] if isinstance(op, _OPERATIONS) else _own_name(op)
    name = base = _identifier("converter_" + own.strip("_"))
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
    if target.isidentifier() and (site := definition_site(call.op)):
        where += (
            f"# {target} is defined at {site.file}, line {site.line}: paste this where it has that name\n"
        )
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
    signatures = (
        _of_schema(call.op),
        _signature(call.op),
        _signature(get_testing_overrides().get(call.op) if _is_hashable(call.op) else None),
    )
    for signature in signatures:
        if signature is not None and _takes(signature, call):
            plain = [
                p.replace(annotation=p.empty, default=_default(p.default))
                for p in signature.parameters.values()
            ]
            if name_of(call.op).startswith("Tensor."):
                plain[0] = plain[0].replace(name="self")
            return str(signature.replace(parameters=plain, return_annotation=signature.empty))[1:-1]
    first = "self" if name_of(call.op).startswith("Tensor.") else "input"
    names = [first, *(f"arg{index}" for index in range(1, len(call.args)))][: len(call.args)]
    keywords = [f"{name}=None" for name in call.kwargs if name.isidentifier() and not keyword.iskeyword(name)]
    return ", ".join([*names, *keywords])


def _signature(source: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(source)
    except (TypeError, ValueError):  # nothing that is called, or a function that does not tell
        return None


def _of_schema(op: Any) -> inspect.Signature | None:
    """The parameters of an operation of torch.ops, which are those of its schema."""
    if not isinstance(op, _OPERATIONS):
        return None
    if isinstance(op, torch._ops.OpOverloadPacket):
        op = getattr(op, op.overloads()[0])
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(
            _identifier(argument.name),
            kinds[argument.kwarg_only],
            default=argument.default_value if argument.has_default_value() else inspect.Parameter.empty,
        )
        for argument in op._schema.arguments
    ]
    return inspect.Signature(parameters)


def _takes(signature: inspect.Signature, call: Call) -> bool:
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    return True


def _is_hashable(op: Any) -> bool:
    try:
        hash(op)
    except TypeError:
        return False
    return True


def _default(value: Any) -> Any:
    """A default that its own repr spells; None for the others."""
    if value is inspect.Parameter.empty or isinstance(value, str | int | float | bool | torch.dtype):
        return value
    if isinstance(value, tuple | list) and all(isinstance(each, str | int | float) for each in value):
        return value
    return None
