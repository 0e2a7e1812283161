"""Runnable examples: `python -m examples` runs all of them, `python -m examples.essentials` one."""
