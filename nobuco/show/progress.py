"""Progress bars while tracing and converting, on stderr; plain silence when it is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

_console: ContextVar[Console | None] = ContextVar("nobuco_console", default=None)


def current_console() -> Console | None:
    """The console of the conversion that is going on. What is printed there stays clear of its bars."""
    return _console.get()


class Progress:
    """The bars of one conversion. One inside a converter of another leaves the bars to the outer one."""

    def __init__(self, shown: bool) -> None:
        outer = _console.get()
        self._own = outer or Console(stderr=True)
        self._token: Token[Console | None] | None = None
        visible = shown and self._own.is_terminal and outer is None
        named = TextColumn("{task.description:<10}", markup=False)
        columns = named, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bars = RichProgress(*columns, console=self._own, disable=not visible, transient=True)

    def __enter__(self) -> Progress:
        self._token = _console.set(self._own)
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
        if self._token is not None:
            _console.reset(self._token)

    def step(self, name: str, total: int | None = None) -> Callable[[], None]:
        """A new bar; the returned function moves it by one."""
        task = self._bars.add_task(name, total=total)
        return lambda: self._bars.advance(task)

    def stop(self) -> None:
        self._bars.stop()
