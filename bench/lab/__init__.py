"""The lab: the work of a run, spread over several machines and the phones attached to them.

The engine is Dask's `distributed`. What it lacks is here: results that outlive the scheduler, files that travel by their
content, launches that are recognised when they are done twice. `Lab` is a `bench.run.site.Site`: the same plan, the same
records.

    from bench.lab import Lab
    from bench.run import ZooOptions, zoo
    zoo(ZooOptions(devices=["adb:PHONE"]), site=Lab(client))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.lab.site import Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("bench.lab.site"), name)
