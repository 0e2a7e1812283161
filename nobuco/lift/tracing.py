"""Traces a program, and again with its control flow lifted where the first run shows that Python decides by a tensor."""

from __future__ import annotations

import gc
import linecache
import logging
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from nobuco.contract.tree import tree_leaves
from nobuco.errors import NobucoError
from nobuco.lift.operators import Lifting, lifting
from nobuco.lift.results import number_behind
from nobuco.lift.rewriting import CannotRewrite, rewrite, running
from nobuco.trace.calls import Call, Kind, Trace, Value
from nobuco.trace.errors import Unliftable
from nobuco.trace.run import trace
from nobuco.trace.tracer import Tracer

_log = logging.getLogger("nobuco")

_DECIDES = (torch.Tensor.__bool__, torch.Tensor.is_nonzero, torch.is_nonzero)
_COUNTS = (torch.Tensor.__int__, torch.Tensor.__index__)
_MOST = 100  # runs, of which each learns of a function or of a place that cannot be lifted


def lifted(run: Callable[..., Trace]) -> Trace:
    """The trace that `run(on_read=..., around=...)` makes, with what can be lifted.

    A branch that cannot is traced as Python decides it, and its call says why."""
    return _Lifted(run).trace()


class _Lifted:
    def __init__(self, run: Callable[..., Trace]) -> None:
        self._run = run
        self._instead: dict[types.FunctionType, types.FunctionType] = {}
        self._refused: dict[types.CodeType, str] = {}
        self._kept: dict[tuple[str, int], str] = {}  # sites that stay with Python, and why
        self._new: list[types.FunctionType] = []
        self._rewritten: set[types.CodeType] = set()
        self._lifting: Lifting | None = None  # of the last run

    def trace(self) -> Trace:
        plain = found = self._once()
        for _ in range(_MOST):
            if not self._new:
                break
            self._rewrite()
            found = self._again(plain)
            if found is plain:
                break
        for call in found.root.walk():
            if call.kind is Kind.READ and not call.why:
                call.why = self._reason(call)
        return found

    def _again(self, plain: Trace) -> Trace:
        """Another run; `plain` where lifting is of no use at all."""
        for _ in range(_MOST):
            try:
                return self._refusing_numbers(self._once())
            except Unliftable as error:
                if error.site is None or (error.site.file, error.site.line) in self._kept:
                    return self._without_lifting(plain, error.reason)
                self._kept[error.site.file, error.site.line] = error.reason
            except NobucoError:
                raise
            except Exception as error:  # the program ran before: the rewriting has changed what it does
                _log.debug("lifted control flow failed", exc_info=True)
                reason = f"the rewritten program raised {type(error).__name__}: {error}"
                return self._without_lifting(plain, reason)
        return self._without_lifting(plain, "there are too many places that cannot be")

    def _without_lifting(self, plain: Trace, reason: str) -> Trace:
        for call in plain.root.walk():
            if call.kind is Kind.READ and _decides(call):
                call.why = reason
        return plain

    def _once(self) -> Trace:
        self._new = []
        with running(self._instead):
            return self._run(on_read=self._noted, around=self._around)

    @contextmanager
    def _around(self, tracer: Tracer) -> Iterator[None]:
        self._lifting = Lifting(tracer, self._kept)
        token = lifting.set(self._lifting)
        try:
            yield
        finally:
            lifting.reset(token)

    def _noted(self, call: Call) -> None:
        if not _decides(call) or call.invoked is None:
            return
        frames = _frames_of_the_program()
        code = next((frame.f_code for frame in frames if frame.f_code.co_filename == call.invoked.file), None)
        if code is None or code in self._rewritten or code in self._refused:
            return
        function = _function_around(code, frames)
        if function is None:
            self._refused[code] = "the function that decides by it cannot be found"
        elif (function.__module__ or "").partition(".")[0] == "torch":
            self._refused[code] = "it is a check of PyTorch's own"
        elif function not in self._instead and function not in self._new:
            self._new.append(function)

    def _rewrite(self) -> None:
        for function in self._new:
            try:
                self._instead[function] = new = rewrite(function)
                self._rewritten |= set(_codes_in(new.__code__))
            except CannotRewrite as error:
                self._refused[function.__code__] = str(error)

    def _reason(self, call: Call) -> str:
        site = call.invoked
        if site is None or not _decides(call):
            return ""
        if (site.file, site.line) in self._kept:
            return self._kept[site.file, site.line]
        for code, reason in self._refused.items():
            lines = [line for _, _, line in code.co_lines() if line is not None]
            if code.co_filename == site.file and lines and min(lines) <= site.line <= max(lines):
                return reason
        return ""

    def _refusing_numbers(self, found: Trace) -> Trace:
        assert self._lifting is not None
        numbers = self._lifting.tracer.numbers
        for leaf in tree_leaves(found.root.output):
            if isinstance(leaf, Value) and (number := number_behind(leaf, numbers)) is not None:
                raise Unliftable(numbers[number], "the model returns a Python number that depends on it")
        return found


def _decides(call: Call) -> bool:
    """Whether what Python reads is for a branch or a loop: a truth value, or how often a `for` goes round."""
    if call.op in _COUNTS and call.invoked is not None:
        return "range(" in linecache.getline(call.invoked.file, call.invoked.line)
    return call.op in _DECIDES


def _frames_of_the_program() -> list[types.FrameType]:
    """The frames that are running, the innermost first, up to where the program has been started."""
    frames: list[types.FrameType] = []
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not trace.__code__:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _function_around(code: types.CodeType, frames: list[types.FrameType]) -> types.FunctionType | None:
    """The function to rewrite for the sake of `code`: the outermost that is running and has it inside, for what is made
    inside a function is made anew at every call."""
    around = [frame.f_code for frame in frames if code in _codes_in(frame.f_code)]
    outermost = around[-1] if around else code
    functions = (each for each in gc.get_referrers(outermost) if isinstance(each, types.FunctionType))
    return next((each for each in functions if each.__code__ is outermost), None)


def _codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _codes_in(each)
