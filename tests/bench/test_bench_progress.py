"""Progress: what is said of a user's model is printed as it is."""

import io
import time

from rich.console import Console

from bench.progress import Reporter

NAMED_BY_A_USER = "own/m.py:ok: done, [bold]1.0 s"  # `:ok:` is an emoji to rich, `[bold]` a style


def test_plain_lines() -> None:
    out = io.StringIO()
    say = Reporter(Console(file=out, width=120))
    with say.track("Converting", 1) as track:
        track.now(NAMED_BY_A_USER)
        track.step(NAMED_BY_A_USER)
    assert NAMED_BY_A_USER in out.getvalue()


def test_a_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=160, force_terminal=True, color_system=None)
    with Reporter(console).track("m.py:ok:", 1) as track:
        track.now(f"now {NAMED_BY_A_USER}")
        time.sleep(0.8)  # the live line is drawn twice a second
        track.step(f"then {NAMED_BY_A_USER}", line=True)
    shown = out.getvalue()
    assert f"now {NAMED_BY_A_USER}" in shown and f"then {NAMED_BY_A_USER}" in shown and "m.py:ok:" in shown
