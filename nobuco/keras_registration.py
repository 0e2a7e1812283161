"""Makes saved Keras models load after `import nobuco` alone, which imports neither Keras nor PyTorch.

As soon as Keras is imported, by whomever, it is told the names of nobuco's layers; the modules that hold them are
imported when a model that has such a layer is loaded."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = "nobuco"
_LAYERS = {
    "TensorFlowOp": "nobuco.keras_model.op_layer",
    "ChannelTranspose": "nobuco.keras_model.op_layer",
    "NamedOutput": "nobuco.keras_model.output_names",
    "StructuredModel": "nobuco.keras_model.outputs",
    "WeightLayer": "nobuco.layers.weight",
    "ProjectedLSTMCell": "nobuco.layers.recurrent",
    "RecurrentStack": "nobuco.layers.recurrent",
    "FakeQuantize": "nobuco.layers.fake_quantize",
    "Quantize": "nobuco.layers.fake_quantize",
    "Dequantize": "nobuco.layers.fake_quantize",
}


def register_layers() -> None:
    """Tells Keras of nobuco's layers: now, or when somebody imports it."""
    if "keras" in sys.modules:
        _tell_keras()
    else:
        sys.meta_path.insert(0, _KerasFinder())


def _tell_keras() -> None:
    import keras

    known = keras.saving.get_custom_objects()
    for name, module in _LAYERS.items():
        known.setdefault(f"{_PACKAGE}>{name}", _OnFirstUse(module, name))
    # `.h5` files hold the kind of the model, though not of its layers, without the package
    known.setdefault("StructuredModel", _OnFirstUse(_LAYERS["StructuredModel"], "StructuredModel"))


class _OnFirstUse:
    """Stands for a layer's class until its module is imported, whose own registration then replaces it."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self.__name__ = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        importlib.import_module("nobuco.node_converters")  # which the saved calls are converted with again
        return getattr(importlib.import_module(self._module), self.__name__).from_config(config)


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Lets the finders behind it find Keras, and has it loaded by `_KerasLoader`. Some only ask whether it is there."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras" or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _KerasLoader(spec.loader, self)
        return spec


class _KerasLoader(importlib.abc.Loader):
    def __init__(self, loader: Any, finder: _KerasFinder) -> None:
        self._loader, self._finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _tell_keras()
