"""A model as it was before: what a run changes in it is found, told, and put back, also when the run fails."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nobuco.contract.sites import Site, user_site
from nobuco.trace.reach import places_of, snapshot
from nobuco.trace.writes import written_at


class RandomState:
    """What the random generators of PyTorch, Python and NumPy were when it was made."""

    def __init__(self) -> None:
        self._torch, self._python = torch.random.get_rng_state(), random.getstate()
        self._numpy = np.random.get_state()

    def restore(self) -> None:
        torch.random.set_rng_state(self._torch)
        random.setstate(self._python)
        np.random.set_state(self._numpy)

    def drawn_outside_pytorch(self) -> list[str]:
        """The generators that have been drawn from since, whose numbers PyTorch does not know to be random."""
        numpy = zip(self._numpy, np.random.get_state(), strict=True)
        drawn = {
            "random": self._python != random.getstate(),
            "numpy.random": not all(np.array_equal(then, now) for then, now in numpy),
        }
        return [module for module, is_drawn in drawn.items() if is_drawn]


@contextmanager
def random_state_kept() -> Iterator[RandomState]:
    """The random generators of PyTorch, Python and NumPy, put back at the end (Keras draws seeds from Python's)."""
    state = RandomState()
    try:
        yield state
    finally:
        state.restore()


@contextmanager
def other_random_state(seed: int) -> Iterator[None]:
    """Other random numbers from every generator than anybody has drawn so far."""
    with random_state_kept():
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        yield


@dataclass(frozen=True)
class StateChange:
    """What a run has changed of the model: an attribute, an element of a container, or a tensor in place."""

    path: str
    site: Site | None

    def __str__(self) -> str:
        return f"{self.path} ({self.site})" if self.site is not None else self.path


class ModelState:
    def __init__(self, model: Any) -> None:
        modules = list(model.named_modules()) if isinstance(model, nn.Module) else []
        self._modules = list({type(module): module for _, module in modules}.values())
        self._module_paths = {id(module): path for path, module in reversed(modules)}
        self._paths: dict[int, str] = {}
        for path, module in modules:
            own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
            for name, tensor in own:
                self._paths.setdefault(id(tensor), f"{path}.{name}" if path else name)
        self._places, tensors = places_of(model)
        self._by_memory: dict[int, list[tuple[str, torch.Tensor]]] = {}
        for path, tensor in tensors:
            self._by_memory.setdefault(_memory(tensor), []).append((path, tensor))
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._written: dict[str, Site | None] = {}
        self.random = RandomState()

    @classmethod
    @contextmanager
    def kept(cls, model: Any, copied: bool = False, written: Collection[str] = ()) -> Iterator[ModelState]:
        """The state of `model` and of the random generators, put back at the end.

        `copied`: nobody will call `keep` before a tensor is changed, so all are copied now, but for the parameters that are
        not known to be `written`. Tables of a `max_norm` are: what looks a row up scales it down."""
        state = cls(model)
        if copied:
            modules = model.modules() if isinstance(model, nn.Module) else ()
            tables = {id(each.weight) for each in modules if getattr(each, "max_norm", None) is not None}
            for path, tensor in (pair for pairs in state._by_memory.values() for pair in pairs):
                if not isinstance(tensor, nn.Parameter) or path in written or id(tensor) in tables:
                    state._keep(tensor)
        with random_state_kept() as state.random:
            try:
                yield state
            finally:
                state.restore()

    def path_of(self, tensor: torch.Tensor) -> str:
        return self._paths.get(id(tensor), "")

    def path_of_module(self, module: nn.Module) -> str:
        return self._module_paths.get(id(module), "")

    def keep(self, tensor: torch.Tensor, made_here: bool) -> None:
        """To be called before `tensor` is changed in place, which may be a view of a tensor of the model's.

        `made_here`: the run has made it; if not, it is kept wherever it comes from."""
        theirs = self._by_memory.get(_memory(tensor), [])
        if not theirs and not made_here:
            theirs = [(f"a tensor of shape {tuple(tensor.shape)} from outside the model", tensor)]
        for path, each in theirs:
            if id(each) not in self._kept:
                self._keep(each)
                self._written.setdefault(path, user_site())

    def _keep(self, tensor: torch.Tensor) -> None:
        self._kept[id(tensor)] = tensor, tensor.detach().clone()

    @property
    def kept_tensors(self) -> list[torch.Tensor]:
        return [tensor for tensor, _ in self._kept.values()]

    def changes(self) -> list[StateChange]:
        """What is other than it was, each path once."""
        found = dict(self._written)
        for place in self._places:
            for path in place.changed():
                name = place.name or path.rsplit(".", 1)[-1]
                sites = (written_at(owner, name) for owner in (place.owner, *self._modules))
                found.setdefault(path, next((site for site in sites if site is not None), None))
        return [StateChange(path, site) for path, site in found.items()]

    def restore(self) -> None:
        for tensor, original in self._kept.values():
            # in this order: leaving inference mode turns gradients on
            with torch.inference_mode(tensor.is_inference()), torch.no_grad():
                tensor.copy_(original)
        for place in self._places:
            place.restore()


def _memory(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse, or of a functional transform: it has no storage
        return id(tensor)


def state_of(model: Any, paths: set[str]) -> dict[str, Any]:
    """A copy of what lies under `paths` in the model."""
    places, tensors = places_of(model)
    found = {path: tensor.detach().clone() for path, tensor in tensors if path in paths}
    for place in places:
        for path, value in place.items():
            if path in paths and path not in found:
                found[path] = snapshot(value)
    return found
