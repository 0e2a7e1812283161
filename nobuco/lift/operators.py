"""What the control flow of a rewritten function calls, under the names that malt's rewriting gives it.

Where the condition is no tensor that depends on the inputs, each does what Python does."""

from __future__ import annotations

import builtins
import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch

from nobuco.contract.sites import Site
from nobuco.lift.branches import RETURNED, Branch, lift_branch
from nobuco.lift.loops import Loop, lift_loop
from nobuco.lift.results import number_behind
from nobuco.lift.states import Undefined, UndefinedReturnValue
from nobuco.trace.calls import is_of_sizes
from nobuco.trace.errors import Unliftable
from nobuco.trace.tracer import Tracer

__all__ = [
    "STD",
    "FunctionScope",
    "Undefined",
    "UndefinedReturnValue",
    "and_",
    "augmented",
    "autograph_artifact",
    "bool_",
    "for_stmt",
    "if_exp",
    "if_stmt",
    "int_",
    "ld",
    "not_",
    "or_",
    "range_",
    "while_stmt",
    "with_function_scope",
]

Get = Callable[[], tuple[Any, ...]]
Set = Callable[[tuple[Any, ...]], None]


class Lifting:
    """One traced run in which control flow is lifted, but for that at the sites of `kept`, each with its reason."""

    def __init__(self, tracer: Tracer, kept: Mapping[tuple[str, int], str]) -> None:
        self.tracer, self.kept = tracer, kept
        self.negations: dict[
            int, tuple[torch.Tensor, torch.Tensor]
        ] = {}  # by id: a tensor, and what it negates

    def takes(self, item: Any, site: Site | None) -> bool:
        """Whether Python shall not decide by `item`."""
        return (
            self.tracer.is_listening()
            and self.tracer.is_traced(item)
            and not is_of_sizes(self.tracer.values(item))  # they are told of in their own words
            and item.numel() == 1  # of others Python knows no truth value, and says so
            and (site is None or (site.file, site.line) not in self.kept)
        )

    def is_number(self, item: torch.Tensor) -> bool:
        """Whether a tensor stands for a Python number, so far as that is known of what has not been recorded."""
        if item.dim() != 0:
            return False
        if not self.tracer.is_known(item):
            return not self.tracer.is_listening()
        return number_behind(self.tracer.values(item), self.tracer.numbers) is not None


lifting: ContextVar[Lifting | None] = ContextVar("nobuco_lifting", default=None)


def _active(item: Any, site: Site | None = None) -> Lifting | None:
    found = lifting.get() if isinstance(item, torch.Tensor) else None
    return found if found is not None and found.takes(item, site) else None


def _site() -> Site:
    """The line of the rewritten function, which is that of the original."""
    frame = sys._getframe(2)
    return Site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def _truth(item: torch.Tensor) -> torch.Tensor:
    """A tensor of one truth value, without dims."""
    item = item if item.dim() == 0 else item.reshape(())
    return item if item.dtype is torch.bool else item != 0


def if_stmt(
    test: Any,
    body: Callable[[], Any],
    orelse: Callable[[], Any],
    get_state: Get,
    set_state: Set,
    names: Sequence[str],
    live: int,
) -> None:
    site = _site()
    found = _active(test, site)
    if found is None:
        body() if test else orelse()
        return
    branch = Branch(site, body, orelse, get_state, set_state, names, live)
    lift_branch(found.tracer, branch, _truth(test), _known_by(found, test))


def _known_by(found: Lifting, test: torch.Tensor) -> Callable[[bool, Any], Any]:
    """What a flag is where the outcome of a test on it is known: functions that return early ask `not do_return`."""
    negated = found.negations.get(id(test))
    flag = test if negated is None else negated[1]

    def known(outcome: bool, item: Any) -> Any:
        return outcome is (negated is None) if item is flag and flag.dtype is torch.bool else item

    return known


def if_exp(test: Any, body: Callable[[], Any], orelse: Callable[[], Any], said: str) -> Any:
    site = _site()
    found = _active(test, site)
    if found is None:
        return body() if test else orelse()
    return _chosen(found, site, test, body, orelse)


def _chosen(
    found: Lifting, site: Site, test: torch.Tensor, body: Callable[[], Any], orelse: Callable[[], Any]
) -> Any:
    held: Any = Undefined("")

    def set_state(state: tuple[Any, ...]) -> None:
        nonlocal held
        (held,) = state

    branch = Branch(
        site,
        lambda: set_state((body(),)),
        lambda: set_state((orelse(),)),
        lambda: (held,),
        set_state,
        ("",),
        1,
    )
    lift_branch(found.tracer, branch, _truth(test), _known_by(found, test))
    return held


def while_stmt(
    test: Callable[[], Any],
    body: Callable[[], Any],
    get_state: Get,
    set_state: Set,
    names: Sequence[str],
    options: Any,
) -> None:
    site = _site()
    while True:
        outcome = test()
        found = _active(outcome, site)
        if found is not None:
            _while(found, site, test, body, get_state, set_state, names)
            _settle_return(found, test, get_state, set_state, names)
            return
        if not outcome:
            return
        body()


def _while(
    found: Lifting, site: Site, test: Callable[[], Any], body: Any, get: Get, put: Set, names: Any
) -> None:
    loop = Loop(site, lambda: _test_of(found, test), lambda: bool(test()), body, get, put, names)
    lift_loop(found.tracer, loop)


def _settle_return(found: Lifting, test: Callable[[], Any], get: Get, put: Set, names: Sequence[str]) -> None:
    """A loop that nothing but a `return` ends has returned when it has ended."""
    state = get()
    for place, name in enumerate(names):
        if name.startswith(RETURNED) and isinstance(state[place], torch.Tensor):
            put((*state[:place], False, *state[place + 1 :]))
            with found.tracer.tried():
                goes_on = test()
            settled = not isinstance(goes_on, torch.Tensor) and bool(goes_on)
            state = (*state[:place], True if settled else state[place], *state[place + 1 :])
            put(state)


def _test_of(found: Lifting, test: Callable[[], Any]) -> torch.Tensor:
    outcome = test()
    if isinstance(outcome, torch.Tensor):
        return _truth(outcome)
    with found.tracer.aside():
        return torch.tensor(bool(outcome))


def for_stmt(
    iterated: Iterable[Any],
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], Any],
    get_state: Get,
    set_state: Set,
    names: Sequence[str],
    options: Any,
) -> None:
    """What is iterated over has a length that Python knows: each turn stands in the graph by itself. A turn that may be the
    last is a branch."""
    site = _site()
    if isinstance(iterated, TracedRange):
        _for_range(iterated, site, extra_test, body, get_state, set_state, names)
        return
    for item in iterated:
        outcome: Any = True if extra_test is None else extra_test()
        found = _active(outcome, site)
        if found is None:
            if not outcome:
                return
            body(item)
            continue

        def turn(item: Any = item) -> Any:
            return body(item)

        branch = Branch(site, turn, lambda: None, get_state, set_state, names, len(names))
        lift_branch(found.tracer, branch, _truth(outcome), _known_by(found, outcome))


@dataclass(frozen=True)
class TracedRange:
    """A `range` of which an end depends on the inputs."""

    lifting: Lifting
    start: Any
    stop: Any
    step: int

    def goes_on(self, place: Any) -> Any:
        return place < self.stop if self.step > 0 else place > self.stop


def range_(*ends: Any) -> Any:
    site = _site()
    found = next((each for end in ends if (each := _active(end, site)) is not None), None)
    if found is None or not all(isinstance(each, int) or _is_whole(each) for each in ends):
        return range(*ends)
    start, stop, step = (0, *ends, 1) if len(ends) == 1 else (*ends, 1)[:3]
    if not isinstance(step, int) or step == 0:
        raise Unliftable(site, "its step depends on the inputs")
    first, last = (each if isinstance(each, int) else each.reshape(()) for each in (start, stop))
    return TracedRange(found, first, last, step)


def int_(item: Any) -> Any:
    """`int` around an end of a `range`."""
    found = _active(item, _site())
    if found is None:
        return int(item)
    return item if _is_whole(item) else torch.trunc(item).to(torch.int64)


def _is_whole(item: Any) -> bool:
    return isinstance(item, torch.Tensor) and not (
        item.is_floating_point() or item.is_complex() or item.dtype is torch.bool
    )


def _for_range(
    over: TracedRange,
    site: Site,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], Any],
    get_state: Get,
    set_state: Set,
    names: Sequence[str],
) -> None:
    place: Any = over.start

    def test() -> torch.Tensor:
        more = over.goes_on(place)
        return more if extra_test is None else torch.logical_and(more, _test_of(over.lifting, extra_test))

    def turn() -> None:
        nonlocal place
        body(place)
        place = place + over.step

    def set_all(state: tuple[Any, ...]) -> None:
        nonlocal place
        place = state[0]
        set_state(state[1:])

    def holds() -> bool:
        return bool(over.goes_on(place)) and (extra_test is None or bool(extra_test()))

    loop = Loop(site, test, holds, turn, lambda: (place, *get_state()), set_all, ("place", *names))
    lift_loop(over.lifting.tracer, loop)


def and_(one: Callable[[], Any], other: Callable[[], Any]) -> Any:
    return _joined(_site(), torch.logical_and, one(), other)


def or_(one: Callable[[], Any], other: Callable[[], Any]) -> Any:
    return _joined(_site(), torch.logical_or, one(), other)


def _joined(site: Site, join: Callable[..., Any], one: Any, other: Callable[[], Any]) -> Any:
    """Python's `and` and `or` give one of the operands; of truth values that is what the logical operators give."""
    found = _active(one, site)
    is_and = join is torch.logical_and
    if found is None:
        return other() if bool(one) is is_and else one

    def given() -> Any:
        return one

    return _chosen(found, site, one, *((other, given) if is_and else (given, other)))


def not_(item: Any) -> Any:
    found = _active(item, _site())
    if found is None:
        return not item
    negated = torch.logical_not(_truth(item))
    found.negations[id(negated)] = negated, item
    return negated


def ld(item: Any) -> Any:
    """What a variable holds."""
    if isinstance(item, Undefined):
        raise UnboundLocalError(
            f"cannot access local variable {item.name!r} where it is not associated with a value"
        )
    return item


def bool_(*items: Any) -> Any:
    found = _active(items[0], _site()) if len(items) == 1 else None
    return builtins.bool(*items) if found is None else _truth(items[0])


def augmented(name: str, target: Any, operand: Any) -> Any:
    """`target += operand`, and the like: of a number a new one, also where a tensor stands for it."""
    found = lifting.get()
    if isinstance(target, torch.Tensor) and found is not None and found.is_number(target):
        return getattr(operator, name)(target, operand)
    return getattr(operator, f"i{name.strip('_')}")(target, operand)


class FunctionScope:
    """Stands around the body of a rewritten function."""

    def __init__(self, name: str, scope_name: str, options: Any) -> None:
        self._name = name

    def __enter__(self) -> FunctionScope:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ret(self, value: Any, did_return: Any) -> Any:
        """What the function returns. `did_return` is a tensor where some way through it ends without a return."""
        found = lifting.get()
        if isinstance(did_return, torch.Tensor) and found is not None and found.tracer.is_listening():
            raise Unliftable(
                found.tracer.site_of(did_return), "the function returns None one way, and a value the other"
            )
        return None if isinstance(value, UndefinedReturnValue) else value


def with_function_scope(body: Callable[[FunctionScope], Any], name: str, options: Any) -> Any:
    return body(FunctionScope("", name, options))


def autograph_artifact(function: Any) -> Any:
    return function


STD = None  # the options of malt's own operators, which these have none of
