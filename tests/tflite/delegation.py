"""What XNNPACK takes of a file, asked of the interpreter that applies it."""

from __future__ import annotations

import os
from typing import Any

from ai_edge_litert.interpreter import Interpreter


def partitions_and_left(path: str | os.PathLike[str]) -> tuple[int, list[str]]:
    """How many parts of a file's main graph the delegate runs, and the ops that it leaves to the interpreter."""
    interpreter: Any = Interpreter(os.fspath(path))
    interpreter.allocate_tensors()
    interpreter.invoke()  # what sizes decide on is allocated only then
    ops = (
        interpreter._get_ops_details()
    )  # those of the file, then those that the delegate has put in their place
    parts = [op for op in ops if op["op_name"] == "DELEGATE"]
    made = {index for part in parts for index in part["outputs"]}
    left = [
        op["op_name"]
        for op in ops
        if op["op_name"] != "DELEGATE" and not made & set(op["outputs"]) and _is_allocated(interpreter, op)
    ]
    return len(parts), left


def _is_allocated(interpreter: Any, op: Any) -> bool:
    """Whether anything is to be found where the op writes: between the ops of a delegate nothing is."""
    try:
        for index in op["outputs"]:
            interpreter.get_tensor(index)
    except ValueError:
        return False
    return True
