"""Progress bars while tracing and converting, on stderr; plain silence when it is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress


class Progress:
    def __init__(self, shown: bool) -> None:
        console = Console(stderr=True)
        self._bars = RichProgress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console, disable=not (shown and console.is_terminal), transient=True,
        )  # fmt: skip

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def step(self, name: str, total: int | None = None) -> Callable[[], None]:
        """A new bar; the returned function moves it by one."""
        task = self._bars.add_task(name, total=total)
        return lambda: self._bars.advance(task)

    def stop(self) -> None:
        self._bars.stop()
