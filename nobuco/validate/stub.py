"""The outline of a converter for a call that has none, to paste and fill in."""

from __future__ import annotations

import inspect
import keyword

from nobuco.trace.graph import Call
from nobuco.trace.sites import name_of


def stub_for(call: Call) -> str:
    name = name_of(call.op)
    target = f"torch.{name}" if name.startswith("Tensor.") else name
    function = "converter_" + name.rsplit(".", 1)[-1].strip("_")
    parameters = _parameters(call)
    return (
        f"@nobuco.converter({target}, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)\n"
        f"def {function}({parameters}):\n"
        f"    return lambda {parameters}: ...\n"
    )


def _parameters(call: Call) -> str:
    try:
        signature = inspect.signature(call.op)
    except (TypeError, ValueError):
        first = "self" if name_of(call.op).startswith("Tensor.") else "input"
        rest = [f"arg{index}" for index in range(1, len(call.args))]
        names = [first, *rest, *(f"{name}=None" for name in call.kwargs if not keyword.iskeyword(name))]
        return ", ".join(names)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty)).strip("()")


