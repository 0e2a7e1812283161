"""What a branch or a loop of the program's is recorded as: a call of one of these, whose children are its blocks."""

from __future__ import annotations

from typing import Any


def cond(predicate: Any, operands: Any) -> Any:
    """One of two blocks, `then` and `otherwise`; both take the predicate and the operands."""


def while_loop(start: Any, operands: Any) -> Any:
    """Runs `loop_body` as long as `loop_test` holds; both take what is carried from turn to turn, then the operands."""


def then() -> Any:
    """A block."""


def otherwise() -> Any:
    """A block."""


def loop_test() -> Any:
    """A block."""


def loop_body() -> Any:
    """A block."""


CONTROL_FLOW = (cond, while_loop)
