"""The records of launches and what can be read from them.

`reports.load(folder)` gives them as pandas frames. It is imported when first used, so that importing this package costs
nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.frames import Frames, load

__all__ = ["Frames", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reports import frames

    return getattr(frames, name)
