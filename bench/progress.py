"""The progress of a long run, on stderr: a live line with the time left on a terminal, plain lines elsewhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


def duration(seconds: float) -> str:
    """`40 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Track:
    """One phase of the work, of a known number of steps. `Reporter.track` makes it."""

    def __init__(self, say: "Reporter", title: str, total: int, live: Progress | None) -> None:
        self._say, self._title, self._total, self._live = say, title, total, live
        self._done = 0
        self._task = live.add_task(title, total=total, now="", left="") if live else None

    def end(self) -> None:
        """Take the phase off the display."""
        if self._live is not None and self._task is not None:
            self._live.remove_task(self._task)

    def now(self, words: str) -> None:
        """Show what is being done; in plain lines nothing is written until it is done."""
        if self._live is not None and self._task is not None:
            self._live.update(self._task, now=words)

    def step(self, words: str, seconds_left: float | None = None, line: bool = False) -> None:
        """One step is done.

        Args:
            words: What was done.
            seconds_left: Until the end of the phase, if it is known.
            line: Whether a terminal gets a line of its own for it, too.
        """
        self._done += 1
        left = (
            f"about {duration(seconds_left)} left" if seconds_left is not None and seconds_left >= 1 else ""
        )
        if self._live is None or self._task is None:
            tail = f" ({left})" if left else ""
            self._say.line(f"[{self._done}/{self._total}] {self._title}: {words}{tail}")
            return
        if line:
            self._live.console.print(f"  {words}", highlight=False, markup=False, emoji=False)
        self._live.update(self._task, advance=1, left=left)


class Reporter:
    """Where progress, notes and warnings go.

    Args:
        console: None: stderr.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._gate = threading.Lock()
        self._live: Progress | None = None
        self._tracks = 0

    def line(self, words: str) -> None:
        """Write a line."""
        self.console.print(words, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Track]:
        """A phase of the work, of `total` steps. Those of several threads share one display."""
        if not self.console.is_terminal:
            yield Track(self, title, total, None)
            return
        with self._gate:
            if self._live is None:
                self._live = _live_display(self.console)
                self._live.start()
            self._tracks += 1
            track = Track(self, title, total, self._live)
        try:
            yield track
        finally:
            with self._gate:
                track.end()
                self._tracks -= 1
                if not self._tracks:
                    self._live.stop()
                    self._live = None


def _live_display(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", style="cyan", markup=False),
        TextColumn("{task.fields[now]}", style="dim", markup=False),
    )
    # Only two refreshes a second: the live line must not disturb what is being measured.
    return Progress(*columns, console=console, refresh_per_second=2, transient=True)
