"""Everything of a model that a run might change: attributes, containers, objects, the variables of closures, and those of
classes and modules that its code names, each with a shallow copy of what it held."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nobuco.trace.variables import Variables, of_class, of_code

# Objects of these packages are no state of the user's.
_FOREIGN = (
    "torch",
    "numpy",
    "builtins",
    "nobuco",
    "keras",
    "tensorflow",
    "typing",
    "types",
    "functools",
    "logging",
)
_STORES = ("_parameters", "_buffers", "_modules")
_INTERNAL = frozenset(nn.Module().__dict__)  # hooks and the like
_MISSING = object()


@dataclass
class Place:
    """Something that holds values: a dict (of an object's attributes, or one of its own), list, set, deque, array, closure
    variable, or the variables of a class or module. `owner` is the object in whose attribute `name` it lies."""

    path: str
    holder: Any
    owner: Any
    name: str
    before: Any = None

    def __post_init__(self) -> None:
        self.before = _copied(self.holder)

    def items(self) -> Iterator[tuple[str, Any]]:
        """What it holds now, by path."""
        return ((self._path_of(key), value) for key, value in _pairs(self.holder))

    def replace(self, old: Any, new: Any) -> None:
        """Puts `new` wherever it holds `old` itself."""
        holder = self.holder
        for key, value in _pairs(holder):
            if value is not old:
                continue
            if isinstance(holder, types.CellType):
                holder.cell_contents = new
            else:
                holder[key] = new

    def changed(self) -> list[str]:
        if isinstance(self.holder, np.ndarray):
            return [] if _equal_arrays(self.holder, self.before) else [self.path]
        now, then = dict(_pairs(self.holder)), dict(_pairs(self.before))
        keys = [key for key in dict.fromkeys((*then, *now)) if not _unchanged(then, now, key)]
        if isinstance(self.holder, dict | Variables):
            return [self._path_of(key) for key in keys]
        return [self.path] if keys else []

    def restore(self) -> None:
        if not self.changed():
            return
        holder, before = self.holder, self.before
        if isinstance(holder, np.ndarray):
            holder[...] = before
        elif isinstance(holder, types.CellType):
            holder.cell_contents = before[0]
        elif isinstance(holder, list):
            holder[:] = before
        elif isinstance(holder, Variables):
            holder.become(before)
        else:
            holder.clear()
            (holder.extend if isinstance(holder, deque) else holder.update)(before)

    def _path_of(self, key: Any) -> str:
        if isinstance(self.holder, types.CellType):
            return self.path
        if self.name or not isinstance(self.holder, dict | Variables):  # a container in an attribute
            return f"{self.path}[{key!r}]"
        return f"{self.path}.{key}" if self.path else str(key)


def places_of(model: Any) -> tuple[list[Place], list[tuple[str, torch.Tensor]]]:
    """All places reachable from a module or function, and all tensors, each with its path."""
    places: list[Place] = []
    tensors: list[tuple[str, torch.Tensor]] = []
    seen: set[int] = set()
    pending: list[tuple[str, Any, Any, str]] = [("", model, model, "")]
    code: list[
        tuple[str, Any, Any, str]
    ] = []  # after all else: what both reach has the name that the model has for it

    def hold(path: str, holder: Any, owner: Any, name: str) -> None:
        seen.add(id(holder))
        place = Place(path, holder, owner, name)
        places.append(place)
        internal = _INTERNAL if owner is value and isinstance(owner, nn.Module) else ()
        if not isinstance(holder, np.ndarray):
            pending.extend(
                (own, value, owner, name or (str(key) if isinstance(holder, dict | Variables) else name))
                for (own, value), (key, _) in zip(place.items(), _pairs(holder), strict=True)
                if not isinstance(value, int | float | str | bytes | complex | None) and key not in internal
            )

    while pending or code:
        path, value, owner, name = (pending or code).pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            tensors.append((path, value))
        elif isinstance(value, torch.jit.ScriptModule):
            own = (*value.named_parameters(), *value.named_buffers())
            tensors.extend((f"{path}.{each}" if path else each, tensor) for each, tensor in own)
        elif isinstance(value, nn.Module):
            hold(path, value.__dict__, value, "")
            for store in _STORES:
                hold(path, getattr(value, store), value, "")
            code.extend((path, own, value, "") for own in type(value).__mro__)
        elif isinstance(value, dict | list | set | deque | np.ndarray):
            hold(path, value, owner, name)
        elif isinstance(value, tuple):
            pending.extend((f"{path}[{index}]", each, owner, name) for index, each in enumerate(value))
        elif isinstance(value, types.FunctionType):
            if not _foreign(value.__module__):
                for variable, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
                    hold(variable, cell, value, variable)
                named = of_code(value)
                hold("", named, value, "")
                code.extend((each.__name__, each, each, "") for each in named.code)
        elif isinstance(value, type):
            if not _foreign(value.__module__):
                variables = of_class(value)
                hold(value.__name__, variables, owner, "")
                code.extend((path, each, each, "") for each in variables.code)
        elif isinstance(value, types.MethodType):
            pending.append((path, value.__self__, value.__self__, ""))
        elif (
            hasattr(value, "__dict__")
            and not isinstance(value, types.ModuleType)
            and not _foreign(type(value).__module__)
        ):
            hold(path, value.__dict__, value, "")
            code.extend((path, own, value, "") for own in type(value).__mro__)
    return places, tensors


def _foreign(module: str | None) -> bool:
    return (module or "").split(".")[0] in _FOREIGN


def _copied(holder: Any) -> Any:
    if isinstance(holder, np.ndarray):
        return holder.copy()
    if isinstance(holder, dict | Variables):
        return dict(holder)
    if isinstance(holder, set):
        return set(holder)
    return [value for _, value in _pairs(holder)]


def _pairs(holder: Any) -> list[tuple[Any, Any]]:
    if isinstance(holder, types.CellType):
        try:
            return [(0, holder.cell_contents)]
        except ValueError:  # a variable that has no value yet
            return []
    if isinstance(holder, dict | Variables):
        return list(holder.items())
    if isinstance(holder, set):
        return [(each, each) for each in holder]
    return [] if isinstance(holder, np.ndarray) else list(enumerate(holder))


def _unchanged(then: dict[Any, Any], now: dict[Any, Any], key: Any) -> bool:
    a, b = then.get(key, _MISSING), now.get(key, _MISSING)
    return a is b or (
        type(a) is type(b) and isinstance(a, int | float | str | bytes | complex) and (a == b or a != a)
    )


def _equal_arrays(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def snapshot(value: Any) -> Any:
    """A copy of a value that later runs do not change, to be compared with `same_state`."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: snapshot(each) for key, each in value.items()}
    if isinstance(value, list | tuple | deque | set):
        return [snapshot(each) for each in value]
    return value


def same_state(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return (
            a.shape == b.shape
            and a.dtype == b.dtype
            and torch.allclose(
                a.to(torch.complex128), b.to(torch.complex128), rtol=1e-5, atol=1e-6, equal_nan=True
            )
        )
    if isinstance(a, np.ndarray):
        return _equal_arrays(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_state(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_state, a, b))
    if isinstance(a, int | float | str | bytes | complex):
        return a == b or a != a
    return True
