"""What an exception says, without what Keras wraps around it."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WRAPPED = re.compile(
    r"Exception encountered when calling .*?\n\n(.*?)\n\nArguments received by .*", re.DOTALL
)


_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
# where in the program each node of a failed graph was made, line by line
_PLACES = re.compile(r"\s|Detected at|Graph exec|$")


def said_by(error: BaseException) -> str:
    """ "TypeError: f() takes no arguments" """
    text = _COLOUR.sub("", str(error))
    if "Graph execution error" in text:
        return f"{type(error).__name__}: {reason_in_graph(text)}"
    wrapped = _WRAPPED.match(text)
    return f"{type(error).__name__}: {wrapped[1].strip() if wrapped else text}"


def nodes_in_graph(text: str) -> list[str]:
    """The nodes that TensorFlow says a graph failed at."""
    return _NODE.findall(text)


def reason_in_graph(text: str) -> str:
    """The one line of a "Graph execution error" that says what went wrong."""
    lines = [line for line in text.splitlines() if not _PLACES.match(line)]
    return re.sub(r"\s*\[(?:Op:|\[).*", "", lines[0]) if lines else "TensorFlow gives no reason"
