"""How much is tried: a part of it by default, all of it by `make test-full`."""

import os

import pytest

FULL = bool(os.environ.get("NOBUCO_SLOW_TESTS"))

slow = pytest.mark.skipif(not FULL, reason="slow: make test-full")


def examples(full: int) -> int:
    """How many random programs to try, of so many in a full run."""
    return full if FULL else full // 20
