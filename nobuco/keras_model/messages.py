"""What an exception says, without what Keras wraps around it."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WRAPPED = re.compile(
    r"Exception encountered when calling .*?\n\n(.*?)\n\nArguments received by .*", re.DOTALL
)


def said_by(error: BaseException) -> str:
    """ "TypeError: f() takes no arguments" """
    text = _COLOUR.sub("", str(error))
    wrapped = _WRAPPED.match(text)
    return f"{type(error).__name__}: {wrapped[1].strip() if wrapped else text}"
