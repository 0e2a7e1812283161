"""The variables of a class or of a Python module that a model's code may write, which outlive every call of it."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any


class Variables(MutableMapping[str, Any]):
    """Some names of a class or module and the data under them, as they are now; functions, classes and modules are no data.

    Attributes:
        code: the functions and classes of the same module that stand there."""

    def __init__(self, owner: type | dict[str, Any], names: frozenset[str] | None, module: str) -> None:
        """`owner` is the class, or a module's variables; `names` are those that matter, None: all of them."""
        self._owner, self._names = owner, names
        self.code = [
            value
            for value in (_function(self._held[name]) for name in self._meant())
            if isinstance(value, types.FunctionType | type) and value.__module__ == module
        ]

    def __getitem__(self, name: str) -> Any:
        if not self._is_meant(name) or not _is_data(self._held[name]):
            raise KeyError(name)
        return self._held[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(self._owner, type):
            setattr(self._owner, name, value)
        else:
            self._owner[name] = value

    def __delitem__(self, name: str) -> None:
        if isinstance(self._owner, type):
            delattr(self._owner, name)
        else:
            del self._owner[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._meant() if _is_data(self._held[name]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def become(self, before: Mapping[str, Any]) -> None:
        """Puts back what has changed, and nothing else."""
        now = dict(self)
        for name in now.keys() - before.keys():
            del self[name]
        for name, value in before.items():
            if name not in now or now[name] is not value:
                self[name] = value

    @property
    def _held(self) -> Mapping[str, Any]:
        return vars(self._owner) if isinstance(self._owner, type) else self._owner

    def _is_meant(self, name: str) -> bool:
        return name in self._held and not name.startswith(("__", "_abc_"))

    def _meant(self) -> list[str]:
        return [name for name in (self._held if self._names is None else self._names) if self._is_meant(name)]


def of_class(owner: type) -> Variables:
    """What is written to as `Model.count`."""
    return Variables(owner, None, owner.__module__)


def of_code(function: types.FunctionType) -> Variables:
    """The variables of its module that a function names."""
    return Variables(function.__globals__, _names_in(function.__code__), function.__module__)


@functools.cache
def _names_in(code: types.CodeType) -> frozenset[str]:
    """Names of a module's variables; `co_names` alone holds those of attributes, too."""
    inner = [_names_in(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    own = (each.argval for each in dis.get_instructions(code) if each.opname.endswith("_GLOBAL"))
    return frozenset(own).union(*inner)


def _function(value: Any) -> Any:
    """The function behind a method of a class."""
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__func__", value)


def _is_data(value: Any) -> bool:
    code = isinstance(value, type | types.ModuleType | types.BuiltinFunctionType)
    return not code and not hasattr(type(value), "__get__")
