"""What a run of a PyTorch program is recorded as: calls in a tree, values, and which memory they share.

It knows what to write down, not when: that is the tracer's business, and for branches and loops that of what lifts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from nobuco.contract.sites import Site, invocation_site
from nobuco.contract.tree import tree_map
from nobuco.trace.aliases import Aliases, Known
from nobuco.trace.blocks import Block
from nobuco.trace.calls import Call, Kind, Value
from nobuco.trace.ops import refuse_packed, refuse_unfollowable
from nobuco.trace.sizes import Log, plain
from nobuco.trace.state import ModelState


class Recording:
    """The tree below `root`, as far as it has grown. With `sizes`, numbers that remember which size they are become plain
    ones in what is recorded."""

    def __init__(self, root: Call, state: ModelState, sizes: Log | None = None) -> None:
        self._sizes = sizes
        self._state = state
        self._aliases = Aliases(self._emit)
        self._stack: list[Call] = [root]
        self._muted = False
        # The tracer itself is at work: what reaches the dispatcher is no call of the program's.
        self._busy = False
        # Tensors that are Python numbers in PyTorch, set by a branch, and where.
        self.numbers: dict[Value, Site | None] = {}

    def start_below(self, frame: Call) -> None:
        """Records what comes as the children of `frame`."""
        self._stack = [frame]

    # -- values

    def add_input(self, tensor: torch.Tensor, name: str) -> Value:
        refuse_unfollowable(tensor)
        value = Value(tensor, path=name)
        self._aliases.add(tensor, value)
        return value

    def keep_data(self, tensor: torch.Tensor) -> None:
        self._aliases.keep_data(tensor)

    def value_of(self, tensor: torch.Tensor) -> Value:
        known = self._aliases.find(tensor)
        if known is None:
            refuse_unfollowable(tensor)
            value = Value(tensor, constant=True, path=self._state.path_of(tensor))
            known = self._aliases.add(tensor, value)
            self._aliases.was_there(known)
        return self._aliases.current(known)

    def values(self, tree: Any) -> Any:
        try:
            tree = tree_map(
                lambda leaf: self.value_of(leaf) if isinstance(leaf, torch.Tensor) else leaf, tree
            )
        except AttributeError:  # a packed sequence can hold nothing but tensors
            refuse_packed(tree)
            raise
        return tree if self._sizes is None else plain(tree)

    def is_known(self, tensor: torch.Tensor) -> bool:
        return self._aliases.find(tensor) is not None

    def is_traced(self, item: Any) -> bool:
        """Whether an item is a tensor that depends on the inputs."""
        known = self._aliases.find(item) if isinstance(item, torch.Tensor) else None
        return known is not None and not known.value.constant

    def _made_here(self, tensor: torch.Tensor) -> bool:
        """Whether the run has made the tensor, or been given it."""
        known = self._aliases.find(tensor)
        return known is not None and (known.value.producer is not None or not known.value.constant)

    def _source(self, value: Value) -> Known | None:
        known = self._aliases.find(value.tensor)
        return known if known is not None and known.value is value else None

    def site_of(self, tensor: torch.Tensor) -> Site | None:
        """The line of the program that made a tensor."""
        known = self._aliases.find(tensor)
        maker = known.value.producer if known is not None else None
        return maker.user_line if maker is not None else None

    # -- calls

    def is_listening(self) -> bool:
        return not self._busy and not self._muted

    def aside(self) -> AbstractContextManager[None]:
        """What is done meanwhile is not recorded."""
        return Setting(self, "_muted", True)

    def _record(self, kind: Kind, op: Any, args: Any, kwargs: Any, path: str | None = None) -> Call:
        parent = self._stack[-1]
        call = Call(
            op, kind, args, kwargs, invocation_site(op), parent.module_path if path is None else path, parent
        )
        parent.children.append(call)
        return call

    def _emit(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: Any) -> Call:
        call = self._record(Kind.ALIAS, op, args, kwargs)
        call.folded = all(value.constant for value in call.inputs)
        call.output = tree_map(
            lambda leaf: Value(leaf, call, call.folded) if isinstance(leaf, torch.Tensor) else leaf, tensors
        )
        return call

    # -- branches and loops

    def open(self, op: Any) -> Call:
        """A branch or a loop, whose blocks are to follow."""
        return self._record(Kind.FUNCTION, op, (), {})

    @contextmanager
    def block(self, call: Call, op: Any) -> Iterator[Block]:
        """Records what is done meanwhile as a block of `call`; all tensors are afterwards as they were."""
        frame = Call(op, Kind.FUNCTION, (), {}, call.invoked, call.module_path, call)
        call.children.append(frame)
        stack, self._stack = self._stack, [*self._stack, call, frame]
        block = Block(frame, self._aliases, self._aliases.checkpoint())
        yield block
        self._stack = stack
        with self.aside():
            block.end()

    def cast_at_the_end(self, block: Block, value: Value, dtype: torch.dtype) -> Value:
        """The value as another dtype, by one more call of a block that has been recorded."""
        with self.aside():
            tensor = value.tensor.to(dtype)
        call = Call(
            torch.Tensor.to, Kind.ALIAS, (value, dtype), {}, None, block.frame.module_path, block.frame
        )
        call.folded = value.constant
        call.output = Value(tensor, call, value.constant)
        block.frame.children.append(call)
        return call.output

    @contextmanager
    def tried(self) -> Iterator[None]:
        """What is done meanwhile is recorded, so that nothing in it is taken for known, and then forgotten."""
        call = self.open(None)
        with self.block(call, None):
            yield
        self._stack[-1].children.remove(call)

    def add(self, tensor: torch.Tensor, call: Call | None) -> Value:
        """A tensor that owns its memory, made by `call` or else by the turn of the loop before."""
        value = Value(tensor, call)
        self._aliases.add(tensor, value)
        return value

    def may_share(self, tensor: torch.Tensor, other: torch.Tensor, site: Site | None) -> None:
        """Says that in PyTorch the two may be one memory, by what is decided at `site`."""
        one, two = self._aliases.memory_of(tensor), self._aliases.memory_of(other)
        if one is not None and two is not None and one is not two:
            one.twins.append((two, site))
            two.twins.append((one, site))

    def is_changed(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor that was added has been changed in place since."""
        known = self._aliases.find(tensor)
        return known is not None and known.memory.version > 0

    def will_write(self, owner: Known) -> None:
        self._state.keep(owner.tensor, made_here=self._made_here(owner.tensor))
        self._aliases.keep_data(owner.tensor)

    def written(self, owner: Known, call: Call | None) -> Value:
        """The new value of what `call`, or the turn of the loop before, has changed in place."""
        value = Value(owner.tensor, call)
        self._aliases.changed(owner, value)
        return value


class Setting(AbstractContextManager[None]):
    """Sets one of a recording's flags for a while. Muted: what runs inside is one node, and neither functions nor modules
    are recorded."""

    def __init__(self, recording: Recording, flag: str, value: bool) -> None:
        self._recording, self._flag, self._value = recording, flag, value

    def __enter__(self) -> None:
        self._before = getattr(self._recording, self._flag)
        setattr(self._recording, self._flag, self._value)

    def __exit__(self, *_: object) -> None:
        setattr(self._recording, self._flag, self._before)
