"""Named models with their inputs: torchvision's, the README's own modules, a user's own file.

Listing and resolving names does not import torch; the first use of `load` does.
"""

from typing import TYPE_CHECKING

from models_zoo.errors import ModelError, UnknownModelError
from models_zoo.spec import ModelSpec, Weights, groups, names, resolve

if TYPE_CHECKING:
    from models_zoo.loading import LoadedModel, load
    from models_zoo.torchvision_mend import import_torchvision

__all__ = [
    "LoadedModel",
    "ModelError",
    "ModelSpec",
    "UnknownModelError",
    "Weights",
    "groups",
    "import_torchvision",
    "load",
    "names",
    "resolve",
]


def __getattr__(name: str) -> object:
    if name in ("load", "LoadedModel"):
        from models_zoo import loading as home
    elif name == "import_torchvision":
        from models_zoo import torchvision_mend as home
    else:
        raise AttributeError(f"module 'models_zoo' has no attribute {name!r}")
    value = getattr(home, name)
    globals()[name] = value
    return value
