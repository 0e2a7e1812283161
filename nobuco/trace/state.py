"""A model as it was before: what a traced run changes in it is put back, also when the run fails."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def random_state_kept() -> Iterator[None]:
    """The random generators of PyTorch, Python and NumPy, put back at the end (Keras draws seeds from Python's)."""
    generators = torch.random.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.random.set_rng_state(generators[0])
        random.setstate(generators[1])
        np.random.set_state(generators[2])


class ModelState:
    def __init__(self, model: Any) -> None:
        self._modules = list(model.named_modules()) if isinstance(model, nn.Module) else []
        self._paths: dict[int, str] = {}
        self._module_paths = {id(module): path for path, module in reversed(self._modules)}
        for path, module in self._modules:
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None:
                    self._paths.setdefault(id(tensor), f"{path}.{name}" if path else name)
        self._attributes = [
            (module, dict(module.__dict__), [dict(getattr(module, store)) for store in _STORES])
            for _, module in self._modules
        ]
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.changed_paths: list[str] = []

    @classmethod
    @contextmanager
    def kept(cls, model: Any, copied: bool = False) -> Iterator[ModelState]:
        """The state of `model` and of the random generators, put back at the end.

        `copied`: nobody will call `keep` before a buffer is changed, so all buffers are copied now."""
        state = cls(model)
        if copied and isinstance(model, nn.Module):
            for buffer in model.buffers():
                state.keep(buffer)
        with random_state_kept():
            try:
                yield state
            finally:
                state.restore()

    def path_of(self, tensor: torch.Tensor) -> str:
        return self._paths.get(id(tensor), "")

    def path_of_module(self, module: nn.Module) -> str:
        return self._module_paths.get(id(module), "")

    def keep(self, tensor: torch.Tensor) -> None:
        """To be called before `tensor` is changed in place."""
        path = self.path_of(tensor)
        if path and id(tensor) not in self._kept:
            self._kept[id(tensor)] = tensor, tensor.detach().clone()
            self.changed_paths.append(path)

    @property
    def kept_tensors(self) -> list[torch.Tensor]:
        return [tensor for tensor, _ in self._kept.values()]

    def restore(self) -> None:
        with torch.no_grad():
            for tensor, original in self._kept.values():
                tensor.copy_(original)
        for module, attributes, stores in self._attributes:
            for name, before in zip(_STORES, stores, strict=True):
                store = getattr(module, name)
                store.clear()
                store.update(before)
            module.__dict__.clear()
            module.__dict__.update(attributes)


_STORES = ("_parameters", "_buffers", "_modules")
