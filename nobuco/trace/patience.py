"""An end to runs of the user's program on inputs that nobody has given it, on which its loops may never end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.overrides import TorchFunctionMode

from nobuco.errors import NobucoError

# What any program may take, and how many times what it took on the example: other inputs may well take more turns.
_CALLS, _SECONDS, _TIMES = 50_000, 30.0, 20


class EndlessRunError(NobucoError):
    """The program was still running when all patience was at an end."""


class _Stop(BaseException):
    """No handler of the program's may catch it."""


@dataclass
class Effort:
    """What the program took on the example: calls of PyTorch's functions, and seconds. It is found as it is traced."""

    calls: int = 0
    seconds: float = 0.0

    @contextmanager
    def limits(self) -> Iterator[None]:
        """Raises EndlessRunError for a run that takes far more."""
        mode = _Counting(_CALLS + _TIMES * self.calls, time.monotonic() + _SECONDS + _TIMES * self.seconds)
        try:
            with mode:
                yield
        except _Stop as stop:
            raise EndlessRunError(
                f"it was still running after {mode.calls:,} calls of PyTorch's functions, where the example took "
                f"{self.calls:,}"
            ) from stop


class _Counting(TorchFunctionMode):
    """Whatever a loop decides by, a tensor, it asks of it by one of these calls."""

    def __init__(self, most: int, until: float) -> None:
        super().__init__()
        self.calls, self._most, self._until = 0, most, until

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        if self.calls > self._most or time.monotonic() > self._until:
            raise _Stop
        return func(*args, **(kwargs or {}))
