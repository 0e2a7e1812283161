"""Which failures may pass by themselves: those for lack of time or memory depend on what else the machine did."""

ATTEMPTS = 2
"""How often what lacked time or memory is tried in all, unless `--retry-failed` asks for more."""

_SIGNS = (
    "its time limit",
    "SIGKILL",  # what the kernel sends when memory runs out
    "out of memory",
    "MemoryError",
    "bad_alloc",
    "can't allocate memory",
    "ResourceExhausted",
)


def lacked_room(error: str | None) -> bool:
    """Whether this reason, as jobs and devices word it, tells of a lack of time or memory."""
    return error is not None and any(sign in error for sign in _SIGNS)
